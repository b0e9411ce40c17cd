//! Waiting inside the handler for what the kernel would have waited for in the guest's call, which it
//! starts again after a signal's handler that wants that (`SA_RESTART`).
//!
//! poll(2) ends for every handler. Where all that can run want the call to go on, it is made again.
//! Where only some do, their signals do not interrupt it: a descriptor tells of them, and they are let
//! in beside it.

use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use crate::guest::InProcess;
use crate::poll::{READABLE, poll, poll_both};
use crate::signals::{file_of, let_in};

/// How a call waits.
pub struct Waiting {
    /// The guest's signal mask.
    mask: u64,
    /// The signals after which the call goes on; none when it always does, or never.
    again: u64,
    /// Whether it goes on after every other signal.
    always: bool,
    /// Readable when one of the first ones is there; negative when there are none.
    signals: i32,
}

impl Waiting {
    /// For a call with this mask. One that waits for a limited time is never started again.
    pub fn new(mask: u64, is_limited: bool) -> Self {
        let mut how = Self { mask, again: 0, always: false, signals: -1 };
        if is_limited {
            return how;
        }
        let (again, others) = handled(mask);
        if again == 0 || others == 0 {
            how.always = again != 0;
            return how;
        }
        if let Ok(file) = file_of(again) {
            (how.again, how.signals) = (again, file);
        }
        how
    }

    /// ppoll(2) of one descriptor; the time in seconds and nanoseconds. With a time, zero can come
    /// before it is over.
    pub fn poll(&self, file: i32, events: u32, time: Option<[i64; 2]>) -> Result<usize> {
        loop {
            let ready = match self.poll_once(file, events, time) {
                Err(Errno::INTR) if self.always => false,
                other => other?,
            };
            if ready || time.is_some() {
                return Ok(usize::from(ready));
            }
        }
    }

    fn poll_once(&self, file: i32, events: u32, time: Option<[i64; 2]>) -> Result<bool> {
        if self.signals < 0 {
            return poll(file, events, time, self.mask).map(|count| count > 0);
        }
        let both = [[file as u32, events], [self.signals as u32, READABLE]];
        let [ready, signalled] = poll_both(both, time, self.mask | self.again)?;
        if signalled {
            // Their handlers run in this.
            let _ = poll(-1, 0, Some([0, 0]), self.mask);
        }
        Ok(ready)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.signals >= 0 {
            InProcess.close(self.signals);
        }
    }
}

/// The signals that a mask lets in to a handler: those of handlers with `SA_RESTART`, and others.
fn handled(mask: u64) -> (u64, u64) {
    const RESTART: u64 = 0x1000_0000;
    let (mut again, mut others) = (0, 0);
    // Neither SIG_DFL nor SIG_IGN.
    for signal in let_in(mask).filter(|signal| signal.handler > 1) {
        let kind = if signal.flags & RESTART != 0 { &mut again } else { &mut others };
        *kind |= signal.bit();
    }
    (again, others)
}
