//! The digest of a tree of files: equal for equal trees, whenever and wherever they were written.

use std::io::Read;

use kiln_image::digest::{Digest, Hasher};
use kiln_rootfs::copy::Source;
use kiln_rootfs::{FileType, Metadata, Result, RootfsError, path};

/// Hashes names, types, modes, owners, link targets and contents, but no times.
///
/// # Errors
/// What reading the tree says.
pub(crate) fn hash_tree(source: &dyn Source, root: &[u8]) -> Result<Digest> {
    let root = source.canonicalize(root)?;
    let mut hasher = Hasher::new();
    let mut open = vec![(root.clone(), Vec::new(), source.metadata(&root)?)];
    while let Some((at, relative, metadata)) = open.pop() {
        hash_one(source, &mut hasher, &at, &relative, &metadata)?;
        if metadata.is_dir() {
            for (name, metadata) in source.list(&at)?.into_iter().rev() {
                open.push((path::join(&at, &name), path::join(&relative, &name), metadata));
            }
        }
    }
    Ok(hasher.finish())
}

fn hash_one(
    source: &dyn Source,
    hasher: &mut Hasher,
    at: &[u8],
    relative: &[u8],
    metadata: &Metadata,
) -> Result<()> {
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
    let xattrs = source.xattrs(at)?;
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

    use kiln_rootfs::Timestamp;
    use kiln_rootfs::copy::{Content, Xattrs};

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
            let time = Timestamp::default();
            Ok(Metadata {
                file_type,
                mode: 0o644,
                uid: 0,
                gid: 0,
                size: 0,
                blocks: 0,
                atime: time,
                mtime: time,
                ctime: time,
                rdev: (0, 0),
                nlink: 1,
                ino: 1,
                dev: (0, 0),
            })
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
        assert_ne!(hash_tree(&one, b"").unwrap(), hash_tree(&two, b"").unwrap());
    }
}
