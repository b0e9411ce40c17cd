//! Signals of i386 programs: actions, masks, and calls that wait with another mask.

use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::dispatch::Later;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use super::{gates, go_by, low, room, word};
use crate::guest::InProcess;
use crate::handler::{Context, SIGSYS, SIGSYS_BIT, change_mask};
use crate::system::checked;

/// Length of `struct sigaction`, and of the older one.
const ACTION: usize = 20;
const OLD_ACTION: usize = 16;
/// `SA_SIGINFO`, `SA_RESTORER`
const INFO: u32 = 4;
const RESTORER: u32 = 0x0400_0000;
/// `SA_RESETHAND | SA_NODEFER`
const ONCE: u32 = 0xc000_0000;

/// Handler, flags, restorer, mask.
struct Action([u32; 3], u64);

fn words<const N: usize>(address: usize) -> Result<[u32; N]> {
    let mut words = [0; N];
    for (index, place) in words.iter_mut().enumerate() {
        *place = word(address + 4 * index)?;
    }
    Ok(words)
}

fn write_words(address: usize, words: &[u32]) -> Result<()> {
    for (index, word) in words.iter().enumerate() {
        InProcess.write(address + 4 * index, &word.to_ne_bytes())?;
    }
    Ok(())
}

/// Sets an action by the i386 call, so that the handler is called as an i386 one; the one before.
fn exchange(context: &Context, signal: usize, action: Option<Action>) -> Result<Action> {
    if signal == SIGSYS {
        return Ok(Action([0; 3], 0));
    }
    let (mut new, old) = (0, room(context) + ACTION);
    if let Some(Action([handler, mut flags, mut restorer], mask)) = action {
        if flags & RESTORER == 0 {
            // The kernel would look in a page that is not there in a 64-bit process.
            restorer = if flags & INFO == 0 { gates::RETURN } else { gates::RETURN_INFO };
            flags |= RESTORER;
        }
        let mask = mask & !SIGSYS_BIT;
        new = room(context);
        write_words(new, &[handler, flags, restorer, mask as u32, (mask >> 32) as u32])?;
    }
    low::native(nr32::RT_SIGACTION, [signal as u32, new as u32, old as u32, 8, 0, 0])?;
    let [handler, flags, restorer, mask_low, mask_high] = words(old)?;
    Ok(Action([handler, flags, restorer], u64::from(mask_low) | u64::from(mask_high) << 32))
}

/// rt_sigaction(2)
pub fn set_action(context: &Context, a: [usize; 6]) -> Result<usize> {
    let [signal, new, old, size, ..] = a;
    if size != 8 {
        return Err(Errno::INVAL);
    }
    let action = if new == 0 {
        None
    } else {
        let [handler, flags, restorer, mask_low, mask_high] = words(new)?;
        let mask = u64::from(mask_low) | u64::from(mask_high) << 32;
        Some(Action([handler, flags, restorer], mask))
    };
    let Action([handler, flags, restorer], mask) = exchange(context, signal, action)?;
    if old != 0 {
        write_words(old, &[handler, flags, restorer, mask as u32, (mask >> 32) as u32])?;
    }
    Ok(0)
}

/// sigaction(2), the older one: handler, mask, flags, restorer.
pub fn set_old_action(context: &Context, a: [usize; 6]) -> Result<usize> {
    let [signal, new, old, ..] = a;
    let action = if new == 0 {
        None
    } else {
        let [handler, mask, flags, restorer] = words::<{ OLD_ACTION / 4 }>(new)?;
        Some(Action([handler, flags, restorer], u64::from(mask)))
    };
    let Action([handler, flags, restorer], mask) = exchange(context, signal, action)?;
    if old != 0 {
        write_words(old, &[handler, mask as u32, flags, restorer])?;
    }
    Ok(0)
}

