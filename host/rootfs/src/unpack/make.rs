//! Making what an entry describes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};

use kiln_image::layer::read::LayerReader;
use kiln_image::layer::{Entry, Kind};
use kiln_ledger::Owner;
use rustix::fs::{AtFlags, Mode, OFlags, linkat, mkdirat, openat, symlinkat};
use rustix::io::Errno;

use super::{Unpacker, refused};
use crate::attributes::change_times;
use crate::error::{At, Result, RootfsError, show};
use crate::fingerprint::ContentHash;
use crate::metadata::{FileType, S_IFDIR, S_IFREG, Timestamp};
use crate::path;
use crate::rootfs::{stat_at, stat_fd};
use crate::walk::xattr_hash;
use crate::xattr::{CAPABILITY, is_content};

impl Unpacker<'_> {
    /// The entry of the root directory itself.
    pub(super) fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Dir {
            return Err(refused(&entry.path, "only a directory can be the root"));
        }
        self.leave_parent()?;
        // An archive says nothing of the directory that it goes into, as in BuildKit.
        if self.added.is_some() {
            return Ok(());
        }
        let root = self.rootfs.root_fd();
        self.directory_metadata(root, entry)
    }

    /// Makes what an entry describes; says whether it was not there already just so.
    pub(super) fn make(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<bool> {
        if self.added.is_some() && self.is_there(entry, name, reader)? {
            return Ok(false);
        }
        // At most one obstacle: after its removal nothing is in the way.
        for attempt in 0..2 {
            match self.try_make(entry, name, reader) {
                Err(error) if error.errno() == Errno::EXIST && attempt == 0 => {
                    let parent = self.here()?;
                    let canonical = path::join(&parent.canonical, name);
                    self.rootfs
                        .remove_all_at(parent.fd.as_fd(), name)
                        .at("replace", &entry.path)?;
                    if let Some(added) = &mut self.added {
                        added.delete(&canonical);
                    }
                    self.removed_something(&canonical)?;
                }
                result => return result.map(|()| true),
            }
        }
        Err(Errno::EXIST).at("unpack", &entry.path)
    }

    fn try_make(
        &mut self,
        entry: &Entry,
        name: &[u8],
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<()> {
        match &entry.kind {
            Kind::File { size } => self.file(entry, name, *size, reader),
            Kind::Dir => self.directory(entry, name),
            Kind::Symlink { target } => self.symlink(entry, name, target),
            Kind::HardLink { target } => self.hard_link(entry, name, target),
            Kind::Char { major, minor } => self.node(entry, name, FileType::Char, (*major, *minor)),
            Kind::Block { major, minor } => {
                self.node(entry, name, FileType::Block, (*major, *minor))
            }
            Kind::Fifo => self.node(entry, name, FileType::Fifo, (0, 0)),
        }
    }

    fn file(
        &mut self,
        entry: &Entry,
        name: &[u8],
        size: u64,
        reader: &mut LayerReader<&mut dyn Read>,
    ) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let made =
            openat(self.here()?.fd.as_fd(), name, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(made.at("unpack", &entry.path)?);
        let hash = write_data(&mut file, size, reader, &mut self.buffer);
        self.end_file(file, entry, hash.at("write", &entry.path)?)
    }

    /// Gives a written file all but its content; `hash` is the content's.
    pub(super) fn end_file(
        &mut self,
        file: File,
        entry: &Entry,
        hash: Option<ContentHash>,
    ) -> Result<()> {
        if let Kind::File { size } = entry.kind {
            self.stats.bytes += size;
        }
        let mode = S_IFREG | entry.mode;
        self.rootfs.settle(file.as_fd(), self.owner(entry), mode).at("chown", &entry.path)?;
        self.set_xattrs(file.as_fd(), entry)?;
        set_mtime(file.as_fd(), entry)?;
        let Some(hash) = hash else { return Ok(()) };
        let xattrs = if entry.xattrs.is_empty() {
            0
        } else {
            xattr_hash(self.rootfs, file.as_fd()).at("listxattr", &entry.path)?
        };
        self.remember(file.as_fd(), hash.finish(xattrs)).at("stat", &entry.path)
    }

    /// Notes the content of what was just made.
    fn remember(&self, fd: BorrowedFd<'_>, fingerprint: u64) -> rustix::io::Result<()> {
        let stat = stat_fd(fd)?;
        self.rootfs.fingerprints.remember(stat.stx_ino, stat.stx_ctime.into(), fingerprint);
        Ok(())
    }

    fn directory(&mut self, entry: &Entry, name: &[u8]) -> Result<()> {
        let dir = self.here()?.fd.as_fd();
        match mkdirat(dir, name, Mode::RWXU) {
            Ok(()) => {}
            // A directory is merged; anything else is an obstacle.
            Err(Errno::EXIST) if is_dir(dir, name).at("unpack", &entry.path)? => {}
            Err(errno) => return Err(errno).at("unpack", &entry.path),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(dir, name, flags, Mode::empty()).at("unpack", &entry.path)?;
        self.directory_metadata(made.as_fd(), entry)
    }

    fn symlink(&mut self, entry: &Entry, name: &[u8], target: &[u8]) -> Result<()> {
        let dir = self.here()?.fd.as_fd();
        symlinkat(target, dir, name).at("unpack", &entry.path)?;
        let made = self.rootfs.path_at(dir, name).at("unpack", &entry.path)?;
        let Owner { uid, gid } = self.owner(entry);
        let (uid, gid) = (Some(uid), Some(gid));
        self.rootfs.change_owner(made.as_fd(), uid, gid).at("chown", &entry.path)?;
        self.stats.dropped_xattrs += entry.xattrs.len() as u64;
        set_mtime(made.as_fd(), entry)?;
        let mut hash = ContentHash::new();
        hash.update(target);
        self.remember(made.as_fd(), hash.finish(0)).at("stat", &entry.path)
    }

    fn hard_link(&mut self, entry: &Entry, name: &[u8], target: &[u8]) -> Result<()> {
        let dir = self.here()?.fd.as_fd();
        let (target_dir, target_name) =
            self.rootfs.parent(target).map_err(|errno| missing_target(entry, errno))?;
        match linkat(&target_dir, target_name, dir, name, AtFlags::empty()) {
            Err(Errno::EXIST) => {
                let there = identity(dir, name).at("unpack", &entry.path)?;
                if identity(target_dir.as_fd(), target_name) == Ok(there) {
                    return Ok(());
                }
                Err(Errno::EXIST).at("unpack", &entry.path)
            }
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => Err(missing_target(entry, errno)),
            Err(Errno::PERM) => Err(refused(&entry.path, "a hard link to a directory")),
            other => other.at("unpack", &entry.path),
        }
    }

    fn node(&mut self, entry: &Entry, name: &[u8], kind: FileType, rdev: (u32, u32)) -> Result<()> {
        let rootfs = self.rootfs;
        let dir = self.here()?.fd.as_fd();
        rootfs.mknod_at(dir, name, kind, entry.mode, rdev).at("mknod", &entry.path)?;
        let made = rootfs.path_at(dir, name).at("mknod", &entry.path)?;
        let Owner { uid, gid } = self.owner(entry);
        let (uid, gid) = (Some(uid), Some(gid));
        rootfs.change_owner(made.as_fd(), uid, gid).at("chown", &entry.path)?;
        rootfs.change_mode(made.as_fd(), entry.mode).at("chmod", &entry.path)?;
        self.stats.dropped_xattrs += entry.xattrs.len() as u64;
        set_mtime(made.as_fd(), entry)
    }

    fn directory_metadata(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        let mode = S_IFDIR | entry.mode;
        self.rootfs.settle(fd, self.owner(entry), mode).at("chown", &entry.path)?;
        // A merged directory is described by the newest layer alone.
        for name in self.rootfs.xattr_names(fd).at("listxattr", &entry.path)? {
            if is_content(&name) && !entry.xattrs.contains_key(&name) {
                self.rootfs.drop_xattr(fd, &name).at("removexattr", &entry.path)?;
            }
        }
        self.set_xattrs(fd, entry)?;
        set_mtime(fd, entry)
    }

    /// Attributes that cannot be held are dropped, as other builders do: labels of security
    /// modules, ACLs and the like are the host's business.
    fn set_xattrs(&mut self, fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        for (name, value) in &entry.xattrs {
            if !is_content(name) {
                self.stats.dropped_xattrs += 1;
                continue;
            }
            match self.rootfs.change_xattr(fd, name, value) {
                Ok(()) => {}
                Err(Errno::INVAL) if name == CAPABILITY => {
                    return Err(refused(&entry.path, "its file capability is malformed"));
                }
                Err(Errno::PERM | Errno::OPNOTSUPP) => self.stats.dropped_xattrs += 1,
                Err(errno) => return Err(errno).at("setxattr", &entry.path),
            }
        }
        Ok(())
    }
}

/// Writes a file's content and hashes it; holes stay holes, and are not worth hashing.
fn write_data(
    file: &mut File,
    size: u64,
    reader: &mut LayerReader<&mut dyn Read>,
    buffer: &mut [u8],
) -> std::io::Result<Option<ContentHash>> {
    write_rest(file, 0, size, ContentHash::new(), reader, buffer)
}

/// Writes a file's content from `position` on, where the file's offset is; `hash` has what is
/// before.
pub(super) fn write_rest(
    file: &mut File,
    mut position: u64,
    size: u64,
    mut hash: ContentHash,
    reader: &mut LayerReader<&mut dyn Read>,
    buffer: &mut [u8],
) -> std::io::Result<Option<ContentHash>> {
    let mut data = reader.data();
    let mut holes = false;
    while position < size {
        let hole = data.skip_hole();
        if hole > 0 {
            position += hole;
            holes = true;
            file.seek(SeekFrom::Start(position))?;
            continue;
        }
        let count = data.read(buffer)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(&buffer[..count]);
        file.write_all(&buffer[..count])?;
        position += count as u64;
    }
    if holes {
        file.set_len(size)?;
        return Ok(None);
    }
    Ok(Some(hash))
}

fn is_dir(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<bool> {
    Ok(FileType::of_mode(stat_at(dir, name)?.stx_mode.into()) == FileType::Dir)
}

fn identity(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<(u32, u32, u64)> {
    let stat = stat_at(dir, name)?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
}

fn set_mtime(fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    let mtime = Timestamp { secs: entry.mtime.secs, nanos: entry.mtime.nanos };
    change_times(fd, None, Some(mtime)).at("utimensat", &entry.path)
}

fn missing_target(entry: &Entry, errno: Errno) -> RootfsError {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::INVAL => {
            refused(&entry.path, "a hard link to a file that does not exist")
        }
        errno => RootfsError::Sys { op: "link", path: show(&entry.path), errno },
    }
}
