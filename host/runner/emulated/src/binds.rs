//! What a step sees besides its rootfs: /proc, /sys, /dev, the network's files, its mounts.
//!
//! Nothing is mounted. A bind is a row in the step's configuration; its target is a directory or a
//! file of the rootfs that is locked (mode 0000) for the length of the step, so that the kernel
//! stops there and the handler takes over.

mod standard;

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_emulated_core::abi::device;
use kiln_emulated_core::config::{BindKind, FIRST_BIND_FD, MAX_BINDS};
use kiln_rootfs::{Rootfs, remove_dir_all};
use kiln_runner::{MountSource, RunError, Step};
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, ResolveFlags, Statx, StatxFlags,
    Timespec, Timestamps, UTIME_OMIT, chmodat, fchmod, flock, futimens, mkdirat, openat, openat2,
    readlinkat, statx, unlinkat,
};
use rustix::io::Errno;

use crate::landlock::Access;

pub(crate) use standard::read_host;

/// A bind, with what it holds open.
#[derive(Debug)]
pub(crate) struct HostBind {
    /// Absolute guest path.
    pub(crate) target: Vec<u8>,
    /// Absolute host path.
    pub(crate) host: Vec<u8>,
    /// `O_PATH` descriptor of the host's file.
    pub(crate) source: Arc<OwnedFd>,
    /// The descriptor's number in the step.
    pub(crate) fd: i32,
    pub(crate) kind: BindKind,
    pub(crate) read_only: bool,
    pub(crate) access: Access,
    /// The device that the source lies on.
    pub(crate) device: u64,
    /// Device and inode of what it covers.
    pub(crate) covered: (u64, u64),
}

/// Everything prepared on disk for one step; undone on drop.
#[derive(Debug)]
pub(crate) struct Stage<'r> {
    rootfs: &'r Rootfs,
    directory: PathBuf,
    directory_fd: OwnedFd,
    pub(crate) binds: Vec<HostBind>,
    undo: Vec<Undo>,
}

#[derive(Debug)]
enum Undo {
    /// Give a directory or file its mode back.
    Mode(OwnedFd, u32),
    /// Remove a name that was made for the step, if nothing is in it.
    Remove { parent: OwnedFd, name: Vec<u8>, is_dir: bool },
    /// Give a directory its times back, after something was made in it.
    Times(OwnedFd, Timespec),
}

fn failed(what: impl Into<String>) -> impl FnOnce(Errno) -> RunError {
    let what = what.into();
    move |errno| RunError::Io { what, source: errno.into() }
}

impl<'r> Stage<'r> {
    /// Prepares the step's directory beside the rootfs, and its binds.
    pub(crate) fn prepare(rootfs: &'r Rootfs, step: &Step) -> Result<Self, RunError> {
        let (directory, directory_fd) = make_directory(rootfs)?;
        let mut stage =
            Stage { rootfs, directory, directory_fd, binds: Vec::new(), undo: Vec::new() };
        stage.add_kernel_trees()?;
        stage.add_dev()?;
        stage.add_network_files(step)?;
        for (index, mount) in step.mounts.iter().enumerate() {
            let (source, access) = match &mount.source {
                MountSource::Host(fd) => (Arc::clone(fd), None),
                MountSource::Tmpfs { .. } => {
                    (Arc::new(stage.subdirectory(&format!("tmpfs-{index}"), 0o1777)?), None)
                }
            };
            let access =
                access.unwrap_or(if mount.read_only { Access::Read } else { Access::Full });
            let target = stage.canonical(&mount.target)?;
            stage.add(target, source, mount.read_only, access)?;
        }
        Ok(stage)
    }

    /// One past the last descriptor that the step's processes must not touch.
    pub(crate) fn end_fd(&self) -> i32 {
        FIRST_BIND_FD + i32::try_from(self.binds.len()).unwrap_or(0)
    }

    fn subdirectory(&self, name: &str, mode: u32) -> Result<OwnedFd, RunError> {
        let what = || format!("make the step's {name} directory");
        mkdirat(&self.directory_fd, name, Mode::RWXU).map_err(failed(what()))?;
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(&self.directory_fd, name, flags, Mode::empty()).map_err(failed(what()))?;
        fchmod(&fd, Mode::from_raw_mode(mode)).map_err(failed(what()))?;
        Ok(fd)
    }

