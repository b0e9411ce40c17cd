//! How single changes are taken back.

use super::journal::Result;
use kiln_rootfs::{Metadata, Rootfs, RootfsError};
use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// How to take one change back.
#[derive(Debug)]
pub(super) enum Undo {
    /// The name was made.
    Remove(Vec<u8>),
    /// A directory of the transaction was removed; what is moved through it needs it.
    Directory(Vec<u8>),
    /// The name was moved.
    Rename { from: Vec<u8>, to: Vec<u8> },
    /// The names were swapped.
    Swap(Vec<u8>, Vec<u8>),
    /// Mode, owner or times were changed.
    Metadata(Vec<u8>, Box<Metadata>),
    /// An extended attribute was changed.
    Xattr { path: Vec<u8>, name: Vec<u8>, value: Option<Vec<u8>> },
    /// A file was opened for appending.
    Length(Vec<u8>, Box<Metadata>),
    /// A file was opened for overwriting; a copy of its contents is kept.
    Contents { path: Vec<u8>, copy: Vec<u8>, metadata: Box<Metadata> },
}

impl Undo {
    pub(super) fn apply(self, rootfs: &Rootfs) -> Result<()> {
        match self {
            // What was made may have been removed since.
            Self::Remove(at) => rootfs.remove_all(&at),
            Self::Directory(at) => rootfs.mkdir(&at, 0o700),
            Self::Rename { from, to } => rename(rootfs, &from, &to),
            Self::Swap(first, second) => {
                match (lookup(rootfs, &first)?, lookup(rootfs, &second)?) {
                    (Some(_), Some(_)) => rootfs.rename(&first, &second, RenameFlags::EXCHANGE),
                    (Some(_), None) => rename(rootfs, &first, &second),
                    _ => rename(rootfs, &second, &first),
                }
            }
            Self::Metadata(at, old) => restore(rootfs, &at, &old),
            Self::Xattr { path, name, value: Some(value) } => {
                rootfs.set_xattr(&path, &name, &value, false)
            }
            Self::Xattr { path, name, value: None } => {
                match rootfs.remove_xattr(&path, &name, false) {
                    Err(error) if error.errno() == Errno::NODATA => Ok(()),
                    result => result,
                }
            }
            Self::Length(at, old) => {
                let file = rootfs.open(&at, OFlags::WRONLY | OFlags::NOFOLLOW, 0)?;
                File::from(file)
                    .set_len(old.size)
                    .map_err(|error| failed("truncate", &at, &error))?;
                restore(rootfs, &at, &old)
            }
            Self::Contents { path, copy, metadata } => {
                let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW;
                let mut to = File::from(rootfs.open(&path, flags, 0)?);
                let mut from = File::from(rootfs.open(&copy, OFlags::RDONLY, 0)?);
                io::copy(&mut from, &mut to).map_err(|error| failed("copy", &path, &error))?;
                restore(rootfs, &path, &metadata)
            }
        }
    }
}

/// Renames; what is not there was made by the transaction and removed since.
fn rename(rootfs: &Rootfs, from: &[u8], to: &[u8]) -> Result<()> {
    match rootfs.rename(from, to, RenameFlags::empty()) {
        Err(error) if error.is_not_found() => Ok(()),
        result => result,
    }
}

pub(super) fn failed(op: &'static str, at: &[u8], error: &io::Error) -> RootfsError {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    RootfsError::Sys { op, path: String::from_utf8_lossy(at).into_owned(), errno }
}

/// Gives an inode its old owner, mode and times.
fn restore(rootfs: &Rootfs, at: &[u8], old: &Metadata) -> Result<()> {
    let now = rootfs.metadata(at, false)?;
    if (now.uid, now.gid) != (old.uid, old.gid) {
        rootfs.set_owner(at, Some(old.uid), Some(old.gid), false)?;
    }
    if old.file_type != kiln_rootfs::FileType::Symlink {
        rootfs.set_mode(at, old.mode)?;
    }
    rootfs.set_times(at, Some(old.atime), Some(old.mtime), false)
}

/// What is at a path.
pub(super) fn lookup(rootfs: &Rootfs, at: &[u8]) -> Result<Option<Metadata>> {
    match rootfs.metadata(at, false) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
