//! From a trapped call's registers to the logic, and back.

use core::sync::atomic::Ordering::Relaxed;

use crate::abi::{
    AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_STAT, AT_SYMLINK_NOFOLLOW, O_CLOEXEC,
    O_CREAT, O_PATH, O_TRUNC, O_WRONLY,
};
use crate::arch::nr;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::message::{Message, Peer};
use crate::socket::ADDRESS_MAX;
use crate::world::{Scratch, World};
use crate::xattr::Xattr;

mod change;
mod look;
mod process;
mod schedule;

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

/// Fails for flags that a call does not have.
fn known(flags: usize, all: u32) -> Result<()> {
    if uint(flags) & !all == 0 { Ok(()) } else { Err(Errno::INVAL) }
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
            nr::FSTAT => self.stat(int(a[0]), 0, a[1], AT_EMPTY_PATH)?,
            nr::NEWFSTATAT => {
                known(a[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_STAT)?;
                self.stat(int(a[0]), a[1], a[2], uint(a[3]))?
            }
            nr::STATX => {
                /// `STATX__RESERVED`
                const RESERVED: u32 = 1 << 31;
                known(a[2], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_STAT)?;
                known(a[3], !RESERVED)?;
                self.path(a[1], uint(a[2]))?;
                let seen = self.world.stat(self.scratch, int(a[0]), uint(a[2]))?;
                self.world.guest.write(a[4], &seen.to_statx_bytes())?;
                0
            }
            nr::ACCESS => self.access(AT_FDCWD, a[0], a[1], 0)?,
            nr::FACCESSAT => self.access(int(a[0]), a[1], a[2], 0)?,
            nr::FACCESSAT2 => {
                known(a[3], AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
                self.access(int(a[0]), a[1], a[2], uint(a[3]))?
            }
            nr::READLINK => self.readlink(AT_FDCWD, a[0], a[1], a[2])?,
            nr::READLINKAT => self.readlink(int(a[0]), a[1], a[2], a[3])?,
            nr::GETCWD => self.getcwd()?,
            nr::CHDIR => {
                self.path(a[0], 0)?;
                self.world.chdir(self.scratch)?;
                0
            }
            nr::CHROOT => self.chroot()?,
            nr::GETDENTS | nr::GETDENTS64 => self.list()?,
            nr::KILL => return self.kill(),
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
            nr::UNLINKAT => {
                known(a[2], AT_REMOVEDIR)?;
                self.unlink(int(a[0]), a[1], uint(a[2]))?;
            }
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
            nr::FCHMODAT2 => {
                known(a[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
                self.chmod(int(a[0]), a[1], a[2], uint(a[3]))?;
            }
            nr::FCHMOD => self.world.fchmod(int(a[0]), uint(a[1]))?,
            nr::CHOWN => self.chown(AT_FDCWD, a[0], a[1], a[2], 0)?,
            nr::LCHOWN => self.chown(AT_FDCWD, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW)?,
            nr::FCHOWNAT => {
                known(a[4], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
                self.chown(int(a[0]), a[1], a[2], a[3], uint(a[4]))?;
            }
            nr::FCHOWN => {
                self.scratch.path.clear();
                let (fd, uid, gid) = (int(a[0]), uint(a[1]), uint(a[2]));
                if self.world.guest.status_flags(fd)? & O_PATH != 0 {
                    return Err(Errno::BADF);
                }
                self.world.chown(self.scratch, fd, uid, gid, AT_EMPTY_PATH)?;
            }
            nr::UTIMENSAT => {
                known(a[3], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
                self.utimensat(int(a[0]), a[1], a[2], uint(a[3]))?;
            }
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
                if self.world.bind_low_port(int(a[0]), a[1], a[2])? {
                    return Ok(Answer::Now(0));
                }
                if !self.world.unix_path(self.scratch, a[1], a[2])? {
                    return self.world.bind_other(a).map(Answer::Later);
                }
                self.world.bind_path(self.scratch, int(a[0]))?;
                0
            }
            nr::LISTEN => self.listen()?,
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
            nr::SETSOCKOPT => self.world.set_linger(int(a[0]), a[3], a[4]).map(|()| 0)?,
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
        let length = self.world.guest.read_str(address, self.scratch.path.space_with_nul())?;
        self.scratch.path.filled(length);
        Ok(())
    }

    /// The permission bits that are left of `mode` after the part of the umask that is kept here.
    fn unmasked(&self, mode: u32) -> u32 {
        mode & !self.world.cred.owner_umask().load(Relaxed)
    }

    fn other(&mut self, address: usize) -> Result<()> {
        let length = self.world.guest.read_str(address, self.scratch.other.space_with_nul())?;
        self.scratch.other.filled(length);
        Ok(())
    }

    fn located(&mut self, address: usize, follow: bool) -> Result<i32> {
        self.path(address, 0)?;
        let crate::world::Scratch { path, walk, .. } = &mut *self.scratch;
        Ok(self.world.locate(walk, AT_FDCWD, path, follow)?.0)
    }
}
