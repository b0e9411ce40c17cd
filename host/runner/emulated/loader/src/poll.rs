//! ppoll(2): how the handler waits.

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use crate::broker::NO_SIGNALS;
use crate::guest::InProcess;
use crate::i386::low;
use crate::i386::signals::ending_waits;
use crate::signals::file_of;
use crate::system::checked;

/// `POLLIN`
pub const READABLE: u32 = 1;
/// `POLLOUT`
pub const WRITABLE: u32 = 4;

/// ppoll(2) of one descriptor, with the guest's signal mask; the time in seconds and nanoseconds.
pub fn poll(file: i32, events: u32, time: Option<[i64; 2]>, mask: u64) -> Result<usize> {
    poll_all(&mut [[file as u32, events]], time, mask)
}

/// The same of two; which of them are ready.
pub fn poll_both(
    mut files: [[u32; 2]; 2],
    time: Option<[i64; 2]>,
    mask: u64,
) -> Result<[bool; 2]> {
    poll_all(&mut files, time, mask)?;
    Ok(files.map(|[_, events]| events >> 16 != 0))
}

/// The kernel's `struct pollfd`s: the descriptor; what is wanted, and in the high half what there is.
fn poll_all(files: &mut [[u32; 2]], time: Option<[i64; 2]>, mask: u64) -> Result<usize> {
    if mask != NO_SIGNALS && low::is_set_up() {
        return poll_unless_signalled(files, time, mask);
    }
    let (to, count) = (files.as_mut_ptr() as usize, files.len());
    let time = time.as_ref().map_or(0, |time| time.as_ptr() as usize);
    let mask = core::ptr::from_ref(&mask) as usize;
    // SAFETY: all locals of ours. A handler of the guest's that runs meanwhile finds this slot's
    // stack, and may even leave it for good: the slot is lost then.
    unsafe { checked(nr::PPOLL, [to, count, time, mask, 8, 0]) }
}

/// The same for an i386 program, whose handlers must not run here: a signal that would end the wait ends
/// it, and is delivered once the call has its answer.
fn poll_unless_signalled(
    files: &mut [[u32; 2]],
    time: Option<[i64; 2]>,
    mask: u64,
) -> Result<usize> {
    let pending = file_of(ending_waits(mask))?;
    let mut all = [[u32::MAX, 0], [u32::MAX, 0], [pending as u32, READABLE]];
    for (place, file) in all.iter_mut().zip(files.iter()) {
        *place = *file;
    }
    let result = poll_all(&mut all, time, NO_SIGNALS);
    InProcess.close(pending);
    let ready = |file: &[u32; 2]| file[1] >> 16 != 0;
    for (file, place) in files.iter_mut().zip(&all) {
        *file = *place;
    }
    let count = files.iter().filter(|file| ready(file)).count();
    if result? > 0 && count == 0 { Err(Errno::INTR) } else { Ok(count) }
}
