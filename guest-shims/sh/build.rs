//! Exports what the host needs to fork the shell.

#[expect(clippy::disallowed_methods, reason = "cargo tells build scripts the target this way")]
fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "wasi") {
        for symbol in ["__stack_pointer", "kiln_fork_entry"] {
            println!("cargo:rustc-link-arg-bins=--export={symbol}");
        }
    }
}
