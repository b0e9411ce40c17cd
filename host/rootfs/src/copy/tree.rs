//! Copies a tree, name by name.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use kiln_ledger::Owner;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::source::Source;
use super::{Choice, CopyOptions, destination};
use crate::changes::ChangeSet;
use crate::error::{At, Result, RootfsError};
use crate::metadata::{FileType, Metadata};
use crate::path;
use crate::rootfs::Rootfs;

/// Bytes of two files that are compared at a time.
const COMPARED: usize = 64 << 10;

/// Copies one tree.
pub(super) struct Copier<'a> {
    source: &'a dyn Source,
    rootfs: &'a Rootfs,
    options: CopyOptions<'a>,
    changes: &'a mut ChangeSet,
    /// Where the source's inodes with several names went.
    links: HashMap<((u32, u32), u64), Vec<u8>>,
    /// The directory that was written to last: most files follow another of the same directory.
    open_dir: Option<(Vec<u8>, OwnedFd)>,
}

/// A directory that is being copied.
struct Frame {
    from: Vec<u8>,
    /// Relative to the tree's root.
    relative: Vec<u8>,
    to: Vec<u8>,
    metadata: Metadata,
    entries: std::vec::IntoIter<(Vec<u8>, Metadata)>,
    /// It is there; made late when only something below it is wanted.
    made: bool,
    /// It gets the source's owner, mode and times.
    takes_metadata: bool,
}

impl<'a> Copier<'a> {
    pub(super) fn new(
        source: &'a dyn Source,
        rootfs: &'a Rootfs,
        options: CopyOptions<'a>,
        changes: &'a mut ChangeSet,
    ) -> Self {
        Self { source, rootfs, options, changes, links: HashMap::new(), open_dir: None }
    }

