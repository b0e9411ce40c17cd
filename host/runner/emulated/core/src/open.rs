//! Opening files and creating them.

use crate::abi::{
    AT_FDCWD, O_ACCMODE, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOATIME, O_NOFOLLOW,
    O_NONBLOCK, O_PATH, O_RDONLY, O_TMPFILE_BIT, O_TRUNC, O_VALID, O_WRONLY, OpenHow,
    RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, S_IFIFO, Statx,
};
use crate::buf::{CPath, PathBuf};
use crate::config::ROOT_FD;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::special::may_be_of_proc;
use crate::walk::{Magic, Place};
use crate::world::{MAY_READ, MAY_WRITE, Scratch, WalkBuffers, World, creation_mode};

mod parent;
pub use parent::{Intent, Parent};

/// How often a resolution is tried again that met a concurrent rename (EAGAIN of openat2(2)).
const MAX_TRIES: u32 = 64;

fn usable(flags: u64) -> u64 {
    let mut flags = flags & O_VALID;
    if flags & O_PATH != 0 {
        flags &= O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_PATH;
    }
    if flags & O_TMPFILE_BIT != 0 {
        flags |= O_DIRECTORY;
    }
    flags
}

impl<'a, G: Guest> World<'a, G> {
    /// open(2) and its kin: the path is in `scratch.path`.
    ///
    /// # Errors
    /// The call's.
    pub fn open(&self, scratch: &mut Scratch, dirfd: i32, flags: u64, mode: u32) -> Result<i32> {
        let flags = usable(flags);
        let fd = self.open_usable(scratch, dirfd, flags, mode)?;
        if flags & O_TMPFILE_BIT != 0
            && let Err(errno) = self.adopt(|| self.disk_of(fd), || self.disk_of(fd), Some(mode))
        {
            self.guest.close(fd);
            return Err(errno);
        }
        Ok(fd)
    }

    fn open_usable(&self, scratch: &mut Scratch, dirfd: i32, flags: u64, mode: u32) -> Result<i32> {
        let Scratch { path, walk, .. } = scratch;
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let creates = flags & O_CREAT != 0 && flags & O_PATH == 0;
        if creates {
            self.can_be_file(walk, dirfd, path.bytes(), flags)?;
        }
        if !self.cred.is_fs_root() {
            return self.open_walking(walk, dirfd, path.bytes(), flags, mode);
        }
        if creates {
            return self.open_creating(walk, dirfd, path, flags, mode);
        }
        self.open_existing(walk, dirfd, path, flags, mode)
    }

    /// Fails for a path that only a directory can have: no file is made by it.
    fn can_be_file(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &[u8],
        flags: u64,
    ) -> Result<()> {
        let (start, end) = parent::last_component(path);
        let name = path.get(start..end).unwrap_or(&[]);
        let is_name = !matches!(name, b"" | b"." | b"..");
        if is_name && end == path.len() {
            return Ok(());
        }
        if let Some(directory) = path.get(..start).filter(|path| !path.is_empty())
            && self.walk(walk, dirfd, directory, true)?.disk.is_none()
        {
            return Err(Errno::NOENT);
        }
        Err(if flags & O_EXCL != 0 && !is_name { Errno::EXIST } else { Errno::ISDIR })
    }

