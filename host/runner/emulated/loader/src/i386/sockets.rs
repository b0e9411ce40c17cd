//! Sockets of i386 programs: calls that are one call there, and messages.

use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use super::{go_judged, word};
use crate::broker::{self, NO_SIGNALS};
use crate::guest::InProcess;
use crate::handler::{Context, at_once, send_each};
use crate::process::world;
use crate::slots::Slot;
use crate::system::Temporary;

/// The calls of socketcall(2), from 1 on, and how many arguments each has.
const CALLS: [(u32, usize); 20] = [
    (nr32::SOCKET, 3),
    (nr32::BIND, 3),
    (nr32::CONNECT, 3),
    (nr32::LISTEN, 2),
    (nr32::ACCEPT4, 3),
    (nr32::GETSOCKNAME, 3),
    (nr32::GETPEERNAME, 3),
    (nr32::SOCKETPAIR, 4),
    (nr32::SENDTO, 4),
    (nr32::RECVFROM, 4),
    (nr32::SENDTO, 6),
    (nr32::RECVFROM, 6),
    (nr32::SHUTDOWN, 2),
    (nr32::SETSOCKOPT, 5),
    (nr32::GETSOCKOPT, 5),
    (nr32::SENDMSG, 3),
    (nr32::RECVMSG, 3),
    (nr32::ACCEPT4, 4),
    (nr32::RECVMMSG, 5),
    (nr32::SENDMMSG, 4),
];

/// `IOV_MAX`
const VECTORS_MAX: usize = 1024;
/// Longest control part, as the core takes it.
const CONTROL_MAX: usize = 512;
/// Lengths of `struct msghdr`, `struct mmsghdr`, the header of a control message, and of the last on
/// x86_64.
const MESSAGE: usize = 28;
const ENTRY: usize = 32;
const CONTROL: usize = 12;
const WIDE_CONTROL: usize = 16;

/// socketcall(2): the guest makes the call that it stands for, at a gate.
pub fn multiplexed(context: &mut Context, a: [usize; 6]) -> Result<()> {
    let index = a[0].checked_sub(1).ok_or(Errno::INVAL)?;
    let &(number, count) = CALLS.get(index).ok_or(Errno::INVAL)?;
    let mut arguments = [0; 6];
    for (index, argument) in arguments.iter_mut().take(count).enumerate() {
        *argument = word(a[1] + 4 * index)? as usize;
    }
    go_judged(context, number, arguments)
}

/// sendmsg(2). One that goes to whom the socket is connected to is made at a gate, where it can wait.
pub fn send_message(
    context: &mut Context,
    slot: &mut Slot,
    a: [usize; 6],
) -> Result<Option<usize>> {
    let [socket, at, flags, ..] = a;
    let wide = widen(at)?;
    let message = world().message(&mut slot.scratch, socket, wide.start(), flags as u32)?;
    let Some(later) = message.without_address() else {
        return broker::send(&message, NO_SIGNALS).map(Some);
    };
    let (vectors, count) = (word(at + 8)? as usize, word(at + 12)? as usize);
    let (number, arguments) = if later.number == nr::WRITEV {
        (nr32::WRITEV, [socket, vectors, count, 0, 0, 0])
    } else {
        let [base, length] = message.single;
        (nr32::SENDTO, [socket, base, length, flags, 0, 0])
    };
    go_judged(context, number, arguments).map(|()| None)
}

/// sendmmsg(2)
pub fn send_many(slot: &mut Slot, a: [usize; 6]) -> Result<usize> {
    let [socket, entries, count, flags, ..] = a;
    send_each(entries, count, [ENTRY, MESSAGE], |entry| {
        let wide = widen(entry)?;
        let message = world().message(&mut slot.scratch, socket, wide.start(), flags as u32)?;
        match message.without_address() {
            Some(later) => Errno::check(at_once(&later)),
            None => broker::send(&message, NO_SIGNALS),
        }
    })
}

/// A message as x86_64 has it: its header, its vectors, its control part.
fn widen(at: usize) -> Result<Temporary> {
    /// Words of `struct msghdr` of x86_64.
    const HEADER: usize = 7;
    /// `EMSGSIZE`
    const TOO_LONG: Errno = Errno(90);
    let name = [word(at)? as usize, word(at + 4)? as usize];
    let (vectors, count) = (word(at + 8)? as usize, word(at + 12)? as usize);
    let (control, control_length) = (word(at + 16)? as usize, word(at + 20)? as usize);
    if count > VECTORS_MAX {
        return Err(TOO_LONG);
    }
    if control_length > CONTROL_MAX {
        return Err(Errno::INVAL);
    }
    // A header of a control message grows by a third, and so does what is rounded up.
    let wide = Temporary::new(8 * HEADER + 16 * count + 2 * CONTROL_MAX)?;
    let vectors_at = wide.start() + 8 * HEADER;
    // Address and length of each vector.
    for index in 0..2 * count {
        put(vectors_at + 8 * index, word(vectors + 4 * index)? as usize)?;
    }
    let control_at = vectors_at + 16 * count;
    let control_length = widen_control(control, control_length, control_at)?;
    let control_at = if control_length == 0 { 0 } else { control_at };
    let header = [name[0], name[1], vectors_at, count, control_at, control_length, 0];
    for (index, value) in header.into_iter().enumerate() {
        put(wide.start() + 8 * index, value)?;
    }
    Ok(wide)
}

fn put(at: usize, value: usize) -> Result<()> {
    InProcess.write(at, &value.to_ne_bytes())
}

/// Copies control messages, whose headers are longer on x86_64; the length there.
fn widen_control(from: usize, length: usize, to: usize) -> Result<usize> {
    let (mut at, mut used) = (0, 0);
    if from == 0 {
        return Ok(0);
    }
    while at + CONTROL <= length {
        let size = word(from + at)? as usize;
        if size < CONTROL || size > length - at {
            return Err(Errno::INVAL);
        }
        let data = size - CONTROL;
        put(to + used, WIDE_CONTROL + data)?;
        let mut rest = [0; CONTROL_MAX];
        let rest = rest.get_mut(..8 + data).ok_or(Errno::INVAL)?;
        // Level and kind go along.
        InProcess.read(from + at + 4, rest)?;
        InProcess.write(to + used + 8, rest)?;
        at += size.next_multiple_of(4);
        used += (WIDE_CONTROL + data).next_multiple_of(8);
    }
    Ok(used)
}
