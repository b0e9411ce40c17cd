//! Signal masks and dispositions around `clone`.
//!
//! Between `clone` and the reset of the dispositions no handler of the parent may run in the child:
//! it would act on descriptors and memory that the child shares or copied.
#![expect(unsafe_code, reason = "signal masks and dispositions have no wrapper in rustix")]

use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// The highest signal number of Linux.
const LAST_SIGNAL: libc::c_int = 64;

/// The kernel's `struct sigaction`: handler, flags, restorer (x86_64 alone), mask.
static DEFAULT_ACTION: [u64; 4] = [0; 4];

/// All signals are blocked in this thread until this is dropped.
pub(crate) struct Blocked {
    previous: libc::sigset_t,
    /// The mask belongs to the thread that blocked.
    not_send: PhantomData<*const ()>,
}

impl Blocked {
    /// Blocks every signal in the calling thread.
    pub(crate) fn all() -> Self {
        let mut previous = MaybeUninit::<libc::sigset_t>::zeroed();
        let full = full();
        // SAFETY: both sets live across the call; with a valid `how` it cannot fail.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const full, previous.as_mut_ptr()) };
        // SAFETY: a zeroed set is a valid one, whether or not the call wrote to it.
        Self { previous: unsafe { previous.assume_init() }, not_send: PhantomData }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that `all` got from the kernel.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.previous, std::ptr::null_mut())
        };
    }
}

/// Gives every signal its default action, also those that the parent ignored (`SIGPIPE`).
pub(crate) fn reset_dispositions() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the action lives across the call and is all zeros: SIG_DFL, no flag, which runs no
        // code of ours. Not through libc, which hides two signals. Refused for SIGKILL and SIGSTOP.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                DEFAULT_ACTION.as_ptr(),
                std::ptr::null_mut::<u8>(),
                size_of::<u64>(),
            )
        };
    }
}

/// Lets every signal through again.
pub(crate) fn unblock_all() {
    let mut empty = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigemptyset` initialises the set that it is given.
    unsafe { libc::sigemptyset(empty.as_mut_ptr()) };
    // SAFETY: initialised just above; lives across the call.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, empty.as_ptr(), std::ptr::null_mut()) };
}

fn full() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `sigfillset` initialises the set that it is given.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: initialised just above.
    unsafe { set.assume_init() }
}
