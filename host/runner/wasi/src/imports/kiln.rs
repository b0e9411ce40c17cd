//! The module `kiln`: registration, processes and descriptors.

use super::preview1_path::install;
use super::{Fault, Memory, Result, kiln_files as files};
use crate::fs::{Identity, Place};
use crate::kernel::{
    Beginning, End, Object, Pid, Process, Reader, Resolved, Waited, Writer, buffer, fork, pipe,
    run_child, spawn,
};
use kiln_guest_abi::wire::{MAX_SPAWN_REQUEST, SpawnRequest, WAIT_NOHANG, errno};
use std::sync::Arc;
use wasmtime::{Caller, Linker};

/// Defines the module.
pub(super) fn link(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    use super::kiln as own;
    super::imports!(linker, "kiln", u32::cast_signed, i32::wrapping_neg,
        files::open(at: u32, len: u32, flags: u32, mode: u32);
        files::stat(at: u32, len: u32, flags: u32, out: u32);
        files::fstat(fd: u32, out: u32);
        files::access(at: u32, len: u32, how: u32);
        files::chmod(at: u32, len: u32, mode: u32);
        files::fchmod(fd: u32, mode: u32);
        files::chown(at: u32, len: u32, uid: u32, gid: u32, flags: u32);
        files::fchown(fd: u32, uid: u32, gid: u32);
        files::mkdir(at: u32, len: u32, mode: u32);
        files::mknod(at: u32, len: u32, mode: u32, major: u32, minor: u32);
        files::link(old: u32, old_len: u32, new: u32, new_len: u32, flags: u32);
        files::symlink(target: u32, target_len: u32, at: u32, len: u32);
        files::readlink(at: u32, len: u32, out: u32, out_len: u32);
        files::rename(old: u32, old_len: u32, new: u32, new_len: u32, flags: u32);
        files::unlink(at: u32, len: u32);
        files::rmdir(at: u32, len: u32);
        files::utimens(at: u32, len: u32, flags: u32, atime: i64, atime_nanos: u32, mtime: i64, mtime_nanos: u32);
        files::getxattr(at: u32, len: u32, flags: u32, name: u32, name_len: u32, out: u32, out_len: u32);
        files::setxattr(at: u32, len: u32, flags: u32, name: u32, name_len: u32, value: u32, value_len: u32, how: u32);
        files::listxattr(at: u32, len: u32, flags: u32, out: u32, out_len: u32);
        files::removexattr(at: u32, len: u32, flags: u32, name: u32, name_len: u32);
        files::chdir(at: u32, len: u32);
        files::getcwd(out: u32, out_len: u32);
        own::umask(mask: u32);
        own::spawn_program(at: u32, len: u32);
        own::run_program(at: u32, len: u32, out: u32);
        own::find_program(name: u32, name_len: u32, search: u32, search_len: u32, out: u32, out_len: u32);
        own::wait(pid: i32, flags: u32, out: u32);
        own::kill(pid: i32, signal: u32);
        own::getpid();
        own::getppid();
        own::make_pipe(out: u32);
        own::make_buffer(out: u32);
        own::dup(fd: u32);
        own::dup2(fd: u32, to: u32);
        own::close(fd: u32);
        own::getids(out: u32);
        own::setids(uid: u32, gid: u32);
        own::getgroups(out: u32, out_len: u32);
        own::setgroups(at: u32, len: u32);
        own::needs_native(at: u32, len: u32);
        own::flavor();
        own::hostname(out: u32, out_len: u32);
        own::nproc();
    );
    linker.alias("kiln", "spawn_program", "kiln", "spawn")?;
    linker.alias("kiln", "run_program", "kiln", "run")?;
    linker.alias("kiln", "make_pipe", "kiln", "pipe")?;
    linker.alias("kiln", "make_buffer", "kiln", "buffer")?;
    linker.func_wrap(
        "kiln",
        "fork",
        |mut caller: Caller<'_, Process>, context: u32| -> wasmtime::Result<i32> {
            match fork(&mut caller, context) {
                Ok(pid) => Ok(pid.cast_signed()),
                Err(fault) => super::settle(caller.data(), fault).map(i32::wrapping_neg),
            }
        },
    )?;
    Ok(())
}

/// A length as a result.
pub(super) fn length(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Fault::Errno(errno::EOVERFLOW))
}

/// Gives the guest bytes that must fit its buffer.
pub(super) fn give(memory: &mut Memory<'_>, bytes: &[u8], out: u32, out_len: u32) -> Result<u32> {
    let len = length(bytes.len())?;
    if len > out_len {
        return Err(Fault::Errno(errno::ERANGE));
    }
    memory.put(out, bytes)?;
    Ok(len)
}

fn umask(process: &mut Process, _: &mut Memory<'_>, mask: u32) -> Result<u32> {
    Ok(std::mem::replace(&mut process.umask, mask & 0o777))
}

