//! The base images that `tests/setup.sh` makes.

use std::path::PathBuf;

/// The OCI layout of a base (`debian` or `busybox`), or nothing and a printed line.
pub fn base(name: &str) -> Option<PathBuf> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bases");
    let dir = PathBuf::from(root).canonicalize().unwrap_or_else(|_| root.into()).join(name);
    if dir.join("index.json").is_file() {
        return Some(dir);
    }
    println!("skipped: there is no base image {}; tests/setup.sh makes it", dir.display());
    None
}
