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

/// Opens a file for reading.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn open(file: &[u8]) -> io::Result<fs::File> {
    fs::File::open(path(file))
}

/// Opens a file for writing: made with 0666 less the umask, or emptied.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn create(file: &[u8]) -> io::Result<fs::File> {
    fs::File::create(path(file))
}

/// Makes a new file for writing; an existing one, also a dangling symlink, is an error.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn create_new(file: &[u8]) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).open(path(file))
}

/// Opens a file for appending, made when missing.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn append(file: &[u8]) -> io::Result<fs::File> {
    fs::OpenOptions::new().append(true).create(true).open(path(file))
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

/// Removes a name that is not a directory's.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn unlink(file: &[u8]) -> io::Result<()> {
    fs::remove_file(path(file))
}

/// Removes an empty directory.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn rmdir(dir: &[u8]) -> io::Result<()> {
    fs::remove_dir(path(dir))
}

/// Renames, replacing what is there where the kernel allows it.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn rename(from: &[u8], to: &[u8]) -> io::Result<()> {
    fs::rename(path(from), path(to))
}

/// The target of a symlink.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn readlink(link: &[u8]) -> io::Result<Vec<u8>> {
    Ok(paths::from_os(fs::read_link(path(link))?.as_os_str()).to_vec())
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

/// Why a call failed, in the words of `strerror`.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
