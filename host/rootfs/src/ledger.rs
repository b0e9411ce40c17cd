//! The ledger's file: created, checked, mapped; the table in it is [`kiln_ledger`]'s.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use kiln_ledger::{Geometry, Key, Platform, Record, Table, TableError};
use rustix::fs::{
    FallocateFlags, Mode, OFlags, Statx, fallocate, fstat, fstatfs, ftruncate, openat,
};
use rustix::io::Errno;

use crate::mapping::Mapping;

/// Name of the ledger's file beside the root directory.
pub(crate) const LEDGER_NAME: &str = "ledger";

/// `TMPFS_MAGIC`; `OVERLAYFS_SUPER_MAGIC`, which can lie on one, and does not say so.
const IN_MEMORY: [rustix::fs::FsWord; 2] = [0x0102_1994, 0x794c_7630];

/// Storage is reserved in pieces of this size: each call costs some file systems milliseconds.
const PIECE: u32 = 1 << 20;
const PIECES: usize = Geometry::STANDARD.bytes().div_ceil(PIECE as usize);

/// The open ledger of a rootfs.
#[derive(Debug)]
pub(crate) struct Ledger {
    file: OwnedFd,
    mapping: Mapping,
    /// The pieces of the file that have storage, as far as this process knows.
    reserved: [AtomicBool; PIECES],
    /// Whether the file lies, or may lie, in a tmpfs, where reading a hole takes storage.
    is_in_memory: bool,
}

impl Ledger {
    /// Creates the file in `dir` and maps it.
    pub(crate) fn create(dir: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(dir, LEDGER_NAME, flags, Mode::RUSR | Mode::WUSR)?;
        ftruncate(&file, Self::LENGTH)?;
        let ledger = Self::map(file)?;
        // The header is written at once: a full disk must be an error, not a SIGBUS.
        if !ledger.reserve(0, 1) {
            return Err(Errno::NOSPC);
        }
        ledger.with(|table| table.format());
        Ok(ledger)
    }

    /// Maps the file of an existing rootfs.
    pub(crate) fn open(dir: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(dir, LEDGER_NAME, flags, Mode::empty())?;
        Self::restore_length(&file)?;
        let ledger = Self::map(file)?;
        ledger.make_readable()?;
        if ledger.with(|table| table.is_formatted()) { Ok(ledger) } else { Err(Errno::INVAL) }
    }

    const LENGTH: u64 = Geometry::STANDARD.bytes() as u64;

    fn map(file: OwnedFd) -> rustix::io::Result<Self> {
        let mapping = Mapping::shared(&file, Geometry::STANDARD.words())?;
        let is_in_memory = IN_MEMORY.contains(&fstatfs(&file)?.f_type);
        let reserved = [const { AtomicBool::new(false) }; PIECES];
        Ok(Self { file, mapping, reserved, is_in_memory })
    }

    /// Makes the file as long as the mapping again. A hostile step that holds the descriptor can
    /// cut it short: its records are lost then, but the builder does not die of SIGBUS.
    fn restore_length(file: &OwnedFd) -> rustix::io::Result<()> {
        if fstat(file)?.st_size.cast_unsigned() < Self::LENGTH {
            ftruncate(file, Self::LENGTH)?;
        }
        Ok(())
    }

    /// Gives a piece of the file storage.
    fn allocate(&self, offset: u64) -> bool {
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, offset, PIECE.into()) {
            Ok(()) => true,
            // The file system cannot tell; most that cannot do not run full at a store either.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => true,
            Err(_) => false,
        }
    }

    /// To be called before processes of a step read the table, and once they are dead, before we do.
    pub(crate) fn recover(&self) -> rustix::io::Result<()> {
        Self::restore_length(&self.file)?;
        // A step may have made holes.
        self.reserved.iter().for_each(|piece| piece.store(false, Ordering::Relaxed));
        self.make_readable()
    }

    /// Gives storage to what lookups read, where loads need it.
    fn make_readable(&self) -> rustix::io::Result<()> {
        let is_there = self.touch(0, 1) && self.touch(0, self.with(|table| table.readable()));
        if is_there { Ok(()) } else { Err(Errno::NOSPC) }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn with<T>(&self, work: impl FnOnce(&Table<'_>) -> T) -> T {
        let table = Table::new(self.mapping.words(), Geometry::STANDARD)
            .expect("the mapping has the geometry's length");
        work(&table)
    }

    /// The record of the inode that this statx describes.
    pub(crate) fn get(&self, stat: &Statx) -> Option<Record> {
        self.with(|table| if table.is_empty() { None } else { table.get(&key(stat)) })
    }

    pub(crate) fn update(
        &self,
        stat: &Statx,
        change: impl Fn(&mut Record),
    ) -> rustix::io::Result<()> {
        self.with(|table| table.update(&key(stat), self, change)).map_err(errno)
    }

    pub(crate) fn remove(&self, stat: &Statx) {
        self.with(|table| table.remove(&key(stat), self));
    }

    /// Whether no record was ever written.
    pub(crate) fn is_empty(&self) -> bool {
        self.with(|table| table.is_empty())
    }
}

impl Platform for Ledger {
    fn relax(&self) {
        std::thread::yield_now();
    }

    fn touch(&self, offset: u64, length: u64) -> bool {
        !self.is_in_memory || self.reserve(offset, length)
    }

    fn reserve(&self, offset: u64, length: u64) -> bool {
        let size = u64::from(PIECE);
        let last = offset.saturating_add(length.saturating_sub(1)) / size;
        (offset / size..=last).all(|piece| {
            let Some(known) = usize::try_from(piece).ok().and_then(|n| self.reserved.get(n)) else {
                return false;
            };
            known.load(Ordering::Relaxed) || {
                let there = self.allocate(piece * size);
                known.store(there, Ordering::Relaxed);
                there
            }
        })
    }
}

const fn errno(error: TableError) -> Errno {
    match error {
        TableError::Full => Errno::NOSPC,
        TableError::Busy => Errno::AGAIN,
    }
}

fn key(stat: &Statx) -> Key {
    Key {
        dev_major: stat.stx_dev_major,
        dev_minor: stat.stx_dev_minor,
        ino: stat.stx_ino,
        btime_secs: stat.stx_btime.tv_sec,
        btime_nanos: stat.stx_btime.tv_nsec,
    }
}
