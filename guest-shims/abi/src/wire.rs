//! Numbers and layouts that cross the border, little-endian, without padding surprises.

/// Preview 1's `errno` values, which the imports return negated.
pub mod errno {
    macro_rules! errnos {
        ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
            $($(#[$doc])* pub const $name: i32 = $value;)*
        };
    }
    errnos! {
        /// Argument list too long.
        E2BIG = 1;
        /// Permission denied.
        EACCES = 2;
        /// Resource temporarily unavailable.
        EAGAIN = 6;
        /// Bad file descriptor.
        EBADF = 8;
        /// Device or resource busy.
        EBUSY = 10;
        /// No child processes.
        ECHILD = 12;
        /// Disk quota exceeded.
        EDQUOT = 19;
        /// File exists.
        EEXIST = 20;
        /// Bad address.
        EFAULT = 21;
        /// File too large.
        EFBIG = 22;
        /// Interrupted system call.
        EINTR = 27;
        /// Invalid argument.
        EINVAL = 28;
        /// Input/output error.
        EIO = 29;
        /// Is a directory.
        EISDIR = 31;
        /// Too many levels of symbolic links.
        ELOOP = 32;
        /// Too many open files.
        EMFILE = 33;
        /// Too many links.
        EMLINK = 34;
        /// File name too long.
        ENAMETOOLONG = 37;
        /// No such device.
        ENODEV = 43;
        /// No such file or directory.
        ENOENT = 44;
        /// Exec format error.
        ENOEXEC = 45;
        /// Cannot allocate memory.
        ENOMEM = 48;
        /// No space left on device.
        ENOSPC = 51;
        /// Function not implemented.
        ENOSYS = 52;
        /// Not a directory.
        ENOTDIR = 54;
        /// Directory not empty.
        ENOTEMPTY = 55;
        /// Operation not supported.
        ENOTSUP = 58;
        /// Inappropriate ioctl for device.
        ENOTTY = 59;
        /// No such device or address.
        ENXIO = 60;
        /// Value too large for defined data type.
        EOVERFLOW = 61;
        /// Operation not permitted.
        EPERM = 63;
        /// Broken pipe.
        EPIPE = 64;
        /// Numerical result out of range.
        ERANGE = 68;
        /// Read-only file system.
        EROFS = 69;
        /// Illegal seek.
        ESPIPE = 70;
        /// No such process.
        ESRCH = 71;
        /// Text file busy.
        ETXTBSY = 74;
        /// Invalid cross-device link.
        EXDEV = 75;
        /// Attribute not found; Linux's `ENODATA`, which preview 1 does not have, as 1000 above its
        /// last value.
        ENODATA = 1076;
    }
}

/// Flags of the import `open`, with Linux's meaning.
pub mod open {
    /// For reading.
    pub const READ: u32 = 1;
    /// For writing.
    pub const WRITE: u32 = 2;
    /// Create if missing.
    pub const CREATE: u32 = 4;
    /// Fail if it exists.
    pub const EXCL: u32 = 8;
    /// Cut to length 0.
    pub const TRUNC: u32 = 16;
    /// Each write goes to the end.
    pub const APPEND: u32 = 32;
    /// Fail unless a directory.
    pub const DIRECTORY: u32 = 64;
    /// Fail if the last component is a symlink.
    pub const NOFOLLOW: u32 = 128;
}

/// Follow a symlink that is the path's last component.
pub const FOLLOW: u32 = 1;

/// `rename`: fail when the new name exists.
pub const RENAME_NOREPLACE: u32 = 1;
/// `rename`: swap the two names.
pub const RENAME_EXCHANGE: u32 = 2;

/// `utimens`: as nanoseconds, "now".
pub const UTIME_NOW: u32 = 0x3fff_ffff;
/// `utimens`: as nanoseconds, "leave it".
pub const UTIME_OMIT: u32 = 0x3fff_fffe;

/// `setxattr`: fail when it exists.
pub const XATTR_CREATE: u32 = 1;
/// `setxattr`: fail when it does not exist.
pub const XATTR_REPLACE: u32 = 2;

/// `wait`: do not block.
pub const WAIT_NOHANG: u32 = 1;

/// `access`: the path can be executed or searched.
pub const ACCESS_X: u32 = 1;
/// `access`: the path can be written.
pub const ACCESS_W: u32 = 2;
/// `access`: the path can be read.
pub const ACCESS_R: u32 = 4;

/// What a POSIX process knows as descriptor `n >= 3` is `POSIX_FD_BASE + n` here.
pub const POSIX_FD_BASE: u32 = 1000;

/// A time with nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970.
    pub secs: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub nanos: u32,
}

/// What `stat(2)` tells, in the image's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The file system's number.
    pub dev: u64,
    /// The inode's number.
    pub ino: u64,
    /// File type and permission bits (`st_mode`, Linux's numbers).
    pub mode: u32,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number, major part.
    pub rdev_major: u32,
    /// Device number, minor part.
    pub rdev_minor: u32,
    /// Bytes.
    pub size: u64,
    /// Blocks of 512 bytes in use.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the contents.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
}

/// Bytes of an encoded [`Stat`].
pub const STAT_SIZE: usize = 96;

impl Stat {
    /// The mask of the file type in [`Stat::mode`].
    pub const TYPE: u32 = 0o170_000;
    /// A socket.
    pub const SOCKET: u32 = 0o140_000;
    /// A symbolic link.
    pub const SYMLINK: u32 = 0o120_000;
    /// A regular file.
    pub const FILE: u32 = 0o100_000;
    /// A block device.
    pub const BLOCK: u32 = 0o060_000;
    /// A directory.
    pub const DIR: u32 = 0o040_000;
    /// A character device.
    pub const CHAR: u32 = 0o020_000;
    /// A fifo.
    pub const FIFO: u32 = 0o010_000;

