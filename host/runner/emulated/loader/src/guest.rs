//! The guest as the process itself: its memory is ours, its calls are made from here.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use kiln_emulated_core::abi::{OpenHow, STATX_WANTED, Statx};
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::buf::CPath;
use kiln_emulated_core::config::{END_LISTING_FD, FIRST_LISTING_FD, LEDGER_FD};
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;
use kiln_ledger::Geometry;

use crate::sharing::own;
use crate::system::{checked, fd};
use crate::{broker, process};

/// The process that the handler runs in.
pub struct InProcess;

/// Below it nothing is ever mapped (`vm.mmap_min_addr`).
const LOWEST: usize = 4096;
/// The end of the user half.
const HIGHEST: usize = 1 << 47;

/// A range that can be the guest's. Whether it is mapped is not known: a stray pointer ends the
/// guest with SIGSEGV where a kernel would say EFAULT.
fn plausible(address: usize, length: usize) -> Result<()> {
    let end = address.checked_add(length).ok_or(Errno::FAULT)?;
    if length > 0 && (address < LOWEST || end > HIGHEST) { Err(Errno::FAULT) } else { Ok(()) }
}

fn path(path: CPath<'_>) -> usize {
    path.with_nul().as_ptr() as usize
}

fn fd_of(value: usize) -> i32 {
    value as i32
}

macro_rules! ask {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        let mut arguments = [0usize; 6];
        let given = [$($argument as usize),*];
        arguments[..given.len()].copy_from_slice(&given);
        // SAFETY: every pointer here is to a buffer of the caller's that is long enough for the
        // call: paths end with NUL, structures are the kernel's, slices go with their length.
        unsafe { checked($number, arguments) }
    }};
}

impl Guest for InProcess {
    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<()> {
        plausible(address, buffer.len())?;
        // SAFETY: the guest said that this is its memory; if not, the fault is its own.
        unsafe {
            core::ptr::copy_nonoverlapping(address as *const u8, buffer.as_mut_ptr(), buffer.len());
        }
        Ok(())
    }

