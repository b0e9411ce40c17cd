//! Exports what the host needs to fork the shell.

fn main() {
    for symbol in ["__stack_pointer", "kiln_fork_entry"] {
        println!("cargo:rustc-link-arg-bins=--export={symbol}");
    }
}
