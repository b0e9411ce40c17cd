//! Calls that change names and attributes.

use super::{Answer, Call, int, now, uint};
use crate::abi::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, split_device};
use crate::arch::nr;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::world::World;

impl<G: Guest> Call<'_, '_, G> {
    pub(super) fn unlink(&mut self, dirfd: i32, path: usize, flags: u32) -> Result<()> {
        self.path(path, 0)?;
        self.world.unlink(self.scratch, dirfd, flags)
    }

    pub(super) fn symlink(&mut self, target: usize, dirfd: i32, path: usize) -> Result<()> {
        self.path(path, 0)?;
        self.other(target)?;
        self.world.symlink(self.scratch, dirfd)
    }

    pub(super) fn mknod(
        &mut self,
        dirfd: i32,
        path: usize,
        mode: usize,
        device: usize,
    ) -> Result<()> {
        self.path(path, 0)?;
        let mode = self.unmasked(uint(mode));
        if World::<G>::makes_fifo(mode) {
            self.world.guest.note_fifo();
        }
        self.world.mknod(self.scratch, dirfd, mode, split_device(uint(device)))
    }

    pub(super) fn link(
        &mut self,
        from: i32,
        path: usize,
        to: i32,
        other: usize,
        flags: u32,
    ) -> Result<()> {
        if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::INVAL);
        }
        self.path(path, flags)?;
        self.other(other)?;
        self.world.link(self.scratch, from, to, flags)
    }

    pub(super) fn rename(
        &mut self,
        from: i32,
        path: usize,
        to: i32,
        other: usize,
        flags: u32,
    ) -> Result<()> {
        self.path(path, 0)?;
        self.other(other)?;
        self.world.rename(self.scratch, from, to, flags)
    }

    pub(super) fn chmod(&mut self, dirfd: i32, path: usize, mode: usize, flags: u32) -> Result<()> {
        self.path(path, flags)?;
        if self.scratch.path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            return self.world.fchmod(dirfd, uint(mode));
        }
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        self.world.chmod(self.scratch, dirfd, uint(mode), follow)
    }

    pub(super) fn chown(
        &mut self,
        dirfd: i32,
        path: usize,
        uid: usize,
        gid: usize,
        flags: u32,
    ) -> Result<()> {
        self.path(path, flags)?;
        self.world.chown(self.scratch, dirfd, uint(uid), uint(gid), flags)
    }

    pub(super) fn times(&self, address: usize) -> Result<Option<[i64; 4]>> {
        if address == 0 {
            return Ok(None);
        }
        let mut bytes = [0; 32];
        self.world.guest.read(address, &mut bytes)?;
        let mut times = [0; 4];
        for (time, bytes) in times.iter_mut().zip(bytes.chunks_exact(8)) {
            *time = i64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        Ok(Some(times))
    }

    pub(super) fn utimensat(
        &mut self,
        dirfd: i32,
        path: usize,
        times: usize,
        flags: u32,
    ) -> Result<()> {
        let times = self.times(times)?;
        if path == 0 {
            return self.world.guest.futimens(dirfd, times);
        }
        self.path(path, flags)?;
        if self.scratch.path.is_empty() {
            if flags & AT_EMPTY_PATH == 0 {
                return Err(Errno::NOENT);
            }
            return self.world.guest.futimens(dirfd, times);
        }
        self.world.set_times(self.scratch, dirfd, times, flags & AT_SYMLINK_NOFOLLOW == 0)
    }

    pub(super) fn old_times(&mut self) -> Result<()> {
        let a = self.a;
        let (dirfd, path, address) = match self.number {
            nr::FUTIMESAT => (int(a[0]), a[1], a[2]),
            _ => (AT_FDCWD, a[0], a[1]),
        };
        let times = if address == 0 {
            None
        } else if self.number == nr::UTIME {
            let mut bytes = [0; 16];
            self.world.guest.read(address, &mut bytes)?;
            let (access, change) = bytes.split_at(8);
            let seconds = |bytes: &[u8]| i64::from_ne_bytes(bytes.try_into().unwrap_or_default());
            Some([seconds(access), 0, seconds(change), 0])
        } else {
            let micro = self.times(address)?;
            micro.map(|[a, b, c, d]| [a, b.wrapping_mul(1000), c, d.wrapping_mul(1000)])
        };
        if path == 0 && self.number == nr::FUTIMESAT {
            return self.world.guest.futimens(dirfd, times);
        }
        self.path(path, 0)?;
        self.world.set_times(self.scratch, dirfd, times, true)
    }

    pub(super) fn inotify(mut self) -> Result<Answer> {
        /// `IN_DONT_FOLLOW`
        const DONT_FOLLOW: u32 = 0x0200_0000;
        let mask = uint(self.a[2]);
        let fd = self.located(self.a[1], mask & DONT_FOLLOW == 0)?;
        let result = self.world.guest.inotify_add_watch(int(self.a[0]), fd, mask & !DONT_FOLLOW);
        self.world.guest.close(fd);
        Ok(now(result))
    }
}