    /// The canonical path of a mount's target; what does not exist yet is taken as it is spelled.
    fn canonical(&self, target: &[u8]) -> Result<Vec<u8>, RunError> {
        let mut known =
            kiln_rootfs::path::components(target).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut missing = Vec::new();
        loop {
            let path = known.join(&b'/');
            match self.rootfs.canonicalize(&path) {
                Ok(path) => {
                    let mut whole = Vec::new();
                    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
                    for part in parts.chain(missing.iter().rev().map(Vec::as_slice)) {
                        whole.push(b'/');
                        whole.extend_from_slice(part);
                    }
                    return Ok(whole);
                }
                Err(error) => match known.pop() {
                    Some(last) => missing.push(last),
                    None => {
                        return Err(RunError::Limit(format!("the rootfs cannot be read: {error}")));
                    }
                },
            }
        }
    }

    fn add(
        &mut self,
        target: Vec<u8>,
        source: Arc<OwnedFd>,
        read_only: bool,
        access: Access,
    ) -> Result<(), RunError> {
        let name = String::from_utf8_lossy(&target).into_owned();
        let what = || failed(format!("mount {name}"));
        if self.binds.len() >= MAX_BINDS {
            return Err(RunError::Limit(format!("more than {MAX_BINDS} mounts in one step")));
        }
        let stat = statx(source.as_fd(), "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
            .map_err(what())?;
        let is_dir = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
        let kind = match (target.as_slice(), is_dir) {
            (b"/proc", _) => BindKind::Proc,
            (b"/dev/pts", _) if access == Access::Nothing => BindKind::Terminals,
            (b"/dev/ptmx", _) if access == Access::Nothing => BindKind::TerminalMaker,
            (_, true) => BindKind::Dir,
            (_, false) => BindKind::File,
        };
        let host = host_path(source.as_fd()).map_err(what())?;
        let around = self.binds.iter().rev().find_map(|bind| {
            let name = target.strip_prefix(bind.target.as_slice())?.strip_prefix(b"/")?;
            Some((bind, name))
        });
        let covered = match around {
            // Of our own making: the names in it are there.
            Some((bind, name)) if bind.target == b"/dev" => {
                let name = OsStr::from_bytes(name);
                if access != Access::Nothing || !is_dir {
                    chmodat(&bind.source, name, Mode::empty(), AtFlags::empty()).map_err(what())?;
                }
                inode(
                    statx(&bind.source, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::INO)
                        .map_err(what())?,
                )
            }
            Some(_) => (0, 0),
            None => self.cover(&target, is_dir).map_err(what())?,
        };
        let (device, _) = inode(stat);
        let index = i32::try_from(self.binds.len()).unwrap_or(0);
        let fd = FIRST_BIND_FD + index;
        self.binds.push(HostBind {
            target,
            host,
            source,
            fd,
            kind,
            read_only,
            access,
            device,
            covered,
        });
        Ok(())
    }

    /// Makes the mount point if it is missing, and locks it.
    fn cover(&mut self, target: &[u8], is_dir: bool) -> Result<(u64, u64), Errno> {
        let relative = target.strip_prefix(b"/").unwrap_or(target);
        let root = self.rootfs.root_fd();
        let mut parent = in_root(root, b".", OFlags::DIRECTORY)?;
        let mut parts = relative.split(|&byte| byte == b'/').filter(|p| !p.is_empty()).peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let want_dir = !last || is_dir;
            let flags = if want_dir { OFlags::DIRECTORY } else { OFlags::NONBLOCK };
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let name = OsStr::from_bytes(part);
            let mut found = openat(&parent, name, flags, Mode::empty());
            if matches!(found, Err(Errno::ACCESS)) {
                // Left locked by a build that was killed.
                let mode = if want_dir { 0o755 } else { 0o644 };
                chmodat(&parent, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
                found = openat(&parent, name, flags, Mode::empty());
            }
            let fd = match found {
                Ok(fd) => fd,
                // A link, or something else than what is mounted over it: it stays as it is, the
                // handler knows the target by its name.
                Err(Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok((0, 0)),
                Err(Errno::NOENT) => self.make_point(&parent, part, want_dir)?,
                Err(errno) => return Err(errno),
            };
            if last {
                return self.lock(fd);
            }
            parent = fd;
        }
        Ok((0, 0))
    }

    fn make_point(
        &mut self,
        parent: &OwnedFd,
        name: &[u8],
        is_dir: bool,
    ) -> Result<OwnedFd, Errno> {
        let name_os = OsStr::from_bytes(name);
        let before = statx(parent, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?.stx_mtime;
        let fd = if is_dir {
            mkdirat(parent, name_os, Mode::from_raw_mode(0o755))?;
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(parent, name_os, flags, Mode::empty())?
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
            openat(parent, name_os, flags, Mode::from_raw_mode(0o644))?
        };
        let time = Timespec { tv_sec: before.tv_sec, tv_nsec: before.tv_nsec.into() };
        self.undo.push(Undo::Times(parent.try_clone().map_err(io_errno)?, time));
        let parent = parent.try_clone().map_err(io_errno)?;
        self.undo.push(Undo::Remove { parent, name: name.to_vec(), is_dir });
        Ok(fd)
    }

    fn lock(&mut self, fd: OwnedFd) -> Result<(u64, u64), Errno> {
        let stat = statx(&fd, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
        let mode = u32::from(stat.stx_mode) & 0o7777;
        fchmod(&fd, Mode::empty())?;
        self.undo.push(Undo::Mode(fd, mode));
        Ok(inode(stat))
    }

    /// Undoes everything on disk; what cannot be undone stays, and the first error is told.
    pub(crate) fn finish(mut self) -> Result<(), RunError> {
        self.restore()
    }

    fn restore(&mut self) -> Result<(), RunError> {
        let mut first = Ok(());
        while let Some(undo) = self.undo.pop() {
            let result = match undo {
                Undo::Mode(fd, mode) => fchmod(&fd, Mode::from_raw_mode(mode)),
                Undo::Remove { parent, name, is_dir } => {
                    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                    match unlinkat(&parent, OsStr::from_bytes(&name), flags) {
                        // The step put something there, or took it away: its own business.
                        Err(Errno::NOTEMPTY | Errno::NOENT | Errno::ISDIR | Errno::NOTDIR) => {
                            Ok(())
                        }
                        other => other,
                    }
                }
                Undo::Times(fd, time) => {
                    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
                    futimens(&fd, &Timestamps { last_access: omit, last_modification: time })
                }
            };
            first = first.and(result);
        }
        self.binds.clear();
        let gone = remove_dir_all(&self.directory);
        first.map_err(failed("undo the step's mounts")).and(gone.map_err(limit))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // After `finish` there is nothing left to undo; on an error's way out nobody could be told.
        if !self.undo.is_empty() || !self.binds.is_empty() {
            let _ = self.restore();
        }
    }
}

/// Device and number.
fn inode(stat: Statx) -> (u64, u64) {
    (device(stat.stx_dev_major, stat.stx_dev_minor), stat.stx_ino)
}

fn io_errno(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// A directory for the step beside the rootfs, locked: what a killed build left is taken over.
fn make_directory(rootfs: &Rootfs) -> Result<(PathBuf, OwnedFd), RunError> {
    /// Steps of one rootfs run one after the other.
    const MOST: u32 = 100;
    let base = rootfs.dir_path();
    for number in 0..MOST {
        let path = base.join(format!("step-{number}"));
        let what = || failed(format!("make {}", path.display()));
        let make = || mkdirat(CWD, &path, Mode::RWXU);
        let existed = match make() {
            Ok(()) => false,
            Err(Errno::EXIST) => true,
            Err(errno) => return Err(what()(errno)),
        };
        let Some(mut fd) = open_locked(&path).map_err(what())? else { continue };
        if existed {
            remove_dir_all(&path).map_err(limit)?;
            make().map_err(what())?;
            let Some(fresh) = open_locked(&path).map_err(what())? else { continue };
            fd = fresh;
        }
        return Ok((path, fd));
    }
    Err(RunError::Limit(format!("{MOST} steps at once in {}", base.display())))
}

/// Opens a step's directory; `None` when another step holds it.
fn open_locked(path: &Path) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty())?;
    match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(fd)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn limit(error: kiln_rootfs::RootfsError) -> RunError {
    RunError::Limit(error.to_string())
}

const fn path_flags() -> OFlags {
    OFlags::PATH.union(OFlags::CLOEXEC)
}

fn open_path(path: &str) -> Result<OwnedFd, Errno> {
    openat(CWD, path, path_flags(), Mode::empty())
}

fn in_root(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    openat2(root, OsStr::from_bytes(path), flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// The path of an open file as /proc tells it.
pub(crate) fn host_path(fd: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    use std::os::fd::AsRawFd as _;
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(readlinkat(CWD, link, Vec::new())?.into_bytes())
}

pub(crate) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = rustix::io::write(file, bytes)?;
        bytes = bytes.get(written..).unwrap_or(&[]);
    }
    Ok(())
}
