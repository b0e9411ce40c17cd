//! What preview 1 says of files: types, metadata, times.

use super::stream::object;
use super::{Memory, Result};
use crate::fs::{NewTime, stat_of};
use crate::kernel::{Object, Process, ROOT};
use kiln_guest_abi::wire::{Stat, UTIME_NOW, UTIME_OMIT};
use kiln_rootfs::FileType;

pub(super) const TYPE_UNKNOWN: u8 = 0;
const TYPE_BLOCK: u8 = 1;
pub(super) const TYPE_CHAR: u8 = 2;
pub(super) const TYPE_DIR: u8 = 3;
pub(super) const TYPE_FILE: u8 = 4;
const TYPE_SOCKET: u8 = 6;
const TYPE_SYMLINK: u8 = 7;

/// Preview 1's number for a file type.
pub(super) const fn type_of(file_type: FileType) -> u8 {
    match file_type {
        FileType::File => TYPE_FILE,
        FileType::Dir => TYPE_DIR,
        FileType::Symlink => TYPE_SYMLINK,
        FileType::Char => TYPE_CHAR,
        FileType::Block => TYPE_BLOCK,
        FileType::Socket => TYPE_SOCKET,
        FileType::Fifo => TYPE_UNKNOWN,
    }
}

/// `filestat`.
pub(super) fn put_filestat(memory: &mut Memory<'_>, out: u32, stat: &Stat) -> Result<()> {
    let file_type = match stat.mode & Stat::TYPE {
        Stat::FILE => TYPE_FILE,
        Stat::DIR => TYPE_DIR,
        Stat::SYMLINK => TYPE_SYMLINK,
        Stat::CHAR => TYPE_CHAR,
        Stat::BLOCK => TYPE_BLOCK,
        Stat::SOCKET => TYPE_SOCKET,
        _ => TYPE_UNKNOWN,
    };
    let nanos = |time: kiln_guest_abi::wire::Time| {
        let secs = u64::try_from(time.secs).unwrap_or(0);
        secs.saturating_mul(1_000_000_000).saturating_add(u64::from(time.nanos))
    };
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&stat.dev.to_le_bytes());
    bytes[8..16].copy_from_slice(&stat.ino.to_le_bytes());
    bytes[16] = file_type;
    bytes[24..32].copy_from_slice(&u64::from(stat.nlink).to_le_bytes());
    bytes[32..40].copy_from_slice(&stat.size.to_le_bytes());
    bytes[40..48].copy_from_slice(&nanos(stat.atime).to_le_bytes());
    bytes[48..56].copy_from_slice(&nanos(stat.mtime).to_le_bytes());
    bytes[56..64].copy_from_slice(&nanos(stat.ctime).to_le_bytes());
    memory.put(out, &bytes)
}

/// What `fstat(2)` tells.
pub(super) fn stat_fd(process: &Process, fd: u32) -> Result<Stat> {
    let fs = &process.kernel.fs;
    if fd == ROOT && process.fds.get(ROOT).is_none() {
        return Ok(stat_of(&fs.metadata_at(b"")?));
    }
    let special = |mode: u32, rdev_minor: u32| Stat {
        mode,
        nlink: 1,
        rdev_major: u32::from(rdev_minor != 0),
        rdev_minor,
        ..Stat::default()
    };
    Ok(match &*object(process, fd)? {
        Object::File(file, _) => stat_of(&fs.metadata_of(file)?),
        Object::Dir(path, _) => stat_of(&fs.metadata_at(path)?),
        Object::Reader(_) | Object::Writer(_) | Object::Output(_) => special(Stat::FIFO | 0o600, 0),
        Object::Null => special(Stat::CHAR | 0o666, 3),
        Object::Zero => special(Stat::CHAR | 0o666, 5),
        Object::Full => special(Stat::CHAR | 0o666, 7),
        Object::Random => special(Stat::CHAR | 0o666, 9),
    })
}

/// A time as preview 1 passes it: `now` and `set` are the two bits of `fstflags`.
pub(super) const fn new_time(nanos: u64, set: bool, now: bool) -> NewTime {
    match (set, now) {
        (_, true) => NewTime { secs: 0, nanos: UTIME_NOW },
        (true, false) => NewTime {
            secs: (nanos / 1_000_000_000).cast_signed(),
            nanos: (nanos % 1_000_000_000) as u32,
        },
        (false, false) => NewTime { secs: 0, nanos: UTIME_OMIT },
    }
}
