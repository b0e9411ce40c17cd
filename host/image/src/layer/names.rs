//! Names in a tar stream, and what they mean in an image.

use super::{MAX_COMPONENT, MAX_PATH};

/// The path in the image that a name means: `./a//b/`, `/a/b` and `a/x/../b` are `a/b`.
///
/// As Docker and containerd do, `..` is resolved by its text, before anything is looked up; a
/// relative name that would leave the root is refused.
pub(crate) fn clean(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.contains(&0) {
        return Err("NUL in the path");
    }
    let absolute = name.starts_with(b"/");
    let mut components: Vec<&[u8]> = Vec::new();
    for component in name.split(|b| *b == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                if components.pop().is_none() && !absolute {
                    return Err("the path leads out of the image");
                }
            }
            component if component.len() > MAX_COMPONENT => {
                return Err("a name in the path is longer than 255 bytes");
            }
            component => components.push(component),
        }
    }
    let path = components.join(&b'/');
    if path.len() > MAX_PATH { Err("the path is longer than 4095 bytes") } else { Ok(path) }
}

pub(crate) fn hard_link_target(link: &[u8]) -> Result<Vec<u8>, &'static str> {
    let target = clean(link).map_err(|problem| match problem {
        "the path leads out of the image" => "the hard link leads out of the image",
        _ => "malformed target of a hard link",
    })?;
    if target.is_empty() { Err("hard link to the root") } else { Ok(target) }
}

pub(crate) fn symlink_target(link: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    match link.len() {
        0 => Err("symbolic link without a target"),
        length if length > MAX_PATH => Err("target of a symbolic link longer than 4095 bytes"),
        _ if link.contains(&0) => Err("NUL in the target of a symbolic link"),
        _ => Ok(link),
    }
}

/// A path for a message: printable, and not a megabyte of it.
pub(crate) fn lossy(path: &[u8]) -> String {
    path[..path.len().min(400)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (name, wanted) in [
            (&b"a/b"[..], Ok(&b"a/b"[..])),
            (b"./a//b/", Ok(b"a/b")),
            (b"/a/b", Ok(b"a/b")),
            (b"/../../a", Ok(b"a")),
            (b"a/../b", Ok(b"b")),
            (b"./", Ok(b"")),
            (b"/", Ok(b"")),
            (b".", Ok(b"")),
            (b"...", Ok(b"...")),
            (b"\xff\n", Ok(b"\xff\n")),
            (b"../a", Err("the path leads out of the image")),
            (b"a/../../b", Err("the path leads out of the image")),
            (b"..", Err("the path leads out of the image")),
            (b"a\0b", Err("NUL in the path")),
        ] {
            assert_eq!(clean(name), wanted.map(<[u8]>::to_vec), "{}", name.escape_ascii());
        }
        assert!(clean(&[b'a'; 255]).is_ok());
        assert!(clean(&[b'a'; 256]).is_err());
        assert!(clean(&b"aaa/".repeat(1024)).is_ok());
        assert!(clean(&b"aaa/".repeat(1025)).is_err());
    }
}
