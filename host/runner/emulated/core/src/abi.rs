//! Constants and structures of the kernel's interface, by their names in the manual pages.
//!
//! Only what is the same on every architecture, or has one layout there.

/// `AT_FDCWD`
pub const AT_FDCWD: i32 = -100;
/// `AT_SYMLINK_NOFOLLOW`
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// `AT_EACCESS` (faccessat2), the same bit as `AT_REMOVEDIR` (unlinkat).
pub const AT_EACCESS: u32 = 0x200;
/// `AT_NO_AUTOMOUNT`, `AT_STATX_SYNC_TYPE`
pub const AT_STAT: u32 = 0x6800;
/// `AT_REMOVEDIR`
pub const AT_REMOVEDIR: u32 = 0x200;
/// `AT_SYMLINK_FOLLOW` (linkat)
pub const AT_SYMLINK_FOLLOW: u32 = 0x400;
/// `AT_EMPTY_PATH`
pub const AT_EMPTY_PATH: u32 = 0x1000;

/// `O_ACCMODE`
pub const O_ACCMODE: u64 = 3;
/// `O_RDONLY`
pub const O_RDONLY: u64 = 0;
/// `O_WRONLY`
pub const O_WRONLY: u64 = 1;
/// `O_CREAT`
pub const O_CREAT: u64 = 0o100;
/// `O_EXCL`
pub const O_EXCL: u64 = 0o200;
/// `O_TRUNC`
pub const O_TRUNC: u64 = 0o1000;
/// `O_NONBLOCK`
pub const O_NONBLOCK: u64 = 0o4000;
/// `O_DIRECTORY` on x86_64
pub const O_DIRECTORY: u64 = 0o200_000;
/// `O_NOFOLLOW` on x86_64
pub const O_NOFOLLOW: u64 = 0o400_000;
/// `O_NOATIME`
pub const O_NOATIME: u64 = 0o1_000_000;
/// `O_CLOEXEC`
pub const O_CLOEXEC: u64 = 0o2_000_000;
/// `O_PATH`
pub const O_PATH: u64 = 0o10_000_000;
/// `__O_TMPFILE`, set together with `O_DIRECTORY`
pub const O_TMPFILE_BIT: u64 = 0o20_000_000;
/// Every flag that openat2(2) accepts; open(2) ignores others in silence.
pub const O_VALID: u64 = 0o3
    | O_CREAT
    | O_EXCL
    | 0o400
    | O_TRUNC
    | 0o2000
    | O_NONBLOCK
    | 0o10_000
    | 0o20_000
    | 0o40_000
    | 0o100_000
    | O_DIRECTORY
    | O_NOFOLLOW
    | O_NOATIME
    | O_CLOEXEC
    | 0o4_000_000
    | O_PATH
    | O_TMPFILE_BIT;

/// `RESOLVE_NO_MAGICLINKS`
pub const RESOLVE_NO_MAGICLINKS: u64 = 2;
/// `RESOLVE_NO_SYMLINKS`
pub const RESOLVE_NO_SYMLINKS: u64 = 4;
/// `RESOLVE_BENEATH`
pub const RESOLVE_BENEATH: u64 = 8;
/// `RESOLVE_IN_ROOT`
pub const RESOLVE_IN_ROOT: u64 = 16;

/// `S_IFMT`
pub const S_IFMT: u32 = 0o170_000;
/// `S_IFREG`
pub const S_IFREG: u32 = 0o100_000;
/// `S_IFDIR`
pub const S_IFDIR: u32 = 0o040_000;
/// `S_IFLNK`
pub const S_IFLNK: u32 = 0o120_000;
/// `S_IFCHR`
pub const S_IFCHR: u32 = 0o020_000;
/// `S_IFBLK`
pub const S_IFBLK: u32 = 0o060_000;
/// `S_IFIFO`
pub const S_IFIFO: u32 = 0o010_000;
/// `S_ISUID`
pub const S_ISUID: u32 = 0o4000;
/// `S_ISGID`
pub const S_ISGID: u32 = 0o2000;
/// `S_ISVTX`
pub const S_ISVTX: u32 = 0o1000;

/// `STATX_BASIC_STATS | STATX_BTIME`
pub const STATX_WANTED: u32 = 0xfff;

/// `struct open_how` (openat2(2)).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct OpenHow {
    /// `O_*`
    pub flags: u64,
    /// Permission bits for a new file.
    pub mode: u64,
    /// `RESOLVE_*`
    pub resolve: u64,
}