fn spawn_program(process: &mut Process, memory: &mut Memory<'_>, at: u32, len: u32) -> Result<u32> {
    let child = child(process, memory, at, len)?;
    spawn(child, Some(process))
}

fn run_program(
    process: &mut Process,
    memory: &mut Memory<'_>,
    at: u32,
    len: u32,
    out: u32,
) -> Result<u32> {
    let child = child(process, memory, at, len)?;
    let (pid, end) = run_child(child, process)?;
    // A signal may have come meanwhile.
    process.alive()?;
    give_end(memory, pid, end, out)
}

/// The process that a guest asks for.
fn child(process: &Process, memory: &Memory<'_>, at: u32, len: u32) -> Result<Process> {
    if len as usize > MAX_SPAWN_REQUEST {
        return Err(Fault::Errno(errno::E2BIG));
    }
    let request =
        SpawnRequest::decode(memory.slice(at, len)?).ok_or(Fault::Errno(errno::EINVAL))?;
    let mut fds = process.fds.inherited();
    for &(child, ours) in &request.fds {
        let object = super::stream::object(process, ours)?;
        if !fds.set(child, object, process.kernel.options.descriptors) {
            return Err(Fault::Errno(errno::EMFILE));
        }
    }
    let cwd = match &request.cwd {
        Some(path) => files::directory_at(process, path)?,
        None => process.cwd.clone(),
    };
    let launch = crate::launch::prepare(
        &process.kernel,
        &process.who,
        &cwd,
        &request.program,
        request.argv,
        &request.env,
    )?;
    let beginning = Beginning {
        program: launch.program,
        flavor: launch.flavor,
        args: launch.args,
        env: request.env,
        who: process.who.clone(),
        cwd,
    };
    Ok(Process::new(Arc::clone(&process.kernel), beginning, fds, process.umask))
}

#[expect(clippy::too_many_arguments, reason = "three byte strings cross the border")]
fn find_program(
    process: &mut Process,
    memory: &mut Memory<'_>,
    name: u32,
    name_len: u32,
    search: u32,
    search_len: u32,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    let name = memory.slice(name, name_len)?;
    let search = memory.slice(search, search_len)?;
    let kernel = &process.kernel;
    let path = match kernel.resolve_program(&process.who, &process.cwd, name, search)? {
        Resolved::Shim { path, .. }
        | Resolved::BusyBox { path }
        | Resolved::Script { path, .. }
        | Resolved::Native { path, .. } => path,
        Resolved::Wasm { path } => [b"/", &path[..]].concat(),
    };
    give(memory, &path, out, out_len)
}

fn wait(
    process: &mut Process,
    memory: &mut Memory<'_>,
    pid: i32,
    flags: u32,
    out: u32,
) -> Result<u32> {
    let child = match pid {
        -1 => None,
        pid => Some(Pid::try_from(pid).map_err(|_| Fault::Errno(errno::ECHILD))?),
    };
    let table = &process.kernel.table;
    let waited = if flags & WAIT_NOHANG != 0 {
        table.try_wait(process.pid, child)
    } else {
        table.wait(process.pid, child, || process.alive())?
    };
    match waited {
        Waited::NoChild => Err(Fault::Errno(errno::ECHILD)),
        Waited::Running => give_end(memory, 0, End::Exited(0), out),
        Waited::Ended(pid, end) => give_end(memory, pid, end, out),
    }
}

/// Tells how a child ended.
fn give_end(memory: &mut Memory<'_>, pid: Pid, end: End, out: u32) -> Result<u32> {
    let (code, signal) = match end {
        End::Exited(code) => (code, 0),
        End::Signaled(signal) => (0, signal),
        End::Stopped => return Err(Fault::End(End::Stopped)),
    };
    memory.put(out, &[code.to_le_bytes(), signal.to_le_bytes()].concat())?;
    Ok(pid)
}

fn kill(process: &mut Process, _: &mut Memory<'_>, pid: i32, signal: u32) -> Result<u32> {
    if signal > 64 {
        return Err(Fault::Errno(errno::EINVAL));
    }
    let pid =
        Pid::try_from(pid).map_err(|_| Fault::Native("a signal to a process group".to_owned()))?;
    if !process.kernel.table.kill(pid, signal) {
        return Err(Fault::Errno(errno::ESRCH));
    }
    // Its own death does not wait for the next tick.
    process.alive()?;
    Ok(0)
}

fn getpid(process: &mut Process, _: &mut Memory<'_>) -> Result<u32> {
    Ok(process.pid)
}

fn getppid(process: &mut Process, _: &mut Memory<'_>) -> Result<u32> {
    Ok(process.parent)
}

fn make_pipe(process: &mut Process, memory: &mut Memory<'_>, out: u32) -> Result<u32> {
    let pipe = pipe(&process.kernel.memory);
    give_pipe(process, memory, pipe, out)
}

