//! The digest of a tree of files: equal for equal trees, whenever and wherever they were written.

use std::io::Read;

use kiln_image::digest::{Digest, Hasher};
use kiln_rootfs::copy::{Choice, Filter, Source};
use kiln_rootfs::{FileType, Metadata, Result, RootfsError, path};

/// A path of a tree.
struct Found {
    at: Vec<u8>,
    /// From the tree's root.
    relative: Vec<u8>,
    metadata: Metadata,
}

/// Hashes names, types, modes, owners, link targets, extended attributes and contents, but no
/// times. With a filter only what a copy with it would make.
///
/// # Errors
/// What reading the tree says.
pub(crate) fn hash_tree(
    source: &dyn Source,
    root: &[u8],
    filter: Option<&Filter<'_>>,
) -> Result<Digest> {
    let root = source.canonicalize(root)?;
    let mut hasher = Hasher::new();
    let metadata = source.metadata(&root)?;
    let mut open = vec![Found { at: root, relative: Vec::new(), metadata }];
    // Directories that count once something below them does.
    let mut waiting: Vec<Found> = Vec::new();
    while let Some(found) = open.pop() {
        waiting.retain(|above| path::is_within(&found.relative, &above.relative));
        let choice = match filter {
            Some(filter) if !found.relative.is_empty() => filter(&found.relative),
            _ => Choice::Copy,
        };
        if choice == Choice::Skip || choice == Choice::Look && !found.metadata.is_dir() {
            continue;
        }
        if found.metadata.is_dir() {
            for (name, metadata) in source.list(&found.at)?.into_iter().rev() {
                let at = path::join(&found.at, &name);
                let relative = path::join(&found.relative, &name);
                open.push(Found { at, relative, metadata });
            }
        }
        waiting.push(found);
        if choice == Choice::Copy {
            for found in waiting.drain(..) {
                hash_one(source, &mut hasher, &found)?;
            }
        }
    }
    Ok(hasher.finish())
}

fn hash_one(source: &dyn Source, hasher: &mut Hasher, found: &Found) -> Result<()> {
    let Found { at, relative, metadata } = found;
    framed(hasher, relative);
    for number in [metadata.st_mode(), metadata.uid, metadata.gid, metadata.rdev.0, metadata.rdev.1]
    {
        hasher.update(&number.to_le_bytes());
    }
    match metadata.file_type {
        FileType::File => hash_content(source, hasher, at)?,
        FileType::Symlink => framed(hasher, &source.readlink(at)?),
        _ => {}
    }
    let xattrs = match metadata.file_type {
        FileType::File | FileType::Dir => source.xattrs(at)?,
        _ => Vec::new(),
    };
    // Else they could be read as the files that follow.
    hasher.update(&(xattrs.len() as u64).to_le_bytes());
    for (name, value) in xattrs {
        framed(hasher, &name);
        framed(hasher, &value);
    }
    Ok(())
}

/// The content's own digest stands for it: its length need not be known before.
fn hash_content(source: &dyn Source, hasher: &mut Hasher, at: &[u8]) -> Result<()> {
    let mut content = source.open(at)?;
    let mut inner = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = content.read(&mut buffer).map_err(|source| RootfsError::Io {
            op: "read",
            path: String::from_utf8_lossy(at).into_owned(),
            source,
        })?;
        if count == 0 {
            break;
        }
        inner.update(&buffer[..count]);
    }
    framed(hasher, inner.finish().as_bytes());
    Ok(())
}

fn framed(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use kiln_rootfs::copy::{Content, HostDir, Xattrs};

    use super::*;

    /// Files in one directory: name, content, attributes.
    struct Files(Vec<(&'static [u8], &'static [u8], Xattrs)>);

    impl Files {
        fn find(&self, path: &[u8]) -> &(&'static [u8], &'static [u8], Xattrs) {
            let name = path.strip_prefix(b"/").unwrap_or(path);
            self.0.iter().find(|file| file.0 == name).unwrap()
        }
    }

    impl Source for Files {
        fn canonicalize(&self, path: &[u8]) -> Result<Vec<u8>> {
            Ok(path.to_vec())
        }

        fn metadata(&self, path: &[u8]) -> Result<Metadata> {
            let is_root = path.is_empty();
            let file_type = if is_root { FileType::Dir } else { FileType::File };
            Ok(Metadata::synthetic(file_type, 0o644))
        }

        fn list(&self, _path: &[u8]) -> Result<Vec<(Vec<u8>, Metadata)>> {
            self.0.iter().map(|file| Ok((file.0.to_vec(), self.metadata(file.0)?))).collect()
        }

        fn open(&self, path: &[u8]) -> Result<Box<dyn Content>> {
            Ok(Box::new(Cursor::new(self.find(path).1.to_vec())))
        }

        fn readlink(&self, _path: &[u8]) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }

        fn xattrs(&self, path: &[u8]) -> Result<Xattrs> {
            Ok(if path.is_empty() { Vec::new() } else { self.find(path).2.clone() })
        }
    }

    /// A frame: the length, the bytes.
    fn frame(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u64).to_le_bytes(), bytes].concat()
    }

    #[test]
    fn attributes_are_not_taken_for_files() {
        const REGULAR: usize = 0o100_644;
        let mut digest = Hasher::new();
        digest.update(b"innocent");
        // What follows the length of an attribute's value, read as a file's mode and uid: gid,
        // device, content; an attribute that takes up the rest.
        let mut value = [vec![0; 12], frame(digest.finish().as_bytes()), frame(b"user.x")].concat();
        let rest = vec![b'x'; REGULAR - value.len() - 8];
        value.extend(frame(&rest));
        assert_eq!(value.len(), REGULAR);
        let one = Files(vec![(b"a", b"", vec![(b"user.b".to_vec(), value)])]);
        let rest = vec![(b"user.x".to_vec(), rest)];
        let two = Files(vec![(b"a", b"", Vec::new()), (b"user.b", b"innocent", rest)]);
        assert_ne!(hash_tree(&one, b"", None).unwrap(), hash_tree(&two, b"", None).unwrap());
    }

    #[test]
    fn what_is_not_copied_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        for file in ["a/keep", "a/b/keep", "empty/other", "skipped/x"] {
            write(file, "1");
        }
        let filter = |path: &[u8]| match path {
            b"skipped" => Choice::Skip,
            path if path.ends_with(b"keep") => Choice::Copy,
            _ => Choice::Look,
        };
        let hash = |filter: Option<&Filter<'_>>| {
            let source = HostDir::open(dir.path()).unwrap();
            hash_tree(&source, b"/", filter).unwrap()
        };
        let (filtered, whole) = (hash(Some(&filter)), hash(None));
        write("empty/more", "2");
        write("skipped/x", "2");
        write("a/b/no", "2");
        assert_eq!(hash(Some(&filter)), filtered);
        assert_ne!(hash(None), whole);
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir.path().join("a/b"), mode).unwrap();
        let moded = hash(Some(&filter));
        assert_ne!(moded, filtered, "a directory that is copied on the way counts");
        write("a/b/keep", "2");
        assert_ne!(hash(Some(&filter)), moded);
    }
}