/// `struct statx_timestamp`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct StatxTime {
    /// Seconds.
    pub sec: i64,
    /// Nanoseconds.
    pub nsec: u32,
    pad: i32,
}

/// `struct statx` (statx(2)).
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the manual page's")]
pub struct Statx {
    pub mask: u32,
    pub blksize: u32,
    pub attributes: u64,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub mode: u16,
    pad0: u16,
    pub ino: u64,
    pub size: u64,
    pub blocks: u64,
    pub attributes_mask: u64,
    pub atime: StatxTime,
    pub btime: StatxTime,
    pub ctime: StatxTime,
    pub mtime: StatxTime,
    pub rdev_major: u32,
    pub rdev_minor: u32,
    pub dev_major: u32,
    pub dev_minor: u32,
    rest: [u64; 14],
}

impl Statx {
    /// Length of the structure: what the kernel writes.
    pub const SIZE: usize = 256;

    /// The file's type bits.
    #[must_use]
    pub const fn kind(&self) -> u32 {
        self.mode as u32 & S_IFMT
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// Whether it is a symbolic link.
    #[must_use]
    pub const fn is_symlink(&self) -> bool {
        self.kind() == S_IFLNK
    }

    /// The structure's bytes, as statx(2) gives them.
    #[must_use]
    pub fn to_statx_bytes(&self) -> [u8; Self::SIZE] {
        let mut out = Bytes::<{ Self::SIZE }>::default();
        out.u32(self.mask).u32(self.blksize).u64(self.attributes).u32(self.nlink);
        out.u32(self.uid).u32(self.gid).u32(u32::from(self.mode)).u64(self.ino);
        out.u64(self.size).u64(self.blocks).u64(self.attributes_mask);
        for time in [&self.atime, &self.btime, &self.ctime, &self.mtime] {
            out.u64(time.sec.cast_unsigned()).u32(time.nsec).u32(0);
        }
        out.u32(self.rdev_major).u32(self.rdev_minor).u32(self.dev_major).u32(self.dev_minor);
        for word in self.rest {
            out.u64(word);
        }
        out.bytes
    }

    /// As `struct stat` of x86_64 (144 bytes).
    #[must_use]
    pub fn to_stat_bytes(&self) -> [u8; 144] {
        let mut out = Bytes::<144>::default();
        out.u64(device(self.dev_major, self.dev_minor)).u64(self.ino).u64(u64::from(self.nlink));
        out.u32(u32::from(self.mode)).u32(self.uid).u32(self.gid).u32(0);
        out.u64(device(self.rdev_major, self.rdev_minor)).u64(self.size);
        out.u64(u64::from(self.blksize)).u64(self.blocks);
        for time in [&self.atime, &self.mtime, &self.ctime] {
            out.u64(time.sec.cast_unsigned()).u64(u64::from(time.nsec));
        }
        out.bytes
    }
}

/// `makedev(3)`.
#[must_use]
pub const fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32)
}

/// `major(3)` and `minor(3)` of the 32-bit form that mknod(2) takes.
#[must_use]
pub const fn split_device(device: u32) -> (u32, u32) {
    ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00))
}

/// Native-endian output with fixed capacity; what does not fit is dropped.
#[derive(Debug)]
pub struct Bytes<const N: usize> {
    /// What was put so far, and zeros.
    pub bytes: [u8; N],
    used: usize,
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self { bytes: [0; N], used: 0 }
    }
}

impl<const N: usize> Bytes<N> {
    fn put(&mut self, value: &[u8]) -> &mut Self {
        if let Some(to) = self.bytes.get_mut(self.used..self.used + value.len()) {
            to.copy_from_slice(value);
            self.used += value.len();
        }
        self
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_ne_bytes())
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_ne_bytes())
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_ne_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_the_kernels() {
        assert_eq!(size_of::<Statx>(), Statx::SIZE);
        assert_eq!(size_of::<OpenHow>(), 24);
        let stat = Statx { mode: 0o100_644, ino: 7, uid: 3, size: 9, ..Statx::default() };
        let bytes = stat.to_stat_bytes();
        assert_eq!(bytes[8], 7);
        assert_eq!(u32::from_ne_bytes(bytes[24..28].try_into().unwrap()), 0o100_644);
        assert_eq!(bytes[28], 3);
        assert_eq!(bytes[48], 9);
    }

    #[test]
    fn device_numbers_split() {
        assert_eq!(split_device(0x0103), (1, 3));
        assert_eq!(device(1, 3), 0x0103);
        assert_eq!(split_device(0x0010_0801), (8, 0x101));
    }
}