/// signal(2), which is once and does not block; the handler before.
pub fn set_simple_action(context: &Context, a: [usize; 6]) -> Result<usize> {
    let action = Action([a[1] as u32, ONCE, 0], 0);
    let Action([handler, ..], _) = exchange(context, a[0], Some(action))?;
    Ok(handler as usize)
}

/// sigprocmask(2), of 32 signals.
pub fn change_old_mask(context: &mut Context, a: [usize; 6]) -> Result<usize> {
    /// `SIG_SETMASK`
    const SET: usize = 2;
    let [how, set, old, ..] = a;
    let before = context.mask;
    if set != 0 {
        let mut new = u64::from(word(set)?);
        if how == SET {
            new |= before & !u64::from(u32::MAX);
        }
        let new = core::ptr::from_ref(&new) as usize;
        change_mask(&mut context.mask, [how, new, 0, 8, 0, 0])?;
    }
    if old != 0 {
        InProcess.write(old, &(before as u32).to_ne_bytes())?;
    }
    Ok(0)
}

/// A call that waits with another mask: the same, without SIGSYS in it.
pub fn wait(context: &mut Context, number: u32, a: [usize; 6]) -> Result<()> {
    let (number, argument, at) = match number {
        nr32::SIGSUSPEND => (nr32::RT_SIGSUSPEND, 0, 0),
        nr32::RT_SIGSUSPEND => (number, 0, a[0]),
        nr32::PPOLL | nr32::PPOLL_TIME64 => (number, 3, a[3]),
        nr32::EPOLL_PWAIT | nr32::EPOLL_PWAIT2 => (number, 4, a[4]),
        _ => (number, 5, a[5]),
    };
    let mut arguments = a.map(|value| value as u32);
    let mut data = [0; 16];
    let mut later = Later::unchanged(number, [0; 6]);
    let is_select = argument == 5;
    // The mask's address; of pselect6(2) in a pair with its length.
    let mask_at = if is_select { word(at)? as usize } else { at };
    let mask = if number == nr32::RT_SIGSUSPEND && at == 0 {
        arguments[1] = 8;
        a[2] as u64
    } else if mask_at == 0 {
        return go_by(context, number, arguments, &later);
    } else {
        let [low, high] = words(mask_at)?;
        u64::from(low) | u64::from(high) << 32
    };
    let mask = (mask & !SIGSYS_BIT).to_ne_bytes();
    let length = if is_select {
        let pair = (context.rsp as u32).wrapping_sub(gates::DATA as u32);
        data[..4].copy_from_slice(&(pair + 8).to_ne_bytes());
        data[4..8].copy_from_slice(&word(at + 4)?.to_ne_bytes());
        data[8..].copy_from_slice(&mask);
        16
    } else {
        data[..8].copy_from_slice(&mask);
        8
    };
    later = later.with_data(argument, &data[..length]);
    go_by(context, number, arguments, &later)
}

/// The signals that end a call of a guest that waits with this mask: those that are let in, and not
/// ignored.
pub fn ending_waits(mask: u64) -> u64 {
    /// `SIGCHLD`, `SIGCONT`, `SIGURG`, `SIGWINCH`: ignored unless there is a handler.
    const QUIET: [usize; 4] = [17, 18, 23, 28];
    (1..=64).filter(|&signal| mask & (1 << (signal - 1)) == 0 && signal != SIGSYS).fold(
        0,
        |set, signal| {
            let mut action = [0u64; 4];
            let to = action.as_mut_ptr() as usize;
            // SAFETY: the kernel's `struct sigaction`, a local.
            let known = unsafe { checked(nr::RT_SIGACTION, [signal, 0, to, 8, 0, 0]) };
            // SAFETY: the kernel wrote it, behind the compiler's back.
            let handler = unsafe { core::ptr::from_ref(&action[0]).read_volatile() };
            let is_ignored = handler == 1 || handler == 0 && QUIET.contains(&signal);
            if known.is_ok() && !is_ignored { set | 1 << (signal - 1) } else { set }
        },
    )
}
