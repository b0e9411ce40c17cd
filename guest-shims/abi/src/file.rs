//! Files with all that POSIX knows of them; every path is bytes.

use crate::error::check;
use crate::fd::Fd;
use crate::sys;
use crate::wire::{self, FOLLOW, STAT_SIZE};
pub use crate::wire::{RENAME_EXCHANGE, RENAME_NOREPLACE, UTIME_NOW, UTIME_OMIT};
pub use crate::wire::{Stat, Time};
use std::io;

/// Opens or creates a file; `flags` from [`crate::wire::open`], `mode` before the umask.
///
/// # Errors
/// As `open(2)`.
pub fn open(path: &[u8], flags: u32, mode: u32) -> io::Result<Fd> {
    check(sys::open(path.as_ptr(), path.len(), flags, mode))
}

fn stat_with(path: &[u8], flags: u32) -> io::Result<Stat> {
    let mut out = [0; STAT_SIZE];
    check(sys::stat(path.as_ptr(), path.len(), flags, out.as_mut_ptr()))?;
    Ok(Stat::decode(&out))
}

/// `stat(2)`: follows symlinks.
///
/// # Errors
/// As `stat(2)`.
pub fn stat(path: &[u8]) -> io::Result<Stat> {
    stat_with(path, FOLLOW)
}

/// `lstat(2)`: a symlink itself.
///
/// # Errors
/// As `lstat(2)`.
pub fn lstat(path: &[u8]) -> io::Result<Stat> {
    stat_with(path, 0)
}

/// `fstat(2)`.
///
/// # Errors
/// `EBADF`.
pub fn fstat(fd: Fd) -> io::Result<Stat> {
    let mut out = [0; STAT_SIZE];
    check(sys::fstat(fd, out.as_mut_ptr()))?;
    Ok(Stat::decode(&out))
}

/// `access(2)` for the effective ids; `how` of [`wire::ACCESS_R`], `_W`, `_X`, 0 for existence.
///
/// # Errors
/// `EACCES`, or why the path cannot be reached.
pub fn access(path: &[u8], how: u32) -> io::Result<()> {
    check(sys::access(path.as_ptr(), path.len(), how)).map(drop)
}

/// `chmod(2)`: follows symlinks; 07777 bits.
///
/// # Errors
/// As `chmod(2)`.
pub fn chmod(path: &[u8], mode: u32) -> io::Result<()> {
    check(sys::chmod(path.as_ptr(), path.len(), mode)).map(drop)
}

/// `fchmod(2)`.
///
/// # Errors
/// As `fchmod(2)`.
pub fn fchmod(fd: Fd, mode: u32) -> io::Result<()> {
    check(sys::fchmod(fd, mode)).map(drop)
}

/// `chown(2)`: follows symlinks; `None` leaves an id as it is.
///
/// # Errors
/// As `chown(2)`.
pub fn chown(path: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    check(sys::chown(path.as_ptr(), path.len(), uid, gid, FOLLOW)).map(drop)
}

/// `lchown(2)`: a symlink itself.
///
/// # Errors
/// As `lchown(2)`.
pub fn lchown(path: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    check(sys::chown(path.as_ptr(), path.len(), uid, gid, 0)).map(drop)
}

/// `fchown(2)`.
///
/// # Errors
/// As `fchown(2)`.
pub fn fchown(fd: Fd, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    check(sys::fchown(fd, uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX))).map(drop)
}

/// `mkdir(2)`: `mode` before the umask.
///
/// # Errors
/// As `mkdir(2)`.
pub fn mkdir(path: &[u8], mode: u32) -> io::Result<()> {
    check(sys::mkdir(path.as_ptr(), path.len(), mode)).map(drop)
}

/// `mknod(2)`: a device, fifo or empty file; `mode` holds the type and, before the umask, the bits.
///
/// # Errors
/// As `mknod(2)`; sockets give `ENOTSUP`.
pub fn mknod(path: &[u8], mode: u32, major: u32, minor: u32) -> io::Result<()> {
    check(sys::mknod(path.as_ptr(), path.len(), mode, major, minor)).map(drop)
}

/// `link(2)`: `new` becomes another name of `old`; a symlink `old` is followed only if asked.
///
/// # Errors
/// As `linkat(2)`.
pub fn link(old: &[u8], new: &[u8], follow: bool) -> io::Result<()> {
    let flags = if follow { FOLLOW } else { 0 };
    check(sys::link(old.as_ptr(), old.len(), new.as_ptr(), new.len(), flags)).map(drop)
}

/// `symlink(2)`: any target, absolute ones too.
///
/// # Errors
/// As `symlink(2)`.
pub fn symlink(target: &[u8], path: &[u8]) -> io::Result<()> {
    check(sys::symlink(target.as_ptr(), target.len(), path.as_ptr(), path.len())).map(drop)
}

/// `readlink(2)`: the whole target.
///
/// # Errors
/// As `readlink(2)`.
pub fn readlink(path: &[u8]) -> io::Result<Vec<u8>> {
    // PATH_MAX: no file system of Linux has a longer target.
    let mut out = vec![0; 4096];
    let len = check(sys::readlink(path.as_ptr(), path.len(), out.as_mut_ptr(), out.len()))?;
    out.truncate(len as usize);
    Ok(out)
}

/// `rename(2)`.
///
/// # Errors
/// As `rename(2)`.
pub fn rename(old: &[u8], new: &[u8]) -> io::Result<()> {
    rename_with(old, new, 0)
}

