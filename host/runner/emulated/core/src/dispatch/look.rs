//! Calls that open or look.

use super::{Answer, Call, Later, fd_value, int, uint};
use crate::abi::{
    AT_FDCWD, O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK, O_PATH, O_TMPFILE_BIT, O_VALID, O_WRONLY,
    OpenHow, RESOLVE_BENEATH, RESOLVE_IN_ROOT,
};
use crate::arch::nr;
use crate::buf::PathBuf;
use crate::config::{END_FD, FIRST_FD, ROOT_FD};
use crate::errno::{Errno, Result};
use crate::guest::Guest;

impl<G: Guest> Call<'_, '_, G> {
    pub(super) fn open(
        mut self,
        dirfd: i32,
        address: usize,
        flags: u64,
        mode: u32,
    ) -> Result<Answer> {
        self.path(address, 0)?;
        let waits = flags & (O_NONBLOCK | O_PATH) == 0
            && flags & O_ACCMODE != 2
            && flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL;
        if waits && self.world.guest.fifos_exist() {
            let crate::world::Scratch { path, walk, .. } = &mut *self.scratch;
            if let Ok((fd, _)) = self.world.locate(walk, dirfd, path, true) {
                if self.world.is_fifo(fd) == Ok(true) {
                    return self.open_fifo(fd, flags);
                }
                self.world.guest.close(fd);
            }
        }
        let mode = self.unmasked(mode);
        let fd = self.world.open(self.scratch, dirfd, flags, mode)?;
        Ok(Answer::Now(fd_value(fd).cast_signed()))
    }

    pub(super) fn open_fifo(self, fd: i32, flags: u64) -> Result<Answer> {
        let seen = self.world.seen(&self.world.disk_of(fd)?);
        let want = if flags & O_ACCMODE == O_WRONLY { 2 } else { 4 };
        if let Err(errno) = self.world.require(&seen, want) {
            self.world.guest.close(fd);
            return Err(errno);
        }
        let mut name = [0; 32];
        let name = crate::change::descriptor_path(fd, &mut name).ok_or(Errno::BADF)?;
        let flags = usize::try_from(flags & !(O_CREAT | crate::abi::O_NOFOLLOW)).unwrap_or(0);
        let directory = AT_FDCWD as isize;
        let arguments = [directory.cast_unsigned(), 0, flags, 0, 0, 0];
        let mut later = Later::unchanged(nr::OPENAT, arguments).with_data(1, name.with_nul());
        later.close = Some(fd);
        Ok(Answer::Later(later))
    }

