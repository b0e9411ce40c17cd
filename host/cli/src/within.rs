//! Which files of this machine belong to the build context: whoever wrote it chose their symlinks.

use std::path::{Component, Path, PathBuf};

/// What of `path` lies below `directory`, as both are written: symlinks are not followed, `..` takes
/// the name before it away.
pub(crate) fn below(directory: &Path, path: &Path) -> Option<PathBuf> {
    let path = spelled(path)?;
    let written = spelled(directory);
    let real = directory.canonicalize().ok();
    let rest = [written, real].into_iter().flatten().find_map(|directory| {
        let rest = path.strip_prefix(directory).ok()?;
        Some(rest.to_owned())
    });
    rest.filter(|rest| !rest.as_os_str().is_empty())
}

/// The first symlink on the way to `path` that lies below `directory`.
pub(crate) fn link_on_the_way(directory: &Path, path: &Path) -> Option<PathBuf> {
    let rest = below(directory, path)?;
    let mut way = directory.to_owned();
    rest.components().find_map(|part| {
        way.push(part);
        way.is_symlink().then(|| way.clone())
    })
}

/// An absolute path without `.` and `..`.
fn spelled(path: &Path) -> Option<PathBuf> {
    let mut spelled = PathBuf::new();
    for part in std::path::absolute(path).ok()?.components() {
        if part == Component::ParentDir {
            spelled.pop();
        } else {
            spelled.push(part);
        }
    }
    Some(spelled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_a_directory() {
        let temp = tempfile::tempdir().unwrap();
        let at = |path: &str| temp.path().join(path);
        std::fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink("real", at("link")).unwrap();
        for (directory, path, expected) in [
            ("real", "real/a/b", Some("a/b")),
            ("real", "real/x/../a", Some("a")),
            ("link", "link/a", Some("a")),
            ("link", "real/a", Some("a")),
            ("real", "real", None),
            ("real", "real/../other", None),
            ("real", "realm/a", None),
        ] {
            let found = below(&at(directory), &at(path));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{path} in {directory}");
        }
    }

    #[test]
    fn links_of_the_directory_are_found() {
        let temp = tempfile::tempdir().unwrap();
        let context = temp.path().join("context");
        std::fs::create_dir_all(context.join("sub")).unwrap();
        std::os::unix::fs::symlink("/etc", context.join("sub/out")).unwrap();
        let found = |path: &str| link_on_the_way(&context, &temp.path().join(path));
        assert_eq!(found("context/sub/out"), Some(context.join("sub/out")));
        assert_eq!(found("context/sub/out/x/y"), Some(context.join("sub/out")));
        assert_eq!(found("context/sub/new/x"), None);
        std::os::unix::fs::symlink("/etc", temp.path().join("mine")).unwrap();
        assert_eq!(found("mine/x"), None, "a link of the user's");
    }
}
