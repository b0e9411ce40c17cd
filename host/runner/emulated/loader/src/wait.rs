//! wait4(2) and waitid(2): as the kernel's, without the stops that are not to be seen
//! ([`crate::trace`]).
//!
//! What is there already is answered at once. Otherwise the call waits after the handler, with the
//! guest's signals as they are, until there is something, and leaves it there; then the guest's own
//! `syscall` comes again.

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::Result;
use kiln_emulated_core::guest::Guest;

use crate::guest::InProcess;
use crate::handler::{Context, value, wait_again};
use crate::sharing::own;
use crate::system::checked;
use crate::trace::{forget, show};

/// `WNOHANG`, `WEXITED`, `WNOWAIT`
const NO_HANG: usize = 1;
const EXITED: usize = 4;
const LEAVE: usize = 0x0100_0000;
/// `P_ALL`, `P_PID`, `P_PGID`
const ALL: usize = 0;
const ONE: usize = 1;
const GROUP: usize = 2;

/// Answers one of the two calls.
pub fn answer(context: &mut Context, number: u32, a: [usize; 6]) {
    // Debuggers: whose memory this is decides about their children.
    let _ = own();
    loop {
        let (result, wait) = if number == nr::WAIT4 {
            (wait4(a), by_process(a))
        } else {
            (waitid(a), [a[0], a[1], 0, a[3] | LEAVE, 0, 0])
        };
        match result {
            Ok(Some(done)) => return context.answer(value(Ok(done))),
            Err(errno) => return context.answer(value(Err(errno))),
            Ok(None) => {
                if wait_again(context, number, wait) {
                    return;
                }
                // Too many waiters: here and now, at the price of signals that wait.
                // SAFETY: no pointers.
                if let Err(errno) = unsafe { checked(nr::WAITID, wait) } {
                    return context.answer(value(Err(errno)));
                }
            }
        }
    }
}

/// waitid(2) for what wait4(2) is about.
fn by_process(a: [usize; 6]) -> [usize; 6] {
    let (kind, id) = match a[0] as i32 {
        -1 => (ALL, 0),
        pid @ 1.. => (ONE, pid as usize),
        group => (GROUP, group.unsigned_abs() as usize),
    };
    [kind, id, 0, a[2] & 0xffff_ffff | EXITED | LEAVE, 0, 0]
}

/// The call's value when it has one now.
fn wait4(a: [usize; 6]) -> Result<Option<usize>> {
    let [pid, status_at, options, usage, ..] = a;
    loop {
        let mut status = 0u32;
        let to = core::ptr::from_mut(&mut status) as usize;
        // SAFETY: four bytes of a local; the usage goes where the guest said.
        let tid = unsafe { checked(nr::WAIT4, [pid, to, options | NO_HANG, usage, 0, 0])? };
        if tid == 0 {
            return Ok((options & NO_HANG != 0).then_some(0));
        }
        if let Some(status) = show(tid, status) {
            if status_at != 0 {
                InProcess.write(status_at, &status.to_ne_bytes())?;
            }
            return Ok(Some(tid));
        }
    }
}

fn waitid(a: [usize; 6]) -> Result<Option<usize>> {
    /// `CLD_EXITED`, `CLD_TRAPPED`
    const ENDED: u32 = 1;
    const TRAPPED: u32 = 4;
    let [kind, id, info_at, options, usage, ..] = a;
    loop {
        // The kernel's `siginfo_t`: the code, the process and its status are words 2, 4 and 6.
        let mut info = [0u32; 32];
        let to = info.as_mut_ptr() as usize;
        // SAFETY: 128 bytes of a local; the usage goes where the guest said.
        unsafe { checked(nr::WAITID, [kind, id, to, options | NO_HANG, usage, 0])? };
        let tid = info[4] as usize;
        if tid == 0 && options & NO_HANG == 0 {
            return Ok(None);
        }
        if tid != 0 && (ENDED..TRAPPED).contains(&info[2]) {
            forget(tid);
        } else if tid != 0 && info[2] == TRAPPED {
            match show(tid, info[6] << 8 | 0x7f) {
                None => continue,
                Some(status) => info[6] = status >> 8,
            }
        }
        if info_at != 0 {
            // What the kernel writes: up to the status.
            for (word, at) in info.iter().take(7).zip((info_at..).step_by(4)) {
                InProcess.write(at, &word.to_ne_bytes())?;
            }
        }
        return Ok(Some(0));
    }
}
