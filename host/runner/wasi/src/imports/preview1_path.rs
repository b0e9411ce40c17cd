//! Preview 1's calls on paths.

#![expect(clippy::too_many_arguments, reason = "the signatures are preview 1's")]

use super::preview1_fd::{FLAG_APPEND, directory};
use super::preview1_stat::{new_time, put_filestat};
use super::{Fault, Memory, Result};
use crate::fs::{Opened, Place, stat_of};
use crate::kernel::{Object, Process, Ticket};
use kiln_guest_abi::wire::{errno, open};
use std::sync::{Arc, Mutex};

/// `lookupflags`.
const SYMLINK_FOLLOW: u32 = 1;

/// A path relative to the directory of a descriptor. One that comes by way of the root directory
/// was absolute: the guest's C library takes the slash away.
struct Named {
    base: Vec<u8>,
    path: Vec<u8>,
}

impl Named {
    fn read(process: &Process, memory: &Memory<'_>, fd: u32, at: u32, len: u32) -> Result<Self> {
        Ok(Self { base: directory(process, fd)?, path: memory.slice(at, len)?.to_vec() })
    }

    fn place<'a>(&'a self, process: &'a Process) -> Place<'a> {
        Place { who: &process.who, base: &self.base, path: &self.path }
    }
}

/// Makes a descriptor for what was opened.
pub(super) fn install(process: &mut Process, opened: Opened) -> Result<u32> {
    use crate::fs::Device;
    let kernel = Arc::clone(&process.kernel);
    let object = match opened {
        Opened::File(file) => {
            let ticket = Ticket::take(&kernel.open_files, kernel.options.open_files)
                .ok_or(Fault::Errno(errno::EMFILE))?;
            Arc::new(Object::File(file, ticket))
        }
        Opened::Dir(path) => Arc::new(Object::Dir(path, Mutex::default())),
        Opened::Device(Device::Null) => Arc::new(Object::Null),
        Opened::Device(Device::Zero) => Arc::new(Object::Zero),
        Opened::Device(Device::Full) => Arc::new(Object::Full),
        Opened::Device(Device::Random) => Arc::new(Object::Random),
        Opened::Device(Device::Descriptor(number)) => {
            let number = kiln_guest_abi::fd::posix(number);
            process.fds.get(number).cloned().ok_or(Fault::Errno(errno::ENOENT))?
        }
    };
    process.fds.insert(object, kernel.options.descriptors).ok_or(Fault::Errno(errno::EMFILE))
}

pub(super) fn path_create_directory(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    at: u32,
    len: u32,
) -> Result<()> {
    let named = Named::read(process, memory, fd, at, len)?;
    let mode = 0o777 & !process.umask;
    Ok(process.kernel.fs.mkdir(named.place(process), mode)?)
}

pub(super) fn path_filestat_get(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    flags: u32,
    at: u32,
    len: u32,
    out: u32,
) -> Result<()> {
    let named = Named::read(process, memory, fd, at, len)?;
    let found = process.kernel.fs.find(named.place(process), flags & SYMLINK_FOLLOW != 0)?;
    put_filestat(memory, out, &stat_of(found.existing()?))
}

pub(super) fn path_filestat_set_times(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    flags: u32,
    at: u32,
    len: u32,
    atime: u64,
    mtime: u64,
    which: u32,
) -> Result<()> {
    let named = Named::read(process, memory, fd, at, len)?;
    let atime = new_time(atime, which & 1 != 0, which & 2 != 0);
    let mtime = new_time(mtime, which & 4 != 0, which & 8 != 0);
    let follow = flags & SYMLINK_FOLLOW != 0;
    Ok(process.kernel.fs.set_times(named.place(process), atime, mtime, follow)?)
}

pub(super) fn path_link(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    flags: u32,
    at: u32,
    len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> Result<()> {
    let old = Named::read(process, memory, fd, at, len)?;
    let new = Named::read(process, memory, new_fd, new, new_len)?;
    let follow = flags & SYMLINK_FOLLOW != 0;
    Ok(process.kernel.fs.link(old.place(process), follow, new.place(process))?)
}

pub(super) fn path_open(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    flags: u32,
    at: u32,
    len: u32,
    how: u32,
    rights: u64,
    _inheriting: u64,
    fd_flags: u32,
    out: u32,
) -> Result<()> {
    const RIGHT_READ: u64 = 1 << 1 | 1 << 14;
    const RIGHT_WRITE: u64 = 1 << 6;
    let named = Named::read(process, memory, fd, at, len)?;
    // The order of `oflags`: creat, directory, excl, trunc.
    let table = [
        (how & 1 != 0, open::CREATE),
        (how & 2 != 0, open::DIRECTORY),
        (how & 4 != 0, open::EXCL),
        (how & 8 != 0, open::TRUNC),
        (rights & RIGHT_READ != 0, open::READ),
        (rights & RIGHT_WRITE != 0 && how & 2 == 0, open::WRITE),
        (fd_flags & FLAG_APPEND != 0, open::APPEND),
        (flags & SYMLINK_FOLLOW == 0, open::NOFOLLOW),
    ];
    let wanted = table.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
    let mode = 0o666 & !process.umask;
    let opened = process.kernel.fs.open(named.place(process), wanted, mode)?;
    let number = install(process, opened)?;
    memory.put_u32(out, number)
}

pub(super) fn path_readlink(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    at: u32,
    len: u32,
    out: u32,
    out_len: u32,
    used: u32,
) -> Result<()> {
    let named = Named::read(process, memory, fd, at, len)?;
    let target = process.kernel.fs.read_link(named.place(process))?;
    let count = u32::try_from(target.len()).unwrap_or(u32::MAX).min(out_len);
    memory.put(out, &target[..count as usize])?;
    memory.put_u32(used, count)
}

pub(super) fn path_remove_directory(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    at: u32,
    len: u32,
) -> Result<()> {
    let named = Named::read(process, memory, fd, at, len)?;
    Ok(process.kernel.fs.rmdir(named.place(process))?)
}

pub(super) fn path_rename(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    at: u32,
    len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> Result<()> {
    let old = Named::read(process, memory, fd, at, len)?;
    let new = Named::read(process, memory, new_fd, new, new_len)?;
    let flags = rustix::fs::RenameFlags::empty();
    Ok(process.kernel.fs.rename(old.place(process), new.place(process), flags)?)
}

pub(super) fn path_symlink(
    process: &mut Process,
    memory: &mut Memory<'_>,
    target: u32,
    target_len: u32,
    fd: u32,
    at: u32,
    len: u32,
) -> Result<()> {
    let target = memory.slice(target, target_len)?.to_vec();
    let named = Named::read(process, memory, fd, at, len)?;
    Ok(process.kernel.fs.symlink(&target, named.place(process))?)
}

pub(super) fn path_unlink_file(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    at: u32,
    len: u32,
) -> Result<()> {
    let named = Named::read(process, memory, fd, at, len)?;
    Ok(process.kernel.fs.unlink(named.place(process))?)
}
