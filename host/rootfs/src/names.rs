//! Names in directories: made, moved, linked and removed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, Statx, linkat, mkdirat, mknodat, openat, readlinkat,
    renameat_with, symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{At, Result};
use crate::metadata::{FileType, Metadata, S_IFDIR, S_IFMT};
use crate::path;
use crate::rootfs::{Ownership, Rootfs, stat_at};

const S_ISGID: u32 = 0o2000;

/// How many symlinks a resolution follows, as Linux does.
pub(crate) const MAX_SYMLINKS: usize = 40;

impl Rootfs {
    /// Makes a directory with exactly this mode; no umask applies.
    ///
    /// # Errors
    /// As mkdir(2).
    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<()> {
        let (parent, name) = self.new_name(path).at("mkdir", path)?;
        self.mkdir_at(parent.as_fd(), name, mode).at("mkdir", path)?;
        Ok(())
    }

    /// Makes a directory and those above it that are missing, all with this mode and owner 0:0, or
    /// the group of a setgid directory that they are made in. Gives the canonical paths of those made, outermost first.
    ///
    /// # Errors
    /// As mkdir(2); `ENOTDIR` when something else than a directory is in the way.
    pub fn mkdir_all(&self, path: &[u8], mode: u32) -> Result<Vec<Vec<u8>>> {
        let mut made = Vec::new();
        let mut here = Vec::new();
        let mut pending: Vec<Vec<u8>> = path::components(path).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == b".." {
                here = path::split(&here).0.to_vec();
                continue;
            }
            let next = path::join(&here, &part);
            match self.metadata(&next, false) {
                Ok(found) if found.is_dir() => here = next,
                Ok(found) if found.file_type == FileType::Symlink => {
                    links += 1;
                    if links > MAX_SYMLINKS {
                        return Err(Errno::LOOP).at("mkdir", path);
                    }
                    let target = self.readlink(&next)?;
                    if target.first() == Some(&b'/') {
                        here.clear();
                    }
                    pending.extend(path::components(&target).rev().map(<[u8]>::to_vec));
                }
                Ok(_) => return Err(Errno::NOTDIR).at("mkdir", &next),
                Err(error) if error.errno() == Errno::NOENT => {
                    self.mkdir(&next, mode)?;
                    let above = self.metadata(&here, false)?;
                    if above.mode & S_ISGID != 0 {
                        self.set_owner(&next, None, Some(above.gid), false)?;
                    }
                    made.push(next.clone());
                    here = next;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Makes a symlink at `path`.
    ///
    /// # Errors
    /// As symlink(2).
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<()> {
        let (parent, name) = self.new_name(path).at("symlink", path)?;
        symlinkat(target, &parent, name).at("symlink", path)
    }

    /// Makes `path` another name of `existing`, which is followed when it is a symlink and `follow`
    /// is set.
    ///
    /// # Errors
    /// As linkat(2).
    pub fn hard_link(&self, existing: &[u8], path: &[u8], follow: bool) -> Result<()> {
        let existing = if follow {
            std::borrow::Cow::Owned(self.canonicalize(existing)?)
        } else {
            std::borrow::Cow::Borrowed(existing)
        };
        let (old_parent, old_name) = self.parent(&existing).at("link", &existing)?;
        let (parent, name) = self.new_name(path).at("link", path)?;
        linkat(&old_parent, old_name, &parent, name, AtFlags::empty()).at("link", path)
    }

    /// Renames; with `RenameFlags` as renameat2(2).
    ///
    /// # Errors
    /// As renameat2(2).
    pub fn rename(&self, from: &[u8], to: &[u8], flags: RenameFlags) -> Result<()> {
        let (old_parent, old_name) = self.parent(from).at("rename", from)?;
        let (parent, name) = self.parent(to).at("rename", to)?;
        let replaced = if flags.is_empty() && !self.ledger.is_empty() {
            self.last_link(parent.as_fd(), name)
        } else {
            None
        };
        let same = replaced.as_ref().is_some_and(|(_, stat)| {
            stat_at(old_parent.as_fd(), old_name).is_ok_and(|old| old.stx_ino == stat.stx_ino)
        });
        renameat_with(&old_parent, old_name, &parent, name, flags).at("rename", to)?;
        if let Some((_inode, stat)) = replaced.filter(|_| !same) {
            self.ledger.remove(&stat);
        }
        Ok(())
    }

    /// Removes a name that is not a directory's.
    ///
    /// # Errors
    /// As unlink(2).
    pub fn unlink(&self, path: &[u8]) -> Result<()> {
        let (parent, name) = self.parent(path).at("unlink", path)?;
        self.remove_name(parent.as_fd(), name, AtFlags::empty()).at("unlink", path)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As rmdir(2).
    pub fn rmdir(&self, path: &[u8]) -> Result<()> {
        let (parent, name) = match self.parent(path) {
            Err(Errno::INVAL) if path::split(path).1 == b".." => Err(Errno::NOTEMPTY),
            other => other,
        }
        .at("rmdir", path)?;
        self.remove_name(parent.as_fd(), name, AtFlags::REMOVEDIR).at("rmdir", path)
    }

    /// Removes whatever the path names, with all that is in it; nothing there is fine.
    ///
    /// # Errors
    /// The first removal that failed.
    pub fn remove_all(&self, path: &[u8]) -> Result<()> {
        let (parent, name) = match self.parent(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other.at("remove", path)?,
        };
        self.remove_all_at(parent.as_fd(), name).at("remove", path)
    }

    /// Makes a device node, fifo, socket or empty file with exactly this mode. Where the kernel
    /// refuses device nodes, an empty file with a ledger record stands for it.
    ///
    /// # Errors
    /// As mknod(2).
    pub fn mknod(&self, path: &[u8], kind: FileType, mode: u32, rdev: (u32, u32)) -> Result<()> {
        let (parent, name) = self.new_name(path).at("mknod", path)?;
        self.mknod_at(parent.as_fd(), name, kind, mode, rdev).at("mknod", path)
    }

    /// A symlink's target.
    ///
    /// # Errors
    /// As readlink(2).
    pub fn readlink(&self, path: &[u8]) -> Result<Vec<u8>> {
        let fd = self.locate(path, false).at("readlink", path)?;
        let target = readlinkat(&fd, c"", Vec::new()).map_err(|errno| match errno {
            // What readlinkat(fd, "") says of an inode that is no symlink.
            Errno::NOENT => Errno::INVAL,
            errno => errno,
        });
        Ok(target.at("readlink", path)?.into_bytes())
    }

    /// The path's canonical spelling, all symlinks followed; it must exist.
    ///
    /// # Errors
    /// As realpath(3).
    pub fn canonicalize(&self, path: &[u8]) -> Result<Vec<u8>> {
        canonical(path, &mut |path| self.metadata(path, false), &mut |path| self.readlink(path))
    }

    /// Parent and name for something to be made: what names the root or a `..` exists already.
    fn new_name<'p>(&self, path: &'p [u8]) -> rustix::io::Result<(OwnedFd, &'p [u8])> {
        if matches!(path::split(path).1, b"" | b"." | b"..") {
            return Err(Errno::EXIST);
        }
        self.parent(path)
    }

    /// Makes a directory; gives a descriptor of it.
    pub(crate) fn mkdir_at(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        mode: u32,
    ) -> rustix::io::Result<OwnedFd> {
        mkdirat(parent, name, Mode::from_raw_mode(mode & 0o1777 | 0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(parent, name, flags, Mode::empty())?;
        self.change_mode(fd.as_fd(), mode)?;
        Ok(fd)
    }

    pub(crate) fn mknod_at(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        kind: FileType,
        mode: u32,
        rdev: (u32, u32),
    ) -> rustix::io::Result<()> {
        let disk_mode = Mode::from_raw_mode(mode & 0o777 | 0o600);
        let node_type = match kind {
            FileType::Dir | FileType::Symlink => return Err(Errno::INVAL),
            FileType::File => rustix::fs::FileType::RegularFile,
            FileType::Fifo => rustix::fs::FileType::Fifo,
            FileType::Socket => rustix::fs::FileType::Socket,
            FileType::Char => rustix::fs::FileType::CharacterDevice,
            FileType::Block => rustix::fs::FileType::BlockDevice,
        };
        let device = matches!(kind, FileType::Char | FileType::Block);
        if !device || self.ownership() == Ownership::Kernel {
            let number = rustix::fs::makedev(rdev.0, rdev.1);
            match mknodat(parent, name, node_type, disk_mode, number) {
                Ok(()) => {
                    let fd = self.path_at(parent, name)?;
                    return self.change_mode(fd.as_fd(), mode);
                }
                Err(Errno::PERM) if device => {}
                Err(errno) => return Err(errno),
            }
        }
        let regular = rustix::fs::FileType::RegularFile;
        mknodat(parent, name, regular, Mode::RUSR | Mode::WUSR, 0)?;
        let full_mode = kind.mode_bits() | mode & 0o7777;
        self.ledger.update(&stat_at(parent, name)?, |record| {
            record.mode = Some(full_mode);
            record.rdev = Some(rdev);
        })
    }

    /// An `O_PATH` descriptor of a name, not followed.
    pub(crate) fn path_at(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(parent, name, flags, Mode::empty())
    }

    /// Removes a name, and with the inode's last name its ledger record.
    pub(crate) fn remove_name(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        flags: AtFlags,
    ) -> rustix::io::Result<()> {
        if self.ledger.is_empty() {
            return unlinkat(parent, name, flags);
        }
        let last = self.last_link(parent, name);
        unlinkat(parent, name, flags)?;
        if let Some((_inode, stat)) = last {
            self.ledger.remove(&stat);
        }
        Ok(())
    }

    /// The inode that loses its last name when this one goes. The descriptor keeps the inode number
    /// from being used again before its record is gone.
    fn last_link(&self, parent: BorrowedFd<'_>, name: &[u8]) -> Option<(OwnedFd, Statx)> {
        let inode = self.path_at(parent, name).ok()?;
        let stat = crate::rootfs::stat_fd(inode.as_fd()).ok()?;
        let directory = u32::from(stat.stx_mode) & S_IFMT == S_IFDIR;
        (directory || stat.stx_nlink <= 1).then_some((inode, stat))
    }

    pub(crate) fn remove_all_at(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> rustix::io::Result<()> {
        match self.remove_name(parent, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // POSIX says EPERM, Linux EISDIR.
            Err(Errno::ISDIR | Errno::PERM) => {
                crate::remove::remove_tree_with(parent, name, |dir, name, flags| {
                    self.remove_name(dir, name, flags)
                })
            }
            Err(errno) => Err(errno),
        }
    }
}

/// The canonical spelling of a path in any tree that can say what a name is and where a link leads.
pub(crate) fn canonical(
    path: &[u8],
    metadata: &mut dyn FnMut(&[u8]) -> Result<Metadata>,
    readlink: &mut dyn FnMut(&[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let mut here: Vec<u8> = Vec::new();
    let mut pending: Vec<Vec<u8>> = path::components(path).rev().map(<[u8]>::to_vec).collect();
    let mut links = 0;
    let must_be_dir = path.last() == Some(&b'/') || path.ends_with(b"/.");
    let mut is_dir = true;
    while let Some(part) = pending.pop() {
        if !is_dir {
            return Err(Errno::NOTDIR).at("resolve", path);
        }
        if part == b".." {
            here = path::split(&here).0.to_vec();
            continue;
        }
        let next = path::join(&here, &part);
        let found = metadata(&next).map_err(|error| error.with_path(path))?;
        if found.file_type == FileType::Symlink {
            links += 1;
            if links > MAX_SYMLINKS {
                return Err(Errno::LOOP).at("resolve", path);
            }
            let target = readlink(&next)?;
            if target.first() == Some(&b'/') {
                here.clear();
            }
            pending.extend(path::components(&target).rev().map(<[u8]>::to_vec));
        } else {
            here = next;
            is_dir = found.is_dir();
        }
    }
    if must_be_dir && !is_dir {
        return Err(Errno::NOTDIR).at("resolve", path);
    }
    Ok(here)
}
