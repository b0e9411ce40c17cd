//! The loader: the program that every process of an emulated step really executes.
//!
//! Freestanding: no libc, no heap, no thread-local storage, linked at a fixed high address where no
//! program of the image wants to be. It is three things in one file:
//! - the first process of a step ([`init`]), which reaps and ends all others;
//! - the loader proper ([`load`]): execve(2) of a guest's program executes this file again, which
//!   maps the program and its ELF interpreter and starts them;
//! - the SIGSYS handler ([`handler`]), which stays in the guest's address space and answers its
//!   trapped system calls with the logic of `kiln-emulated-core`.
//!
//! Nothing here is a security boundary: the guest can overwrite all of it. The Landlock domain and
//! the seccomp filter, both put on before the guest starts, are.
#![no_std]
#![no_main]

mod broker;
mod connect;
mod entry;
mod exec;
mod guest;
mod handler;
mod i386;
mod init;
mod load;
mod memory;
mod poll;
mod process;
mod restart;
mod root;
mod sharing;
mod shortcut;
mod signals;
mod slots;
mod system;
mod sysv;
mod trace;
mod wait;

/// Called by `_start` with the stack that the kernel made.
pub unsafe extern "C" fn main(stack: *mut usize) -> ! {
    // SAFETY: argc, argv and a NULL come first; then the environment.
    let first = unsafe { *stack.add(*stack + 2) } as *const u8;
    if load::is_guest_start(first) {
        // SAFETY: the kernel's stack, with our strings first in the environment.
        unsafe { load::start(stack) }
    }
    init::run()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    system::die(info.message().as_str().unwrap_or("internal error"))
}
