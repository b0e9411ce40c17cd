//! The module `kiln`: files.

#![expect(clippy::too_many_arguments, reason = "the arguments are those of the system calls")]

use super::kiln::{give, open_at};
use super::{Fault, Memory, Result};
use crate::fs::{NewTime, Place, stat_of};
use crate::kernel::{Object, Process};
use kiln_guest_abi::wire::{FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE, Stat, errno};
use kiln_rootfs::FileType;
use rustix::fs::RenameFlags;

/// Longest value of an extended attribute (`XATTR_SIZE_MAX`).
const MAX_XATTR: u32 = 65_536;

/// A path of the guest's: copied, so that the process can be changed while it is used.
fn path(memory: &Memory<'_>, at: u32, len: u32) -> Result<Vec<u8>> {
    // What is longer is refused by the resolver with the same errno.
    if len > 8192 {
        return Err(Fault::Errno(errno::ENAMETOOLONG));
    }
    Ok(memory.slice(at, len)?.to_vec())
}

fn place<'a>(process: &'a Process, path: &'a [u8]) -> Place<'a> {
    Place { who: &process.who, base: &process.cwd, path }
}

const fn id(raw: u32) -> Option<u32> {
    if raw == u32::MAX { None } else { Some(raw) }
}

/// The path of an open file or directory; `None` for what has no name.
fn path_of(process: &Process, fd: u32) -> Result<Option<Vec<u8>>> {
    match &*super::stream::object(process, fd)? {
        Object::File(file, _) => Ok(process.kernel.fs.path_of(file)?),
        Object::Dir(path, _) => Ok(Some(path.clone())),
        _ => Ok(None),
    }
}

/// The canonical path of a directory that may be entered.
pub(super) fn directory_at(process: &Process, path: &[u8]) -> Result<Vec<u8>> {
    let found = process.kernel.fs.find(place(process, path), true)?;
    let directory = found.existing()?;
    if !directory.is_dir() {
        return Err(Fault::Errno(errno::ENOTDIR));
    }
    process.who.may(directory, 1)?;
    Ok(found.path)
}

pub(super) fn open(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    mode: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    open_at(process, &path, flags, mode)
}

pub(super) fn stat(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    out: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    let found = process.kernel.fs.find(place(process, &path), flags & FOLLOW != 0)?;
    memory.put(out, &stat_of(found.existing()?).encode())?;
    Ok(0)
}

pub(super) fn fstat(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
) -> Result<u32> {
    let stat = super::preview1_stat::stat_fd(process, fd)?;
    memory.put(out, &stat.encode())?;
    Ok(0)
}

pub(super) fn access(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    how: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    process.kernel.fs.access(place(process, &path), how)?;
    Ok(0)
}

pub(super) fn chmod(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    mode: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    process.kernel.fs.set_mode(place(process, &path), mode)?;
    Ok(0)
}

pub(super) fn fchmod(process: &mut Process, _: &mut Memory<'_>, fd: u32, mode: u32) -> Result<u32> {
    if let Some(path) = path_of(process, fd)? {
        let place = Place { who: &process.who, base: b"", path: dot_if_root(&path) };
        process.kernel.fs.set_mode(place, mode)?;
    }
    Ok(0)
}

