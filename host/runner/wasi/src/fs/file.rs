//! Opening files, and what is done with open ones.

use super::access::{EXECUTE, READ, WRITE};
use super::change::check_own_or_root;
use super::{Device, Fs, FsError, NewTime, Place, Result};
use kiln_guest_abi::wire::{errno, open};
use kiln_rootfs::{DirEntry, FileType, Metadata};
use rustix::fs::OFlags;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a path opened to.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A regular file.
    File(OpenFile),
    /// A directory, by its canonical path.
    Dir(Vec<u8>),
    /// A device.
    Device(Device),
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    /// The kernel's descriptor, which also checks how it was opened.
    pub(crate) fd: OwnedFd,
    /// The canonical path at which it was opened.
    path: Vec<u8>,
    appends: bool,
    written: AtomicBool,
}

impl OpenFile {
    /// Whether each write goes to the end.
    pub(crate) const fn appends(&self) -> bool {
        self.appends
    }
}

impl Fs {
    /// `open(2)` with [`open`]'s flags; the umask is applied to `mode` already.
    pub(crate) fn open(&self, place: Place<'_>, flags: u32, mode: u32) -> Result<Opened> {
        let has = |flag: u32| flags & flag != 0;
        let exclusive = has(open::CREATE) && has(open::EXCL);
        let mut journal = self.journal();
        let found = self.find(place, !has(open::NOFOLLOW) && !exclusive)?;
        let mut wanted = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        wanted |= match (has(open::READ), has(open::WRITE)) {
            (_, false) => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (true, true) => OFlags::RDWR,
        };
        if has(open::APPEND) {
            wanted |= OFlags::APPEND;
        }
        let Some(file) = found.metadata else {
            if !has(open::CREATE) {
                return Err(FsError::Errno(errno::ENOENT));
            }
            if found.must_be_dir {
                return Err(FsError::Errno(errno::EISDIR));
            }
            let parent = self.checked_parent(place.who, &found.path)?;
            journal.touch(&self.rootfs, &found.path)?;
            let wanted = wanted | OFlags::CREATE | OFlags::EXCL;
            let fd = self.rootfs.open(&found.path, wanted, mode & 0o7777)?;
            self.adopt(place.who, &found.path, &parent, &mut journal)?;
            return Ok(opened(fd, found.path, has(open::APPEND)));
        };
        if exclusive {
            return Err(FsError::Errno(errno::EEXIST));
        }
        if let Some(device) = found.device {
            return Ok(Opened::Device(device));
        }
        let file = if found.must_be_dir { *found.existing()? } else { file };
        if file.is_dir() {
            if has(open::WRITE) || has(open::CREATE) {
                return Err(FsError::Errno(errno::EISDIR));
            }
            place.who.may(&file, READ)?;
            return Ok(Opened::Dir(found.path));
        }
        if has(open::DIRECTORY) {
            return Err(FsError::Errno(errno::ENOTDIR));
        }
        match file.file_type {
            FileType::File => {}
            FileType::Symlink => return Err(FsError::Errno(errno::ELOOP)),
            FileType::Socket => return Err(FsError::Errno(errno::ENXIO)),
            _ => {
                let text = String::from_utf8_lossy(&found.path);
                return Err(FsError::Native(format!("/{text} is a device or fifo")));
            }
        }
        super::device::check_mounted(&found.path)?;
        let want = if has(open::READ) || !has(open::WRITE) { READ } else { 0 };
        place.who.may(&file, want | if has(open::WRITE) { WRITE } else { 0 })?;
        if has(open::WRITE) {
            journal.touch(&self.rootfs, &found.path)?;
            let truncates = has(open::TRUNC);
            let appends = has(open::APPEND) && !truncates;
            journal.opens(&self.rootfs, &found.path, &file, appends)?;
            if truncates {
                journal.dirty(&found.path);
                wanted |= OFlags::TRUNC;
            }
        }
        let fd = self.rootfs.open(&found.path, wanted, 0)?;
        Ok(opened(fd, found.path, has(open::APPEND)))
    }

    /// To be called before an open file is written to.
    pub(crate) fn writes(&self, file: &OpenFile) {
        if !file.written.swap(true, Ordering::Relaxed) {
            self.journal().dirty(&file.path);
        }
    }