    /// Whether this is a directory.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.mode & Self::TYPE == Self::DIR
    }

    /// Whether this is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        self.mode & Self::TYPE == Self::FILE
    }

    /// Whether this is a symbolic link.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        self.mode & Self::TYPE == Self::SYMLINK
    }

    /// Permission bits with setuid, setgid and sticky (07777).
    #[must_use]
    pub const fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// The bytes that cross the border.
    #[must_use]
    pub fn encode(&self) -> [u8; STAT_SIZE] {
        let mut out = [0; STAT_SIZE];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.dev.to_le_bytes());
        put(&self.ino.to_le_bytes());
        for word in [self.mode, self.nlink, self.uid, self.gid, self.rdev_major, self.rdev_minor] {
            put(&word.to_le_bytes());
        }
        put(&self.size.to_le_bytes());
        put(&self.blocks.to_le_bytes());
        for time in [self.atime, self.mtime, self.ctime] {
            put(&time.secs.to_le_bytes());
        }
        for time in [self.atime, self.mtime, self.ctime] {
            put(&time.nanos.to_le_bytes());
        }
        out
    }

    /// Reads what [`Stat::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8; STAT_SIZE]) -> Self {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let time = |secs: usize, nanos: usize| Time {
            secs: u64_at(secs).cast_signed(),
            nanos: u32_at(nanos),
        };
        Self {
            dev: u64_at(0),
            ino: u64_at(8),
            mode: u32_at(16),
            nlink: u32_at(20),
            uid: u32_at(24),
            gid: u32_at(28),
            rdev_major: u32_at(32),
            rdev_minor: u32_at(36),
            size: u64_at(40),
            blocks: u64_at(48),
            atime: time(56, 80),
            mtime: time(64, 84),
            ctime: time(72, 88),
        }
    }
}

/// A program to start: the argument of the import `spawn`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpawnRequest {
    /// A path when it has a slash, else a name that is looked up in `PATH` of `env`.
    pub program: Vec<u8>,
    /// Arguments from `argv[0]` on.
    pub argv: Vec<Vec<u8>>,
    /// The environment, each `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// (number in the child, number here): what the child gets instead of what it would inherit.
    pub fds: Vec<(u32, u32)>,
    /// The child's directory, when not ours.
    pub cwd: Option<Vec<u8>>,
}

/// Longest encoded [`SpawnRequest`]: Linux's limit for arguments and environment is 2 MiB with the
/// usual 8 MiB stack; a guest that asks for more gets `E2BIG`.
pub const MAX_SPAWN_REQUEST: usize = 2 << 20;

impl SpawnRequest {
    /// The bytes that cross the border.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, &self.program);
        for list in [&self.argv, &self.env] {
            put_len(&mut out, list.len());
            list.iter().for_each(|item| put_bytes(&mut out, item));
        }
        put_len(&mut out, self.fds.len());
        for (child, ours) in &self.fds {
            out.extend_from_slice(&child.to_le_bytes());
            out.extend_from_slice(&ours.to_le_bytes());
        }
        put_len(&mut out, usize::from(self.cwd.is_some()));
        if let Some(cwd) = &self.cwd {
            put_bytes(&mut out, cwd);
        }
        out
    }

    /// Reads what [`SpawnRequest::encode`] wrote; `None` when it is cut short or malformed.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let program = take_bytes(&mut rest)?;
        let argv = take_list(&mut rest)?;
        let env = take_list(&mut rest)?;
        let count = take_u32(&mut rest)?;
        let mut fds = Vec::new();
        for _ in 0..count {
            fds.push((take_u32(&mut rest)?, take_u32(&mut rest)?));
        }
        let cwd = match take_u32(&mut rest)? {
            0 => None,
            1 => Some(take_bytes(&mut rest)?),
            _ => return None,
        };
        rest.is_empty().then_some(Self { program, argv, env, fds, cwd })
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    // A guest's memory holds less than 4 GiB; should a length ever not fit, the decoder sees a
    // request that is malformed, not a shorter one.
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take_bytes(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let len = take_u32(rest)? as usize;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head.to_vec())
}

fn take_list(rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let count = take_u32(rest)?;
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(take_bytes(rest)?);
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_the_border() {
        let stat = Stat {
            dev: u64::MAX,
            ino: 2,
            mode: 0o104_755,
            nlink: 3,
            uid: 4,
            gid: 5,
            rdev_major: 6,
            rdev_minor: 7,
            size: 1 << 40,
            blocks: 9,
            atime: Time { secs: -1, nanos: 10 },
            mtime: Time { secs: 11, nanos: 12 },
            ctime: Time { secs: 13, nanos: 14 },
        };
        assert_eq!(Stat::decode(&stat.encode()), stat);
        assert!(stat.is_file() && !stat.is_dir());
        assert_eq!(stat.permissions(), 0o4755);
    }

    #[test]
    fn spawn_requests_survive_and_cut_ones_do_not_parse() {
        let request = SpawnRequest {
            program: b"ls".to_vec(),
            argv: vec![b"ls".to_vec(), vec![0xff, 0]],
            env: vec![b"A=b".to_vec()],
            fds: vec![(1, 7)],
            cwd: Some(b"/tmp".to_vec()),
        };
        let bytes = request.encode();
        assert_eq!(SpawnRequest::decode(&bytes), Some(request));
        for end in 0..bytes.len() {
            assert_eq!(SpawnRequest::decode(&bytes[..end]), None, "{end}");
        }
        assert_eq!(SpawnRequest::decode(&[&bytes[..], &[0]].concat()), None);
    }
}