/// `renameat2(2)`; `flags` of [`RENAME_NOREPLACE`], [`RENAME_EXCHANGE`].
///
/// # Errors
/// As `renameat2(2)`.
pub fn rename_with(old: &[u8], new: &[u8], flags: u32) -> io::Result<()> {
    check(sys::rename(old.as_ptr(), old.len(), new.as_ptr(), new.len(), flags)).map(drop)
}

/// `unlink(2)`.
///
/// # Errors
/// As `unlink(2)`.
pub fn unlink(path: &[u8]) -> io::Result<()> {
    check(sys::unlink(path.as_ptr(), path.len())).map(drop)
}

/// `rmdir(2)`.
///
/// # Errors
/// As `rmdir(2)`.
pub fn rmdir(path: &[u8]) -> io::Result<()> {
    check(sys::rmdir(path.as_ptr(), path.len())).map(drop)
}

/// `utimensat(2)`; [`UTIME_NOW`] and [`UTIME_OMIT`] as nanoseconds have their meaning.
///
/// # Errors
/// As `utimensat(2)`.
pub fn set_times(path: &[u8], atime: Time, mtime: Time, follow: bool) -> io::Result<()> {
    let flags = if follow { FOLLOW } else { 0 };
    check(sys::utimens(
        path.as_ptr(),
        path.len(),
        flags,
        atime.secs,
        atime.nanos,
        mtime.secs,
        mtime.nanos,
    ))
    .map(drop)
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: Vec<u8>,
    /// Whether it is a directory itself; a symlink to one is not.
    pub is_dir: bool,
    /// Whether it is a symbolic link.
    pub is_symlink: bool,
}

/// The names in a directory, sorted by bytes, without `.` and `..`.
///
/// # Errors
/// As `open(2)` and `getdents(2)`.
pub fn read_dir(path: &[u8]) -> io::Result<Vec<DirEntry>> {
    const HEADER: usize = 24;
    let fd = open(path, wire::open::READ | wire::open::DIRECTORY, 0)?;
    let mut entries = Vec::new();
    // One name and its header always fit.
    let mut buffer = vec![0; 8192];
    let mut cookie = 0;
    let result = loop {
        let used = match sys::fd_readdir(fd, &mut buffer, cookie) {
            Ok(used) => used,
            Err(errno) => break Err(crate::error::from_errno(errno)),
        };
        let mut rest = &buffer[..used];
        while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
            let len = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
            let Some((name, tail)) = after.split_at_checked(len as usize) else { break };
            let kind = header[20];
            if name != b"." && name != b".." {
                let entry =
                    DirEntry { name: name.to_vec(), is_dir: kind == 3, is_symlink: kind == 7 };
                entries.push(entry);
            }
            cookie = u64::from_le_bytes([
                header[0], header[1], header[2], header[3], header[4], header[5], header[6],
                header[7],
            ]);
            rest = tail;
        }
        if used < buffer.len() {
            break Ok(());
        }
    };
    crate::fd::close(fd)?;
    result?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// `getxattr(2)`, `lgetxattr(2)`: `None` when there is no such attribute.
///
/// # Errors
/// As `getxattr(2)`, less `ENODATA`.
pub fn get_xattr(path: &[u8], name: &[u8], follow: bool) -> io::Result<Option<Vec<u8>>> {
    // XATTR_SIZE_MAX of Linux.
    let mut out = vec![0; 65_536];
    let result = check(sys::getxattr(
        path.as_ptr(),
        path.len(),
        u32::from(follow),
        name.as_ptr(),
        name.len(),
        out.as_mut_ptr(),
        out.len(),
    ));
    match result {
        Ok(len) => {
            out.truncate(len as usize);
            Ok(Some(out))
        }
        Err(error) if error.raw_os_error() == Some(wire::errno::ENODATA) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `setxattr(2)`, `lsetxattr(2)`; `how` of [`wire::XATTR_CREATE`], [`wire::XATTR_REPLACE`] or 0.
///
/// # Errors
/// As `setxattr(2)`.
pub fn set_xattr(path: &[u8], name: &[u8], value: &[u8], how: u32, follow: bool) -> io::Result<()> {
    check(sys::setxattr(
        path.as_ptr(),
        path.len(),
        u32::from(follow),
        name.as_ptr(),
        name.len(),
        value.as_ptr(),
        value.len(),
        how,
    ))
    .map(drop)
}

/// `listxattr(2)`, `llistxattr(2)`: the names, sorted.
///
/// # Errors
/// As `listxattr(2)`.
pub fn list_xattrs(path: &[u8], follow: bool) -> io::Result<Vec<Vec<u8>>> {
    // XATTR_LIST_MAX of Linux.
    let mut out = vec![0; 65_536];
    let len = check(sys::listxattr(
        path.as_ptr(),
        path.len(),
        u32::from(follow),
        out.as_mut_ptr(),
        out.len(),
    ))?;
    let mut names: Vec<Vec<u8>> = out[..len as usize]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    names.sort();
    Ok(names)
}

/// `removexattr(2)`, `lremovexattr(2)`.
///
/// # Errors
/// As `removexattr(2)`.
pub fn remove_xattr(path: &[u8], name: &[u8], follow: bool) -> io::Result<()> {
    check(sys::removexattr(path.as_ptr(), path.len(), u32::from(follow), name.as_ptr(), name.len()))
        .map(drop)
}
