//! The target stage's file system in a directory of the user's.
//!
//! A directory that does not exist appears when it is complete. In one that does, files are
//! replaced one by one and others stay; nothing is ever written through a symlink below it, and no
//! directory of the user's is removed.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use kiln_rootfs::copy::Source;
use kiln_rootfs::{FileType, Metadata, Rootfs, RootfsError, path};
use kiln_runner::Cancel;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Timestamps, Uid, XattrFlags, chownat, fchmod,
    fchown, fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, openat2, symlinkat,
    unlinkat, utimensat,
};
use rustix::io::Errno;

use super::destination::parent;
use super::tree::Tree;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::schedule::cancelled;

/// Refuses what cannot work, before anything is built.
pub(super) fn check(dest: &Path) -> Result<()> {
    if dest.exists() && !dest.is_dir() {
        return Err(BuildError::input(format!("{} is not a directory", dest.display()))
            .with_hint("type=local writes a directory, type=tar a file"));
    }
    Ok(())
}

/// Writes the file systems.
pub(super) fn write(trees: &[Tree], dest: &Path, cancel: &Cancel) -> Result<()> {
    let what = || format!("write {}", dest.display());
    if dest.is_dir() {
        return fill(trees, dest, cancel);
    }
    std::fs::create_dir_all(parent(dest)).context(ErrorKind::Environment, what)?;
    let staged = Staged::create(dest)?;
    fill(trees, &staged.0, cancel)?;
    std::fs::rename(&staged.0, dest).context(ErrorKind::Environment, what)
}

/// A directory that goes away unless it was renamed.
struct Staged(PathBuf);

impl Staged {
    fn create(dest: &Path) -> Result<Self> {
        // Only for its name, which nobody has.
        let name = tempfile::Builder::new()
            .prefix(dest.file_name().unwrap_or_default())
            .suffix(".partial")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir_in(parent(dest))
            .context(ErrorKind::Environment, || format!("write {}", dest.display()))?;
        Ok(Self(name.keep()))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _renamed = kiln_rootfs::remove_dir_all(&self.0);
    }
}

fn fill(trees: &[Tree], dest: &Path, cancel: &Cancel) -> Result<()> {
    let what = || format!("write {}", dest.display());
    let keep_owners = keeps_owners();
    for tree in trees {
        let dir = dest.join(&tree.dir);
        if !tree.dir.is_empty() {
            match std::fs::create_dir(&dir) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => made.context(ErrorKind::Environment, what)?,
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // The directory itself may be a symlink of the user's; a platform's below it may not.
        let nofollow = if tree.dir.is_empty() { OFlags::empty() } else { OFlags::NOFOLLOW };
        let root = openat(CWD, &dir, flags | nofollow, Mode::empty())
            .context(ErrorKind::Environment, what)?;
        let rootfs = &tree.rootfs;
        let mut writer =
            Writer { rootfs, root, epoch: tree.epoch, keep_owners, links: HashMap::new(), cancel };
        writer.everything().map_err(|error| match error {
            Failure::Cancelled => cancelled(),
            Failure::Read(error) => {
                BuildError::new(ErrorKind::Environment, what()).with_source(error)
            }
            Failure::Write(path, errno) => {
                let path = dir.join(String::from_utf8_lossy(&path).as_ref());
                let error =
                    BuildError::new(ErrorKind::Environment, format!("write {}", path.display()))
                        .with_source(std::io::Error::from(errno));
                match errno {
                    Errno::ISDIR => error.with_hint("a directory is in the way; remove it first"),
                    _ => error,
                }
            }
        })?;
    }
    Ok(())
}

/// Why writing ended early.
enum Failure {
    Cancelled,
    Read(RootfsError),
    /// The path below the directory.
    Write(Vec<u8>, Errno),
}

impl From<RootfsError> for Failure {
    fn from(error: RootfsError) -> Self {
        Self::Read(error)
    }
}

struct Writer<'a> {
    rootfs: &'a Rootfs,
    root: OwnedFd,
    epoch: Option<i64>,
    keep_owners: bool,
    /// The first path of every inode with several names.
    links: HashMap<(u64, (u32, u32)), Vec<u8>>,
    cancel: &'a Cancel,
}

