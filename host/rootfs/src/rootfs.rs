//! The rootfs itself: created, opened, probed; resolution of paths below it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, ResolveFlags, Statx, Uid, chmodat, chownat, fchmod, fchown,
    mkdirat, openat, openat2, statx, unlinkat,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use crate::error::{At, Result, RootfsError};
use crate::fingerprint::Fingerprints;
use crate::ledger::Ledger;
use crate::metadata::{Metadata, STATX};
use crate::path;

/// Name of the directory that is the image's `/`.
const ROOT_NAME: &str = "root";
/// How often a resolution is tried again that met a concurrent rename (EAGAIN of openat2(2)).
const MAX_RESOLVE_TRIES: u32 = 64;

/// Who holds the truth about owners and modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The kernel: we may chown and are bound by no mode. Single facts that it refuses (device
    /// nodes inside a user namespace, ids outside its map) still go to the ledger.
    Kernel,
    /// The ledger: every file is stored as our own; without a record it belongs to 0:0.
    Ledger,
}

/// A stage's file system.
#[derive(Debug)]
pub struct Rootfs {
    host_path: PathBuf,
    root: OwnedFd,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) fingerprints: Fingerprints,
    ownership: Ownership,
    /// The uid that files are stored as, in ledger mode.
    own_uid: Option<u32>,
}

impl Rootfs {
    /// Creates an empty rootfs in `dir`, which is made if missing (its parent must exist) and must
    /// not hold a rootfs yet.
    ///
    /// # Errors
    /// [`RootfsError::Setup`] names the step that failed.
    pub fn create(dir: &Path) -> Result<Self> {
        let fail = |what| move |errno| setup(dir, what, errno);
        match mkdirat(CWD, dir, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(setup(dir, "create the directory", errno)),
        }
        let dir_fd = open_dir(CWD, dir).map_err(fail("open the directory"))?;
        mkdirat(&dir_fd, ROOT_NAME, Mode::from_raw_mode(0o755))
            .map_err(fail("create the root directory"))?;
        let root = open_dir(&dir_fd, Path::new(ROOT_NAME)).map_err(fail("open the root"))?;
        // Explicitly: the umask takes bits away, and a volume with fsGroup adds setgid.
        fchmod(&root, Mode::from_raw_mode(0o755)).map_err(fail("set the root's mode"))?;
        let ledger = Ledger::create(dir_fd.as_fd()).map_err(fail("create the ledger"))?;
        Self::assemble(dir, dir_fd.as_fd(), root, ledger)
    }

    /// Opens the rootfs in `dir`.
    ///
    /// # Errors
    /// [`RootfsError::Setup`] names the step that failed.
    pub fn open_existing(dir: &Path) -> Result<Self> {
        let fail = |what| move |errno| setup(dir, what, errno);
        let dir_fd = open_dir(CWD, dir).map_err(fail("open the directory"))?;
        let root = match open_dir(&dir_fd, Path::new(ROOT_NAME)) {
            // A step to which it was mounted can have taken its mode away.
            Err(Errno::ACCESS) => chmodat(&dir_fd, ROOT_NAME, Mode::RWXU, AtFlags::empty())
                .and_then(|()| open_dir(&dir_fd, Path::new(ROOT_NAME))),
            other => other,
        };
        let root = root.map_err(fail("open the root"))?;
        let ledger = Ledger::open(dir_fd.as_fd()).map_err(fail("open the ledger"))?;
        let rootfs = Self::assemble(dir, dir_fd.as_fd(), root, ledger)?;
        rootfs.let_us_in(rootfs.root_fd()).map_err(fail("set the root's mode"))?;
        Ok(rootfs)
    }