fn make_buffer(process: &mut Process, memory: &mut Memory<'_>, out: u32) -> Result<u32> {
    // Who makes one reads it into its own memory.
    let capacity = process.kernel.options.guest_memory;
    let buffer = buffer(&process.kernel.memory, capacity);
    give_pipe(process, memory, buffer, out)
}

fn give_pipe(
    process: &mut Process,
    memory: &mut Memory<'_>,
    (reader, writer): (Reader, Writer),
    out: u32,
) -> Result<u32> {
    let limit = process.kernel.options.descriptors;
    let full = || Fault::Errno(errno::EMFILE);
    let reader = process.fds.insert(Arc::new(Object::Reader(reader)), limit).ok_or_else(full)?;
    let Some(writer) = process.fds.insert(Arc::new(Object::Writer(writer)), limit) else {
        process.fds.remove(reader);
        return Err(full());
    };
    memory.put(out, &[reader.to_le_bytes(), writer.to_le_bytes()].concat())?;
    Ok(0)
}

fn dup(process: &mut Process, _: &mut Memory<'_>, fd: u32) -> Result<u32> {
    let object = super::stream::object(process, fd)?;
    let limit = process.kernel.options.descriptors;
    process.fds.insert(object, limit).ok_or(Fault::Errno(errno::EMFILE))
}

fn dup2(process: &mut Process, _: &mut Memory<'_>, fd: u32, to: u32) -> Result<u32> {
    let object = super::stream::object(process, fd)?;
    if process.fds.set(to, object, process.kernel.options.descriptors) {
        Ok(to)
    } else {
        Err(Fault::Errno(errno::EMFILE))
    }
}

fn close(process: &mut Process, _: &mut Memory<'_>, fd: u32) -> Result<u32> {
    process.fds.remove(fd).map(|_| 0).ok_or(Fault::Errno(errno::EBADF))
}

fn getids(process: &mut Process, memory: &mut Memory<'_>, out: u32) -> Result<u32> {
    let Identity { uid, gid, .. } = process.who;
    memory.put(out, &[uid, uid, gid, gid].map(u32::to_le_bytes).concat())?;
    Ok(0)
}

fn setids(process: &mut Process, _: &mut Memory<'_>, uid: u32, gid: u32) -> Result<u32> {
    let kept = |new: u32, old: u32| new == u32::MAX || new == old;
    let who = &mut process.who;
    let same = kept(uid, who.uid) && kept(gid, who.gid);
    if !(who.is_root() || same) {
        return Err(Fault::Errno(errno::EPERM));
    }
    if gid != u32::MAX {
        who.gid = gid;
    }
    if uid != u32::MAX {
        who.uid = uid;
    }
    Ok(0)
}

fn getgroups(
    process: &mut Process,
    memory: &mut Memory<'_>,
    out: u32,
    out_len: u32,
) -> Result<u32> {
    let bytes: Vec<u8> = process.who.groups.iter().flat_map(|group| group.to_le_bytes()).collect();
    give(memory, &bytes, out, out_len)
}

fn setgroups(process: &mut Process, memory: &mut Memory<'_>, at: u32, len: u32) -> Result<u32> {
    /// `NGROUPS_MAX`, four bytes each.
    const MAX: u32 = 65_536 * 4;
    if !process.who.is_root() {
        return Err(Fault::Errno(errno::EPERM));
    }
    if len > MAX || !len.is_multiple_of(4) {
        return Err(Fault::Errno(errno::EINVAL));
    }
    let groups = memory.slice(at, len)?.as_chunks::<4>().0;
    process.who.groups = groups.iter().map(|group| u32::from_le_bytes(*group)).collect();
    Ok(0)
}

fn needs_native(_: &mut Process, memory: &mut Memory<'_>, at: u32, len: u32) -> Result<u32> {
    /// Bytes of a reason that are kept: it goes to logs.
    const MAX: u32 = 500;
    let reason = String::from_utf8_lossy(memory.slice(at, len.min(MAX))?).into_owned();
    Err(Fault::Native(reason))
}

fn flavor(process: &mut Process, _: &mut Memory<'_>) -> Result<u32> {
    Ok(process.flavor as u32)
}

fn hostname(process: &mut Process, memory: &mut Memory<'_>, out: u32, len: u32) -> Result<u32> {
    give(memory, process.kernel.hostname.as_bytes(), out, len)
}

fn nproc(_: &mut Process, _: &mut Memory<'_>) -> Result<u32> {
    length(std::thread::available_parallelism().map_or(1, usize::from))
}

/// Opens a path given by the guest.
pub(super) fn open_at(process: &mut Process, path: &[u8], flags: u32, mode: u32) -> Result<u32> {
    let place = Place { who: &process.who, base: &process.cwd, path };
    let opened = process.kernel.fs.open(place, flags, mode & !process.umask)?;
    install(process, opened)
}
