//! Mode, owner and times of an inode: on disk where it can hold them, else in the ledger.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Statx, Timestamps, Uid, chmodat, chownat, fchmod, utimensat,
};
use rustix::io::Errno;

use kiln_ledger::{Owner, stored_mode};

use crate::error::{At, Result};
use crate::metadata::{S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Timestamp};
use crate::rootfs::{Ownership, Rootfs, proc_path, stat_fd};

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;
const S_IXGRP: u32 = 0o0010;
const PERMISSIONS: u32 = 0o7777;

impl Rootfs {
    /// Sets the permission bits (07777), symlinks followed. Any are allowed in any mode.
    ///
    /// # Errors
    /// As chmod(2), without its checks of who asks.
    pub fn set_mode(&self, path: &[u8], mode: u32) -> Result<()> {
        let fd = self.locate(path, true).at("chmod", path)?;
        self.change_mode(fd.as_fd(), mode).at("chmod", path)
    }

    /// As [`Rootfs::set_mode`] for an open file, `O_PATH` descriptors included.
    ///
    /// # Errors
    /// As fchmod(2); `EOPNOTSUPP` for a symlink.
    pub fn set_mode_fd(&self, fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
        self.change_mode(fd, mode).at("chmod", b"")
    }

    /// Sets owner and group; `None` leaves one as it is. As the kernel does for root too, a change
    /// of a file's owner takes setuid, setgid and file capabilities away.
    ///
    /// # Errors
    /// As chown(2), without its checks of who asks.
    pub fn set_owner(
        &self,
        path: &[u8],
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<()> {
        let fd = self.locate(path, follow).at("chown", path)?;
        self.change_owner(fd.as_fd(), uid, gid).at("chown", path)
    }

    /// As [`Rootfs::set_owner`] for an open file, `O_PATH` descriptors included.
    ///
    /// # Errors
    /// As fchown(2).
    pub fn set_owner_fd(
        &self,
        fd: BorrowedFd<'_>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<()> {
        self.change_owner(fd, uid, gid).at("chown", b"")
    }

    /// Sets the access and modification times; `None` leaves one as it is.
    ///
    /// # Errors
    /// As utimensat(2).
    pub fn set_times(
        &self,
        path: &[u8],
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
        follow: bool,
    ) -> Result<()> {
        let fd = self.locate(path, follow).at("utimensat", path)?;
        change_times(fd.as_fd(), atime, mtime).at("utimensat", path)
    }

    /// As [`Rootfs::set_times`] for an open file, `O_PATH` descriptors included.
    ///
    /// # Errors
    /// As futimens(3).
    pub fn set_times_fd(
        &self,
        fd: BorrowedFd<'_>,
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<()> {
        change_times(fd, atime, mtime).at("utimensat", b"")
    }

    /// Gives a file or directory its owner and full mode, with as few calls as can be: the way of
    /// unpacking and copying. Unlike chown(2) it takes nothing away.
    pub(crate) fn settle(
        &self,
        fd: BorrowedFd<'_>,
        owner: Owner,
        full_mode: u32,
    ) -> rustix::io::Result<()> {
        let kernel = self.ownership() == Ownership::Kernel;
        let mut on_disk = !kernel && owner == Owner::default();
        if kernel {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            on_disk = match chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
                Ok(()) => true,
                Err(Errno::INVAL | Errno::PERM) => false,
                Err(errno) => return Err(errno),
            };
        }
        let wanted = full_mode & PERMISSIONS;
        let physical = if kernel { wanted } else { stored_mode(full_mode) };
        chmod_any(fd, physical)?;
        let plain = on_disk && physical == wanted && physical & S_ISGID == 0;
        if plain && self.ledger.is_empty() {
            return Ok(());
        }
        let stat = stat_fd(fd)?;
        if plain && self.ledger.get(&stat).is_none() {
            return Ok(());
        }
        let disk_mode = u32::from(stat.stx_mode) & (S_IFMT | PERMISSIONS);
        let mode = (disk_mode != full_mode).then_some(full_mode);
        let ours = kernel || self.own_uid() == Some(stat.stx_uid);
        let owner = (!on_disk || !ours).then_some(owner);
        self.ledger.update(&stat, |record| {
            record.mode = mode;
            record.owner = owner;
        })
    }

    /// Whether the mode on disk keeps us from reading a file or directory.
    pub(crate) fn locks_us_out(&self, stat: &Statx) -> bool {
        let mode = u32::from(stat.stx_mode);
        let needed = match mode & S_IFMT {
            S_IFDIR => 0o700,
            S_IFREG => 0o600,
            _ => return false,
        };
        self.ownership() == Ownership::Ledger && mode & needed != needed
    }

    /// Takes over a mode that locks us out, which a step has set behind the ledger's back: the
    /// ledger holds it from now on, the disk gets one that lets us in.
    pub(crate) fn unlock(&self, fd: BorrowedFd<'_>, stat: &Statx) -> rustix::io::Result<()> {
        let seen = self.view(stat).st_mode();
        self.ledger.update(stat, |record| record.mode = Some(seen))?;
        chmod_any(fd, stored_mode(seen) | u32::from(stat.stx_mode) & PERMISSIONS)
    }

    /// As [`Rootfs::unlock`], where the mode of a directory does lock us out.
    pub(crate) fn let_us_in(&self, dir: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let stat = stat_fd(dir)?;
        if self.locks_us_out(&stat) { self.unlock(dir, &stat) } else { Ok(()) }
    }

    pub(crate) fn change_mode(&self, fd: BorrowedFd<'_>, mode: u32) -> rustix::io::Result<()> {
        let stat = stat_fd(fd)?;
        self.change_mode_of(fd, &stat, mode)
    }

    fn change_mode_of(
        &self,
        fd: BorrowedFd<'_>,
        stat: &Statx,
        mode: u32,
    ) -> rustix::io::Result<()> {
        let mode = mode & PERMISSIONS;
        let disk_mode = u32::from(stat.stx_mode);
        if disk_mode & S_IFMT == S_IFLNK {
            return Err(Errno::OPNOTSUPP);
        }
        let record = self.ledger.get(stat);
        let placeholder = record.as_ref().is_some_and(|record| record.rdev.is_some());
        let file_type = record.as_ref().map_or(disk_mode, |r| r.st_mode(disk_mode)) & S_IFMT;
        let disk_now = if placeholder {
            disk_mode
        } else {
            let physical = match self.ownership() {
                Ownership::Kernel => mode,
                Ownership::Ledger => stored_mode(disk_mode & S_IFMT | mode),
            };
            if physical == disk_mode & PERMISSIONS {
                disk_mode
            } else {
                chmod_any(fd, physical)?;
                // The kernel drops a setgid of a group that is not ours without a word.
                if physical & S_ISGID == 0 {
                    disk_mode & S_IFMT | physical
                } else {
                    u32::from(stat_fd(fd)?.stx_mode)
                }
            }
        };
        let wanted = file_type | mode;
        let fact = (disk_now & (S_IFMT | PERMISSIONS) != wanted).then_some(wanted);
        if record.is_some_and(|record| record.mode == fact) || record.is_none() && fact.is_none() {
            return Ok(());
        }
        self.ledger.update(stat, |record| record.mode = fact)
    }

    pub(crate) fn change_owner(
        &self,
        fd: BorrowedFd<'_>,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> rustix::io::Result<()> {
        let stat = stat_fd(fd)?;
        let seen = self.view(&stat);
        let owner = Owner { uid: uid.unwrap_or(seen.uid), gid: gid.unwrap_or(seen.gid) };
        if self.ownership() == Ownership::Kernel {
            let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
            match chownat(fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
                Ok(()) => {
                    if self.ledger.get(&stat).is_some() {
                        self.record_owner(fd, &stat, None)?;
                    }
                    return Ok(());
                }
                // An id that the user namespace does not map.
                Err(Errno::INVAL | Errno::PERM) => {}
                Err(errno) => return Err(errno),
            }
        }
        let default = self.own_uid() == Some(stat.stx_uid) && owner == Owner::default();
        self.record_owner(fd, &stat, (!default).then_some(owner))
    }

    /// Records the owner, and what chown(2) takes away from files.
    fn record_owner(
        &self,
        fd: BorrowedFd<'_>,
        stat: &Statx,
        owner: Option<Owner>,
    ) -> rustix::io::Result<()> {
        let record = self.ledger.get(stat);
        if record.is_none() && owner.is_none() && u32::from(stat.stx_mode) & S_ISUID == 0 {
            return Ok(());
        }
        self.ledger.update(stat, |record| record.owner = owner)?;
        if u32::from(stat.stx_mode) & S_IFMT == S_IFDIR {
            return Ok(());
        }
        if record.is_some_and(|record| record.capability.is_some()) {
            self.ledger.update(stat, |record| record.capability = None)?;
        }
        let mode = self.view(stat).mode;
        let dropped = without_set_id(mode);
        if dropped != mode { self.change_mode_of(fd, stat, dropped) } else { Ok(()) }
    }
}

/// The mode of a file after chown(2): setgid without group execution means mandatory locking and
/// stays.
const fn without_set_id(mode: u32) -> u32 {
    let mode = mode & !S_ISUID;
    if mode & S_IXGRP == 0 { mode } else { mode & !S_ISGID }
}

/// fchmod(2), also for `O_PATH` descriptors.
fn chmod_any(fd: BorrowedFd<'_>, mode: u32) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    match fchmod(fd, mode) {
        Err(Errno::BADF) => chmodat(CWD, proc_path(fd), mode, AtFlags::empty()),
        result => result,
    }
}

pub(crate) fn change_times(
    fd: BorrowedFd<'_>,
    atime: Option<Timestamp>,
    mtime: Option<Timestamp>,
) -> rustix::io::Result<()> {
    let keep = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let times = Timestamps {
        last_access: atime.map_or(keep, Into::into),
        last_modification: mtime.map_or(keep, Into::into),
    };
    utimensat(fd, c"", &times, AtFlags::EMPTY_PATH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chown_drops_set_id_bits_of_programs() {
        for (mode, after) in
            [(0o4755, 0o755), (0o2755, 0o755), (0o2745, 0o2745), (0o6755, 0o755), (0o1777, 0o1777)]
        {
            assert_eq!(without_set_id(mode), after, "{mode:o}");
        }
    }
}