    /// Copies `from` to `to`, both canonical.
    pub(super) fn run(mut self, from: &[u8], metadata: Metadata, to: &[u8]) -> Result<()> {
        let mut stack = Vec::new();
        self.visit(&mut stack, from.to_vec(), Vec::new(), to.to_vec(), metadata)?;
        while let Some(frame) = stack.last_mut() {
            match frame.entries.next() {
                Some((name, metadata)) => {
                    let from = path::join(&frame.from, &name);
                    let relative = path::join(&frame.relative, &name);
                    let to = path::join(&frame.to, &name);
                    self.visit(&mut stack, from, relative, to, metadata)?;
                }
                None => {
                    if let Some(frame) = stack.pop() {
                        self.leave(&frame)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn visit(
        &mut self,
        stack: &mut Vec<Frame>,
        from: Vec<u8>,
        relative: Vec<u8>,
        to: Vec<u8>,
        metadata: Metadata,
    ) -> Result<()> {
        let choice = match self.options.filter {
            Some(filter) if !relative.is_empty() => filter(&relative),
            _ => Choice::Copy,
        };
        if choice == Choice::Skip || choice == Choice::Look && !metadata.is_dir() {
            return Ok(());
        }
        if choice == Choice::Copy {
            for frame in stack.iter_mut() {
                if !frame.made {
                    self.make_dir(frame, false)?;
                }
            }
        }
        if !metadata.is_dir() {
            if !self.is_there(&from, &to, &metadata)? {
                self.copy_leaf(&from, &to, &metadata)?;
                self.changes.add(&to);
            }
            return Ok(());
        }
        let is_top = stack.is_empty();
        let entries = self.source.list(&from)?.into_iter();
        let mut frame =
            Frame { from, relative, to, metadata, entries, made: false, takes_metadata: false };
        if choice == Choice::Copy {
            self.make_dir(&mut frame, !is_top)?;
        }
        stack.push(frame);
        Ok(())
    }

    /// Makes the directory of a frame. One that is there is merged into; it takes the source's
    /// metadata only where `overwrite` says.
    fn make_dir(&mut self, frame: &mut Frame, overwrite: bool) -> Result<()> {
        frame.made = true;
        match destination::lookup(self.rootfs, &frame.to, false)? {
            Some(existing) if !existing.is_dir() => {
                return Err(RootfsError::Io {
                    op: "copy to",
                    path: shown(&frame.to),
                    source: std::io::Error::other("cannot copy to non-directory"),
                });
            }
            Some(existing) => {
                let unchanged = self.is_settled(&existing, &frame.metadata);
                frame.takes_metadata = overwrite && !unchanged;
            }
            None => {
                let (_, name) = path::split(&frame.to);
                let parent = self.parent_of(&frame.to)?;
                self.rootfs.mkdir_at(parent.as_fd(), name, 0o700).at("mkdir", &frame.to)?;
                frame.takes_metadata = true;
            }
        }
        if frame.takes_metadata {
            self.changes.add(&frame.to);
        }
        Ok(())
    }

    /// Ends a directory: its metadata comes last, since its content changed its times.
    fn leave(&mut self, frame: &Frame) -> Result<()> {
        if !frame.made {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self.rootfs.open(&frame.to, flags, 0)?;
        if frame.takes_metadata {
            self.settle(&fd, &frame.metadata, &frame.from, &frame.to)?;
        }
        let (atime, mtime) = (frame.metadata.atime, frame.metadata.mtime);
        self.rootfs.set_times_fd(fd.as_fd(), Some(atime), Some(mtime))
    }

    /// Whether something has the owner and mode that it would get.
    fn is_settled(&self, existing: &Metadata, metadata: &Metadata) -> bool {
        let owner = self.options.owner.unwrap_or((metadata.uid, metadata.gid));
        let mode = match metadata.file_type {
            FileType::Symlink => metadata.mode,
            _ => self.mode_of(metadata),
        };
        existing.file_type == metadata.file_type
            && (existing.uid, existing.gid) == owner
            && existing.mode == mode
    }

    /// Whether the very same file is at the destination: then nothing changes, and no layer says so.
    fn is_there(&self, from: &[u8], to: &[u8], metadata: &Metadata) -> Result<bool> {
        let Some(existing) = destination::lookup(self.rootfs, to, false)? else { return Ok(false) };
        if !self.is_settled(&existing, metadata)
            || existing.mtime != metadata.mtime
            || existing.size != metadata.size
            || metadata.nlink > 1
            || Source::xattrs(self.rootfs, to)? != self.source.xattrs(from)?
        {
            return Ok(false);
        }
        match metadata.file_type {
            FileType::Symlink => Ok(self.rootfs.readlink(to)? == self.source.readlink(from)?),
            FileType::File => self.same_content(from, to),
            _ => Ok(false),
        }
    }

    fn same_content(&self, from: &[u8], to: &[u8]) -> Result<bool> {
        let (mut new, mut old) = (self.source.open(from)?, Source::open(self.rootfs, to)?);
        let (mut new_bytes, mut old_bytes) = (vec![0; COMPARED], vec![0; COMPARED]);
        loop {
            let count = fill(&mut new, &mut new_bytes).at("read", from)?;
            if fill(&mut old, &mut old_bytes).at("read", to)? != count
                || new_bytes[..count] != old_bytes[..count]
            {
                return Ok(false);
            }
            if count < COMPARED {
                return Ok(true);
            }
        }
    }

    fn copy_leaf(&mut self, from: &[u8], to: &[u8], metadata: &Metadata) -> Result<()> {
        let (_, name) = path::split(to);
        let parent = self.parent_of(to)?;
        self.make_room(&parent, name, to)?;
        match metadata.file_type {
            FileType::File | FileType::Socket => {
                let inode = (metadata.dev, metadata.ino);
                if metadata.nlink > 1
                    && let Some(first) = self.links.get(&inode)
                {
                    return self.rootfs.hard_link(first, to, false);
                }
                let file = self
                    .rootfs
                    .create_at(parent.as_fd(), name, OFlags::WRONLY, 0o600)
                    .at("create", to)?;
                let mut file = File::from(file);
                // A socket is of no use elsewhere; an empty file stands for it, as in BuildKit.
                if metadata.file_type == FileType::File && metadata.size > 0 {
                    self.source.open(from)?.copy_to(&mut file).map_err(|source| {
                        RootfsError::Io { op: "copy to", path: shown(to), source }
                    })?;
                }
                let fd = OwnedFd::from(file);
                let as_file = Metadata { file_type: FileType::File, ..*metadata };
                self.settle(&fd, &as_file, from, to)?;
                self.rootfs.set_times_fd(fd.as_fd(), Some(metadata.atime), Some(metadata.mtime))?;
                if metadata.nlink > 1 {
                    self.links.insert(inode, to.to_vec());
                }
                Ok(())
            }
            FileType::Symlink => {
                let target = self.source.readlink(from)?;
                rustix::fs::symlinkat(&target[..], &parent, name).at("symlink", to)?;
                let (uid, gid) = self.options.owner.unwrap_or((metadata.uid, metadata.gid));
                self.rootfs.set_owner(to, Some(uid), Some(gid), false)?;
                self.rootfs.set_times(to, Some(metadata.atime), Some(metadata.mtime), false)
            }
            kind => {
                let mode = self.mode_of(metadata);
                self.rootfs
                    .mknod_at(parent.as_fd(), name, kind, mode, metadata.rdev)
                    .at("mknod", to)?;
                let (uid, gid) = self.options.owner.unwrap_or((metadata.uid, metadata.gid));
                self.rootfs.set_owner(to, Some(uid), Some(gid), false)?;
                self.rootfs.set_times(to, Some(metadata.atime), Some(metadata.mtime), false)
            }
        }
    }

    /// Removes what is at the place of a file, unless it is a directory.
    fn make_room(&self, parent: &OwnedFd, name: &[u8], to: &[u8]) -> Result<()> {
        match self.rootfs.remove_name(parent.as_fd(), name, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => Err(RootfsError::Io {
                op: "copy to",
                path: shown(to),
                source: std::io::Error::other("cannot replace a directory with a file"),
            }),
            Err(errno) => Err(errno).at("replace", to),
        }
    }

    /// Gives a file or directory its owner, mode and extended attributes.
    fn settle(&self, fd: &OwnedFd, metadata: &Metadata, from: &[u8], to: &[u8]) -> Result<()> {
        let (uid, gid) = self.options.owner.unwrap_or((metadata.uid, metadata.gid));
        let mode = metadata.file_type.mode_bits() | self.mode_of(metadata);
        self.rootfs.settle(fd.as_fd(), Owner { uid, gid }, mode).at("chown", to)?;
        for (name, value) in self.source.xattrs(from)? {
            match self.rootfs.change_xattr(fd.as_fd(), &name, &value) {
                Ok(()) | Err(Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(errno).at("setxattr", to),
            }
        }
        Ok(())
    }

    fn mode_of(&self, metadata: &Metadata) -> u32 {
        match self.options.mode {
            Some(change) => change(metadata.mode, metadata.is_dir()) & 0o7777,
            None => metadata.mode,
        }
    }

    /// The directory that holds a destination.
    fn parent_of(&mut self, to: &[u8]) -> Result<OwnedFd> {
        let (directory, _) = path::split(to);
        if self.open_dir.as_ref().is_none_or(|(open, _)| open != directory) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd = self.rootfs.resolve(directory, flags, Mode::empty()).at("open", directory)?;
            self.open_dir = Some((directory.to_vec(), fd));
        }
        match &self.open_dir {
            Some((_, fd)) => fd.try_clone().map_err(|source| RootfsError::Io {
                op: "open",
                path: shown(directory),
                source,
            }),
            None => Err(Errno::BADF).at("open", directory),
        }
    }
}

/// Reads until the buffer is full or the content ends.
fn fill(content: &mut impl std::io::Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match content.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