impl Writer<'_> {
    fn everything(&mut self) -> std::result::Result<(), Failure> {
        // Directories get their modes and times last, the inner ones first: what is written into
        // them changes the times, and a mode may forbid writing.
        let mut directories: Vec<(Vec<u8>, Metadata)> = Vec::new();
        let mut open = vec![Vec::new()];
        while let Some(dir) = open.pop() {
            if self.cancel.is_cancelled() {
                return Err(Failure::Cancelled);
            }
            let at = |errno| Failure::Write(dir.clone(), errno);
            let parent = self.open(&dir, OFlags::PATH | OFlags::DIRECTORY).map_err(at)?;
            for (name, metadata) in self.rootfs.list(&dir)? {
                let path = path::join(&dir, &name);
                let at = |errno| Failure::Write(path.clone(), errno);
                if metadata.is_dir() {
                    make_directory(&parent, &name).map_err(at)?;
                    directories.push((path.clone(), metadata));
                    open.push(path);
                } else {
                    self.entry(&parent, &name, &path, &metadata)?;
                }
            }
        }
        for (path, metadata) in directories.iter().rev() {
            // One of somebody else's that was there before stays as it is.
            if let Ok(directory) = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
                self.attributes(&File::from(directory), path, metadata)?;
            }
        }
        Ok(())
    }

    /// Opens a path of the directory that is written; never through a symlink.
    fn open(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        openat2(&self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), inside)
    }

    fn entry(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        path: &[u8],
        metadata: &Metadata,
    ) -> std::result::Result<(), Failure> {
        let at = |errno| Failure::Write(path.to_vec(), errno);
        if metadata.nlink > 1 {
            if let Some(first) = self.links.get(&(metadata.ino, metadata.dev)) {
                let (dir, first) = path::split(first);
                let dir = self.open(dir, OFlags::PATH | OFlags::DIRECTORY).map_err(at)?;
                return replace(parent, name, || {
                    linkat(&dir, first, parent, name, AtFlags::empty())
                })
                .map_err(at);
            }
            self.links.insert((metadata.ino, metadata.dev), path.to_vec());
        }
        match metadata.file_type {
            FileType::File => {
                let mut content = Source::open(self.rootfs, path)?;
                let mut file = replace(parent, name, || {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                    openat(parent, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
                })
                .map_err(at)?;
                content
                    .copy_to(&mut file)
                    .map_err(|error| at(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
                self.attributes(&file, path, metadata)
            }
            FileType::Symlink => {
                let target = Source::readlink(self.rootfs, path)?;
                replace(parent, name, || symlinkat(target.as_slice(), parent, name)).map_err(at)?;
                self.node_attributes(parent, name, metadata).map_err(at)
            }
            FileType::Fifo | FileType::Char | FileType::Block => {
                let kind = rustix::fs::FileType::from_raw_mode(metadata.st_mode());
                let device = makedev(metadata.rdev.0, metadata.rdev.1);
                let mode = Mode::from_raw_mode(metadata.mode & 0o777);
                match replace(parent, name, || mknodat(parent, name, kind, mode, device)) {
                    // Device nodes are root's to make; without them the rest is still of use.
                    Err(Errno::PERM) if metadata.file_type != FileType::Fifo => Ok(()),
                    made => {
                        made.and_then(|()| self.node_attributes(parent, name, metadata)).map_err(at)
                    }
                }
            }
            FileType::Socket | FileType::Dir => Ok(()),
        }
    }

    /// Owner, mode, attributes and times, as far as the user may set them.
    fn attributes(
        &self,
        file: &File,
        path: &[u8],
        metadata: &Metadata,
    ) -> std::result::Result<(), Failure> {
        let at = |errno| Failure::Write(path.to_vec(), errno);
        if self.keep_owners {
            let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
            as_far_as_allowed(fchown(file, Some(uid), Some(gid))).map_err(at)?;
        }
        for (name, value) in Source::xattrs(self.rootfs, path)? {
            let set = fsetxattr(file, name.as_slice(), &value, XattrFlags::empty());
            as_far_as_allowed(set).map_err(at)?;
        }
        // After the owner, whose change takes setuid away.
        as_far_as_allowed(fchmod(file, Mode::from_raw_mode(metadata.mode))).map_err(at)?;
        as_far_as_allowed(futimens(file, &self.times(metadata))).map_err(at)
    }

    /// The same for what cannot be opened.
    fn node_attributes(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        metadata: &Metadata,
    ) -> rustix::io::Result<()> {
        let parent = parent.as_fd();
        if self.keep_owners {
            let (uid, gid) = (Uid::from_raw(metadata.uid), Gid::from_raw(metadata.gid));
            let owner = chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
            as_far_as_allowed(owner)?;
        }
        let times = self.times(metadata);
        as_far_as_allowed(utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW))
    }

    fn times(&self, metadata: &Metadata) -> Timestamps {
        let mut time = metadata.mtime;
        if let Some(epoch) = self.epoch.filter(|epoch| time.secs >= *epoch) {
            time = kiln_rootfs::Timestamp { secs: epoch, nanos: 0 };
        }
        Timestamps { last_access: time.into(), last_modification: time.into() }
    }
}

/// Makes a directory, or takes the one that is there; anything else in its place goes.
fn make_directory(parent: &OwnedFd, name: &[u8]) -> rustix::io::Result<()> {
    match mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => {}
        made => return made,
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(_) => Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            unlinkat(parent, name, AtFlags::empty())?;
            mkdirat(parent, name, Mode::RWXU)
        }
        Err(errno) => Err(errno),
    }
}

/// Makes something under a name whose file, if there is one, goes.
fn replace<T>(
    parent: &OwnedFd,
    name: &[u8],
    make: impl Fn() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(parent, name, AtFlags::empty())?;
            make()
        }
        made => made,
    }
}

/// Passes over what this user may not do here, or this file system cannot store.
fn as_far_as_allowed(result: rustix::io::Result<()>) -> rustix::io::Result<()> {
    match result {
        Err(Errno::PERM | Errno::INVAL | Errno::NOTSUP | Errno::ACCESS) => Ok(()),
        other => other,
    }
}

/// Whether owners are kept: by root. Root of a user namespace in which it stands for one plain user
/// gets files of its own instead, since others could not be removed again outside of it.
fn keeps_owners() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    rustix::process::geteuid().is_root() && !root_is_one_user(&map)
}

/// Whether a uid_map (user_namespaces(7)) maps uid 0 alone to somebody.
fn root_is_one_user(map: &str) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_whitespace();
        fields.next() == Some("0") && fields.nth(1) == Some("1")
    })
}

#[cfg(test)]
mod tests;
