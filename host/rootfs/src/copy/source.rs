//! Where copied files come from.

use std::io::Read;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{At, Result};
use crate::metadata::{FileType, Metadata, Timestamp};
use crate::rootfs::Rootfs;

/// Extended attributes by name.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// A tree of files to copy from. Paths are canonical paths of the tree, except where said.
pub trait Source: Sync {
    /// The canonical path of any path, symlinks followed inside the tree.
    ///
    /// # Errors
    /// `ENOENT`, `ELOOP` and so on.
    fn canonicalize(&self, path: &[u8]) -> Result<Vec<u8>>;

    /// What is there, not followed.
    ///
    /// # Errors
    /// As lstat(2).
    fn metadata(&self, path: &[u8]) -> Result<Metadata>;

    /// The names in a directory with what they are, sorted by bytes.
    ///
    /// # Errors
    /// As readdir(3).
    fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Metadata)>>;

    /// The content of a regular file.
    ///
    /// # Errors
    /// As open(2).
    fn open(&self, path: &[u8]) -> Result<Box<dyn Content>>;

    /// The target of a symlink.
    ///
    /// # Errors
    /// As readlink(2).
    fn readlink(&self, path: &[u8]) -> Result<Vec<u8>>;

    /// The extended attributes that belong to the content.
    ///
    /// # Errors
    /// As listxattr(2) and getxattr(2).
    fn xattrs(&self, path: &[u8]) -> Result<Xattrs>;
}

/// The content of a file, to be copied into another.
pub trait Content: Read {
    /// Copies everything into a file, by the kernel where it can.
    ///
    /// # Errors
    /// As read(2) and write(2).
    fn copy_to(&mut self, file: &mut std::fs::File) -> std::io::Result<u64>;
}

impl Content for std::fs::File {
    fn copy_to(&mut self, file: &mut std::fs::File) -> std::io::Result<u64> {
        std::io::copy(self, file)
    }
}

impl Content for std::io::Cursor<Vec<u8>> {
    fn copy_to(&mut self, file: &mut std::fs::File) -> std::io::Result<u64> {
        std::io::copy(self, file)
    }
}

impl Source for Rootfs {
    fn canonicalize(&self, path: &[u8]) -> Result<Vec<u8>> {
        Rootfs::canonicalize(self, path)
    }

    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        Rootfs::metadata(self, path, false)
    }

    fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Metadata)>> {
        let mut list = Vec::new();
        for entry in self.read_dir(path)? {
            let metadata = Rootfs::metadata(self, &crate::path::join(path, &entry.name), false)?;
            list.push((entry.name, metadata));
        }
        Ok(list)
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Content>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Box::new(std::fs::File::from(Rootfs::open(self, path, flags, 0)?)))
    }

    fn readlink(&self, path: &[u8]) -> Result<Vec<u8>> {
        Rootfs::readlink(self, path)
    }

    fn xattrs(&self, path: &[u8]) -> Result<Xattrs> {
        let mut xattrs = Vec::new();
        for name in self.list_xattr(path, false)? {
            if crate::xattr::is_content(&name) {
                let value = self.get_xattr(path, &name, false)?;
                xattrs.push((name, value));
            }
        }
        Ok(xattrs)
    }
}

/// A tree that holds one file.
pub(super) struct Inline<'a> {
    pub(super) name: &'a [u8],
    pub(super) content: &'a [u8],
    pub(super) time: Option<Timestamp>,
}

/// The mode of a file written in the Dockerfile.
const INLINE_MODE: u32 = 0o644;

impl Source for Inline<'_> {
    fn canonicalize(&self, path: &[u8]) -> Result<Vec<u8>> {
        Ok(path.to_vec())
    }

    fn metadata(&self, _path: &[u8]) -> Result<Metadata> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let mtime = self.time.unwrap_or(Timestamp {
            secs: now.tv_sec,
            nanos: u32::try_from(now.tv_nsec).unwrap_or(0),
        });
        Ok(Metadata {
            file_type: FileType::File,
            mode: INLINE_MODE,
            uid: 0,
            gid: 0,
            size: self.content.len() as u64,
            blocks: 0,
            atime: mtime,
            mtime,
            ctime: mtime,
            rdev: (0, 0),
            nlink: 1,
            ino: 0,
            dev: (0, 0),
        })
    }

    fn list(&self, _path: &[u8]) -> Result<Vec<(Vec<u8>, Metadata)>> {
        Err(Errno::NOTDIR).at("list", self.name)
    }

    fn open(&self, _path: &[u8]) -> Result<Box<dyn Content>> {
        Ok(Box::new(std::io::Cursor::new(self.content.to_vec())))
    }

    fn readlink(&self, _path: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::INVAL).at("readlink", self.name)
    }

    fn xattrs(&self, _path: &[u8]) -> Result<Xattrs> {
        Ok(Vec::new())
    }
}
