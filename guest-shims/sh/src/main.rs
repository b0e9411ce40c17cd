//! A POSIX shell.

use kiln_guest_abi::process;

fn main() {
    let args = kiln_guest_abi::init();
    let pid = process::fork(|| args.len() as i32).unwrap();
    println!("hello {} {:?}", args.len(), process::wait(pid));
}
