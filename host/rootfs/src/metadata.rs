//! An inode as the image sees it.

use rustix::fs::{Statx, StatxFlags, StatxTimestamp};

/// What is asked of statx(2) everywhere: the birth time is part of the ledger's key.
pub(crate) const STATX: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

pub(crate) const S_IFMT: u32 = 0o170_000;
pub(crate) const S_IFREG: u32 = 0o100_000;
pub(crate) const S_IFDIR: u32 = 0o040_000;
pub(crate) const S_IFLNK: u32 = 0o120_000;
pub(crate) const S_IFCHR: u32 = 0o020_000;
pub(crate) const S_IFBLK: u32 = 0o060_000;
pub(crate) const S_IFIFO: u32 = 0o010_000;
pub(crate) const S_IFSOCK: u32 = 0o140_000;

/// The type of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// Regular file.
    File,
    /// Directory.
    Dir,
    /// Symbolic link.
    Symlink,
    /// Character device.
    Char,
    /// Block device.
    Block,
    /// Named pipe.
    Fifo,
    /// Unix socket.
    Socket,
}

impl FileType {
    /// From the type bits of `st_mode`; what is unknown counts as a socket, which no layer holds.
    pub(crate) const fn of_mode(mode: u32) -> Self {
        match mode & S_IFMT {
            S_IFREG => Self::File,
            S_IFDIR => Self::Dir,
            S_IFLNK => Self::Symlink,
            S_IFCHR => Self::Char,
            S_IFBLK => Self::Block,
            S_IFIFO => Self::Fifo,
            _ => Self::Socket,
        }
    }

    /// The type bits of `st_mode` (inode(7)).
    #[must_use]
    pub const fn mode_bits(self) -> u32 {
        match self {
            Self::File => S_IFREG,
            Self::Dir => S_IFDIR,
            Self::Symlink => S_IFLNK,
            Self::Char => S_IFCHR,
            Self::Block => S_IFBLK,
            Self::Fifo => S_IFIFO,
            Self::Socket => S_IFSOCK,
        }
    }
}

/// A point in time, since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds.
    pub secs: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

impl From<StatxTimestamp> for Timestamp {
    fn from(time: StatxTimestamp) -> Self {
        Self { secs: time.tv_sec, nanos: time.tv_nsec }
    }
}

impl From<Timestamp> for rustix::fs::Timespec {
    fn from(time: Timestamp) -> Self {
        Self { tv_sec: time.secs, tv_nsec: time.nanos.min(999_999_999).into() }
    }
}

/// The image's view of an inode: disk plus ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Type.
    pub file_type: FileType,
    /// Permission bits with setuid, setgid and sticky (07777).
    pub mode: u32,
    /// User id in the image.
    pub uid: u32,
    /// Group id in the image.
    pub gid: u32,
    /// Length in bytes; of a symlink, of its target.
    pub size: u64,
    /// Blocks of 512 bytes on disk.
    pub blocks: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of the inode on disk; ledger changes do not show.
    pub ctime: Timestamp,
    /// Major and minor number of a device node.
    pub rdev: (u32, u32),
    /// Number of hard links.
    pub nlink: u32,
    /// Inode number.
    pub ino: u64,
    /// Major and minor number of the file system's device.
    pub dev: (u32, u32),
}

impl Metadata {
    /// An inode that lies on no disk: root's, with one name, empty, of no device, as old as 1970.
    #[must_use]
    pub fn synthetic(file_type: FileType, mode: u32) -> Self {
        let time = Timestamp::default();
        Self {
            file_type,
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
            rdev: (0, 0),
            nlink: 1,
            ino: 1,
            dev: (0, 0),
        }
    }

    /// The full `st_mode`.
    #[must_use]
    pub const fn st_mode(&self) -> u32 {
        self.file_type.mode_bits() | self.mode
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        matches!(self.file_type, FileType::Dir)
    }

    pub(crate) fn new(
        stat: &Statx,
        record: Option<&kiln_ledger::Record>,
        own_uid: Option<u32>,
    ) -> Self {
        let disk_mode = u32::from(stat.stx_mode);
        let mode = record.map_or(disk_mode, |record| record.st_mode(disk_mode));
        let disk = kiln_ledger::Owner { uid: stat.stx_uid, gid: stat.stx_gid };
        let owner = kiln_ledger::owner_seen(record, disk, own_uid);
        let file_type = FileType::of_mode(mode);
        let rdev = record
            .and_then(|record| record.rdev)
            .filter(|_| matches!(file_type, FileType::Char | FileType::Block))
            .unwrap_or((stat.stx_rdev_major, stat.stx_rdev_minor));
        Self {
            file_type,
            mode: mode & 0o7777,
            uid: owner.uid,
            gid: owner.gid,
            size: stat.stx_size,
            blocks: stat.stx_blocks,
            atime: stat.stx_atime.into(),
            mtime: stat.stx_mtime.into(),
            ctime: stat.stx_ctime.into(),
            rdev,
            nlink: stat.stx_nlink,
            ino: stat.stx_ino,
            dev: (stat.stx_dev_major, stat.stx_dev_minor),
        }
    }
}
