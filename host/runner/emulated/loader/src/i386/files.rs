//! Calls about files whose structures differ.

use kiln_emulated_core::abi::{AT_FDCWD, Bytes};
use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use super::{ask, word};
use crate::guest::InProcess;
use crate::handler::Context;
use crate::slots::Slot;
use crate::system::fd;

/// Length of `struct stat64`, `struct stat`, `struct statfs64`, `struct statfs` of i386.
const STAT64: usize = 96;
const STAT: usize = 64;
const STATFS64: usize = 84;
const STATFS: usize = 64;

/// What does not fit the older structures.
fn fits(value: u64, most: u64) -> Result<u64> {
    /// `EOVERFLOW`
    const OVERFLOW: Errno = Errno(75);
    if value > most { Err(OVERFLOW) } else { Ok(value) }
}

/// stat(2) and its kin.
pub fn stat(context: &mut Context, slot: &mut Slot, number: u32, a: [usize; 6]) -> Result<usize> {
    // `struct stat` of x86_64 in words.
    let mut seen = [0u64; 18];
    let to = seen.as_mut_ptr() as usize;
    let (call, arguments, out) = match number {
        nr32::STAT | nr32::STAT64 => (nr::STAT, [a[0], to, 0, 0, 0, 0], a[1]),
        nr32::LSTAT | nr32::LSTAT64 => (nr::LSTAT, [a[0], to, 0, 0, 0, 0], a[1]),
        nr32::FSTATAT64 => (nr::NEWFSTATAT, [a[0], a[1], to, a[3], 0, 0], a[2]),
        _ => (nr::FSTAT, [a[0], to, 0, 0, 0, 0], a[1]),
    };
    ask(context, slot, call, arguments)?;
    // SAFETY: the handler wrote it, behind the compiler's back.
    let seen = unsafe { core::ptr::from_ref(&seen).read_volatile() };
    let [device, inode, links, mode_uid, gid, rdev, size, block, blocks, times @ ..] = seen;
    let (mode, uid) = (mode_uid as u32, (mode_uid >> 32) as u32);
    let (gid, block) = (gid as u32, block as u32);
    if matches!(number, nr32::STAT | nr32::LSTAT | nr32::FSTAT) {
        let short = |id: u32| u16::try_from(id).unwrap_or(65534);
        let mut fields = Bytes::<STAT>::default();
        fields.u32(fits(device, u32::MAX.into())? as u32);
        fields.u32(fits(inode, u32::MAX.into())? as u32);
        fields.u16(mode as u16).u16(fits(links, 0xffff)? as u16).u16(short(uid)).u16(short(gid));
        fields.u32(rdev as u32).u32(fits(size, i32::MAX as u64)? as u32);
        fields.u32(block).u32(blocks as u32);
        for time in times.iter().take(6) {
            fields.u32(*time as u32);
        }
        return InProcess.write(out, &fields.bytes).map(|()| 0);
    }
    let mut fields = Bytes::<STAT64>::default();
    fields.u64(device).u32(0).u32(inode as u32).u32(mode).u32(links as u32).u32(uid).u32(gid);
    fields.u64(rdev).u32(0).u64(size).u32(block).u64(blocks);
    for time in times.iter().take(6) {
        fields.u32(*time as u32);
    }
    fields.u64(inode);
    InProcess.write(out, &fields.bytes).map(|()| 0)
}

/// statfs(2), and the one that says how long its structure is.
pub fn statfs(context: &mut Context, slot: &mut Slot, number: u32, a: [usize; 6]) -> Result<usize> {
    let is_long = number == nr32::STATFS64;
    if is_long && a[1] != STATFS64 && a[1] != STATFS64 + 4 {
        return Err(Errno::INVAL);
    }
    // `struct statfs` of x86_64 in words.
    let mut seen = [0u64; 15];
    ask(context, slot, nr::STATFS, [a[0], seen.as_mut_ptr() as usize, 0, 0, 0, 0])?;
    // SAFETY: the kernel wrote it, behind the compiler's back.
    let seen = unsafe { core::ptr::from_ref(&seen).read_volatile() };
    let [kind, block, blocks, free, available, files, files_free, id, name, fragment, flags, ..] =
        seen;
    let counts = [blocks, free, available, files, files_free];
    let [kind, block, name, fragment, flags] =
        [kind, block, name, fragment, flags].map(|word| word as u32);
    if is_long {
        let mut out = Bytes::<STATFS64>::default();
        out.u32(kind).u32(block);
        for count in counts {
            out.u64(count);
        }
        out.u64(id).u32(name).u32(fragment).u32(flags);
        return InProcess.write(a[2], &out.bytes).map(|()| 0);
    }
    let mut out = Bytes::<STATFS>::default();
    out.u32(kind).u32(block);
    for count in counts {
        // A file system without a limit says all ones.
        let is_endless = count == u64::MAX;
        out.u32(if is_endless { u32::MAX } else { fits(count, u32::MAX.into())? as u32 });
    }
    out.u64(id).u32(name).u32(fragment).u32(flags);
    InProcess.write(a[1], &out.bytes).map(|()| 0)
}

fn signed(address: usize) -> Result<i64> {
    word(address).map(|word| i64::from(word.cast_signed()))
}

/// utime(2), utimes(2), futimesat(2), utimensat(2)
pub fn set_times(
    context: &mut Context,
    slot: &mut Slot,
    number: u32,
    a: [usize; 6],
) -> Result<usize> {
    let directory = fd(AT_FDCWD);
    let (directory, path, at, flags) = match number {
        nr32::UTIME | nr32::UTIMES => (directory, a[0], a[1], 0),
        nr32::FUTIMESAT => (a[0], a[1], a[2], 0),
        _ => (a[0], a[1], a[2], a[3]),
    };
    let mut times = [0i64; 4];
    if at != 0 {
        for (index, time) in times.iter_mut().enumerate() {
            *time = match number {
                nr32::UTIME if index % 2 == 1 => 0,
                nr32::UTIME => signed(at + 2 * index)?,
                nr32::UTIMENSAT_TIME64 => {
                    // Of the nanoseconds the low half alone.
                    let high = if index % 2 == 0 { i64::from(word(at + 8 * index + 4)?) } else { 0 };
                    i64::from(word(at + 8 * index)?) | high << 32
                }
                nr32::UTIMENSAT => signed(at + 4 * index)?,
                _ if index % 2 == 1 => signed(at + 4 * index)?.wrapping_mul(1000),
                _ => signed(at + 4 * index)?,
            };
        }
    }
    let times_at = if at == 0 { 0 } else { times.as_ptr() as usize };
    ask(context, slot, nr::UTIMENSAT, [directory, path, times_at, flags, 0, 0])
}

/// truncate(2), of a length in one word or two.
pub fn truncate(
    context: &mut Context,
    slot: &mut Slot,
    number: u32,
    a: [usize; 6],
) -> Result<usize> {
    let length =
        if number == nr32::TRUNCATE { a[1] as i32 as isize as usize } else { a[1] | a[2] << 32 };
    ask(context, slot, nr::TRUNCATE, [a[0], length, 0, 0, 0, 0])
}
