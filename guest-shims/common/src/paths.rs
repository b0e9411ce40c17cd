//! Paths as bytes, which is what they are on Linux.

use std::ffi::{OsStr, OsString};
#[cfg(not(target_os = "wasi"))]
use std::os::unix::ffi::{OsStrExt, OsStringExt};
#[cfg(target_os = "wasi")]
use std::os::wasi::ffi::{OsStrExt, OsStringExt};

/// The bytes of an OS string.
#[must_use]
pub fn from_os(text: &OsStr) -> &[u8] {
    text.as_bytes()
}

/// An OS string of bytes.
#[must_use]
pub fn to_os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// An owned OS string of bytes.
#[must_use]
pub fn into_os(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

/// The path without trailing slashes; a path of slashes alone is `/`.
#[must_use]
pub fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(path.len().min(1), |at| at + 1);
    &path[..end]
}

/// The last component, as `basename` prints it.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    let path = trim_slashes(path);
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(_) if path.len() == 1 => path,
        Some(at) => &path[at + 1..],
        None => path,
    }
}

/// All but the last component, as `dirname` prints it.
#[must_use]
pub fn dir_name(path: &[u8]) -> &[u8] {
    let path = trim_slashes(path);
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => trim_slashes(&path[..at.max(1)]),
        None => b".",
    }
}

/// `dir/name`, with one slash between.
#[must_use]
pub fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = dir.to_vec();
    if !path.is_empty() && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// A path in single quotes for a message.
#[must_use]
pub fn quoted(path: &[u8]) -> String {
    format!("'{}'", String::from_utf8_lossy(path))
}

/// A path in the shell quoting of GNU's messages and `stat`: quoted only when needed.
#[must_use]
pub fn shell_quoted(path: &[u8]) -> Vec<u8> {
    let plain = |&byte: &u8| {
        byte.is_ascii_alphanumeric() || b"%+,-./:=@_^]".contains(&byte) || byte >= 0x80
    };
    if !path.is_empty() && path.iter().all(plain) {
        return path.to_vec();
    }
    let mut quoted = vec![b'\''];
    for &byte in path {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_posix_says() {
        for (path, dir, base) in [
            ("a", ".", "a"),
            ("a/b", "a", "b"),
            ("a//b//", "a", "b"),
            ("/", "/", "/"),
            ("//", "/", "/"),
            ("/a", "/", "a"),
            ("//a", "/", "a"),
            ("", ".", ""),
            ("a/.", "a", "."),
        ] {
            assert_eq!(dir_name(path.as_bytes()), dir.as_bytes(), "dirname {path}");
            assert_eq!(base_name(path.as_bytes()), base.as_bytes(), "basename {path}");
        }
    }

    #[test]
    fn joins_with_one_slash() {
        assert_eq!(join(b"a", b"b"), b"a/b");
        assert_eq!(join(b"a/", b"b"), b"a/b");
        assert_eq!(join(b"/", b"b"), b"/b");
        assert_eq!(join(b"", b"b"), b"b");
    }
}
