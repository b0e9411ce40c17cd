//! WASI preview 1 (`wasi_snapshot_preview1`): registration, and what concerns no file.

use super::{Fault, Memory, Result, preview1_fd as fd, preview1_path as path};
use crate::kernel::{End, Process};
use kiln_guest_abi::wire::errno;
use rustix::time::{ClockId, clock_getres, clock_gettime};
use std::time::{Duration, Instant};
use wasmtime::Linker;

/// Defines the module.
pub(super) fn link(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    use super::preview1 as own;
    super::imports!(linker, "wasi_snapshot_preview1", |()| 0, |errno| errno,
        own::args_get(list: u32, bytes: u32);
        own::args_sizes_get(count: u32, size: u32);
        own::environ_get(list: u32, bytes: u32);
        own::environ_sizes_get(count: u32, size: u32);
        own::clock_res_get(clock: u32, out: u32);
        own::clock_time_get(clock: u32, precision: u64, out: u32);
        own::poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32);
        own::proc_raise(signal: u32);
        own::sched_yield();
        own::random_get(out: u32, len: u32);
        own::sock_accept(fd: u32, flags: u32, out: u32);
        own::sock_recv(fd: u32, vectors: u32, count: u32, flags: u32, size: u32, out_flags: u32);
        own::sock_send(fd: u32, vectors: u32, count: u32, flags: u32, size: u32);
        own::sock_shutdown(fd: u32, how: u32);
        fd::fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
        fd::fd_allocate(fd: u32, offset: u64, len: u64);
        fd::fd_close(fd: u32);
        fd::fd_datasync(fd: u32);
        fd::fd_fdstat_get(fd: u32, out: u32);
        fd::fd_fdstat_set_flags(fd: u32, flags: u32);
        fd::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        fd::fd_filestat_get(fd: u32, out: u32);
        fd::fd_filestat_set_size(fd: u32, size: u64);
        fd::fd_filestat_set_times(fd: u32, atime: u64, mtime: u64, which: u32);
        fd::fd_pread(fd: u32, vectors: u32, count: u32, offset: u64, out: u32);
        fd::fd_prestat_get(fd: u32, out: u32);
        fd::fd_prestat_dir_name(fd: u32, out: u32, len: u32);
        fd::fd_pwrite(fd: u32, vectors: u32, count: u32, offset: u64, out: u32);
        fd::fd_read(fd: u32, vectors: u32, count: u32, out: u32);
        fd::fd_readdir(fd: u32, out: u32, len: u32, cookie: u64, used: u32);
        fd::fd_renumber(fd: u32, to: u32);
        fd::fd_seek(fd: u32, offset: i64, whence: u32, out: u32);
        fd::fd_sync(fd: u32);
        fd::fd_tell(fd: u32, out: u32);
        fd::fd_write(fd: u32, vectors: u32, count: u32, out: u32);
        path::path_create_directory(fd: u32, at: u32, len: u32);
        path::path_filestat_get(fd: u32, flags: u32, at: u32, len: u32, out: u32);
        path::path_filestat_set_times(fd: u32, flags: u32, at: u32, len: u32, atime: u64, mtime: u64, which: u32);
        path::path_link(fd: u32, flags: u32, at: u32, len: u32, new_fd: u32, new: u32, new_len: u32);
        path::path_open(fd: u32, flags: u32, at: u32, len: u32, how: u32, rights: u64, inheriting: u64, fd_flags: u32, out: u32);
        path::path_readlink(fd: u32, at: u32, len: u32, out: u32, out_len: u32, used: u32);
        path::path_remove_directory(fd: u32, at: u32, len: u32);
        path::path_rename(fd: u32, at: u32, len: u32, new_fd: u32, new: u32, new_len: u32);
        path::path_symlink(target: u32, target_len: u32, fd: u32, at: u32, len: u32);
        path::path_unlink_file(fd: u32, at: u32, len: u32);
    );
    linker.func_wrap(
        "wasi_snapshot_preview1",
        "proc_exit",
        |code: i32| -> wasmtime::Result<()> { Err(End::Exited(code & 0xff).into()) },
    )?;
    Ok(())
}

fn put_list(memory: &mut Memory<'_>, items: &[Vec<u8>], list: u32, bytes: u32) -> Result<()> {
    let mut at = bytes;
    for (n, item) in (0_u32..).zip(items) {
        let slot = n.checked_mul(4).and_then(|offset| list.checked_add(offset));
        memory.put_u32(slot.ok_or(Fault::Errno(errno::EFAULT))?, at)?;
        memory.put(at, item)?;
        let end = u32::try_from(item.len()).ok().and_then(|len| at.checked_add(len));
        let end = end.ok_or(Fault::Errno(errno::EFAULT))?;
        memory.put(end, &[0])?;
        at = end.checked_add(1).ok_or(Fault::Errno(errno::EFAULT))?;
    }
    Ok(())
}

fn put_sizes(memory: &mut Memory<'_>, items: &[Vec<u8>], count: u32, size: u32) -> Result<()> {
    let too_much = |_| Fault::Errno(errno::EOVERFLOW);
    let bytes: usize = items.iter().map(|item| item.len() + 1).sum();
    memory.put_u32(count, u32::try_from(items.len()).map_err(too_much)?)?;
    memory.put_u32(size, u32::try_from(bytes).map_err(too_much)?)
}

fn args_get(process: &mut Process, memory: &mut Memory<'_>, list: u32, bytes: u32) -> Result<()> {
    put_list(memory, &process.args, list, bytes)
}

