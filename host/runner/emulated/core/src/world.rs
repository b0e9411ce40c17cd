//! The state that the logic works on, and what an inode looks like in it.

use kiln_ledger::{Key, Owner, Platform, Record, Table, TableError, owner_seen, stored_mode};

use crate::abi::{
    AT_EMPTY_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT,
    S_IFREG, S_ISGID, Statx, device,
};
use crate::buf::{CPath, PathBuf, Rest};
use crate::config::Config;
use crate::cred::Credentials;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::known::{Kind, Known, Stamp};
use crate::processes::Processes;

/// Everything a call is answered from.
#[derive(Clone, Copy, Debug)]
pub struct World<'a, G> {
    /// The guest's memory and the kernel.
    pub guest: &'a G,
    /// The step's configuration.
    pub config: &'a Config<'a>,
    /// The process's credentials.
    pub cred: &'a Credentials,
    /// The ledger.
    pub ledger: Option<Table<'a>>,
    /// What the step's processes have noted of themselves.
    pub processes: Option<Processes<'a>>,
    /// Absolute guest path of the running program.
    pub exe: &'a [u8],
    /// Canonical guest path of the process's root directory; empty = the image's.
    pub root: &'a [u8],
}

/// Path buffers for one call; in this order, so that most calls touch few pages.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Scratch {
    /// For walking.
    pub walk: WalkBuffers,
    /// The call's second path, or a symlink's target.
    pub other: PathBuf,
    /// The call's path.
    pub path: PathBuf,
}

impl Scratch {
    /// Empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self { walk: WalkBuffers::new(), other: PathBuf::new(), path: PathBuf::new() }
    }
}

/// What [`World::walk`] works with.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct WalkBuffers {
    /// Kept from call to call.
    pub known: Known,
    /// The directory that `here` is relative to, where that has no path of bearable length.
    pub deep: Option<i32>,
    /// The canonical guest path so far.
    pub here: PathBuf,
    /// A symlink's target.
    pub link: PathBuf,
    /// What is left.
    pub rest: Rest,
}

impl WalkBuffers {
    /// The directory that `here` names may be searched; remembered if its last component is next.
    pub(crate) fn remember(&mut self, then: Stamp) {
        let directory = self.here.bytes();
        if self.rest.is_last() && self.known.get(then, directory).is_none() {
            self.known.put(then, directory, Kind::Plain);
        }
    }

    /// How openat2(2) is to resolve what a walk has found.
    pub(crate) const fn bounds(&self) -> u64 {
        // Above a deep directory lies `..`; of links none is left.
        if self.deep.is_some() { RESOLVE_NO_SYMLINKS } else { RESOLVE_IN_ROOT }
    }

    /// Empty buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            known: Known::new(),
            deep: None,
            here: PathBuf::new(),
            link: PathBuf::new(),
            rest: Rest::new(),
        }
    }
}

/// Permission bits as access(2) has them.
pub const MAY_READ: u32 = 4;
/// See [`MAY_READ`].
pub const MAY_WRITE: u32 = 2;
/// See [`MAY_READ`].
pub const MAY_EXEC: u32 = 1;

/// The ledger's key of an inode.
#[must_use]
pub const fn key(stat: &Statx) -> Key {
    Key {
        dev_major: stat.dev_major,
        dev_minor: stat.dev_minor,
        ino: stat.ino,
        btime_secs: stat.btime.sec,
        btime_nanos: stat.btime.nsec,
    }
}

struct Reserve<'a, G>(&'a G);

impl<G: Guest> Platform for Reserve<'_, G> {
    fn reserve(&self, offset: u64, length: u64) -> bool {
        self.0.reserve_ledger(offset, length)
    }
}

