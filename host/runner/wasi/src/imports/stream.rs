//! Reading and writing what descriptors stand for.

use super::{Fault, Memory, Result};
use crate::kernel::{End, Flavor, Object, Process, Refused};
use kiln_guest_abi::wire::errno;
use std::sync::Arc;

/// Bytes moved between two looks at whether the process is to end, and at most given to the step's
/// output in one piece.
const PIECE: usize = 64 << 10;

/// `signal(7)`.
const SIGPIPE: i32 = 13;

/// Standard error.
const STDERR: u32 = 2;

/// What a descriptor stands for.
pub(super) fn object(process: &Process, fd: u32) -> Result<Arc<Object>> {
    process.fds.get(fd).cloned().ok_or(Fault::Errno(errno::EBADF))
}

/// Reads into the vectors until one is not filled.
pub(super) fn read(
    process: &Process,
    memory: &mut Memory<'_>,
    fd: u32,
    vectors: &[(u32, u32)],
    mut offset: Option<u64>,
) -> Result<u32> {
    let object = object(process, fd)?;
    let mut total = 0_u32;
    for &(at, len) in vectors {
        let out = memory.slice_mut(at, len)?;
        let count = read_one(process, &object, out, offset)?;
        // The guest's number: a device takes any.
        offset = offset.map(|offset| offset.saturating_add(count as u64));
        let count = u32::try_from(count).map_err(|_| Fault::Errno(errno::EOVERFLOW))?;
        total = total.checked_add(count).ok_or(Fault::Errno(errno::EINVAL))?;
        // A pipe is not asked again: the next byte may be long in coming.
        if count < len || matches!(*object, Object::Reader(_)) {
            break;
        }
    }
    Ok(total)
}

fn read_one(
    process: &Process,
    object: &Object,
    out: &mut [u8],
    offset: Option<u64>,
) -> Result<usize> {
    process.alive()?;
    match (object, offset) {
        (Object::File(file, _), None) => {
            rustix::io::read(&file.fd, out).map_err(|error| crate::fs::FsError::from(error).into())
        }
        (Object::File(file, _), Some(at)) => rustix::io::pread(&file.fd, out, at)
            .map_err(|error| crate::fs::FsError::from(error).into()),
        (Object::Null, _) => Ok(0),
        (Object::Zero | Object::Full, _) => {
            out.fill(0);
            Ok(out.len())
        }
        (Object::Random, _) => random(out).map(|()| out.len()),
        (Object::Reader(pipe), None) => Ok(pipe.read(out, || process.alive())?),
        (Object::Dir(..), _) => Err(Fault::Errno(errno::EISDIR)),
        (Object::Reader(_), Some(_)) => Err(Fault::Errno(errno::ESPIPE)),
        (Object::Writer(_) | Object::Output(_), _) => Err(Fault::Errno(errno::EBADF)),
    }
}

/// Fills with random bytes.
pub(super) fn random(out: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    while filled < out.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        match rustix::rand::getrandom(&mut out[filled..], flags) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(crate::fs::FsError::from(error).into()),
        }
    }
    Ok(())
}

/// Writes the vectors; all of them, or until the file takes no more.
pub(super) fn write(
    process: &Process,
    memory: &Memory<'_>,
    fd: u32,
    vectors: &[(u32, u32)],
    mut offset: Option<u64>,
) -> Result<u32> {
    let object = object(process, fd)?;
    if fd == STDERR && matches!(*object, Object::File(..) | Object::Writer(_)) {
        check_message(process)?;
    }
    let mut total = 0_u32;
    for &(at, len) in vectors {
        let mut bytes = memory.slice(at, len)?;
        while !bytes.is_empty() {
            let count = match write_one(process, &object, bytes, offset) {
                // What was written counts; the error comes back at the next write.
                Err(Fault::Errno(_)) if total > 0 => return Ok(total),
                result => result?,
            };
            bytes = &bytes[count..];
            // The guest's number: a device takes any.
            offset = offset.map(|offset| offset.saturating_add(count as u64));
            let count = u32::try_from(count).map_err(|_| Fault::Errno(errno::EOVERFLOW))?;
            total = total.checked_add(count).ok_or(Fault::Errno(errno::EINVAL))?;
        }
    }
    Ok(total)
}

/// A tool's message goes where the step can read it: its words have to be the native tool's, which
/// only dash's are known to be.
fn check_message(process: &Process) -> Result<()> {
    match process.program.shim() {
        Some("sh") if process.flavor == Flavor::Gnu => Ok(()),
        Some(name) => {
            let command =
                process.args.first().map_or(name.into(), |arg| String::from_utf8_lossy(arg));
            Err(Fault::Native(format!("the words of a message of {command}")))
        }
        None => Ok(()),
    }
}

fn write_one(
    process: &Process,
    object: &Object,
    bytes: &[u8],
    offset: Option<u64>,
) -> Result<usize> {
    process.alive()?;
    let piece = &bytes[..bytes.len().min(PIECE)];
    match object {
        Object::File(file, _) => {
            process.kernel.count_written(piece.len()).map_err(Fault::Limit)?;
            process.kernel.fs.writes(file);
            let result = match offset {
                Some(at) if !file.appends() => rustix::io::pwrite(&file.fd, piece, at),
                _ => rustix::io::write(&file.fd, piece),
            };
            result.map_err(|error| crate::fs::FsError::from(error).into())
        }
        Object::Null | Object::Zero | Object::Random => Ok(bytes.len()),
        Object::Full => Err(Fault::Errno(errno::ENOSPC)),
        Object::Writer(_) | Object::Output(_) if offset.is_some() => {
            Err(Fault::Errno(errno::ESPIPE))
        }
        Object::Writer(pipe) => match pipe.write(piece, || process.alive())? {
            Ok(()) => Ok(piece.len()),
            Err(Refused::Broken) => Err(Fault::End(End::Signaled(SIGPIPE))),
            Err(Refused::Full) => {
                let limit = process.kernel.options.guest_memory >> 20;
                Err(Fault::Limit(format!("a command's output in memory: more than {limit} MiB")))
            }
            Err(Refused::NoMemory) => Err(Fault::Limit(process.kernel.memory.passed())),
        },
        Object::Output(stream) => {
            process.kernel.output(*stream, piece);
            Ok(piece.len())
        }
        Object::Reader(_) | Object::Dir(..) => Err(Fault::Errno(errno::EBADF)),
    }
}
