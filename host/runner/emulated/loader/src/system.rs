//! System calls, issued from the loader's own text, which the filter lets through.

use core::arch::asm;

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};

/// A raw system call.
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does with them.
#[inline(always)]
pub unsafe fn call(number: u32, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel clobbers rcx and r11 alone; what the call does is the caller's contract.
    unsafe {
        asm!("syscall",
            inlateout("rax") number as usize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// As [`call`], with the error told apart.
///
/// # Safety
/// As [`call`].
#[inline(always)]
pub unsafe fn checked(number: u32, a: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller's contract.
    Errno::check(unsafe { call(number, a) })
}

/// A call without pointers.
pub fn plain(number: u32, a: [usize; 6]) -> Result<usize> {
    // SAFETY: the callers in this crate pass numbers only.
    unsafe { checked(number, a) }
}

/// A descriptor as a register.
pub const fn fd(fd: i32) -> usize {
    fd as isize as usize
}

/// Ends the process with a message on descriptor 2.
pub fn die(message: &str) -> ! {
    // SAFETY: the message is readable for its length.
    unsafe {
        call(nr::WRITE, [2, b"kiln: ".as_ptr() as usize, 6, 0, 0, 0]);
        call(nr::WRITE, [2, message.as_ptr() as usize, message.len(), 0, 0, 0]);
        call(nr::WRITE, [2, b"\n".as_ptr() as usize, 1, 0, 0, 0]);
    }
    exit(125)
}

/// exit_group(2)
pub fn exit(code: usize) -> ! {
    loop {
        let _ = plain(nr::EXIT_GROUP, [code, 0, 0, 0, 0, 0]);
    }
}

pub const PROT_READ: usize = 1;
pub const PROT_WRITE: usize = 2;
pub const PROT_EXEC: usize = 4;
pub const MAP_SHARED: usize = 1;
pub const MAP_PRIVATE: usize = 2;
pub const MAP_FIXED: usize = 0x10;
pub const MAP_ANONYMOUS: usize = 0x20;
pub const MAP_NORESERVE: usize = 0x4000;
pub const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
pub const PAGE: usize = 4096;

/// mmap(2)
///
/// # Safety
/// With `MAP_FIXED` nothing that is in use may lie there.
pub unsafe fn map(
    address: usize,
    length: usize,
    protection: usize,
    flags: usize,
    file: i32,
    offset: usize,
) -> Result<usize> {
    // SAFETY: the caller's contract.
    unsafe { checked(nr::MMAP, [address, length, protection, flags, fd(file), offset]) }
}

/// Memory for a while, of zeros.
pub struct Temporary {
    start: usize,
    length: usize,
}

impl Temporary {
    /// At least so many bytes.
    pub fn new(length: usize) -> Result<Self> {
        let (protection, flags) = (PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of our own.
        let start = unsafe { map(0, length, protection, flags, -1, 0)? };
        Ok(Self { start, length })
    }

    pub const fn start(&self) -> usize {
        self.start
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = plain(nr::MUNMAP, [self.start, self.length, 0, 0, 0, 0]);
    }
}