    /// `fstat(2)`.
    pub(crate) fn metadata_of(&self, file: &OpenFile) -> Result<Metadata> {
        Ok(self.seen(self.rootfs.metadata_fd(file.fd.as_fd())?))
    }

    /// `stat(2)` of a directory opened earlier.
    pub(crate) fn metadata_at(&self, path: &[u8]) -> Result<Metadata> {
        if super::device::is_directory(path) {
            return Ok(super::device::directory_metadata(path));
        }
        Ok(self.rootfs.metadata(path, false)?)
    }

    /// Where an open file is now, for operations that change it by name; `None` when it has no name
    /// any more, so that nobody can see the change.
    pub(crate) fn path_of(&self, file: &OpenFile) -> Result<Option<Vec<u8>>> {
        let open = self.metadata_of(file)?;
        if open.nlink == 0 {
            return Ok(None);
        }
        match self.rootfs.metadata(&file.path, false) {
            Ok(there) if there.ino == open.ino => Ok(Some(file.path.clone())),
            _ => Err(FsError::Native("an open file is changed after it was renamed".into())),
        }
    }

    /// `readlink(2)`.
    pub(crate) fn read_link(&self, place: Place<'_>) -> Result<Vec<u8>> {
        let found = self.find(place, false)?;
        if found.existing()?.file_type != FileType::Symlink {
            return Err(FsError::Errno(errno::EINVAL));
        }
        Ok(self.rootfs.readlink(&found.path)?)
    }

    /// `getxattr(2)`, `lgetxattr(2)`.
    pub(crate) fn get_xattr(&self, place: Place<'_>, follow: bool, name: &[u8]) -> Result<Vec<u8>> {
        let found = self.find(place, follow)?;
        found.existing()?;
        if super::device::check_mounted(&found.path).is_err() {
            return Err(FsError::Errno(errno::ENODATA));
        }
        Ok(self.rootfs.get_xattr(&found.path, name, false)?)
    }

    /// `listxattr(2)`, `llistxattr(2)`.
    pub(crate) fn list_xattr(&self, place: Place<'_>, follow: bool) -> Result<Vec<Vec<u8>>> {
        let found = self.find(place, follow)?;
        found.existing()?;
        if super::device::check_mounted(&found.path).is_err() {
            return Ok(Vec::new());
        }
        Ok(self.rootfs.list_xattr(&found.path, false)?)
    }

    /// `access(2)`.
    pub(crate) fn access(&self, place: Place<'_>, how: u32) -> Result<()> {
        let found = self.find(place, true)?;
        let file = found.existing()?;
        place.who.may(file, how & (READ | WRITE | EXECUTE))
    }

    /// The names in a directory, sorted.
    pub(crate) fn read_dir(&self, path: &[u8]) -> Result<Vec<DirEntry>> {
        if super::device::is_directory(path) {
            // A step's own /dev and /proc hold more than ours.
            check_own_or_root(path)?;
        }
        let mut names = self.rootfs.read_dir(path)?;
        if path.is_empty() {
            names.retain(|entry| entry.name != super::journal::HIDDEN);
        }
        for (name, file_type) in super::device::names_in(path) {
            let name = name.as_bytes();
            match names.binary_search_by(|entry| entry.name[..].cmp(name)) {
                Ok(at) => names[at].file_type = file_type,
                Err(at) => names.insert(at, DirEntry { name: name.to_vec(), file_type }),
            }
        }
        Ok(names)
    }

    /// `futimens(2)`.
    pub(crate) fn set_times_of(
        &self,
        who: &super::Identity,
        file: &OpenFile,
        atime: NewTime,
        mtime: NewTime,
    ) -> Result<()> {
        match self.path_of(file)? {
            Some(path) => {
                self.set_times(Place { who, base: b"", path: &path }, atime, mtime, false)
            }
            None => Ok(()),
        }
    }
}

fn opened(fd: OwnedFd, path: Vec<u8>, appends: bool) -> Opened {
    Opened::File(OpenFile { fd, path, appends, written: AtomicBool::new(false) })
}