fn dot_if_root(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

pub(super) fn chown(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    uid: u32,
    gid: u32,
    flags: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    let follow = flags & FOLLOW != 0;
    process.kernel.fs.set_owner(place(process, &path), id(uid), id(gid), follow)?;
    Ok(0)
}

pub(super) fn fchown(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    uid: u32,
    gid: u32,
) -> Result<u32> {
    if let Some(path) = path_of(process, fd)? {
        let place = Place { who: &process.who, base: b"", path: dot_if_root(&path) };
        process.kernel.fs.set_owner(place, id(uid), id(gid), false)?;
    }
    Ok(0)
}

pub(super) fn mkdir(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    mode: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    process.kernel.fs.mkdir(place(process, &path), mode & !process.umask)?;
    Ok(0)
}

pub(super) fn mknod(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    mode: u32,
    major: u32,
    minor: u32,
) -> Result<u32> {
    let kind = match mode & Stat::TYPE {
        0 | Stat::FILE => FileType::File,
        Stat::CHAR => FileType::Char,
        Stat::BLOCK => FileType::Block,
        Stat::FIFO => FileType::Fifo,
        _ => return Err(Fault::Errno(errno::ENOTSUP)),
    };
    let path = path(memory, at, len)?;
    let mode = mode & 0o7777 & !process.umask;
    process.kernel.fs.mknod(place(process, &path), kind, mode, (major, minor))?;
    Ok(0)
}

pub(super) fn link(
    process: &mut Process,
    memory: &mut Memory<'_>,
    old: u32,
    old_len: u32,
    new: u32,
    new_len: u32,
    flags: u32,
) -> Result<u32> {
    let (old, new) = (path(memory, old, old_len)?, path(memory, new, new_len)?);
    let follow = flags & FOLLOW != 0;
    process.kernel.fs.link(place(process, &old), follow, place(process, &new))?;
    Ok(0)
}

pub(super) fn symlink(
    process: &mut Process,
    memory: &mut Memory<'_>,
    target: u32,
    target_len: u32,
    at: u32,
    len: u32,
) -> Result<u32> {
    let (target, path) = (path(memory, target, target_len)?, path(memory, at, len)?);
    process.kernel.fs.symlink(&target, place(process, &path))?;
    Ok(0)
}

pub(super) fn readlink(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    let target = process.kernel.fs.read_link(place(process, &path))?;
    give(memory, &target, out, out_len)
}

pub(super) fn rename(
    process: &mut Process,
    memory: &mut Memory<'_>,
    old: u32,
    old_len: u32,
    new: u32,
    new_len: u32,
    flags: u32,
) -> Result<u32> {
    let (old, new) = (path(memory, old, old_len)?, path(memory, new, new_len)?);
    let flags = match flags {
        0 => RenameFlags::empty(),
        RENAME_NOREPLACE => RenameFlags::NOREPLACE,
        RENAME_EXCHANGE => RenameFlags::EXCHANGE,
        _ => return Err(Fault::Errno(errno::EINVAL)),
    };
    process.kernel.fs.rename(place(process, &old), place(process, &new), flags)?;
    Ok(0)
}

pub(super) fn unlink(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    process.kernel.fs.unlink(place(process, &path))?;
    Ok(0)
}

pub(super) fn rmdir(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    process.kernel.fs.rmdir(place(process, &path))?;
    Ok(0)
}

pub(super) fn utimens(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    atime: i64,
    atime_nanos: u32,
    mtime: i64,
    mtime_nanos: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    let atime = NewTime { secs: atime, nanos: atime_nanos };
    let mtime = NewTime { secs: mtime, nanos: mtime_nanos };
    process.kernel.fs.set_times(place(process, &path), atime, mtime, flags & FOLLOW != 0)?;
    Ok(0)
}

pub(super) fn getxattr(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    name: u32,
    name_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    let (path, name) = (path(memory, at, len)?, path(memory, name, name_len)?);
    let follow = flags & FOLLOW != 0;
    let value = process.kernel.fs.get_xattr(place(process, &path), follow, &name)?;
    give(memory, &value, out, out_len)
}

pub(super) fn setxattr(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
    how: u32,
) -> Result<u32> {
    if value_len > MAX_XATTR {
        return Err(Fault::Errno(errno::E2BIG));
    }
    let (path, name) = (path(memory, at, len)?, path(memory, name, name_len)?);
    let value = memory.slice(value, value_len)?;
    let follow = flags & FOLLOW != 0;
    process.kernel.fs.set_xattr(place(process, &path), follow, &name, value, how)?;
    Ok(0)
}

pub(super) fn listxattr(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    let names = process.kernel.fs.list_xattr(place(process, &path), flags & FOLLOW != 0)?;
    let mut list = Vec::new();
    for name in names {
        list.extend_from_slice(&name);
        list.push(0);
    }
    give(memory, &list, out, out_len)
}

pub(super) fn removexattr(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    flags: u32,
    name: u32,
    name_len: u32,
) -> Result<u32> {
    let (path, name) = (path(memory, at, len)?, path(memory, name, name_len)?);
    process.kernel.fs.remove_xattr(place(process, &path), flags & FOLLOW != 0, &name)?;
    Ok(0)
}

pub(super) fn chdir(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
) -> Result<u32> {
    let path = path(memory, at, len)?;
    process.cwd = directory_at(process, &path)?;
    Ok(0)
}

pub(super) fn getcwd(
    process: &mut Process,
    memory: &mut Memory<'_>,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    if !process.kernel.fs.metadata_at(&process.cwd)?.is_dir() {
        return Err(Fault::Errno(errno::ENOENT));
    }
    let path = [b"/", &process.cwd[..]].concat();
    give(memory, &path, out, out_len)
}
