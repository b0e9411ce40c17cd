//! Looking at files and changing what they say of themselves: stat, access, chmod, chown, times.

use kiln_ledger::{Owner, Record, stored_mode};

use crate::abi::{
    AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID,
    Statx,
};
use crate::buf::PathBuf;
use crate::config::ROOT_FD;
use crate::descriptors::may_be_own;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::known::split;
use crate::walk::Magic;
use crate::world::{MAY_EXEC, MAY_WRITE, Scratch, WalkBuffers, World, allowed};

/// `UTIME_NOW`
const UTIME_NOW: i64 = (1 << 30) - 1;
/// "Leave as it is" for chown(2).
const SAME: u32 = u32::MAX;

impl<G: Guest> World<'_, G> {
    /// The inode on disk that a path leads to.
    ///
    /// # Errors
    /// As path_resolution(7) has them.
    pub fn disk(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        follow: bool,
    ) -> Result<Statx> {
        let bytes = path.bytes();
        if self.cred.is_fs_root() {
            let single =
                !bytes.is_empty() && !bytes.contains(&b'/') && bytes != b".." && !may_be_own(bytes);
            if single {
                match self.disk_at(dirfd, path.c()) {
                    Ok(disk) if disk.is_symlink() && follow => {}
                    Ok(disk) if !self.is_covered(&disk) => return Ok(disk),
                    Ok(_) | Err(Errno::ACCES) => {
                        return self.disk_walking(walk, dirfd, path, follow);
                    }
                    Err(errno) => return Err(errno),
                }
            }
            if !self.must_walk(bytes) {
                if let Some((directory, _)) = split(bytes)
                    && self.is_plain(walk, directory)
                {
                    match self.disk_at(ROOT_FD, path.tail(1)) {
                        Ok(disk) if disk.is_symlink() && follow => {}
                        Ok(disk) if !self.is_covered(&disk) => return Ok(disk),
                        Ok(_) | Err(Errno::ACCES) => {
                            return self.disk_walking(walk, dirfd, path, follow);
                        }
                        Err(errno) => return Err(errno),
                    }
                }
                let (fd, disk) = self.locate(walk, dirfd, path, follow)?;
                self.guest.close(fd);
                return Ok(disk);
            }
        }
        self.disk_walking(walk, dirfd, path, follow)
    }

    fn disk_walking(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        follow: bool,
    ) -> Result<Statx> {
        let place = self.walk(walk, dirfd, path.bytes(), follow)?;
        match place.magic {
            None => place.disk.ok_or(Errno::NOENT),
            Some(Magic::Kernel) => self.guest.statx(place.base, place.path(walk), 0),
            Some(Magic::Exe) => {
                let fd = self.open_place(walk, &place, crate::abi::O_PATH, 0)?;
                let disk = self.disk_of(fd);
                self.guest.close(fd);
                disk
            }
        }
    }

    /// stat(2) and its kin: the inode as the guest sees it.
    ///
    /// # Errors
    /// The call's.
    pub fn stat(&self, scratch: &mut Scratch, dirfd: i32, flags: u32) -> Result<Statx> {
        let Scratch { path, walk, .. } = scratch;
        let disk = if path.is_empty() {
            if flags & AT_EMPTY_PATH == 0 {
                return Err(Errno::NOENT);
            }
            if self.config.is_own(dirfd) {
                return Err(Errno::BADF);
            }
            self.disk_of(dirfd)?
        } else {
            self.disk(walk, dirfd, path, flags & AT_SYMLINK_NOFOLLOW == 0)?
        };
        if self.is_of_other(&disk) {
            let here = if path.is_empty() {
                self.guest_path(walk, dirfd)
            } else {
                self.walk(walk, dirfd, path.bytes(), flags & AT_SYMLINK_NOFOLLOW == 0).map(drop)
            };
            if here.is_ok() {
                return Ok(self.seen_at(&disk, walk.here.bytes()));
            }
        }
        Ok(self.seen(&disk))
    }

    /// access(2) and its kin.
    ///
    /// # Errors
    /// The call's.
    pub fn access(&self, scratch: &mut Scratch, dirfd: i32, want: u32, flags: u32) -> Result<()> {
        if want & !7 != 0 {
            return Err(Errno::INVAL);
        }
        let seen = self.stat(scratch, dirfd, flags)?;
        let effective = flags & AT_EACCESS != 0;
        let uid = if effective { self.cred.user.fs() } else { self.cred.user.real() };
        let primary = if effective { self.cred.group.fs() } else { self.cred.group.real() };
        let member = |gid| gid == primary || self.cred.groups().any(|group| group == gid);
        if want & MAY_WRITE != 0 && self.lies_on_read_only(scratch, dirfd) {
            return Err(Errno::ROFS);
        }
        if allowed(&seen, want, uid, member) || self.acl_lets_access(scratch, dirfd, &seen, want) {
            return Ok(());
        }
        Err(Errno::ACCES)
    }

    /// For who asks with the ids that count for access to files.
    fn acl_lets_access(&self, scratch: &mut Scratch, dirfd: i32, seen: &Statx, want: u32) -> bool {
        let Scratch { path, walk, .. } = scratch;
        if self.cred.is_fs_root() || self.cred.user.real() != self.cred.user.fs() {
            return false;
        }
        if path.is_empty() {
            return self.acl_allows(dirfd, b"", seen, want);
        }
        match self.walk(walk, dirfd, path.bytes(), true) {
            Ok(place) => self.acl_allows(place.base, place.path(walk).bytes(), seen, want),
            Err(_) => false,
        }
    }

    fn lies_on_read_only(&self, scratch: &mut Scratch, dirfd: i32) -> bool {
        if self.config.binds().all(|bind| !bind.read_only) || scratch.path.is_empty() {
            return false;
        }
        let path = scratch.path.bytes();
        if path.starts_with(b"/") && !self.must_walk(path) {
            return false;
        }
        let Scratch { path, walk, .. } = scratch;
        self.walk(walk, dirfd, path.bytes(), true).is_ok_and(|place| place.is_read_only())
    }

    /// chmod(2) and its kin.
    ///
    /// # Errors
    /// The call's.
    pub fn chmod(&self, scratch: &mut Scratch, dirfd: i32, mode: u32, follow: bool) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        if !follow {
            let disk = self.disk(walk, dirfd, path, false)?;
            if disk.is_symlink() {
                return Err(Errno::OPNOTSUPP);
            }
        }
        let (fd, disk) = match self.open_for_change(walk, dirfd, path, true) {
            // A socket cannot be opened: the ledger alone keeps its mode.
            Err(Errno::NXIO) => {
                let disk = self.disk(walk, dirfd, path, true)?;
                return self.record_mode(&disk, mode, None);
            }
            other => other?,
        };
        let result = self.record_mode(&disk, mode, Some(fd));
        self.guest.close(fd);
        result
    }

    /// fchmod(2)
    ///
    /// # Errors
    /// The call's.
    pub fn fchmod(&self, fd: i32, mode: u32) -> Result<()> {
        let disk = self.disk_of(fd)?;
        if self.guest.status_flags(fd)? & crate::abi::O_PATH != 0 {
            return Err(Errno::BADF);
        }
        self.record_mode(&disk, mode, Some(fd))
    }

    pub(crate) fn record_mode(&self, disk: &Statx, mode: u32, fd: Option<i32>) -> Result<()> {
        let seen = self.seen(disk);
        if !self.owns(&seen) {
            return Err(Errno::PERM);
        }
        if disk.uid != self.config.own_uid {
            return Err(Errno::PERM);
        }
        let mut mode = mode & 0o7777;
        if !self.cred.is_fs_root() && !self.cred.in_group(seen.gid) {
            mode &= !S_ISGID;
        }
        let full = u32::from(seen.mode) & S_IFMT | mode;
        // For a device node the disk has a regular file.
        let stored = stored_mode(u32::from(disk.mode) & S_IFMT | mode);
        if let Some(fd) = fd {
            // The same mode once more is a change too: the inode has a time for it, and watchers.
            self.guest.fchmod(fd, stored)?;
        }
        let is_device = full & S_IFMT != u32::from(disk.mode) & S_IFMT;
        let keep = stored != mode || is_device || fd.is_none();
        let result = if !keep && self.record(disk).is_none() {
            Ok(())
        } else {
            self.update(disk, |record| record.mode = keep.then_some(full))
        };
        self.note_directory(disk);
        result
    }

    /// Who may search a directory has changed.
    fn note_directory(&self, disk: &Statx) {
        if disk.is_dir() {
            self.guest.note_change();
        }
    }

    /// chown(2) and its kin; the path may be empty for the descriptor itself.
    ///
    /// # Errors
    /// The call's.
    pub fn chown(
        &self,
        scratch: &mut Scratch,
        dirfd: i32,
        uid: u32,
        gid: u32,
        flags: u32,
    ) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        if path.is_empty() {
            if flags & AT_EMPTY_PATH == 0 {
                return Err(Errno::NOENT);
            }
            let disk = self.disk_of(dirfd)?;
            self.record_owner(&disk, uid, gid)?;
            self.touch_inode(dirfd, &disk);
            return Ok(());
        }
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        let disk = self.disk(walk, dirfd, path, follow)?;
        self.record_owner(&disk, uid, gid)?;
        if matches!(disk.kind(), S_IFREG | S_IFDIR)
            && let Ok((fd, disk)) = self.open_for_change(walk, dirfd, path, follow)
        {
            self.touch_inode(fd, &disk);
            self.guest.close(fd);
        }
        Ok(())
    }

    /// A new owner is a change of the inode, which has a time: `configure` of GNU programs tests it.
    fn touch_inode(&self, fd: i32, disk: &Statx) {
        if disk.uid == self.config.own_uid && matches!(disk.kind(), S_IFREG | S_IFDIR) {
            // What could not be opened, or lies where nothing may be written, keeps its time.
            let _ = self.guest.fchmod(fd, u32::from(disk.mode) & 0o7777);
        }
    }

    fn record_owner(&self, disk: &Statx, uid: u32, gid: u32) -> Result<()> {
        let seen = self.seen(disk);
        if disk.uid != self.config.own_uid {
            let same = (uid == SAME || uid == seen.uid) && (gid == SAME || gid == seen.gid);
            return if same { Ok(()) } else { Err(Errno::PERM) };
        }
        if !self.cred.is_fs_root() {
            let uid_ok = uid == SAME || uid == seen.uid;
            let gid_ok = gid == SAME || gid == seen.gid || self.cred.in_group(gid);
            if !uid_ok || !gid_ok || seen.uid != self.cred.user.fs() {
                return Err(Errno::PERM);
            }
        }
        let owner = Owner {
            uid: if uid == SAME { seen.uid } else { uid },
            gid: if gid == SAME { seen.gid } else { gid },
        };
        let mode = u32::from(seen.mode);
        let loses_set_id = seen.kind() == S_IFREG && mode & (S_ISUID | S_ISGID) != 0;
        let unchanged = owner == Owner { uid: seen.uid, gid: seen.gid };
        if unchanged && !loses_set_id && self.record(disk).is_none() {
            return Ok(());
        }
        let cleared = mode & !S_ISUID & !if mode & 0o010 != 0 { S_ISGID } else { 0 };
        let is_dir = seen.is_dir();
        let result = self.update(disk, |record: &mut Record| {
            record.owner = (owner != Owner::default()).then_some(owner);
            if !is_dir {
                record.capability = None;
            }
            if loses_set_id {
                let differs = stored_mode(cleared) != cleared & 0o7777;
                record.mode = differs.then_some(cleared);
            }
        });
        self.note_directory(disk);
        result
    }

    /// utimensat(2) and its kin: seconds and nanoseconds of access and modification time.
    ///
    /// # Errors
    /// The call's.
    pub fn set_times(
        &self,
        scratch: &mut Scratch,
        dirfd: i32,
        times: Option<[i64; 4]>,
        follow: bool,
    ) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        if !self.cred.is_fs_root() {
            let seen = self.seen(&self.disk(walk, dirfd, path, follow)?);
            let now = times.is_none_or(|t| t[1] == UTIME_NOW && t[3] == UTIME_NOW);
            let may = self.owns(&seen) || (now && self.allows(&seen, MAY_WRITE));
            if !may {
                return Err(if now { Errno::ACCES } else { Errno::PERM });
            }
        }
        match self.open_for_change(walk, dirfd, path, follow) {
            Ok((fd, _)) => {
                let result = self.guest.futimens(fd, times);
                self.guest.close(fd);
                result
            }
            Err(Errno::LOOP | Errno::NXIO) => {
                let (fd, disk) = self.locate(walk, dirfd, path, follow)?;
                let result = if disk.is_symlink() {
                    self.guest.set_link_times(fd, times)
                } else {
                    // A socket: no layer holds it.
                    Ok(())
                };
                self.guest.close(fd);
                result
            }
            Err(errno) => Err(errno),
        }
    }

    /// chdir(2)
    ///
    /// # Errors
    /// The call's.
    pub fn chdir(&self, scratch: &mut Scratch) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        let (fd, disk) = self.locate(walk, crate::abi::AT_FDCWD, path, true)?;
        let allowed = if disk.is_dir() {
            self.require(&self.seen(&disk), MAY_EXEC)
        } else {
            Err(Errno::NOTDIR)
        };
        let result = allowed.and_then(|()| self.guest.fchdir(fd));
        self.guest.close(fd);
        result
    }
}
