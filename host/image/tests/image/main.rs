//! The crate's parts together, and against other programs.

mod configs;
mod layouts;
mod random;
mod tars;

use std::process::Command;

/// Whether `program` is installed; if not, says that the test was skipped.
fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// Runs `program`, which must succeed; gives its standard output.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("TZ", "UTC").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Says why a test did not run.
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn skipped(why: &str) {
    println!("skipped: {why}");
}
