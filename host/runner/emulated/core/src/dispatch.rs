//! From a trapped call's registers to the logic, and back.

use core::sync::atomic::Ordering::Relaxed;

use crate::abi::{
    AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_ACCMODE,
    O_CLOEXEC, O_CREAT, O_EXCL, O_NONBLOCK, O_PATH, O_TRUNC, O_WRONLY, OpenHow, RESOLVE_BENEATH,
    RESOLVE_IN_ROOT, split_device,
};
use crate::arch::nr;
use crate::config::{FIRST_FD, ROOT_FD};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::message::{Message, Peer};
use crate::socket::ADDRESS_MAX;
use crate::world::{Scratch, World};
use crate::xattr::Xattr;

/// How a call is answered.
#[derive(Debug)]
pub enum Answer {
    /// With this value.
    Now(isize),
    /// By the kernel once the handler has returned, with the guest's signals unblocked: the call may
    /// wait, and EINTR and SA_RESTART must be the kernel's own.
    Later(Later),
    /// By the builder, which alone may connect: it sees the address that is really used.
    Connect(i32, Peer),
    /// By the builder too, for the same reason.
    Send(Message),
    /// sendmmsg(2): message by message.
    SendMany,
}

/// A call to be made after the handler.
#[derive(Debug)]
pub struct Later {
    /// The call's number.
    pub number: u32,
    /// Its arguments.
    pub arguments: [usize; 6],
    /// Memory that must live until the call returns.
    pub data: [u8; ADDRESS_MAX],
    /// How much of it is used.
    pub data_len: usize,
    /// Which argument is to point to the data.
    pub data_argument: Option<usize>,
    /// To be closed afterwards.
    pub close: Option<i32>,
}

impl Later {
    /// The guest's own call, as it is.
    #[must_use]
    pub const fn unchanged(number: u32, arguments: [usize; 6]) -> Self {
        Self {
            number,
            arguments,
            data: [0; ADDRESS_MAX],
            data_len: 0,
            data_argument: None,
            close: None,
        }
    }

