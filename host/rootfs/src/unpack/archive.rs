//! Archives over files that are there: what ADD does.
//!
//! As BuildKit has it: the destination is the archive's `/`, symlinks included; what an entry
//! describes replaces what is in its way, save that a directory is merged into a directory; parents
//! that no entry describes may be reached through symlinks of the image. What is there already,
//! with the same owner, mode, time and content, does not count as changed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};

use kiln_image::layer::read::LayerReader;
use kiln_image::layer::{Entry, Kind};
use kiln_ledger::Owner;
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::make::write_rest;
use super::{Limits, Stats, Unpacker, unpack};
use crate::changes::ChangeSet;
use crate::error::{At, Result};
use crate::fingerprint::ContentHash;
use crate::metadata::{FileType, Timestamp};
use crate::path;
use crate::rootfs::Rootfs;
use crate::xattr::is_content;

/// Bytes of two files that are compared at a time.
const COMPARED: usize = 64 << 10;

/// Unpacks an archive into a directory of a rootfs; every path that it changed is added to
/// `changes`. With an `owner` everything that entries describe is theirs.
///
/// # Errors
/// As [`super::unpack_layer`].
pub fn add_archive(
    rootfs: &Rootfs,
    directory: &[u8],
    tar: &mut dyn Read,
    limits: &Limits,
    owner: Option<(u32, u32)>,
    changes: &mut ChangeSet,
) -> Result<Stats> {
    let directory = rootfs.canonicalize(directory)?;
    let inside = rootfs.below(&directory)?;
    let owner = owner.map(|(uid, gid)| Owner { uid, gid });
    let added = Added { directory, owner, changes };
    unpack(&inside, LayerReader::with_limits(tar, *limits), false, Some(added))
}

/// What an archive adds.
pub(super) struct Added<'a> {
    /// Where the archive's `/` is.
    directory: Vec<u8>,
    pub(super) owner: Option<Owner>,
    changes: &'a mut ChangeSet,
}

impl Added<'_> {
    pub(super) fn set(&mut self, path: &[u8]) {
        self.changes.add(&path::join(&self.directory, path));
    }

    pub(super) fn delete(&mut self, path: &[u8]) {
        self.changes.delete(&path::join(&self.directory, path));
    }
}

impl Unpacker<'_> {
    /// Whether nothing is left to be made of an entry: it is there already. A file of another
    /// content is written here, since the archive can be read but once.
    pub(super) fn is_there(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<bool> {
        let (rootfs, parent) = (self.rootfs, self.here()?.fd.as_fd());
        let old = match rootfs.path_at(parent, name) {
            Err(Errno::NOENT) => return Ok(false),
            old => old.at("open", &entry.path)?,
        };
        let found = rootfs.metadata_fd(old.as_fd())?;
        let owner = self.owner(entry);
        let mtime = Timestamp { secs: entry.mtime.secs, nanos: entry.mtime.nanos };
        if (found.uid, found.gid) != (owner.uid, owner.gid) || !self.same_xattrs(&old, entry)? {
            return Ok(false);
        }
        match &entry.kind {
            Kind::Dir => Ok(found.is_dir() && found.mode == entry.mode),
            Kind::Symlink { target } if found.file_type == FileType::Symlink => {
                let there = readlinkat(&old, c"", Vec::new()).at("readlink", &entry.path)?;
                Ok(found.mtime == mtime && there.as_bytes() == target)
            }
            Kind::File { size } if found.file_type == FileType::File => {
                let alike = found.mode == entry.mode
                    && found.mtime == mtime
                    && found.size == *size
                    && found.nlink == 1
                    && !reader.data().is_sparse();
                if !alike {
                    return Ok(false);
                }
                self.compare_file(entry, name, *size, reader)
            }
            _ => Ok(false),
        }
    }

    fn same_xattrs(&self, old: &OwnedFd, entry: &Entry) -> Result<bool> {
        let wanted = entry.xattrs.keys().filter(|name| is_content(name)).count();
        let names = self.rootfs.xattr_names(old.as_fd()).at("listxattr", &entry.path)?;
        // Rare enough that only none is the same as none.
        Ok(wanted == 0 && !names.iter().any(|name| is_content(name)))
    }

    /// Compares a file with the entry's content as it comes; from the first difference on a new
    /// file is written in its place.
    fn compare_file(
        &mut self,
        entry: &Entry,
        name: &[u8],
        size: u64,
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<bool> {
        let here = self.here()?;
        let canonical = path::join(&here.canonical, name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut old = File::from(self.rootfs.open(&canonical, flags, 0)?);
        let mut hash = ContentHash::new();
        let mut position = 0;
        let mut there = vec![0; COMPARED];
        let different: &[u8] = loop {
            if position == size {
                return Ok(true);
            }
            let read = reader.data().read(&mut self.buffer[..COMPARED]);
            let count = read.at("read", &entry.path)?;
            if count == 0 {
                let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(short).at("read", &entry.path);
            }
            let new = &self.buffer[..count];
            if old.read_exact(&mut there[..count]).is_err() || there[..count] != *new {
                break new;
            }
            hash.update(new);
            position += count as u64;
        };
        let different = different.to_vec();
        let parent = self.here()?.fd.as_fd();
        self.rootfs.remove_all_at(parent, name).at("replace", &entry.path)?;
        let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let made = openat(parent, name, create | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(made.at("unpack", &entry.path)?);
        let mut write = || -> std::io::Result<Option<ContentHash>> {
            old.seek(SeekFrom::Start(0))?;
            std::io::copy(&mut Read::by_ref(&mut old).take(position), &mut file)?;
            file.write_all(&different)?;
            hash.update(&different);
            let position = position + different.len() as u64;
            write_rest(&mut file, position, size, hash.clone(), reader, &mut self.buffer)
        };
        let hash = write().at("write", &entry.path)?;
        self.end_file(file, entry, hash)?;
        if let Some(added) = &mut self.added {
            added.set(&canonical);
        }
        Ok(true)
    }
}
