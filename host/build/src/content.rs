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
    for (name, value) in source.xattrs(at)? {
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
