//! The calls that commands make, in one place: over kiln's own imports in a guest, over the host's
//! kernel in a native test build.
//!
//! Paths are bytes. Every call follows symlinks unless its name or its documentation says not.

#[cfg(not(target_os = "wasi"))]
mod native;
#[cfg(target_os = "wasi")]
mod wasi;

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

#[cfg(not(target_os = "wasi"))]
pub use native::*;
#[cfg(target_os = "wasi")]
pub use wasi::*;

use crate::paths;

/// The bits of a mode that give the file's type.
pub const S_IFMT: u32 = 0o170_000;
/// A socket.
pub const S_IFSOCK: u32 = 0o140_000;
/// A symbolic link.
pub const S_IFLNK: u32 = 0o120_000;
/// A regular file.
pub const S_IFREG: u32 = 0o100_000;
/// A block device.
pub const S_IFBLK: u32 = 0o060_000;
/// A directory.
pub const S_IFDIR: u32 = 0o040_000;
/// A character device.
pub const S_IFCHR: u32 = 0o020_000;
/// A fifo.
pub const S_IFIFO: u32 = 0o010_000;

/// A point in time: seconds since 1970 and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub secs: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

/// What `stat` tells of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stat {
    /// The device that holds the file.
    pub dev: u64,
    /// The inode number.
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// How many names the inode has.
    pub nlink: u64,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The device number of a device node.
    pub rdev: u64,
    /// The size in bytes.
    pub size: u64,
    /// Blocks of 512 bytes.
    pub blocks: u64,
    /// Last access.
    pub atime: Time,
    /// Last change of the contents.
    pub mtime: Time,
    /// Last change of the inode.
    pub ctime: Time,
}

impl Stat {
    /// The type bits.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.mode & S_IFMT
    }

    /// The permission bits, with setuid, setgid and sticky.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// A directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// A regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind() == S_IFREG
    }

    /// A symbolic link.
    #[must_use]
    pub fn is_symlink(&self) -> bool {
        self.kind() == S_IFLNK
    }

    /// The same inode.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        self.dev == other.dev && self.ino == other.ino
    }
}

/// Which time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Leave it.
    Keep,
    /// The time of the call.
    Now,
    /// This time.
    To(Time),
}

/// A path of the standard library.
#[must_use]
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(paths::to_os(bytes))
}

/// Creates a file for writing, or empties it: made with 0666 less the umask.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn create(file: &[u8]) -> io::Result<fs::File> {
    create_mode(file, 0o666)
}

/// Whether an error is this one of the backend's numbers.
fn is(error: &io::Error, number: i32) -> bool {
    error.raw_os_error() == Some(number)
}

/// The directory is not empty.
#[must_use]
pub fn is_not_empty(error: &io::Error) -> bool {
    is(error, ENOTEMPTY) || error.kind() == io::ErrorKind::AlreadyExists
}

/// The file is a directory.
#[must_use]
pub fn is_directory_error(error: &io::Error) -> bool {
    is(error, EISDIR)
}

/// A component of the path, or the file, is not a directory.
#[must_use]
pub fn is_not_directory(error: &io::Error) -> bool {
    is(error, ENOTDIR)
}

/// The two names are on different file systems.
#[must_use]
pub fn is_cross_device(error: &io::Error) -> bool {
    is(error, EXDEV)
}

/// Too many symlinks, or one where none may be.
#[must_use]
pub fn is_loop(error: &io::Error) -> bool {
    is(error, ELOOP)
}

/// The major part of a device number, as Linux packs it.
#[must_use]
pub fn major(dev: u64) -> u32 {
    u32::try_from((dev >> 8) & 0xfff | (dev >> 32) & 0xffff_f000).unwrap_or(0)
}

/// The minor part of a device number.
#[must_use]
pub fn minor(dev: u64) -> u32 {
    u32::try_from(dev & 0xff | (dev >> 12) & 0xffff_ff00).unwrap_or(0)
}

/// A device number of its parts.
#[must_use]
pub fn makedev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// The umask.
#[must_use]
pub fn umask() -> u32 {
    let mask = set_umask(0o022);
    let _ = set_umask(mask);
    mask
}

/// What a started program gets besides its arguments.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The whole environment, or that of this process.
    pub env: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// The working directory, or that of this process.
    pub dir: Option<Vec<u8>>,
    /// Standard input is empty rather than shared.
    pub empty_input: bool,
}

/// Which end of a started program's pipe this one gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piped {
    /// Neither: it shares standard input and output.
    Nothing,
    /// Its standard input, to write to.
    Input,
    /// Its standard output, to read from.
    Output,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exited(u8),
    /// By this signal.
    Signaled(u8),
}

/// Reads a whole file that is known to be small, such as `/etc/passwd`.
///
/// # Errors
///
/// Whatever the kernel answers; `FileTooLarge` beyond [`SMALL_FILE`].
pub fn read_small(file: &[u8]) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut contents = Vec::new();
    open(file)?.take(SMALL_FILE + 1).read_to_end(&mut contents)?;
    if u64::try_from(contents.len()).is_ok_and(|len| len > SMALL_FILE) {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(contents)
}

/// The most that [`read_small`] takes, in bytes: a hostile image could name a huge `/etc/passwd`.
pub const SMALL_FILE: u64 = 64 << 20;

/// The names in a directory, without `.` and `..`, sorted by bytes so that a run never depends on
/// the host's directory order.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn read_dir(dir: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path(dir))? {
        names.push(paths::from_os(&entry?.file_name()).to_vec());
    }
    names.sort_unstable();
    Ok(names)
}

/// The build's clock.
#[must_use]
pub fn now() -> Time {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Time {
            secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        },
        Err(_) => Time::default(),
    }
}

/// Whether the effective user may access a file with these bits (4 read, 2 write, 1 execute).
#[must_use]
pub fn may(stat: &Stat, bits: u32) -> bool {
    let uid = effective_uid();
    if uid == 0 {
        return bits & 1 == 0 || stat.is_dir() || stat.mode & 0o111 != 0;
    }
    let shift = if uid == stat.uid {
        6
    } else if effective_gid() == stat.gid || groups().contains(&stat.gid) {
        3
    } else {
        0
    };
    (stat.mode >> shift) & bits == bits
}
