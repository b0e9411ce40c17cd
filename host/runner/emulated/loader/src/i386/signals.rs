//! Signals of i386 programs: actions, masks, and calls that wait with another mask.

use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::dispatch::Later;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use super::{gates, go_by, low, room, word};
use crate::guest::InProcess;
use crate::handler::{Context, SIGSYS, SIGSYS_BIT, change_mask};
use crate::signals::{Signal, let_in};

/// Length of `struct sigaction`.
const ACTION: usize = 20;
/// `SA_SIGINFO`, `SA_RESTORER`
const INFO: u32 = 4;
const RESTORER: u32 = 0x0400_0000;
/// `SA_RESETHAND | SA_NODEFER`
const ONCE: u32 = 0xc000_0000;

/// Handler, flags, restorer, both halves of the mask: `struct sigaction`.
type Action = [u32; ACTION / 4];

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
        return Ok([0; ACTION / 4]);
    }
    let (mut new, old) = (0, room(context) + ACTION);
    if let Some([handler, mut flags, mut restorer, mask, rest]) = action {
        if flags & RESTORER == 0 {
            // The kernel would look in a page that is not there in a 64-bit process.
            restorer = if flags & INFO == 0 { gates::RETURN } else { gates::RETURN_INFO };
            flags |= RESTORER;
        }
        new = room(context);
        write_words(new, &[handler, flags, restorer, mask & !(SIGSYS_BIT as u32), rest])?;
    }
    low::native(nr32::RT_SIGACTION, [signal as u32, new as u32, old as u32, 8, 0, 0])?;
    words(old)
}

/// rt_sigaction(2)
pub fn set_action(context: &Context, a: [usize; 6]) -> Result<usize> {
    let [signal, new, old, size, ..] = a;
    if size != 8 {
        return Err(Errno::INVAL);
    }
    let action = if new == 0 { None } else { Some(words(new)?) };
    let before = exchange(context, signal, action)?;
    if old != 0 {
        write_words(old, &before)?;
    }
    Ok(0)
}

/// sigaction(2), the older one: handler, mask, flags, restorer.
pub fn set_old_action(context: &Context, a: [usize; 6]) -> Result<usize> {
    let [signal, new, old, ..] = a;
    let action = if new == 0 {
        None
    } else {
        let [handler, mask, flags, restorer] = words(new)?;
        Some([handler, flags, restorer, mask, 0])
    };
    let [handler, flags, restorer, mask, _] = exchange(context, signal, action)?;
    if old != 0 {
        write_words(old, &[handler, mask, flags, restorer])?;
    }
    Ok(0)
}

/// signal(2), which is once and does not block; the handler before.
pub fn set_simple_action(context: &Context, a: [usize; 6]) -> Result<usize> {
    let [handler, ..] = exchange(context, a[0], Some([a[1] as u32, ONCE, 0, 0, 0]))?;
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
    let is_select = argument == 5;
    // The mask's address; of pselect6(2) in a pair with its length.
    let mask_at = if is_select { word(at)? as usize } else { at };
    let mut later = Later::unchanged(number, a);
    let [low, high] = if number == nr32::RT_SIGSUSPEND && at == 0 {
        later.arguments[1] = 8;
        [a[2] as u32, 0]
    } else if mask_at == 0 {
        return go_by(context, &later);
    } else {
        words(mask_at)?
    };
    let mask = [low & !(SIGSYS_BIT as u32), high];
    let data = if is_select {
        [room(context) as u32 + 8, word(at + 4)?, mask[0], mask[1]]
    } else {
        [mask[0], mask[1], 0, 0]
    };
    later = later.with_data(argument, data.map(u32::to_ne_bytes).as_flattened());
    go_by(context, &later)
}

/// The signals that end a call of a guest that waits with this mask: those that are let in, and not
/// ignored.
pub fn ending_waits(mask: u64) -> u64 {
    /// `SIGCHLD`, `SIGCONT`, `SIGURG`, `SIGWINCH`: ignored unless there is a handler.
    const QUIET: [usize; 4] = [17, 18, 23, 28];
    let is_ignored = |signal: &Signal| {
        signal.handler == 1 || signal.handler == 0 && QUIET.contains(&signal.number)
    };
    let_in(mask).filter(|signal| !is_ignored(signal)).fold(0, |set, signal| set | signal.bit())
}
