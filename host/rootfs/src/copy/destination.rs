//! Where copied files go.

use rustix::io::Errno;

use super::{CopyOptions, PARENT_MODE};
use crate::changes::ChangeSet;
use crate::error::{At, Result};
use crate::metadata::{FileType, Metadata};
use crate::path;
use crate::rootfs::Rootfs;

/// Symlinks on the way to one destination (Linux' `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// Makes a directory and those above it, owned as the copied files are.
pub(super) fn make_parents(
    rootfs: &Rootfs,
    directory: &[u8],
    options: &CopyOptions<'_>,
    changes: &mut ChangeSet,
) -> Result<()> {
    let mode = options.parent_mode.unwrap_or(PARENT_MODE);
    for made in rootfs.mkdir_all(directory, mode)? {
        if let Some((uid, gid)) = options.owner {
            rootfs.set_owner(&made, Some(uid), Some(gid), false)?;
        }
        if let Some(time) = options.parent_time {
            rootfs.set_times(&made, Some(time), Some(time), false)?;
        }
        changes.add(&made);
    }
    Ok(())
}

/// The canonical path that a destination names; its last component need not exist, also where a
/// symlink points.
pub(super) fn resolve(rootfs: &Rootfs, dest: &[u8]) -> Result<Vec<u8>> {
    let mut dest = path::clean(dest);
    for _ in 0..MAX_LINKS {
        let (directory, name) = path::split(&dest);
        if name.is_empty() {
            return Ok(Vec::new());
        }
        let directory = rootfs.canonicalize(directory)?;
        let target = path::join(&directory, name);
        match lookup(rootfs, &target, false)? {
            Some(found) if found.file_type == FileType::Symlink => {
                let link = rootfs.readlink(&target)?;
                dest = if link.first() == Some(&b'/') {
                    path::clean(&link)
                } else {
                    path::clean(&path::join(&directory, &link))
                };
            }
            _ => return Ok(target),
        }
    }
    Err(Errno::LOOP).at("resolve", &dest)
}

/// What a canonical path leads to; `None` when there is nothing.
pub(super) fn followed(rootfs: &Rootfs, path: &[u8]) -> Result<Option<Metadata>> {
    lookup(rootfs, path, true)
}

/// What is at a path; `None` when there is nothing.
pub(super) fn lookup(rootfs: &Rootfs, path: &[u8], follow: bool) -> Result<Option<Metadata>> {
    match rootfs.metadata(path, follow) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.errno() == Errno::NOENT => Ok(None),
        Err(error) => Err(error),
    }
}