impl<G: Guest> World<'_, G> {
    /// The record of an inode, if it is one of ours and has one.
    pub fn record(&self, disk: &Statx) -> Option<Record> {
        if disk.uid != self.config.own_uid {
            return None;
        }
        self.ledger.and_then(|table| if table.is_empty() { None } else { table.get(&key(disk)) })
    }

    /// Changes an inode's record.
    ///
    /// # Errors
    /// `ENOSPC` when the ledger is full, `EPERM` for an inode that is not ours.
    pub fn update(&self, disk: &Statx, change: impl Fn(&mut Record)) -> Result<()> {
        if disk.uid != self.config.own_uid {
            return Err(Errno::PERM);
        }
        let table = self.ledger.ok_or(Errno::PERM)?;
        table.update(&key(disk), &Reserve(self.guest), change).map_err(|error| match error {
            TableError::Full => Errno::NOSPC,
            TableError::Busy => Errno::AGAIN,
        })
    }

    /// The inode as the guest sees it.
    pub fn seen(&self, disk: &Statx) -> Statx {
        let mut seen = *disk;
        let ours = disk.uid == self.config.own_uid;
        if ours && device(disk.dev_major, disk.dev_minor) == self.config.proc_device {
            // The kernel knows one owner of all processes; nobody is kept from their own files. At
            // a path there can be another's, see [`World::seen_at`].
            (seen.uid, seen.gid) = (self.cred.user.effective(), self.cred.group.effective());
            return seen;
        }
        let record = self.record(disk);
        if ours {
            let owner = owner_seen(
                record.as_ref(),
                Owner { uid: disk.uid, gid: disk.gid },
                Some(self.config.own_uid),
            );
            (seen.uid, seen.gid) = (owner.uid, owner.gid);
        }
        if let Some(record) = record {
            let mode = record.st_mode(u32::from(disk.mode));
            seen.mode = u16::try_from(mode & 0xffff).unwrap_or(disk.mode);
            if matches!(seen.kind(), S_IFCHR | S_IFBLK)
                && let Some((major, minor)) = record.rdev
            {
                (seen.rdev_major, seen.rdev_minor) = (major, minor);
            }
        }
        seen
    }

    /// statx(2) of an open file, as it is on disk.
    ///
    /// # Errors
    /// The call's.
    pub fn disk_of(&self, fd: i32) -> Result<Statx> {
        self.guest.statx(fd, CPath::EMPTY, AT_EMPTY_PATH)
    }

    /// Whether the guest's user may do this to an inode (as seen).
    pub fn allows(&self, seen: &Statx, want: u32) -> bool {
        let (uid, group) = (self.cred.user.fs(), |gid| self.cred.in_group(gid));
        allowed(seen, want, uid, group)
    }

    /// Fails unless [`World::allows`].
    ///
    /// # Errors
    /// `EACCES`
    pub fn require(&self, seen: &Statx, want: u32) -> Result<()> {
        if self.allows(seen, want) { Ok(()) } else { Err(Errno::ACCES) }
    }

    /// Whether the guest's user owns the inode, or is root.
    pub fn owns(&self, seen: &Statx) -> bool {
        self.cred.is_fs_root() || self.cred.user.fs() == seen.uid
    }

    /// Whether an inode is what a bind hides.
    pub fn is_covered(&self, disk: &Statx) -> bool {
        self.config.covers_inode(device(disk.dev_major, disk.dev_minor), disk.ino)
    }

    /// Gives a new inode the owner and mode that it should have. `parent` is the directory it was
    /// made in, as on disk; `wanted` the permission bits that were asked for, before the umask,
    /// and that it is a directory.
    ///
    /// # Errors
    /// As [`World::update`].
    pub fn adopt(
        &self,
        parent: impl FnOnce() -> Result<Statx>,
        child: impl FnOnce() -> Result<Statx>,
        wanted: Option<u32>,
    ) -> Result<()> {
        let (uid, mut gid) = (self.cred.user.fs(), self.cred.group.fs());
        let parent = parent()?;
        let mut inherits = false;
        if u32::from(parent.mode) & S_ISGID != 0 {
            let owner = self.seen(&parent);
            if u32::from(owner.mode) & S_ISGID != 0 {
                gid = owner.gid;
                inherits = true;
            }
        }
        let default_owner = uid == 0 && gid == 0;
        // No set-id bits, and nothing that the disk cannot hold.
        let plain = wanted.is_none_or(|mode| match mode & 0o6700 {
            0o700 => true,
            0o600 => mode & S_IFMT != S_IFDIR,
            _ => false,
        });
        if default_owner && plain {
            return Ok(());
        }
        let child = child()?;
        let full = wanted.map(|wanted| {
            let disk = u32::from(child.mode);
            // The kernel applied the umask to what we asked for; the owner's bits we added go.
            let mut mode = (disk & 0o1077) | (wanted & disk & 0o700) | (disk & S_IFMT);
            if child.is_dir() {
                mode |= if inherits { S_ISGID } else { 0 };
            } else {
                mode |= wanted & 0o6000;
            }
            mode
        });
        self.update(&child, |record| {
            if !default_owner {
                record.owner = Some(Owner { uid, gid });
            }
            if let Some(mode) = full
                && stored_mode(mode) != mode & 0o7777
            {
                record.mode = Some(mode);
            }
        })
    }
}

/// The permission check of a file system without ACLs (path_resolution(7)).
pub fn allowed(seen: &Statx, want: u32, uid: u32, in_group: impl Fn(u32) -> bool) -> bool {
    let mode = u32::from(seen.mode);
    if uid == 0 {
        let executable = seen.kind() == S_IFDIR || mode & 0o111 != 0;
        return want & MAY_EXEC == 0 || executable;
    }
    let bits = if uid == seen.uid {
        mode >> 6
    } else if in_group(seen.gid) {
        mode >> 3
    } else {
        mode
    };
    bits & want == want
}

/// The mode bits to ask the kernel for when a file is created with `mode`.
#[must_use]
pub const fn creation_mode(mode: u32, directory: bool) -> u32 {
    let kind = if directory { S_IFDIR } else { S_IFREG };
    stored_mode(kind | mode)
}
