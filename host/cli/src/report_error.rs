//! How an error reaches the user: once, on stderr, with what to do.

use kiln_build::BuildError;

/// Prints an error: with its place in the Dockerfile when it has one.
#[expect(clippy::print_stderr, reason = "errors go to stderr")]
pub(crate) fn print(error: &BuildError) {
    if let Some(text) = error.location() {
        eprintln!("{}", text.trim_end());
        return;
    }
    eprintln!("error: {}", error.chain());
    if let Some(hint) = error.hint() {
        eprintln!("hint: {hint}");
    }
}
