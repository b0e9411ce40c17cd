fn main() {
    let numbers = std::env::args().skip(1).filter_map(|n| n.parse().ok());
    let total = numbers.fold(0u64, add::add);
    let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || n * 2)).collect();
    let doubled: u64 = threads.into_iter().map(|t| t.join().unwrap()).sum();
    println!("{total} {doubled} {}", std::env::current_exe().unwrap().display());
}