fn args_sizes_get(
    process: &mut Process,
    memory: &mut Memory<'_>,
    count: u32,
    size: u32,
) -> Result<()> {
    put_sizes(memory, &process.args, count, size)
}

fn environ_get(
    process: &mut Process,
    memory: &mut Memory<'_>,
    list: u32,
    bytes: u32,
) -> Result<()> {
    put_list(memory, &process.env, list, bytes)
}

fn environ_sizes_get(
    process: &mut Process,
    memory: &mut Memory<'_>,
    count: u32,
    size: u32,
) -> Result<()> {
    put_sizes(memory, &process.env, count, size)
}

fn clock_id(clock: u32) -> Result<ClockId> {
    match clock {
        0 => Ok(ClockId::Realtime),
        1 => Ok(ClockId::Monotonic),
        2 => Ok(ClockId::ProcessCPUTime),
        3 => Ok(ClockId::ThreadCPUTime),
        _ => Err(Fault::Errno(errno::EINVAL)),
    }
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    secs.saturating_mul(1_000_000_000).saturating_add(nanos)
}

fn clock_res_get(_: &mut Process, memory: &mut Memory<'_>, clock: u32, out: u32) -> Result<()> {
    memory.put_u64(out, nanoseconds(clock_getres(clock_id(clock)?)))
}

fn clock_time_get(
    _: &mut Process,
    memory: &mut Memory<'_>,
    clock: u32,
    _precision: u64,
    out: u32,
) -> Result<()> {
    memory.put_u64(out, nanoseconds(clock_gettime(clock_id(clock)?)))
}

/// Sleeps for the shortest of the clock subscriptions; a subscription to a descriptor is ready at
/// once. That is what `sleep` and `select` of a guest without sockets need.
fn poll_oneoff(
    process: &mut Process,
    memory: &mut Memory<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
) -> Result<()> {
    /// Subscriptions of one call; more cannot be of use with a table of descriptors as ours.
    const MAX_SUBSCRIPTIONS: u32 = 1024;
    const SUBSCRIPTION: u32 = 48;
    const EVENT: u32 = 32;
    const SLICE: Duration = Duration::from_millis(20);
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Fault::Errno(errno::EINVAL));
    }
    let at = |base: u32, n: u32, size: u32, field: u32| {
        base.checked_add(n * size + field).ok_or(Fault::Errno(errno::EFAULT))
    };
    let mut ready = Vec::new();
    let mut shortest: Option<(Duration, u32)> = None;
    for n in 0..count {
        let tag = memory.slice(at(subscriptions, n, SUBSCRIPTION, 8)?, 1)?[0];
        if tag != 0 {
            ready.push(n);
            continue;
        }
        let clock = memory.get_u32(at(subscriptions, n, SUBSCRIPTION, 16)?)?;
        let low = memory.get_u32(at(subscriptions, n, SUBSCRIPTION, 24)?)?;
        let high = memory.get_u32(at(subscriptions, n, SUBSCRIPTION, 28)?)?;
        let absolute = memory.get_u32(at(subscriptions, n, SUBSCRIPTION, 40)?)? & 1 == 1;
        let mut timeout = u64::from(high) << 32 | u64::from(low);
        if absolute {
            timeout = timeout.saturating_sub(nanoseconds(clock_gettime(clock_id(clock)?)));
        }
        let timeout = Duration::from_nanos(timeout);
        if shortest.is_none_or(|(other, _)| timeout < other) {
            shortest = Some((timeout, n));
        }
    }
    if ready.is_empty()
        && let Some((timeout, n)) = shortest
    {
        let start = Instant::now();
        while let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            process.alive()?;
            std::thread::sleep(left.min(SLICE));
        }
        ready.push(n);
    }
    for (k, &n) in (0_u32..).zip(&ready) {
        let user = memory.slice(at(subscriptions, n, SUBSCRIPTION, 0)?, 8)?.to_vec();
        let tag = memory.slice(at(subscriptions, n, SUBSCRIPTION, 8)?, 1)?[0];
        let mut event = [0; EVENT as usize];
        event[..8].copy_from_slice(&user);
        event[10] = tag;
        memory.put(at(events, k, EVENT, 0)?, &event)?;
    }
    memory.put_u32(out, u32::try_from(ready.len()).unwrap_or(u32::MAX))
}

fn proc_raise(_: &mut Process, _: &mut Memory<'_>, signal: u32) -> Result<()> {
    Err(Fault::End(End::Signaled(i32::try_from(signal & 0x3f).unwrap_or(6))))
}

fn sched_yield(process: &mut Process, _: &mut Memory<'_>) -> Result<()> {
    std::thread::yield_now();
    Ok(process.alive()?)
}

fn random_get(_: &mut Process, memory: &mut Memory<'_>, out: u32, len: u32) -> Result<()> {
    super::stream::random(memory.slice_mut(out, len)?)
}

const NO_SOCKETS: Result<()> = Err(Fault::Errno(errno::ENOTSUP));

fn sock_accept(_: &mut Process, _: &mut Memory<'_>, _: u32, _: u32, _: u32) -> Result<()> {
    NO_SOCKETS
}

#[expect(clippy::too_many_arguments, reason = "the signature is preview 1's")]
fn sock_recv(
    _: &mut Process,
    _: &mut Memory<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<()> {
    NO_SOCKETS
}

fn sock_send(
    _: &mut Process,
    _: &mut Memory<'_>,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
    _: u32,
) -> Result<()> {
    NO_SOCKETS
}

fn sock_shutdown(_: &mut Process, _: &mut Memory<'_>, _: u32, _: u32) -> Result<()> {
    NO_SOCKETS
}