    fn write(&self, address: usize, bytes: &[u8]) -> Result<()> {
        plausible(address, bytes.len())?;
        // SAFETY: as in `read`; that it is not ours is the guest's contract with itself.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len());
        }
        Ok(())
    }

    fn read_str(&self, address: usize, buffer: &mut [u8]) -> Result<usize> {
        plausible(address, 1)?;
        for (index, place) in buffer.iter_mut().enumerate() {
            // SAFETY: as in `read`; not beyond the string's NUL.
            let byte = unsafe { ((address + index) as *const u8).read() };
            *place = byte;
            if byte == 0 {
                return Ok(index);
            }
        }
        Err(Errno::NAMETOOLONG)
    }

    fn pass(&self, number: u32, arguments: [usize; 6]) -> Result<usize> {
        // SAFETY: the pointers are the guest's own, and it could make the call itself.
        unsafe { checked(number, arguments) }
    }

    fn openat2(&self, dir: i32, name: CPath<'_>, how: &OpenHow) -> Result<i32> {
        ask!(nr::OPENAT2, fd(dir), path(name), core::ptr::from_ref(how), 24).map(fd_of)
    }

    fn openat(&self, dir: i32, name: CPath<'_>, flags: u64, mode: u32) -> Result<i32> {
        ask!(nr::OPENAT, fd(dir), path(name), flags, mode).map(fd_of)
    }

    fn close(&self, file: i32) {
        let _ = ask!(nr::CLOSE, fd(file));
    }

    fn statx(&self, dir: i32, name: CPath<'_>, flags: u32) -> Result<Statx> {
        let mut out = Statx::default();
        let to = core::ptr::from_mut(&mut out);
        ask!(nr::STATX, fd(dir), path(name), flags, STATX_WANTED, to)?;
        Ok(out)
    }

    fn readlinkat(&self, dir: i32, name: CPath<'_>, buffer: &mut [u8]) -> Result<usize> {
        ask!(nr::READLINKAT, fd(dir), path(name), buffer.as_mut_ptr(), buffer.len())
    }

    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize> {
        ask!(nr::GETCWD, buffer.as_mut_ptr(), buffer.len()).map(|length| length.saturating_sub(1))
    }

    fn fchdir(&self, dir: i32) -> Result<()> {
        ask!(nr::FCHDIR, fd(dir)).map(drop)
    }

    fn mkdirat(&self, dir: i32, name: CPath<'_>, mode: u32) -> Result<()> {
        ask!(nr::MKDIRAT, fd(dir), path(name), mode).map(drop)
    }

    fn mknodat(&self, dir: i32, name: CPath<'_>, mode: u32) -> Result<()> {
        ask!(nr::MKNODAT, fd(dir), path(name), mode, 0).map(drop)
    }

    fn unlinkat(&self, dir: i32, name: CPath<'_>, flags: u32) -> Result<()> {
        ask!(nr::UNLINKAT, fd(dir), path(name), flags).map(drop)
    }

    fn symlinkat(&self, target: CPath<'_>, dir: i32, name: CPath<'_>) -> Result<()> {
        ask!(nr::SYMLINKAT, path(target), fd(dir), path(name)).map(drop)
    }

    fn linkat(
        &self,
        from: i32,
        from_path: CPath<'_>,
        to: i32,
        to_path: CPath<'_>,
        flags: u32,
    ) -> Result<()> {
        ask!(nr::LINKAT, fd(from), path(from_path), fd(to), path(to_path), flags).map(drop)
    }

    fn renameat2(
        &self,
        from: i32,
        from_path: CPath<'_>,
        to: i32,
        to_path: CPath<'_>,
        flags: u32,
    ) -> Result<()> {
        ask!(nr::RENAMEAT2, fd(from), path(from_path), fd(to), path(to_path), flags).map(drop)
    }

    fn fchmod(&self, file: i32, mode: u32) -> Result<()> {
        if process::config().guarded {
            return broker::set_mode(file, mode);
        }
        ask!(nr::FCHMOD, fd(file), mode).map(drop)
    }

    fn futimens(&self, file: i32, times: Option<[i64; 4]>) -> Result<()> {
        if process::config().guarded {
            return broker::set_file_times(file, times);
        }
        let times = times.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
        ask!(nr::UTIMENSAT, fd(file), 0, times, 0).map(drop)
    }

    fn set_link_times(&self, file: i32, times: Option<[i64; 4]>) -> Result<()> {
        broker::set_link_times(file, times)
    }

    fn ftruncate(&self, file: i32, length: i64) -> Result<()> {
        ask!(nr::FTRUNCATE, fd(file), length).map(drop)
    }

    fn inotify_add_watch(&self, instance: i32, file: i32, mask: u32) -> Result<usize> {
        broker::watch(instance, file, mask)
    }

    fn set_xattr(&self, file: i32, name: CPath<'_>, value: [usize; 3]) -> Result<()> {
        if process::config().guarded {
            return broker::set_xattr(file, name, value);
        }
        ask!(nr::FSETXATTR, fd(file), path(name), value[0], value[1], value[2]).map(drop)
    }

    fn remove_xattr(&self, file: i32, name: CPath<'_>) -> Result<()> {
        if process::config().guarded {
            return broker::remove_xattr(file, name);
        }
        ask!(nr::FREMOVEXATTR, fd(file), path(name)).map(drop)
    }

    fn socket_option(&self, file: i32, level: i32, name: i32, out: &mut [u8]) -> Result<usize> {
        let mut length = u32::try_from(out.len()).unwrap_or(0);
        let to = core::ptr::from_mut(&mut length);
        ask!(nr::GETSOCKOPT, fd(file), level, name, out.as_mut_ptr(), to)?;
        Ok(length as usize)
    }

    fn peer_ids(&self, socket: i32, process: u32) -> Result<[u32; 3]> {
        broker::peer_ids(socket, process)
    }

    fn set_linger(&self, file: i32, reset: bool) -> Result<()> {
        broker::set_linger(file, reset)
    }

    fn note_listener(&self, ids: [u32; 2]) -> Result<()> {
        broker::note_listener(ids)
    }

    fn schedule(
        &self,
        number: u32,
        arguments: [usize; 5],
        reads: [usize; 2],
        writes: [usize; 2],
    ) -> Result<usize> {
        broker::schedule(number, arguments, reads, writes)
    }

    fn socket_name(&self, file: i32, peer: bool, out: &mut [u8]) -> Result<usize> {
        let mut length = u32::try_from(out.len()).unwrap_or(0);
        let number = if peer { nr::GETPEERNAME } else { nr::GETSOCKNAME };
        ask!(number, fd(file), out.as_mut_ptr(), core::ptr::from_mut(&mut length))?;
        Ok(length as usize)
    }

    fn bind(&self, file: i32, address: &[u8]) -> Result<()> {
        ask!(nr::BIND, fd(file), address.as_ptr(), address.len()).map(drop)
    }

    fn open_terminal(&self, number: Option<u32>, flags: u64) -> Result<(i32, u32)> {
        let is_new = number.is_none();
        let (file, number) = broker::open_terminal(number, flags)?;
        if flags & NO_CONTROL == 0 && !is_new {
            // As the kernel does on open(2); for who already has a terminal nothing changes.
            let _ = ask!(nr::IOCTL, fd(file), SET_CONTROLLING, 0);
        }
        Ok((file, number))
    }

    fn proc_text(&self, file: i32, credentials: &[u8], flags: u64) -> Result<i32> {
        broker::proc_text(file, credentials, flags)
    }

    fn as_listing(&self, file: i32, flags: u64) -> i32 {
        match broker::duplicate(file, FIRST_LISTING_FD, flags) {
            Ok(listing) if listing < END_LISTING_FD => {
                self.close(file);
                listing
            }
            Ok(beyond) => {
                self.close(beyond);
                file
            }
            Err(_) => file,
        }
    }

    fn status_flags(&self, file: i32) -> Result<u64> {
        /// `F_GETFL`
        const GET_FLAGS: usize = 3;
        ask!(nr::FCNTL, fd(file), GET_FLAGS).map(|flags| flags as u64)
    }

    fn reserve_ledger(&self, offset: u64, length: u64) -> bool {
        /// `FALLOC_FL_KEEP_SIZE`
        const KEEP_SIZE: usize = 1;
        let pages = offset / PAGE..(offset + length).div_ceil(PAGE);
        if pages.clone().all(is_reserved) {
            return true;
        }
        let (start, length) = (pages.start * PAGE, (pages.end - pages.start) * PAGE);
        match ask!(FALLOCATE, fd(LEDGER_FD), KEEP_SIZE, start, length) {
            // What the file system cannot tell, it does not run out of at a store either.
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                pages.for_each(note_reserved);
                true
            }
            Err(_) => false,
        }
    }

    fn entries(&self, directory: i32, buffer: &mut [u8]) -> Result<usize> {
        ask!(nr::GETDENTS64, fd(directory), buffer.as_mut_ptr(), buffer.len())
    }

    fn read_head(&self, file: i32, buffer: &mut [u8]) -> Result<usize> {
        ask!(nr::PREAD64, fd(file), buffer.as_mut_ptr(), buffer.len(), 0)
    }

    fn fifos_exist(&self) -> bool {
        process::state_word(0)
            .is_some_and(|word| word.load(core::sync::atomic::Ordering::Relaxed) != 0)
    }

    fn changes(&self) -> u32 {
        process::state_word(1).map_or(0, |word| word.load(core::sync::atomic::Ordering::Acquire))
    }

    fn note_change(&self) {
        if let Some(word) = process::state_word(1) {
            word.fetch_add(1, core::sync::atomic::Ordering::Release);
        }
    }

    fn note_fifo(&self) {
        if let Some(word) = process::state_word(0) {
            word.store(1, core::sync::atomic::Ordering::Relaxed);
        }
    }

    fn has_low_port(&self, port: u16) -> bool {
        let (word, bit) = low_port(port);
        word.is_some_and(|word| word.load(Relaxed) & bit != 0)
    }

    fn note_low_port(&self, port: u16) {
        let (word, bit) = low_port(port);
        if let Some(word) = word {
            word.fetch_or(bit, Relaxed);
        }
    }

    fn change_root(&self, path: &[u8]) -> Result<()> {
        own().set_root(path)
    }

    fn pid(&self) -> u32 {
        ask!(nr::GETPID).map_or(0, |pid| pid as u32)
    }

    fn ticks(&self) -> u64 {
        /// `CLOCK_BOOTTIME`
        const SINCE_BOOT: usize = 7;
        let mut time = [0u64; 2];
        let _ = ask!(nr::CLOCK_GETTIME, SINCE_BOOT, time.as_mut_ptr());
        time[0] * 100 + time[1] / 10_000_000
    }

    fn tid(&self) -> u32 {
        ask!(nr::GETTID).map_or(0, |tid| tid as u32)
    }
}

