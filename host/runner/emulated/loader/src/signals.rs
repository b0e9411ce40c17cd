//! The guest's signals: what becomes of them, and how the handler sees that they are there.

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::Result;

use crate::system::{checked, fd};

/// `SIGKILL`, `SIGSYS`, `SIGSTOP`: no guest has handlers of these.
const NEVER: [usize; 3] = [9, 31, 19];

/// A signal and its action.
pub struct Signal {
    pub number: usize,
    /// `SIG_DFL` is zero, `SIG_IGN` one.
    pub handler: u64,
    pub flags: u64,
}

impl Signal {
    /// Its place in a mask.
    pub const fn bit(&self) -> u64 {
        1 << (self.number - 1)
    }
}

/// The signals that a mask lets in.
pub fn let_in(mask: u64) -> impl Iterator<Item = Signal> {
    let is_let_in = move |number: &usize| mask & (1 << (number - 1)) == 0;
    (1..=64).filter(is_let_in).filter(|number| !NEVER.contains(number)).filter_map(|number| {
        let mut action = [0u64; 4];
        let to = action.as_mut_ptr() as usize;
        // SAFETY: the kernel's `struct sigaction`, 32 bytes of a local.
        unsafe { checked(nr::RT_SIGACTION, [number, 0, to, 8, 0, 0]) }.ok()?;
        let [handler, flags, ..] = action;
        Some(Signal { number, handler, flags })
    })
}

/// A descriptor that is readable while one of these is pending (signalfd(2)).
pub fn file_of(signals: u64) -> Result<i32> {
    /// `SFD_CLOEXEC`
    const CLOEXEC: usize = 0o2_000_000;
    let at = core::ptr::from_ref(&signals) as usize;
    // SAFETY: eight bytes of a local.
    unsafe { checked(nr::SIGNALFD4, [fd(-1), at, 8, CLOEXEC, 0, 0]) }.map(|file| file as i32)
}
