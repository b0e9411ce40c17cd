//! Builds the loader: a freestanding program for the host's architecture, embedded by the runner.
//!
//! Plain `rustc` calls: the loader needs other flags than everything else in the workspace (no
//! standard library, no start files, a fixed address), and no other toolchain or target.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Low enough for every kernel's address space, see `arch::LOADER_BASE`.
const BASE: &str = "0x700000000000";

fn main() {
    for path in ["build.rs", "core/src", "loader/src", "../../rootfs/ledger/src"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = PathBuf::from(env("OUT_DIR"));
    let loader = out.join("loader");
    if env("CARGO_CFG_TARGET_ARCH") == "x86_64" {
        build(&out, &loader);
    } else if let Err(error) = std::fs::write(&loader, b"") {
        fail(&format!("cannot write {}: {error}", loader.display()));
    }
}

fn build(out: &Path, loader: &Path) {
    let crates = [
        ("kiln_ledger", "../../rootfs/ledger/src/lib.rs", "rlib"),
        ("kiln_emulated_core", "core/src/lib.rs", "rlib"),
        ("kiln_loader", "loader/src/main.rs", "staticlib"),
    ];
    for (index, (name, root, kind)) in crates.iter().enumerate() {
        let mut rustc = Command::new(env("RUSTC"));
        rustc.args(["--edition=2024", "--crate-type", kind, "--crate-name", name, root]);
        rustc.args(["--target", &env("TARGET"), "--cap-lints", "warn", "--out-dir"]).arg(out);
        rustc.args(["-Copt-level=3", "-Cpanic=abort", "-Crelocation-model=pic"]);
        rustc.args(["-Ccodegen-units=1", "-Cforce-unwind-tables=no", "-Cdebug-assertions=no"]);
        if *kind == "staticlib" {
            rustc.args(["-Clto=fat"]);
        }
        for (name, _, _) in crates.iter().take(index) {
            let library = out.join(format!("lib{name}.rlib"));
            rustc.arg("--extern").arg(format!("{name}={}", library.display()));
        }
        rustc.arg("-L").arg(out);
        run(rustc);
    }
    let mut link = Command::new(linker());
    link.args(["-flavor", "gnu", "-static", "--no-pie", "--gc-sections", "-e", "_start"]);
    link.args(["-z", "noexecstack", "-z", "max-page-size=4096", "--build-id=none", "-s"]);
    // Two mappings, not four: every program of a step starts by mapping this file.
    link.args(["-z", "norelro", "--no-rosegment"]);
    link.arg(format!("--image-base={BASE}"));
    link.arg("-o").arg(loader).arg(out.join("libkiln_loader.a"));
    run(link);
}

/// The linker that comes with the toolchain.
fn linker() -> PathBuf {
    let mut rustc = Command::new(env("RUSTC"));
    let output = match rustc.args(["--print", "target-libdir", "--target", &env("HOST")]).output() {
        Ok(output) => output,
        Err(error) => fail(&format!("cannot run rustc: {error}")),
    };
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let linker = libraries.parent().map(|target| target.join("bin/rust-lld"));
    match linker.filter(|linker| linker.exists()) {
        Some(linker) => linker,
        None => fail("the toolchain has no rust-lld; install it with rustup"),
    }
}

fn env(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts this way")]
    match std::env::var(name) {
        Ok(value) => value,
        Err(_) => fail(&format!("{name} is not set")),
    }
}

fn run(mut command: Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{command:?}: {status}")),
        Err(error) => fail(&format!("{command:?}: {error}")),
    }
}

#[expect(clippy::exit, reason = "cargo wants a failed build script, and a line that says why")]
fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
