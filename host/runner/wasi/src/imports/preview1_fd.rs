//! Preview 1's calls on descriptors.

use super::preview1_stat::{
    TYPE_CHAR, TYPE_DIR, TYPE_FILE, TYPE_UNKNOWN, new_time, put_filestat, stat_fd, type_of,
};
use super::stream::{object, read, write};
use super::{Fault, Memory, Result};
use crate::fs::FsError;
use crate::kernel::{Object, Process, ROOT};
use kiln_guest_abi::wire::errno;
use rustix::fs::SeekFrom;
use std::sync::Arc;

/// `fdflags`: each write goes to the end.
pub(super) const FLAG_APPEND: u32 = 1;

/// All rights of preview 1: what is allowed is decided elsewhere.
const ALL_RIGHTS: u64 = (1 << 30) - 1;

/// The canonical directory that a descriptor of a directory stands for.
pub(super) fn directory(process: &Process, fd: u32) -> Result<Vec<u8>> {
    if fd == ROOT {
        return Ok(Vec::new());
    }
    match &*object(process, fd)? {
        Object::Dir(path, _) => Ok(path.clone()),
        _ => Err(Fault::Errno(errno::ENOTDIR)),
    }
}

fn file<T>(
    process: &Process,
    fd: u32,
    work: impl FnOnce(&crate::fs::OpenFile) -> std::result::Result<T, FsError>,
) -> Result<T> {
    match &*object(process, fd)? {
        Object::File(file, _) => Ok(work(file)?),
        Object::Dir(..) => Err(Fault::Errno(errno::EISDIR)),
        _ => Err(Fault::Errno(errno::ESPIPE)),
    }
}

pub(super) fn fd_advise(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    _offset: u64,
    _len: u64,
    _advice: u32,
) -> Result<()> {
    object(process, fd).map(drop)
}

pub(super) fn fd_allocate(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    offset: u64,
    len: u64,
) -> Result<()> {
    let fs = &process.kernel.fs;
    // What is allocated takes room as what is written does.
    file(process, fd, |_| Ok(()))?;
    let bytes = i64::try_from(len).ok().and_then(|len| usize::try_from(len).ok());
    let bytes = bytes.ok_or(Fault::Errno(errno::EINVAL))?;
    process.kernel.count_written(bytes).map_err(Fault::Limit)?;
    file(process, fd, |file| {
        fs.writes(file);
        let flags = rustix::fs::FallocateFlags::empty();
        Ok(rustix::fs::fallocate(&file.fd, flags, offset, len)?)
    })
}

pub(super) fn fd_close(process: &mut Process, _: &mut Memory<'_>, fd: u32) -> Result<()> {
    process.fds.remove(fd).map(drop).ok_or(Fault::Errno(errno::EBADF))
}

pub(super) fn fd_datasync(process: &mut Process, _: &mut Memory<'_>, fd: u32) -> Result<()> {
    // A step that is cut short leaves nothing; there is nothing to make durable.
    object(process, fd).map(drop)
}

pub(super) fn fd_fdstat_get(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
) -> Result<()> {
    const RIGHT_SEEK_TELL: u64 = 1 << 2 | 1 << 5;
    let (file_type, flags) = if fd == ROOT {
        (TYPE_DIR, 0)
    } else {
        match &*object(process, fd)? {
            Object::File(file, _) => (TYPE_FILE, if file.appends() { FLAG_APPEND } else { 0 }),
            Object::Dir(..) => (TYPE_DIR, 0),
            Object::Reader(_) | Object::Writer(_) | Object::Output(_) => (TYPE_UNKNOWN, 0),
            // With these rights the C library does not take it for a terminal.
            Object::Null | Object::Zero | Object::Full | Object::Random => (TYPE_CHAR, 0),
        }
    };
    let rights = if file_type == TYPE_UNKNOWN { ALL_RIGHTS & !RIGHT_SEEK_TELL } else { ALL_RIGHTS };
    let mut bytes = [0; 24];
    bytes[0] = file_type;
    bytes[2..4].copy_from_slice(&u16::try_from(flags).unwrap_or(0).to_le_bytes());
    bytes[8..16].copy_from_slice(&rights.to_le_bytes());
    bytes[16..24].copy_from_slice(&ALL_RIGHTS.to_le_bytes());
    memory.put(out, &bytes)
}

pub(super) fn fd_fdstat_set_flags(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    flags: u32,
) -> Result<()> {
    let appends = file(process, fd, |file| Ok(file.appends()))?;
    // Only what is already so: the flags belong to whoever else has the file open too.
    if appends == (flags & FLAG_APPEND != 0) { Ok(()) } else { Err(Fault::Errno(errno::ENOTSUP)) }
}

pub(super) fn fd_fdstat_set_rights(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    _base: u64,
    _inheriting: u64,
) -> Result<()> {
    object(process, fd).map(drop)
}

pub(super) fn fd_filestat_get(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
) -> Result<()> {
    let stat = stat_fd(process, fd)?;
    put_filestat(memory, out, &stat)
}

pub(super) fn fd_filestat_set_size(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    size: u64,
) -> Result<()> {
    let fs = &process.kernel.fs;
    file(process, fd, |file| {
        fs.writes(file);
        Ok(rustix::fs::ftruncate(&file.fd, size)?)
    })
}

