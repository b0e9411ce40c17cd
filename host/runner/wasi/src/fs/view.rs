//! Metadata as it crosses the border.

use kiln_guest_abi::wire::{Stat, Time};
use kiln_rootfs::{Metadata, Timestamp};

/// What a guest's `stat` gets.
pub(crate) fn stat_of(file: &Metadata) -> Stat {
    Stat {
        dev: u64::from(file.dev.0) << 32 | u64::from(file.dev.1),
        ino: file.ino,
        mode: file.st_mode(),
        nlink: file.nlink,
        uid: file.uid,
        gid: file.gid,
        rdev_major: file.rdev.0,
        rdev_minor: file.rdev.1,
        size: file.size,
        blocks: file.blocks,
        atime: time(file.atime),
        mtime: time(file.mtime),
        ctime: time(file.ctime),
    }
}

const fn time(time: Timestamp) -> Time {
    Time { secs: time.secs, nanos: time.nanos }
}