    /// The kernel resolves; only where it cannot, the path is walked.
    pub(crate) fn open_existing(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        flags: u64,
        mode: u32,
    ) -> Result<i32> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let temporary = flags & O_TMPFILE_BIT != 0;
        let mode = if temporary { creation_mode(mode, false) } else { 0 };
        if path.bytes().starts_with(b"/") {
            if self.must_walk(path.bytes()) {
                return self.open_walking(walk, dirfd, path.bytes(), flags, mode);
            }
            return match self.resolve(ROOT_FD, path.c(), flags, mode, RESOLVE_IN_ROOT) {
                Err(Errno::ACCES) => self.open_walking(walk, dirfd, path.bytes(), flags, mode),
                other => other,
            };
        }
        if may_be_of_proc(path.bytes()) {
            return self.open_walking(walk, dirfd, path.bytes(), flags, mode);
        }
        match self.resolve(dirfd, path.c(), flags, mode, RESOLVE_BENEATH) {
            Err(Errno::XDEV) => {}
            Err(Errno::ACCES | Errno::LOOP) => {
                return self.open_walking(walk, dirfd, path.bytes(), flags, mode);
            }
            Ok(fd) if path.bytes() == b"." => return Ok(self.opened_here(walk, fd, flags)),
            other => return other,
        }
        // It leads up, or through an absolute link: once more from the root.
        if !self.root.is_empty() {
            return self.open_walking(walk, dirfd, path.bytes(), flags, mode);
        }
        let whole = self.guest_path(walk, dirfd).and_then(|()| {
            walk.here.push(b"/")?;
            walk.here.push(path.bytes())
        });
        match whole {
            Ok(()) | Err(Errno::NAMETOOLONG) => {}
            Err(errno) => return Err(errno),
        }
        if whole.is_ok() && !self.config.may_cover(walk.here.bytes()) {
            match self.resolve(ROOT_FD, walk.here.c(), flags, mode, RESOLVE_IN_ROOT) {
                Err(Errno::ACCES) => {}
                other => return other,
            }
        }
        self.open_walking(walk, dirfd, path.bytes(), flags, mode)
    }

    fn open_creating(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        flags: u64,
        mode: u32,
    ) -> Result<i32> {
        if flags & O_EXCL == 0 {
            match self.open_existing(walk, dirfd, path, flags & !O_CREAT, 0) {
                Err(Errno::NOENT) => {}
                // To write, the kernel has refused it.
                Ok(fd)
                    if flags & O_ACCMODE == O_RDONLY
                        && self.disk_of(fd).is_ok_and(|disk| disk.is_dir()) =>
                {
                    self.guest.close(fd);
                    return Err(Errno::ISDIR);
                }
                other => return other,
            }
        }
        let parent = self.parent(walk, dirfd, path, Intent::Create)?;
        let made = self.create_in(&parent, flags, mode);
        let fast = parent.is_fast();
        self.done(parent);
        match made {
            // A dangling link, or a covered directory.
            Err(Errno::EXIST) if flags & O_EXCL == 0 => {}
            Err(Errno::ACCES) if fast => {}
            other => return other,
        }
        self.open_walking(walk, dirfd, path.bytes(), flags, mode)
    }

    fn create_in(&self, parent: &Parent, flags: u64, mode: u32) -> Result<i32> {
        let asked = creation_mode(mode, false);
        // Exclusively: only then is it certain that the file is ours to adopt. No link is followed.
        let flags_new = flags | O_CREAT | O_EXCL;
        let fd = self.resolve(parent.fd, parent.name(), flags_new, asked, RESOLVE_BENEATH)?;
        let adopted =
            self.adopt(|| self.directory(parent), || self.disk_of(fd), Some(mode & 0o7777));
        if let Err(errno) = adopted {
            self.guest.close(fd);
            return Err(errno);
        }
        Ok(fd)
    }

    pub(crate) fn resolve(
        &self,
        dirfd: i32,
        path: CPath<'_>,
        flags: u64,
        mode: u32,
        resolve: u64,
    ) -> Result<i32> {
        let how =
            OpenHow { flags, mode: u64::from(mode), resolve: resolve | RESOLVE_NO_MAGICLINKS };
        let mut tries = 0;
        loop {
            match self.guest.openat2(dirfd, path, &how) {
                Err(Errno::AGAIN) if tries < MAX_TRIES && flags & O_NONBLOCK == 0 => tries += 1,
                other => return other,
            }
        }
    }

    /// Opens after a walk: binds, permissions, /proc.
    fn open_walking(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &[u8],
        flags: u64,
        mode: u32,
    ) -> Result<i32> {
        let exclusive = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
        let follow = flags & O_NOFOLLOW == 0 && !exclusive;
        let place = self.walk(walk, dirfd, path, follow)?;
        let Some(disk) = place.disk else {
            if flags & O_CREAT == 0 {
                return Err(Errno::NOENT);
            }
            let parent = self.parent_of(walk, &place, Intent::Create)?;
            let made = self.create_in(&parent, flags, mode);
            self.done(parent);
            return made;
        };
        if exclusive {
            return Err(Errno::EXIST);
        }
        if flags & O_CREAT != 0 && disk.is_dir() {
            return Err(Errno::ISDIR);
        }
        self.check_open(walk, &place, &disk, flags)?;
        self.open_place(walk, &place, flags & !O_CREAT, mode)
    }

    fn check_open(
        &self,
        walk: &WalkBuffers,
        place: &Place<'_>,
        disk: &Statx,
        flags: u64,
    ) -> Result<()> {
        if flags & O_PATH != 0 {
            return Ok(());
        }
        let access = flags & O_ACCMODE;
        let mut want = if access == O_WRONLY { 0 } else { MAY_READ };
        if access != O_RDONLY || flags & (O_TRUNC | O_TMPFILE_BIT) != 0 {
            want |= MAY_WRITE;
        }
        if want & MAY_WRITE != 0 && place.is_read_only() {
            return Err(Errno::ROFS);
        }
        if self.cred.is_fs_root() || place.magic.is_some() || disk.is_symlink() {
            return Ok(());
        }
        // What is not ours is the kernel's to judge.
        if disk.uid != self.config.own_uid {
            return Ok(());
        }
        if flags & O_NOATIME != 0 && !self.owns(&self.seen(disk)) {
            return Err(Errno::PERM);
        }
        self.require_at(place, walk, disk, want)
    }

    /// Opens what a walk found.
    pub(crate) fn open_place(
        &self,
        walk: &mut WalkBuffers,
        place: &Place<'_>,
        flags: u64,
        mode: u32,
    ) -> Result<i32> {
        match place.magic {
            Some(Magic::Exe) => {
                walk.here.set(self.exe)?;
                return self.resolve(ROOT_FD, walk.here.c(), flags, 0, RESOLVE_IN_ROOT);
            }
            Some(Magic::Kernel) => return self.open_magic(walk, place, flags),
            None => {}
        }
        if let Some(opened) = self.open_terminal(walk, place, flags) {
            return opened;
        }
        if place.is_file_bind() {
            let base = u32::try_from(place.base).map_err(|_| Errno::BADF)?;
            walk.link.set(b"/proc/self/fd/")?;
            walk.link.push_number(base)?;
            return self.guest.openat(AT_FDCWD, walk.link.c(), flags & !O_NOFOLLOW, 0);
        }
        let path = place.path(walk);
        if place.in_proc() {
            return self.open_proc(place.base, path, flags);
        }
        let temporary = flags & O_TMPFILE_BIT != 0;
        let asked = if temporary { creation_mode(mode, false) } else { 0 };
        self.resolve(place.base, path, flags, asked, walk.bounds())
    }

    /// `O_PATH` descriptor of a path, with the inode on disk; follows a last link if told.
    ///
    /// # Errors
    /// As path_resolution(7) has them.
    pub fn locate(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        follow: bool,
    ) -> Result<(i32, Statx)> {
        let flags = O_PATH | O_CLOEXEC | if follow { 0 } else { O_NOFOLLOW };
        if self.cred.is_fs_root() {
            let fd = self.open_existing(walk, dirfd, path, flags, 0)?;
            match self.disk_of(fd) {
                Ok(disk) if !self.is_covered(&disk) => return Ok((fd, disk)),
                Ok(_) => self.guest.close(fd),
                Err(errno) => {
                    self.guest.close(fd);
                    return Err(errno);
                }
            }
        }
        let place = self.walk(walk, dirfd, path.bytes(), follow)?;
        if place.disk.is_none() {
            return Err(Errno::NOENT);
        }
        let fd = self.open_place(walk, &place, flags, 0)?;
        let disk = self.disk_of(fd).inspect_err(|_| self.guest.close(fd))?;
        Ok((fd, disk))
    }

    /// A descriptor through which attributes can be changed, opened past the guest's permissions:
    /// the caller has checked them.
    ///
    /// # Errors
    /// As path_resolution(7) has them; `ELOOP` for a symbolic link when `follow` is false, `ENXIO`
    /// for a socket, and for a terminal: to open one and to close it is a hang-up for its maker.
    pub fn open_for_change(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        follow: bool,
    ) -> Result<(i32, Statx)> {
        let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | if follow { 0 } else { O_NOFOLLOW };
        let bytes = path.bytes();
        if self.cred.is_fs_root() && !self.must_walk(bytes) {
            let fd = self.open_existing(walk, dirfd, path, flags, 0)?;
            let disk = self.disk_of(fd).inspect_err(|_| self.guest.close(fd))?;
            return Ok((fd, disk));
        }
        let place = self.walk(walk, dirfd, bytes, follow)?;
        if place.disk.is_none() {
            return Err(Errno::NOENT);
        }
        if place.is_terminal(walk) {
            return Err(Errno::NXIO);
        }
        let fd = self.open_place(walk, &place, flags, 0)?;
        let disk = self.disk_of(fd).inspect_err(|_| self.guest.close(fd))?;
        Ok((fd, disk))
    }

    /// Whether opening this would wait for another process: the file is a fifo.
    ///
    /// # Errors
    /// The call's.
    pub fn is_fifo(&self, fd: i32) -> Result<bool> {
        Ok(self.disk_of(fd)?.kind() == S_IFIFO)
    }
}
