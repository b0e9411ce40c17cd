//! What the loader keeps below 4 GiB for an i386 program: its gates, its heap.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use kiln_emulated_core::arch::i386::{GATES, nr32};
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};

use super::gates::{COUNT, code, native32};
use crate::system::{
    MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, PAGE, PROT_EXEC, PROT_READ,
    PROT_WRITE, call, die, map, plain,
};

/// Where [`Words`] lie.
pub const WORDS: usize = GATES as usize + PAGE;

/// What the gates count, and where they lead.
#[repr(C)]
pub struct Words {
    /// Where the guest goes on after each gate for children; zero: not in use.
    pub targets: [AtomicUsize; 2 * COUNT],
    /// Up to the next page.
    rest: [usize; 512 - 2 * COUNT],
    /// As [`crate::slots::children`], on a page of its own, which the kernel empties in a forked child.
    pub children: AtomicU32,
}

const _: () = assert!(offset_of!(Words, children) == PAGE);

static IS_SET_UP: AtomicU32 = AtomicU32::new(0);
/// Where the heap starts and ends.
static HEAP: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Lays the gates out; ends the process where 32-bit programs do not run.
pub fn set_up() {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    let start = GATES as usize - PAGE;
    // SAFETY: a fresh mapping, refused where something lies already.
    let mapped = unsafe { map(start, 4 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) };
    if mapped != Ok(start) {
        die("the place for the gates of 32-bit programs is taken");
    }
    let code = code();
    for page in [start, GATES as usize] {
        // SAFETY: a page of its own, large enough.
        unsafe { core::ptr::copy_nonoverlapping(code.as_ptr(), page as *mut u8, code.len()) };
    }
    /// `MADV_WIPEONFORK`
    const WIPE_ON_FORK: usize = 18;
    let wiped = plain(nr::MADVISE, [WORDS + PAGE, PAGE, WIPE_ON_FORK, 0, 0, 0]);
    let sealed = plain(nr::MPROTECT, [start, 2 * PAGE, PROT_READ | PROT_EXEC, 0, 0, 0]);
    if wiped.is_err() || sealed.is_err() {
        die("the gates of 32-bit programs were refused");
    }
    IS_SET_UP.store(1, Relaxed);
    try_call();
}

/// A kernel without such calls answers with SIGSEGV, a pod's filter with an error.
fn try_call() {
    /// `SIGSEGV`; `SA_RESTORER`
    const SIGSEGV: usize = 11;
    const RESTORER: u64 = 0x0400_0000;
    extern "C" fn absent() -> ! {
        die("this kernel does not run 32-bit programs (CONFIG_IA32_EMULATION, ia32_emulation=)")
    }
    let handler: extern "C" fn() -> ! = absent;
    let ours: [u64; 4] = [handler as usize as u64, RESTORER, handler as usize as u64, 0];
    let mut before = [0u64; 4];
    let (new, old) = (ours.as_ptr() as usize, before.as_mut_ptr() as usize);
    // SAFETY: the kernel's `struct sigaction`, locals.
    unsafe { call(nr::RT_SIGACTION, [SIGSEGV, new, old, 8, 0, 0]) };
    if native(nr32::GETPID, [0; 6]).is_err() {
        die("the pod's seccomp profile refuses the calls of 32-bit programs");
    }
    // SAFETY: as above.
    unsafe { call(nr::RT_SIGACTION, [SIGSEGV, before.as_ptr() as usize, 0, 8, 0, 0]) };
}

/// Whether this process runs an i386 program.
#[inline]
pub fn is_set_up() -> bool {
    IS_SET_UP.load(Relaxed) != 0
}

/// What the gates count and where they lead, in a process of an i386 program.
#[inline]
pub fn words() -> Option<&'static Words> {
    // SAFETY: mapped for as long as the process lives; atomics are all that is used of it.
    is_set_up().then(|| unsafe { &*(WORDS as *const Words) })
}

/// Where children in this memory are counted, in a process of an i386 program.
#[inline]
pub fn children() -> Option<&'static AtomicU32> {
    words().map(|words| &words.children)
}

/// A call as an i386 program makes it.
pub fn native(number: u32, arguments: [u32; 6]) -> Result<usize> {
    // SAFETY: the gates are laid out. Pointers among the arguments are to memory below 4 GiB, the
    // guest's or what was written there for this call.
    Errno::check(unsafe { native32(number, &arguments) } as isize)
}

/// Address space below 4 GiB, where the kernel finds it; nothing can be done with it yet.
pub fn reserve(size: usize) -> Result<usize> {
    let flags = (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) as u32;
    let start = native(nr32::MMAP2, [0, size as u32, 0, flags, u32::MAX, 0])?;
    Ok(start & u32::MAX as usize)
}

/// The heap starts here.
pub fn start_heap(start: usize) {
    HEAP.iter().for_each(|edge| edge.store(start, Relaxed));
}

/// brk(2): the kernel's own heap of this process lies above 4 GiB.
pub fn set_break(wanted: usize) -> usize {
    let [start, end] = &HEAP;
    let now = end.load(Relaxed);
    if wanted < start.load(Relaxed) {
        return now;
    }
    let pages = |end: usize| end.next_multiple_of(PAGE);
    let (from, to) = (pages(now), pages(wanted));
    if to > from {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        // SAFETY: refused where something lies already.
        match unsafe { map(from, to - from, PROT_READ | PROT_WRITE, flags, -1, 0) } {
            Ok(start) if start == from => {}
            _ => return now,
        }
    } else if to < from && plain(nr::MUNMAP, [to, from - to, 0, 0, 0, 0]).is_err() {
        return now;
    }
    end.store(wanted, Relaxed);
    wanted
}