    /// The call with one argument pointing to a copy of `bytes`.
    #[must_use]
    pub fn with_data(mut self, argument: usize, bytes: &[u8]) -> Self {
        let len = bytes.len().min(ADDRESS_MAX);
        if let (Some(to), Some(from)) = (self.data.get_mut(..len), bytes.get(..len)) {
            to.copy_from_slice(from);
        }
        self.data_len = len;
        self.data_argument = Some(argument);
        self
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel takes the low half too")]
const fn int(argument: usize) -> i32 {
    argument as i32
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel takes the low half too")]
const fn uint(argument: usize) -> u32 {
    argument as u32
}

fn fd_value(fd: i32) -> usize {
    usize::try_from(fd).unwrap_or(0)
}

/// Answers one trapped call.
pub fn dispatch<G: Guest>(
    world: &World<'_, G>,
    scratch: &mut Scratch,
    number: u32,
    arguments: [usize; 6],
) -> Answer {
    if let Some(result) = world.identity(number, arguments) {
        return now(result);
    }
    let call = Call { world, scratch, number, a: arguments };
    match call.run() {
        Ok(answer) => answer,
        Err(errno) => Answer::Now(errno.negated()),
    }
}

fn now(result: Result<usize>) -> Answer {
    Answer::Now(match result {
        Ok(value) => value.cast_signed(),
        Err(errno) => errno.negated(),
    })
}

fn sent(message: Message) -> Answer {
    match message.without_address() {
        Some(later) => Answer::Later(later),
        None => Answer::Send(message),
    }
}

struct Call<'c, 'w, G> {
    world: &'c World<'w, G>,
    scratch: &'c mut Scratch,
    number: u32,
    a: [usize; 6],
}

impl<G: Guest> Call<'_, '_, G> {
    fn run(mut self) -> Result<Answer> {
        let a = self.a;
        let value = match self.number {
            nr::OPEN => return self.open(AT_FDCWD, a[0], a[1] as u64, uint(a[2])),
            nr::CREAT => {
                return self.open(AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, uint(a[1]));
            }
            nr::OPENAT => return self.open(int(a[0]), a[1], a[2] as u64, uint(a[3])),
            nr::OPENAT2 => return self.openat2(),
            nr::STAT => self.stat(AT_FDCWD, a[0], a[1], 0)?,
            nr::LSTAT => self.stat(AT_FDCWD, a[0], a[1], AT_SYMLINK_NOFOLLOW)?,
            nr::FSTAT => {
                let disk = self.world.disk_of(int(a[0]))?;
                self.world.guest.write(a[1], &self.world.seen(&disk).to_stat_bytes())?;
                0
            }
            nr::NEWFSTATAT => self.stat(int(a[0]), a[1], a[2], uint(a[3]))?,
            nr::STATX => {
                self.path(a[1], uint(a[2]))?;
                let seen = self.world.stat(self.scratch, int(a[0]), uint(a[2]))?;
                self.world.guest.write(a[4], &seen.to_statx_bytes())?;
                0
            }
            nr::ACCESS => self.access(AT_FDCWD, a[0], a[1], 0)?,
            nr::FACCESSAT => self.access(int(a[0]), a[1], a[2], 0)?,
            nr::FACCESSAT2 => self.access(int(a[0]), a[1], a[2], uint(a[3]))?,
            nr::READLINK => self.readlink(AT_FDCWD, a[0], a[1], a[2])?,
            nr::READLINKAT => self.readlink(int(a[0]), a[1], a[2], a[3])?,
            nr::GETCWD => self.getcwd()?,
            nr::CHDIR => {
                self.path(a[0], 0)?;
                self.world.chdir(self.scratch)?;
                0
            }
            nr::CHROOT => self.chroot()?,
            _ => return self.change(),
        };
        Ok(Answer::Now(value.cast_signed()))
    }

    /// The calls that change names or attributes.
    fn change(mut self) -> Result<Answer> {
        let a = self.a;
        match self.number {
            nr::MKDIR => {
                self.path(a[0], 0)?;
                self.world.mkdir(self.scratch, AT_FDCWD, self.unmasked(uint(a[1])))?;
            }
            nr::MKDIRAT => {
                self.path(a[1], 0)?;
                self.world.mkdir(self.scratch, int(a[0]), self.unmasked(uint(a[2])))?;
            }
            nr::RMDIR => self.unlink(AT_FDCWD, a[0], AT_REMOVEDIR)?,
            nr::UNLINK => self.unlink(AT_FDCWD, a[0], 0)?,
            nr::UNLINKAT => self.unlink(int(a[0]), a[1], uint(a[2]))?,
            nr::SYMLINK => self.symlink(a[0], AT_FDCWD, a[1])?,
            nr::SYMLINKAT => self.symlink(a[0], int(a[1]), a[2])?,
            nr::MKNOD => self.mknod(AT_FDCWD, a[0], a[1], a[2])?,
            nr::MKNODAT => self.mknod(int(a[0]), a[1], a[2], a[3])?,
            nr::LINK => self.link(AT_FDCWD, a[0], AT_FDCWD, a[1], 0)?,
            nr::LINKAT => self.link(int(a[0]), a[1], int(a[2]), a[3], uint(a[4]))?,
            nr::RENAME => self.rename(AT_FDCWD, a[0], AT_FDCWD, a[1], 0)?,
            nr::RENAMEAT => self.rename(int(a[0]), a[1], int(a[2]), a[3], 0)?,
            nr::RENAMEAT2 => self.rename(int(a[0]), a[1], int(a[2]), a[3], uint(a[4]))?,
            nr::CHMOD => self.chmod(AT_FDCWD, a[0], a[1], 0)?,
            nr::FCHMODAT => self.chmod(int(a[0]), a[1], a[2], 0)?,
            nr::FCHMODAT2 => self.chmod(int(a[0]), a[1], a[2], uint(a[3]))?,
            nr::FCHMOD => self.world.fchmod(int(a[0]), uint(a[1]))?,
            nr::CHOWN => self.chown(AT_FDCWD, a[0], a[1], a[2], 0)?,
            nr::LCHOWN => self.chown(AT_FDCWD, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW)?,
            nr::FCHOWNAT => self.chown(int(a[0]), a[1], a[2], a[3], uint(a[4]))?,
            nr::FCHOWN => {
                self.scratch.path.clear();
                let (fd, uid, gid) = (int(a[0]), uint(a[1]), uint(a[2]));
                self.world.chown(self.scratch, fd, uid, gid, AT_EMPTY_PATH)?;
            }
            nr::UTIMENSAT => self.utimensat(int(a[0]), a[1], a[2], uint(a[3]))?,
            nr::UTIME | nr::UTIMES | nr::FUTIMESAT => self.old_times()?,
            nr::TRUNCATE => {
                self.path(a[0], 0)?;
                let flags = O_WRONLY | O_CLOEXEC;
                let fd = self.world.open(self.scratch, AT_FDCWD, flags, 0)?;
                let result = self.world.guest.ftruncate(fd, a[1].cast_signed() as i64);
                self.world.guest.close(fd);
                result?;
            }
            nr::STATFS => {
                let fd = self.located(a[0], true)?;
                let result = self.world.guest.pass(nr::FSTATFS, [fd_value(fd), a[1], 0, 0, 0, 0]);
                self.world.guest.close(fd);
                result?;
            }
            nr::INOTIFY_ADD_WATCH => return self.inotify(),
            _ => return self.rest(),
        }
        Ok(Answer::Now(0))
    }

    /// Extended attributes, sockets and the odd ones.
    fn rest(mut self) -> Result<Answer> {
        let a = self.a;
        let value = match self.number {
            nr::GETXATTR => self.xattr_at(true, Xattr::Get(a[1], a[2], a[3]))?,
            nr::LGETXATTR => self.xattr_at(false, Xattr::Get(a[1], a[2], a[3]))?,
            nr::FGETXATTR => self.xattr_of(Xattr::Get(a[1], a[2], a[3]))?,
            nr::SETXATTR => self.xattr_at(true, Xattr::Set(a[1], a[2], a[3], a[4]))?,
            nr::LSETXATTR => self.xattr_at(false, Xattr::Set(a[1], a[2], a[3], a[4]))?,
            nr::FSETXATTR => self.xattr_of(Xattr::Set(a[1], a[2], a[3], a[4]))?,
            nr::LISTXATTR => self.xattr_at(true, Xattr::List(a[1], a[2]))?,
            nr::LLISTXATTR => self.xattr_at(false, Xattr::List(a[1], a[2]))?,
            nr::FLISTXATTR => self.xattr_of(Xattr::List(a[1], a[2]))?,
            nr::REMOVEXATTR => self.xattr_at(true, Xattr::Remove(a[1]))?,
            nr::LREMOVEXATTR => self.xattr_at(false, Xattr::Remove(a[1]))?,
            nr::FREMOVEXATTR => self.xattr_of(Xattr::Remove(a[1]))?,
            nr::BIND => {
                if !self.world.unix_path(self.scratch, a[1], a[2])? {
                    return self.world.bind_other(a).map(Answer::Later);
                }
                self.world.bind_path(self.scratch, int(a[0]))?;
                0
            }
            nr::CONNECT => return self.connect(),
            nr::SENDTO => {
                return Ok(sent(self.world.datagram(self.scratch, a, uint(a[3]))?));
            }
            nr::SENDMSG => {
                return Ok(sent(self.world.message(self.scratch, a[0], a[1], uint(a[2]))?));
            }
            nr::SENDMMSG => return Ok(Answer::SendMany),
            nr::SCHED_SETPARAM
            | nr::SCHED_SETSCHEDULER
            | nr::SCHED_SETAFFINITY
            | nr::SCHED_SETATTR => self.schedule(0)?,
            nr::SETPRIORITY | nr::IOPRIO_SET => self.schedule(1)?,
            nr::GETSOCKNAME | nr::GETPEERNAME => {
                let peer = self.number == nr::GETPEERNAME;
                self.world.socket_name(self.scratch, int(a[0]), peer, a[1], a[2])?;
                0
            }
            nr::GETSOCKOPT => self.peer_credentials()?,
            nr::UNAME => self.uname()?,
            nr::UMASK => self.umask()?,
            nr::PRLIMIT64 => self.prlimit()?,
            nr::CLOSE_RANGE => self.close_range()?,
            // As on a kernel without these.
            nr::SECCOMP => return Err(Errno::INVAL),
            nr::LANDLOCK_CREATE_RULESET | nr::LANDLOCK_ADD_RULE | nr::LANDLOCK_RESTRICT_SELF => {
                return Err(Errno::OPNOTSUPP);
            }
            _ => return Err(Errno::NOSYS),
        };
        Ok(Answer::Now(value.cast_signed()))
    }

    /// Reads a path argument into `scratch.path`.
    fn path(&mut self, address: usize, flags: u32) -> Result<()> {
        if address == 0 && flags & AT_EMPTY_PATH != 0 {
            self.scratch.path.clear();
            return Ok(());
        }
        let length = self.world.guest.read_str(address, self.scratch.path.space())?;
        self.scratch.path.filled(length);
        Ok(())
    }

    /// The permission bits that are left of `mode` after the part of the umask that is kept here.
    fn unmasked(&self, mode: u32) -> u32 {
        mode & !self.world.cred.owner_umask().load(Relaxed)
    }

    /// umask(2). The kernel never gets the owner's bits: what it creates must stay ours to open.
    fn umask(&self) -> Result<usize> {
        /// The owner's permission bits.
        const OWNER: u32 = 0o700;
        let mask = uint(self.a[0]) & 0o777;
        let old = self.world.guest.pass(nr::UMASK, [self.a[0] & 0o077, 0, 0, 0, 0, 0])?;
        let owner = self.world.cred.owner_umask().swap(mask & OWNER, Relaxed);
        Ok(old | usize::try_from(owner).unwrap_or(0))
    }

    /// prlimit(2) of the process itself; others may not even be of this step.
    fn prlimit(&self) -> Result<usize> {
        let [pid, resource, new, old, ..] = self.a;
        if uint(pid) != self.world.guest.pid() {
            return Err(Errno::PERM);
        }
        self.world.guest.pass(nr::PRLIMIT64, [0, resource, new, old, 0, 0])
    }

    fn other(&mut self, address: usize) -> Result<()> {
        let length = self.world.guest.read_str(address, self.scratch.other.space())?;
        self.scratch.other.filled(length);
        Ok(())
    }

    fn located(&mut self, address: usize, follow: bool) -> Result<i32> {
        self.path(address, 0)?;
        let crate::world::Scratch { path, walk, .. } = &mut *self.scratch;
        Ok(self.world.locate(walk, AT_FDCWD, path, follow)?.0)
    }

    fn open(mut self, dirfd: i32, address: usize, flags: u64, mode: u32) -> Result<Answer> {
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

    fn open_fifo(self, fd: i32, flags: u64) -> Result<Answer> {
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

    fn openat2(mut self) -> Result<Answer> {
        let a = self.a;
        let mut bytes = [0; 24];
        if a[3] < bytes.len() {
            return Err(Errno::INVAL);
        }
        // A longer structure from the future: only zeros may follow.
        if a[3] > bytes.len() {
            return Err(Errno::TOOBIG);
        }
        self.world.guest.read(a[2], &mut bytes)?;
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let how = OpenHow { flags: word(0), mode: word(8), resolve: word(16) };
        let mode = u32::try_from(how.mode).map_err(|_| Errno::INVAL)?;
        if how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) == 0 {
            // Restrictions that only forbid links and mounts are kept by the kernel's own means
            // where it resolves alone; the walk does not know them.
            if how.resolve != 0 {
                self.path(a[1], 0)?;
                let path = self.scratch.path.c();
                let absolute = path.bytes().starts_with(b"/");
                let (fd, resolve) = if absolute {
                    (ROOT_FD, how.resolve | RESOLVE_IN_ROOT)
                } else {
                    (int(a[0]), how.resolve | RESOLVE_BENEATH)
                };
                let how = OpenHow { resolve, ..how };
                let fd = self.world.guest.openat2(fd, path, &how)?;
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

    fn stat(&mut self, dirfd: i32, path: usize, out: usize, flags: u32) -> Result<usize> {
        self.path(path, flags)?;
        let seen = self.world.stat(self.scratch, dirfd, flags)?;
        self.world.guest.write(out, &seen.to_stat_bytes())?;
        Ok(0)
    }

    fn access(&mut self, dirfd: i32, path: usize, want: usize, flags: u32) -> Result<usize> {
        self.path(path, flags)?;
        self.world.access(self.scratch, dirfd, uint(want), flags)?;
        Ok(0)
    }

    fn readlink(&mut self, dirfd: i32, path: usize, out: usize, room: usize) -> Result<usize> {
        self.path(path, 0)?;
        self.world.readlink(self.scratch, dirfd)?;
        let target = self.scratch.other.bytes();
        let target = target.get(..room.min(target.len())).unwrap_or(&[]);
        self.world.guest.write(out, target)?;
        Ok(target.len())
    }

    fn getcwd(&mut self) -> Result<usize> {
        let a = self.a;
        self.world.getcwd(self.scratch)?;
        let path = self.scratch.other.c().with_nul();
        if path.len() > a[1] {
            return Err(Errno::RANGE);
        }
        self.world.guest.write(a[0], path)?;
        Ok(path.len())
    }

    /// Only to where the guest already is: there is no second root.
    fn chroot(&mut self) -> Result<usize> {
        self.path(self.a[0], 0)?;
        let crate::world::Scratch { path, walk, .. } = &mut *self.scratch;
        let place = self.world.walk(walk, AT_FDCWD, path.bytes(), true)?;
        if !place.disk.is_some_and(|disk| disk.is_dir()) {
            return Err(Errno::NOTDIR);
        }
        if walk.here.is_empty() && self.world.cred.is_root() { Ok(0) } else { Err(Errno::PERM) }
    }

    fn unlink(&mut self, dirfd: i32, path: usize, flags: u32) -> Result<()> {
        self.path(path, 0)?;
        self.world.unlink(self.scratch, dirfd, flags)
    }

    fn symlink(&mut self, target: usize, dirfd: i32, path: usize) -> Result<()> {
        self.path(path, 0)?;
        self.other(target)?;
        self.world.symlink(self.scratch, dirfd)
    }

    fn mknod(&mut self, dirfd: i32, path: usize, mode: usize, device: usize) -> Result<()> {
        self.path(path, 0)?;
        let mode = self.unmasked(uint(mode));
        if World::<G>::makes_fifo(mode) {
            self.world.guest.note_fifo();
        }
        self.world.mknod(self.scratch, dirfd, mode, split_device(uint(device)))
    }

    fn link(&mut self, from: i32, path: usize, to: i32, other: usize, flags: u32) -> Result<()> {
        if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
            return Err(Errno::INVAL);
        }
        self.path(path, flags)?;
        self.other(other)?;
        self.world.link(self.scratch, from, to, flags)
    }

    fn rename(&mut self, from: i32, path: usize, to: i32, other: usize, flags: u32) -> Result<()> {
        self.path(path, 0)?;
        self.other(other)?;
        self.world.rename(self.scratch, from, to, flags)
    }

    fn chmod(&mut self, dirfd: i32, path: usize, mode: usize, flags: u32) -> Result<()> {
        self.path(path, flags)?;
        if self.scratch.path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            return self.world.fchmod(dirfd, uint(mode));
        }
        let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
        self.world.chmod(self.scratch, dirfd, uint(mode), follow)
    }

    fn chown(&mut self, dirfd: i32, path: usize, uid: usize, gid: usize, flags: u32) -> Result<()> {
        self.path(path, flags)?;
        self.world.chown(self.scratch, dirfd, uint(uid), uint(gid), flags)
    }

    fn times(&self, address: usize) -> Result<Option<[i64; 4]>> {
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

    fn utimensat(&mut self, dirfd: i32, path: usize, times: usize, flags: u32) -> Result<()> {
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

    fn old_times(&mut self) -> Result<()> {
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

    fn inotify(mut self) -> Result<Answer> {
        /// `IN_DONT_FOLLOW`
        const DONT_FOLLOW: u32 = 0x0200_0000;
        let mask = uint(self.a[2]);
        let fd = self.located(self.a[1], mask & DONT_FOLLOW == 0)?;
        let result = self.world.guest.inotify_add_watch(int(self.a[0]), fd, mask & !DONT_FOLLOW);
        self.world.guest.close(fd);
        Ok(now(result))
    }

    fn xattr_at(&mut self, follow: bool, call: Xattr) -> Result<usize> {
        self.path(self.a[0], 0)?;
        self.world.xattr_at(self.scratch, follow, call)
    }

    fn xattr_of(&mut self, call: Xattr) -> Result<usize> {
        self.world.xattr_of(self.scratch, int(self.a[0]), call)
    }

    fn connect(self) -> Result<Answer> {
        let [socket, address, length, ..] = self.a;
        let peer = self.world.peer(self.scratch, address, length)?;
        if !peer.is_named() {
            return Err(if address == 0 { Errno::FAULT } else { Errno::INVAL });
        }
        Ok(Answer::Connect(int(socket), peer))
    }

    /// A thread's own priority, policy or processors, when it says who it is: calls that are not
    /// about the caller itself are refused to the handler too.
    fn schedule(&self, argument: usize) -> Result<usize> {
        let mut a = self.a;
        let who = a.get_mut(argument).ok_or(Errno::INVAL)?;
        if uint(*who) != self.world.guest.tid() {
            return Err(Errno::PERM);
        }
        *who = 0;
        self.world.guest.pass(self.number, a)
    }

    /// `SO_PEERCRED`: the other end belongs to the same step, whose ids the kernel does not know.
    fn peer_credentials(&self) -> Result<usize> {
        let a = self.a;
        let mut credentials = [0; 12];
        let length =
            self.world.guest.socket_option(int(a[0]), int(a[1]), int(a[2]), &mut credentials)?;
        let own = self.world.config.own_uid;
        let uid: [u8; 4] = credentials[4..8].try_into().unwrap_or_default();
        if u32::from_ne_bytes(uid) == own {
            credentials[4..8].copy_from_slice(&self.world.cred.user.effective().to_ne_bytes());
            credentials[8..12].copy_from_slice(&self.world.cred.group.effective().to_ne_bytes());
        }
        let mut room = [0; 4];
        self.world.guest.read(a[4], &mut room)?;
        let room = usize::try_from(u32::from_ne_bytes(room)).unwrap_or(0).min(length).min(12);
        self.world.guest.write(a[3], credentials.get(..room).unwrap_or(&[]))?;
        self.world.guest.write(a[4], &u32::try_from(room).unwrap_or(0).to_ne_bytes())?;
        Ok(0)
    }

    fn uname(&self) -> Result<usize> {
        /// Length of a field of `struct utsname`.
        const FIELD: usize = 65;
        let address = self.a[0];
        self.world.guest.pass(nr::UNAME, [address, 0, 0, 0, 0, 0])?;
        let name = self.world.config.hostname;
        let name = name.get(..name.len().min(FIELD - 1)).unwrap_or(&[]);
        self.world.guest.write(address + FIELD, name)?;
        self.world.guest.write(address + FIELD + name.len(), &[0])?;
        Ok(0)
    }

    /// Around the runner's own descriptors.
    fn close_range(&self) -> Result<usize> {
        /// `CLOSE_RANGE_UNSHARE`
        const UNSHARE: usize = 2;
        let [first, last, flags, ..] = self.a;
        let (first, last) = (uint(first), uint(last));
        if first > last || flags & UNSHARE != 0 {
            return Err(Errno::INVAL);
        }
        let (low, high) = (FIRST_FD.cast_unsigned(), self.world.config.end_fd().cast_unsigned());
        let close = |first: u32, last: u32| {
            if first > last {
                return Ok(0);
            }
            let value = |number| usize::try_from(number).unwrap_or(usize::MAX);
            self.world.guest.pass(nr::CLOSE_RANGE, [value(first), value(last), flags, 0, 0, 0])
        };
        close(first, last.min(low - 1))?;
        close(first.max(high), last)
    }
}