pub(super) fn fd_filestat_set_times(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    atime: u64,
    mtime: u64,
    which: u32,
) -> Result<()> {
    let fs = &process.kernel.fs;
    let atime = new_time(atime, which & 1 != 0, which & 2 != 0);
    let mtime = new_time(mtime, which & 4 != 0, which & 8 != 0);
    file(process, fd, |file| fs.set_times_of(&process.who, file, atime, mtime))
}

pub(super) fn fd_pread(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Result<()> {
    let vectors = memory.vectors(vectors, count)?;
    let count = read(process, memory, fd, &vectors, Some(offset))?;
    memory.put_u32(out, count)
}

pub(super) fn fd_prestat_get(
    _: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
) -> Result<()> {
    if fd != ROOT {
        return Err(Fault::Errno(errno::EBADF));
    }
    // Tag 0: a directory; the length of "/".
    memory.put(out, &[0, 0, 0, 0, 1, 0, 0, 0])
}

pub(super) fn fd_prestat_dir_name(
    _: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
    len: u32,
) -> Result<()> {
    if fd != ROOT {
        return Err(Fault::Errno(errno::EBADF));
    }
    if len < 1 {
        return Err(Fault::Errno(errno::ENAMETOOLONG));
    }
    memory.put(out, b"/")
}

pub(super) fn fd_pwrite(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Result<()> {
    let vectors = memory.vectors(vectors, count)?;
    let count = write(process, memory, fd, &vectors, Some(offset))?;
    memory.put_u32(out, count)
}

pub(super) fn fd_read(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    out: u32,
) -> Result<()> {
    let vectors = memory.vectors(vectors, count)?;
    let count = read(process, memory, fd, &vectors, None)?;
    memory.put_u32(out, count)
}

pub(super) fn fd_readdir(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
    len: u32,
    cookie: u64,
    used: u32,
) -> Result<()> {
    let fs = &process.kernel.fs;
    let object = match fd {
        ROOT => Arc::new(Object::Dir(Vec::new(), std::sync::Mutex::default())),
        _ => object(process, fd)?,
    };
    let Object::Dir(path, names) = &*object else { return Err(Fault::Errno(errno::ENOTDIR)) };
    let entries = {
        let mut names = names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if cookie == 0 || names.is_none() {
            *names = Some(Arc::new(fs.read_dir(path)?));
        }
        names.clone().unwrap_or_default()
    };
    let dots = [(&b"."[..], TYPE_DIR), (&b".."[..], TYPE_DIR)];
    let all = dots
        .into_iter()
        .chain(entries.iter().map(|entry| (&entry.name[..], type_of(entry.file_type))));
    let buffer = memory.slice_mut(out, len)?;
    let mut filled = 0;
    let skip = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (next, (name, file_type)) in (1_u64..).zip(all).skip(skip) {
        let mut header = [0; 24];
        header[..8].copy_from_slice(&next.to_le_bytes());
        // Inode numbers are left 0: a guest that wants one asks for the file's metadata.
        let name_len = u32::try_from(name.len()).unwrap_or(0);
        header[16..20].copy_from_slice(&name_len.to_le_bytes());
        header[20] = file_type;
        for part in [&header[..], name] {
            let count = part.len().min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&part[..count]);
            filled += count;
        }
        if filled == buffer.len() {
            break;
        }
    }
    memory.put_u32(used, u32::try_from(filled).unwrap_or(len))
}

pub(super) fn fd_renumber(
    process: &mut Process,
    _: &mut Memory<'_>,
    fd: u32,
    to: u32,
) -> Result<()> {
    let object = object(process, fd)?;
    if !process.fds.set(to, object, process.kernel.options.descriptors) {
        return Err(Fault::Errno(errno::EMFILE));
    }
    if fd != to {
        process.fds.remove(fd);
    }
    Ok(())
}

pub(super) fn fd_seek(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    offset: i64,
    whence: u32,
    out: u32,
) -> Result<()> {
    let to = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Fault::Errno(errno::EINVAL))?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Fault::Errno(errno::EINVAL)),
    };
    let position = match &*object(process, fd)? {
        Object::File(file, _) => rustix::fs::seek(&file.fd, to).map_err(FsError::from)?,
        Object::Dir(..) => return Err(Fault::Errno(errno::EISDIR)),
        Object::Null | Object::Zero | Object::Full | Object::Random => 0,
        Object::Reader(_) | Object::Writer(_) | Object::Output(_) => {
            return Err(Fault::Errno(errno::ESPIPE));
        }
    };
    memory.put_u64(out, position)
}

pub(super) fn fd_sync(process: &mut Process, memory: &mut Memory<'_>, fd: u32) -> Result<()> {
    fd_datasync(process, memory, fd)
}

pub(super) fn fd_tell(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    out: u32,
) -> Result<()> {
    fd_seek(process, memory, fd, 0, 1, out)
}

pub(super) fn fd_write(
    process: &mut Process,
    memory: &mut Memory<'_>,
    fd: u32,
    vectors: u32,
    count: u32,
    out: u32,
) -> Result<()> {
    let vectors = memory.vectors(vectors, count)?;
    let count = write(process, memory, fd, &vectors, None)?;
    memory.put_u32(out, count)
}
