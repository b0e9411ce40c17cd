//! A directory of the host as a source: the build context.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::source::{Content, Source, Xattrs};
use crate::error::{At, Result};
use crate::list::for_each_name;
use crate::metadata::Metadata;
use crate::names::canonical;
use crate::rootfs::{resolve_in, stat_at, stat_fd};

/// A directory of the host. Its files belong to root in the image, whoever owns them here; nothing
/// outside it can be named, by symlinks neither: those lead where they would if the directory were
/// the root, as in BuildKit.
#[derive(Debug)]
pub struct HostDir {
    root: OwnedFd,
}

impl HostDir {
    /// Opens a directory.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: openat(CWD, dir, flags, Mode::empty())? })
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        resolve_in(self.root.as_fd(), path, flags, Mode::empty())
    }
}

fn as_roots(stat: &rustix::fs::Statx) -> Metadata {
    Metadata { uid: 0, gid: 0, ..Metadata::new(stat, None, None) }
}

impl Source for HostDir {
    fn canonicalize(&self, path: &[u8]) -> Result<Vec<u8>> {
        canonical(path, &mut |path| self.metadata(path), &mut |path| self.readlink(path))
    }

    fn metadata(&self, path: &[u8]) -> Result<Metadata> {
        let fd = self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW).at("stat", path)?;
        Ok(as_roots(&stat_fd(fd.as_fd()).at("stat", path)?))
    }

    fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Metadata)>> {
        let dir = self
            .resolve(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
            .at("list", path)?;
        let mut list = Vec::new();
        for_each_name(dir.as_fd(), |name, _| {
            match stat_at(dir.as_fd(), name) {
                Ok(stat) => list.push((name.to_vec(), as_roots(&stat))),
                // Gone since.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
            Ok(())
        })
        .at("list", path)?;
        list.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(list)
    }

    fn open(&self, path: &[u8]) -> Result<Box<dyn Content>> {
        // A fifo that takes a file's place must not block.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(Box::new(File::from(self.resolve(path, flags).at("open", path)?)))
    }

    fn readlink(&self, path: &[u8]) -> Result<Vec<u8>> {
        let fd = self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW).at("readlink", path)?;
        Ok(readlinkat(&fd, c"", Vec::new()).at("readlink", path)?.into_bytes())
    }

    /// None: attributes of the host's file system are not the image's.
    fn xattrs(&self, _path: &[u8]) -> Result<Xattrs> {
        Ok(Vec::new())
    }
}
