//! Opening files of the image.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::error::{At, Result, RootfsError};
use crate::metadata::FileType;
use crate::rootfs::{Ownership, Rootfs, proc_path, stat_fd};

/// How often open(2) with `O_CREAT` is tried again when the file comes and goes.
const MAX_CREATE_TRIES: u32 = 16;

impl Rootfs {
    /// Opens a path of the image; a file that `O_CREAT` makes gets exactly this mode (no umask) and
    /// belongs to 0:0. `O_CLOEXEC` is always set.
    ///
    /// Device nodes are not opened (`ENXIO`), save with `O_PATH`: an image must not reach the
    /// host's devices. A fifo blocks unless `O_NONBLOCK` is given.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(&self, path: &[u8], flags: OFlags, mode: u32) -> Result<OwnedFd> {
        if flags.contains(OFlags::CREATE) && !flags.contains(OFlags::PATH) {
            self.open_or_create(path, flags, mode).at("open", path)
        } else {
            self.open_there(path, flags).at("open", path)
        }
    }

    fn open_there(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags.difference(OFlags::CREATE | OFlags::EXCL) | OFlags::CLOEXEC;
        if flags.intersects(OFlags::PATH | OFlags::DIRECTORY) {
            return self.resolve(path, flags, Mode::empty());
        }
        if self.ownership() == Ownership::Ledger {
            // No device node can be on disk; a file may stand for one.
            let file = self.resolve(path, flags, Mode::empty())?;
            if !self.ledger.is_empty() {
                refuse_device(self.view(&stat_fd(file.as_fd())?).file_type)?;
            }
            return Ok(file);
        }
        // Opening a device can already do something, so it is looked at before.
        let found = self.resolve(path, (flags & OFlags::NOFOLLOW) | OFlags::PATH, Mode::empty())?;
        let file_type = self.view(&stat_fd(found.as_fd())?).file_type;
        refuse_device(file_type)?;
        if file_type == FileType::Symlink {
            return Err(Errno::LOOP);
        }
        let flags = flags.difference(OFlags::NOFOLLOW);
        openat(rustix::fs::CWD, proc_path(found.as_fd()), flags, Mode::empty())
    }

    fn open_or_create(&self, path: &[u8], flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        let exclusive = flags.contains(OFlags::EXCL);
        let mut target = std::borrow::Cow::Borrowed(path);
        for _ in 0..MAX_CREATE_TRIES {
            match self.create_new(&target, flags, mode) {
                Err(Errno::EXIST) if !exclusive => {}
                result => return result,
            }
            match self.open_there(&target, flags) {
                // There, but leading nowhere: a dangling symlink; its target is what is made.
                Err(Errno::NOENT) => {
                    let next = self.readlink(&target).map_err(|error| error.errno());
                    match next {
                        Ok(link) if link.first() == Some(&b'/') => target = link.into(),
                        Ok(link) => {
                            let mut next = crate::path::split(&target).0.to_vec();
                            if target.first() == Some(&b'/') || !next.is_empty() {
                                next.push(b'/');
                            }
                            next.extend_from_slice(&link);
                            target = next.into();
                        }
                        Err(Errno::NOENT) => {}
                        Err(errno) => return Err(errno),
                    }
                }
                result => return result,
            }
        }
        Err(Errno::LOOP)
    }

    fn create_new(&self, path: &[u8], flags: OFlags, mode: u32) -> rustix::io::Result<OwnedFd> {
        if path.last() == Some(&b'/') {
            return Err(Errno::ISDIR);
        }
        let (parent, name) = match self.parent(path) {
            Err(Errno::INVAL) => Err(Errno::EXIST),
            other => other,
        }?;
        self.create_at(parent.as_fd(), name, flags, mode)
    }

    /// Makes a new file in a directory, with exactly this mode.
    pub(crate) fn create_at(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        flags: OFlags,
        mode: u32,
    ) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let disk_mode = Mode::from_raw_mode(mode & 0o777 | 0o600);
        let file = openat(parent, name, flags, disk_mode)?;
        if !self.ledger.is_empty() {
            // An inode that died unseen may have left a record with the same birth time.
            self.ledger.remove(&stat_fd(file.as_fd())?);
        }
        self.change_mode(file.as_fd(), mode)?;
        Ok(file)
    }

    /// Reads a small regular file, symlinks followed.
    ///
    /// # Errors
    /// As open(2) and read(2); [`RootfsError::Limit`] when the file is longer than `limit` bytes.
    pub fn read_small(&self, path: &[u8], limit: u64) -> Result<Vec<u8>> {
        // A fifo in the file's place must not block.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open(path, flags, 0)?);
        let mut content = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut content).at("read", path)?;
        if content.len() as u64 > limit {
            return Err(RootfsError::Limit { what: "bytes in a small file", limit });
        }
        Ok(content)
    }
}

fn refuse_device(file_type: FileType) -> rustix::io::Result<()> {
    match file_type {
        FileType::Char | FileType::Block => Err(Errno::NXIO),
        _ => Ok(()),
    }
}