    /// Another handle of the same directory and ledger, for who needs one of his own.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn share(&self) -> Result<Self> {
        let root = fcntl_dupfd_cloexec(&self.root, 0);
        Ok(Self {
            host_path: self.host_path.clone(),
            root: root.map_err(|errno| setup(&self.host_path, "open the root", errno))?,
            ledger: Arc::clone(&self.ledger),
            fingerprints: Fingerprints::default(),
            ownership: self.ownership,
            own_uid: self.own_uid,
        })
    }

    /// A handle whose `/` is a directory of this rootfs: what is resolved in it cannot leave that.
    /// Not one to remove a rootfs by.
    pub(crate) fn below(&self, directory: &[u8]) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let root = self.resolve(directory, flags, Mode::empty()).at("open", directory)?;
        Ok(Self { root, ..self.share()? })
    }

    fn assemble(
        host_path: &Path,
        dir: BorrowedFd<'_>,
        root: OwnedFd,
        ledger: Ledger,
    ) -> Result<Self> {
        let ownership = probe(dir)
            .map_err(|errno| setup(host_path, "create a file to probe ownership", errno))?;
        let own_uid = match ownership {
            Ownership::Kernel => None,
            Ownership::Ledger => Some(rustix::process::geteuid().as_raw()),
        };
        let rootfs = Self {
            host_path: host_path.to_path_buf(),
            root,
            fingerprints: Fingerprints::default(),
            ledger: Arc::new(ledger),
            ownership,
            own_uid,
        };
        // Says early, and with a remedy, what every later operation would fail with.
        rootfs.resolve(b"", OFlags::PATH, Mode::empty()).map_err(|errno| {
            setup(
                host_path,
                "openat2(2) is needed: Linux 5.6 and a seccomp profile that has it",
                errno,
            )
        })?;
        Ok(rootfs)
    }

    /// Who holds owners and modes.
    #[must_use]
    pub const fn ownership(&self) -> Ownership {
        self.ownership
    }

    /// The image's `/`, opened `O_PATH`-like for reading. Resolve below it only with
    /// `RESOLVE_IN_ROOT`.
    #[must_use]
    pub fn root_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The ledger's file, to be mapped shared by a step's processes: [`kiln_ledger::Table`] with
    /// [`kiln_ledger::Geometry::STANDARD`].
    #[must_use]
    pub fn ledger_fd(&self) -> BorrowedFd<'_> {
        self.ledger.fd()
    }

    /// The directory on the host that holds the rootfs.
    #[must_use]
    pub fn dir_path(&self) -> &Path {
        &self.host_path
    }

    /// The path on the host of the image's `/`, for messages and for runners that mount it.
    #[must_use]
    pub fn host_path(&self) -> PathBuf {
        self.host_path.join(ROOT_NAME)
    }

    /// To be called when the last process of a step that had the ledger is dead: makes the table
    /// safe to read again whatever the step did to the file. [`crate::index`] does it by itself.
    /// And before the first such process, which could not read either what has no storage.
    ///
    /// # Errors
    /// The file could not be given its length back, or a file system in memory is full.
    pub fn recover_ledger(&self) -> Result<()> {
        self.ledger.recover().map_err(|errno| setup(&self.host_path, "restore the ledger", errno))
    }

    /// Deletes the whole rootfs, whatever modes its directories have.
    ///
    /// # Errors
    /// The first entry that could not be removed.
    pub fn remove(self) -> Result<()> {
        crate::remove::remove_dir_all(&self.host_path)
    }

    /// Opens a path below the root; never leaves it.
    pub(crate) fn resolve(
        &self,
        path: &[u8],
        flags: OFlags,
        mode: Mode,
    ) -> rustix::io::Result<OwnedFd> {
        resolve_in(self.root.as_fd(), path, flags, mode)
    }

    /// The directory that holds the path's last name, and that name.
    pub(crate) fn parent<'p>(&self, path: &'p [u8]) -> rustix::io::Result<(OwnedFd, &'p [u8])> {
        let (directory, name) = path::split(path);
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::INVAL);
        }
        let fd = self.resolve(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok((fd, name))
    }

    /// A descriptor that names the path's inode and nothing more.
    pub(crate) fn locate(&self, path: &[u8], follow: bool) -> rustix::io::Result<OwnedFd> {
        let follow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        self.resolve(path, OFlags::PATH | follow, Mode::empty())
    }

    pub(crate) const fn own_uid(&self) -> Option<u32> {
        self.own_uid
    }

    /// The image's view of what a statx call gave.
    pub(crate) fn view(&self, stat: &Statx) -> Metadata {
        Metadata::new(stat, self.ledger.get(stat).as_ref(), self.own_uid)
    }

    /// The metadata of a path in the image.
    ///
    /// # Errors
    /// As stat(2), or lstat(2) unless `follow`.
    pub fn metadata(&self, path: &[u8], follow: bool) -> Result<Metadata> {
        let fd = self.locate(path, follow).at("stat", path)?;
        self.metadata_fd(fd.as_fd()).map_err(|error| error.with_path(path))
    }

    /// The metadata of an open file of the image, `O_PATH` descriptors included.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn metadata_fd(&self, fd: BorrowedFd<'_>) -> Result<Metadata> {
        Ok(self.view(&stat_fd(fd).at("stat", b"")?))
    }

    /// Whether the path exists, symlinks followed.
    ///
    /// # Errors
    /// Any but "no such file".
    pub fn exists(&self, path: &[u8]) -> Result<bool> {
        match self.locate(path, true) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(errno).at("stat", path),
        }
    }
}

/// statx(2) of an open file.
pub(crate) fn stat_fd(fd: BorrowedFd<'_>) -> rustix::io::Result<Statx> {
    statx(fd, c"", AtFlags::EMPTY_PATH, STATX)
}

/// statx(2) of a name in a directory, not following.
pub(crate) fn stat_at(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<Statx> {
    statx(dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, STATX)
}

/// A path by which calls without a descriptor form reach an `O_PATH` descriptor's inode.
pub(crate) fn proc_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// openat2(2) with the root as `/`. An empty path is the root itself.
pub(crate) fn resolve_in(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = flags | OFlags::CLOEXEC;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        match openat2(root, path, flags, mode, inside) {
            Err(Errno::AGAIN) if tries < MAX_RESOLVE_TRIES => tries += 1,
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn open_dir(at: impl AsFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(at, path, flags, Mode::empty())
}

fn setup(dir: &Path, what: &'static str, errno: Errno) -> RootfsError {
    RootfsError::Setup { dir: dir.display().to_string(), what, errno }
}

/// Finds out by doing: gives a file away, then opens it though its mode and owner forbid it.
fn probe(dir: BorrowedFd<'_>) -> rustix::io::Result<Ownership> {
    const NAME: &str = "probe";
    /// Some id that is not ours and is mapped in any user namespace worth the name.
    const OTHER: u32 = 1234;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    // A killed kiln may have left one behind.
    let _ = unlinkat(dir, NAME, AtFlags::empty());
    let file = openat(dir, NAME, flags, Mode::empty())?;
    let owns = || -> rustix::io::Result<()> {
        fchown(&file, Some(Uid::from_raw(OTHER)), Some(Gid::from_raw(OTHER)))?;
        openat(dir, NAME, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        fchmod(&file, Mode::from_raw_mode(0o4755))?;
        chownat(dir, NAME, Some(Uid::ROOT), Some(Gid::ROOT), AtFlags::SYMLINK_NOFOLLOW)
    };
    let kernel = rustix::process::geteuid().is_root() && owns().is_ok();
    unlinkat(dir, NAME, AtFlags::empty())?;
    Ok(if kernel { Ownership::Kernel } else { Ownership::Ledger })
}