/// Where the processes of the step note that a port below 1024 has another in its place.
fn low_port(port: u16) -> (Option<&'static AtomicU32>, u32) {
    /// The first word of the shared memory that is used for it.
    const FIRST: usize = 64;
    (process::state_word(FIRST + usize::from(port / 32)), 1 << (port % 32))
}

/// `O_NOCTTY`
const NO_CONTROL: u64 = 0o400;
/// `TIOCSCTTY`
const SET_CONTROLLING: usize = 0x540e;
/// `fallocate`
const FALLOCATE: u32 = 285;

const PAGE: u64 = 4096;
/// Pages of the ledger that this process has had reserved, one bit each.
static RESERVED: [AtomicU64; Geometry::STANDARD.bytes().div_ceil(4096 * 64)] =
    [const { AtomicU64::new(0) }; Geometry::STANDARD.bytes().div_ceil(4096 * 64)];

fn is_reserved(page: u64) -> bool {
    let word = RESERVED.get((page / 64) as usize);
    word.is_some_and(|word| word.load(Relaxed) & (1 << (page % 64)) != 0)
}

fn note_reserved(page: u64) {
    if let Some(word) = RESERVED.get((page / 64) as usize) {
        word.fetch_or(1 << (page % 64), Relaxed);
    }
}
