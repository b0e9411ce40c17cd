//! How an error reaches the user: once, on stderr, with what to do.

use kiln_build::BuildError;

use crate::printable::printable;

/// Prints an error: with its place in the Dockerfile when it has one.
#[expect(clippy::print_stderr, reason = "errors go to stderr")]
pub(crate) fn print(error: &BuildError) {
    if let Some(text) = error.location() {
        eprintln!("{}", printable(text.trim_end(), true));
        return;
    }
    eprintln!("error: {}", printable(&error.chain(), false));
    if let Some(hint) = error.hint() {
        eprintln!("hint: {}", printable(hint, false));
    }
}
