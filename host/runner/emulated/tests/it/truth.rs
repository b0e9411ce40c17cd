//! What only root can make to compare with, made beforehand for places without root.

use std::path::PathBuf;

/// The text of this name. Root makes it, and keeps it in the directory that `KILN_TRUTH` names;
/// others read it there (`tests/restricted.sh`). `None` without either.
#[expect(clippy::disallowed_methods, reason = "where it is kept is the caller's to say")]
pub(crate) fn truth(name: &str, make: impl FnOnce() -> Option<String>) -> Option<String> {
    let kept = std::env::var_os("KILN_TRUTH").map(|directory| PathBuf::from(directory).join(name));
    if rustix::process::geteuid().is_root() {
        let text = make()?;
        if let Some(file) = kept {
            std::fs::write(file, &text).unwrap();
        }
        return Some(text);
    }
    let read = |file: PathBuf| {
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    kept.map(read)
}
