//! What changes modes, owners, times and extended attributes: checked as the kernel checks it, and
//! noted in the journal.

use super::access::WRITE;
use super::change::{S_ISGID, check_own_or_root, refuse_device};
use super::{Found, Fs, FsError, Place, Result};
use kiln_guest_abi::wire::{UTIME_NOW, UTIME_OMIT, XATTR_CREATE, XATTR_REPLACE, errno};
use kiln_rootfs::{FileType, Timestamp};

/// A time to be set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewTime {
    /// Seconds since 1970.
    pub(crate) secs: i64,
    /// Nanoseconds, or [`UTIME_NOW`], [`UTIME_OMIT`].
    pub(crate) nanos: u32,
}

impl Fs {
    /// `chmod(2)`.
    pub(crate) fn set_mode(&self, place: Place<'_>, mode: u32) -> Result<()> {
        let mut journal = self.journal();
        let found = self.find(place, true)?;
        let file = *found.existing()?;
        refuse_device(&found)?;
        check_own_or_root(&found.path)?;
        place.who.owns(&file)?;
        let foreign = !place.who.is_root() && !place.who.in_group(file.gid);
        let mode = if foreign { mode & !S_ISGID } else { mode };
        journal.touch(&self.rootfs, &found.path)?;
        journal.metadata_changes(&found.path, &file);
        let result = self.rootfs.set_mode(&found.path, mode & 0o7777);
        self.ways.forget(&found.path);
        Ok(result?)
    }

    /// `chown(2)`, `lchown(2)`.
    pub(crate) fn set_owner(
        &self,
        place: Place<'_>,
        uid: Option<u32>,
        gid: Option<u32>,
        follow: bool,
    ) -> Result<()> {
        let mut journal = self.journal();
        let found = self.find(place, follow)?;
        let file = *found.existing()?;
        refuse_device(&found)?;
        check_own_or_root(&found.path)?;
        let who = place.who;
        let allowed = who.is_root()
            || who.uid == file.uid
                && uid.is_none_or(|uid| uid == file.uid)
                && gid.is_none_or(|gid| gid == file.gid || who.in_group(gid));
        if !allowed {
            return Err(FsError::Errno(errno::EPERM));
        }
        journal.touch(&self.rootfs, &found.path)?;
        if file.file_type == FileType::File {
            // chown takes file capabilities away.
            let capability = b"security.capability";
            if self.rootfs.get_xattr(&found.path, capability, false).is_ok() {
                journal.xattr_changes(&self.rootfs, &found.path, &file, capability)?;
            }
        }
        journal.metadata_changes(&found.path, &file);
        let result = self.rootfs.set_owner(&found.path, uid, gid, false);
        self.ways.forget(&found.path);
        Ok(result?)
    }

    /// `utimensat(2)`.
    pub(crate) fn set_times(
        &self,
        place: Place<'_>,
        atime: NewTime,
        mtime: NewTime,
        follow: bool,
    ) -> Result<()> {
        let mut journal = self.journal();
        let found = self.find(place, follow)?;
        let file = *found.existing()?;
        if found.device.is_some() {
            return Ok(());
        }
        check_own_or_root(&found.path)?;
        let now_only = atime.nanos == UTIME_NOW && mtime.nanos == UTIME_NOW;
        if place.who.owns(&file).is_err() {
            if !now_only {
                return Err(FsError::Errno(errno::EPERM));
            }
            place.who.may(&file, WRITE)?;
        }
        journal.touch(&self.rootfs, &found.path)?;
        journal.metadata_changes(&found.path, &file);
        let (atime, mtime) = (resolve_time(atime)?, resolve_time(mtime)?);
        Ok(self.rootfs.set_times(&found.path, atime, mtime, false)?)
    }

    /// `setxattr(2)`, `lsetxattr(2)`.
    pub(crate) fn set_xattr(
        &self,
        place: Place<'_>,
        follow: bool,
        name: &[u8],
        value: &[u8],
        how: u32,
    ) -> Result<()> {
        let mut journal = self.journal();
        let found = self.find_for_xattr(place, follow, name)?;
        if how != 0 {
            let exists = self.rootfs.get_xattr(&found.path, name, false).is_ok();
            match how {
                XATTR_CREATE if exists => return Err(FsError::Errno(errno::EEXIST)),
                XATTR_REPLACE if !exists => return Err(FsError::Errno(errno::ENODATA)),
                XATTR_CREATE | XATTR_REPLACE => {}
                _ => return Err(FsError::Errno(errno::EINVAL)),
            }
        }
        journal.touch(&self.rootfs, &found.path)?;
        journal.xattr_changes(&self.rootfs, &found.path, found.existing()?, name)?;
        Ok(self.rootfs.set_xattr(&found.path, name, value, false)?)
    }

    /// `removexattr(2)`, `lremovexattr(2)`.
    pub(crate) fn remove_xattr(&self, place: Place<'_>, follow: bool, name: &[u8]) -> Result<()> {
        let mut journal = self.journal();
        let found = self.find_for_xattr(place, follow, name)?;
        journal.touch(&self.rootfs, &found.path)?;
        journal.xattr_changes(&self.rootfs, &found.path, found.existing()?, name)?;
        Ok(self.rootfs.remove_xattr(&found.path, name, false)?)
    }

    fn find_for_xattr(&self, place: Place<'_>, follow: bool, name: &[u8]) -> Result<Found> {
        let found = self.find(place, follow)?;
        let file = found.existing()?;
        refuse_device(&found)?;
        check_own_or_root(&found.path)?;
        if name.starts_with(b"user.") {
            place.who.may(file, WRITE)?;
        } else if !place.who.is_root() {
            return Err(FsError::Errno(errno::EPERM));
        }
        Ok(found)
    }
}

fn resolve_time(time: NewTime) -> Result<Option<Timestamp>> {
    match time.nanos {
        UTIME_OMIT => Ok(None),
        UTIME_NOW => {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
            let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
            Ok(Some(Timestamp { secs: now.tv_sec, nanos }))
        }
        nanos if nanos < 1_000_000_000 => Ok(Some(Timestamp { secs: time.secs, nanos })),
        _ => Err(FsError::Errno(errno::EINVAL)),
    }
}