    pub(super) fn openat2(mut self) -> Result<Answer> {
        let a = self.a;
        /// The longest structure that the kernel takes: a page.
        const MOST: usize = 4096;
        let mut bytes = [0; 24];
        if a[3] < bytes.len() {
            return Err(Errno::INVAL);
        }
        if a[3] > MOST {
            return Err(Errno::TOOBIG);
        }
        self.world.guest.read(a[2], &mut bytes)?;
        // A longer structure from the future: only zeros may follow.
        for at in bytes.len()..a[3] {
            let mut byte = [0];
            self.world.guest.read(a[2] + at, &mut byte)?;
            if byte != [0] {
                return Err(Errno::TOOBIG);
            }
        }
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let how = OpenHow { flags: word(0), mode: word(8), resolve: word(16) };
        let mode = u32::try_from(how.mode).map_err(|_| Errno::INVAL)?;
        let makes = how.flags & (O_CREAT | O_TMPFILE_BIT) != 0;
        if how.flags & !O_VALID != 0 || mode & !if makes { 0o7777 } else { 0 } != 0 {
            return Err(Errno::INVAL);
        }
        if how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) == 0 {
            // Restrictions that only forbid links and mounts are kept by the kernel's own means
            // where it resolves alone; the walk does not know them.
            if how.resolve != 0 {
                self.path(a[1], 0)?;
                let path = self.scratch.path.c();
                let below = OpenHow { resolve: how.resolve | RESOLVE_BENEATH, ..how };
                let in_root = OpenHow { resolve: how.resolve | RESOLVE_IN_ROOT, ..how };
                let fd = if !path.bytes().starts_with(b"/") {
                    self.world.guest.openat2(int(a[0]), path, &below)?
                } else if self.world.root.is_empty() {
                    self.world.guest.openat2(ROOT_FD, path, &in_root)?
                } else {
                    let mut slash = PathBuf::new();
                    slash.set(b"/")?;
                    let walk = &mut self.scratch.walk;
                    let (root, _) = self.world.locate(walk, AT_FDCWD, &slash, true)?;
                    let opened = self.world.guest.openat2(root, path, &in_root);
                    self.world.guest.close(root);
                    opened?
                };
                return Ok(Answer::Now(fd_value(fd).cast_signed()));
            }
            return self.open(int(a[0]), a[1], how.flags, mode);
        }
        self.path(a[1], 0)?;
        // Relative to a descriptor of the guest's, and the kernel keeps it below: as it is.
        let at_root =
            how.resolve & RESOLVE_IN_ROOT != 0 || !self.scratch.path.bytes().starts_with(b"/");
        if !at_root {
            return Err(Errno::XDEV);
        }
        let fd = self.world.guest.openat2(int(a[0]), self.scratch.path.c(), &how)?;
        Ok(Answer::Now(fd_value(fd).cast_signed()))
    }

    pub(super) fn stat(
        &mut self,
        dirfd: i32,
        path: usize,
        out: usize,
        flags: u32,
    ) -> Result<usize> {
        self.path(path, flags)?;
        let seen = self.world.stat(self.scratch, dirfd, flags)?;
        self.world.guest.write(out, &seen.to_stat_bytes())?;
        Ok(0)
    }

    pub(super) fn access(
        &mut self,
        dirfd: i32,
        path: usize,
        want: usize,
        flags: u32,
    ) -> Result<usize> {
        self.path(path, flags)?;
        self.world.access(self.scratch, dirfd, uint(want), flags)?;
        Ok(0)
    }

    pub(super) fn readlink(
        &mut self,
        dirfd: i32,
        path: usize,
        out: usize,
        room: usize,
    ) -> Result<usize> {
        if int(room) <= 0 {
            return Err(Errno::INVAL);
        }
        self.path(path, 0)?;
        self.world.readlink(self.scratch, dirfd)?;
        let target = self.scratch.other.bytes();
        let target = target.get(..room.min(target.len())).unwrap_or(&[]);
        self.world.guest.write(out, target)?;
        Ok(target.len())
    }

    pub(super) fn getcwd(&mut self) -> Result<usize> {
        let a = self.a;
        self.world.getcwd(self.scratch)?;
        let path = self.scratch.other.c().with_nul();
        if path.len() > a[1] {
            return Err(Errno::RANGE);
        }
        self.world.guest.write(a[0], path)?;
        Ok(path.len())
    }

    /// getdents64(2), getdents(2) of a directory that may be one of descriptors.
    pub(super) fn list(&mut self) -> Result<usize> {
        /// Where an entry's name is.
        const NAME: [usize; 2] = [18, 19];
        let [directory, buffer, ..] = self.a;
        let name = NAME[usize::from(self.number == nr::GETDENTS64)];
        let walk = &mut self.scratch.walk;
        let lists = self.world.lists_descriptors(walk, int(directory));
        // Nothing is the end: not an answer when all that was read is hidden.
        for _ in FIRST_FD..END_FD {
            let length = self.world.guest.pass(self.number, self.a)?;
            if length == 0 || !lists {
                return Ok(length);
            }
            match self.world.hide_own_descriptors(buffer, length, name)? {
                0 => {}
                left => return Ok(left),
            }
        }
        Ok(0)
    }

    pub(super) fn chroot(&mut self) -> Result<usize> {
        self.path(self.a[0], 0)?;
        self.world.chroot(self.scratch).map(|()| 0)
    }
}
