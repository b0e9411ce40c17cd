//! Image paths as bytes: no resolution here, only spelling.

/// The longest path an image may hold, in bytes (`PATH_MAX` less its NUL): what is deeper cannot be named by a
/// process in the image, and hostile trees of endless depth would cost endless memory.
pub const MAX_PATH: usize = 4095;

/// The directory part and the last name of a path; trailing slashes do not count.
///
/// The name is empty for the root itself; it can be `.` or `..`.
#[must_use]
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let path = &path[..end];
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// The components of a path, without empty ones and `.`.
pub fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// `directory/name`; in the root just `name`.
#[must_use]
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + name.len() + 1);
    path.extend_from_slice(directory);
    if !path.is_empty() && !name.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The canonical spelling: relative, no empty, `.` or `..` components; `..` takes the name before
/// it away, as spelled, and stays in the root.
#[must_use]
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in components(path) {
        if part == b".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join(&b'/')
}

/// Whether `path` is `ancestor` or below it; both canonical.
#[must_use]
pub fn is_within(path: &[u8], ancestor: &[u8]) -> bool {
    ancestor.is_empty()
        || path
            .strip_prefix(ancestor)
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting() {
        for (path, directory, name) in [
            ("", "", ""),
            ("/", "", ""),
            ("a", "", "a"),
            ("/a", "", "a"),
            ("a/b", "a", "b"),
            ("/a/b//", "/a", "b"),
            ("a/..", "a", ".."),
        ] {
            assert_eq!(split(path.as_bytes()), (directory.as_bytes(), name.as_bytes()), "{path}");
        }
    }

    #[test]
    fn cleaning() {
        for (path, clean_path) in
            [("/", ""), ("/a//b/./c/", "a/b/c"), ("../../a", "a"), ("a/../b", "b"), (".", "")]
        {
            assert_eq!(clean(path.as_bytes()), clean_path.as_bytes(), "{path}");
        }
    }

    #[test]
    fn ancestry_is_by_component() {
        assert!(is_within(b"a/b", b"a"));
        assert!(is_within(b"a", b"a"));
        assert!(is_within(b"a", b""));
        assert!(!is_within(b"ab", b"a"));
    }
}
