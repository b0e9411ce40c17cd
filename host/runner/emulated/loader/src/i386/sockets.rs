//! Sockets of i386 programs: calls that are one call there, and messages.

use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use super::{at_once, descriptor, go_judged, word};
use crate::broker::{self, NO_SIGNALS};
use crate::guest::InProcess;
use crate::handler::Context;
use crate::load::PAGE;
use crate::process::world;
use crate::slots::Slot;
use crate::system::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, map, plain};

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

/// `IOV_MAX`, and `UIO_MAXIOV` of sendmmsg(2).
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
        *argument = word(a[1] + 4 * index)?;
    }
    /// `SOL_SOCKET`, `SO_LINGER`
    const LINGER: [u32; 2] = [1, 13];
    if number == nr32::SETSOCKOPT && arguments[1..3] == LINGER {
        let [socket, _, _, value, length, _] = arguments.map(|word| word as usize);
        world().set_linger(socket as i32, value, length)?;
        context.answer(0);
        return Ok(());
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
    let wide = Wide::read(at)?;
    let message =
        world().message(&mut slot.scratch, descriptor(socket), wide.header(), flags as u32)?;
    let Some(later) = message.without_address() else {
        return broker::send(&message, NO_SIGNALS).map(Some);
    };
    let (vectors, count) = (word(at + 8)?, word(at + 12)?);
    let (number, arguments) = if later.number == nr::WRITEV {
        (WRITEV, [socket as u32, vectors, count, 0, 0, 0])
    } else {
        let [base, length] = message.single.map(|value| value as u32);
        (nr32::SENDTO, [socket as u32, base, length, flags as u32, 0, 0])
    };
    go_judged(context, number, arguments).map(|()| None)
}

/// `writev`
const WRITEV: u32 = 146;

/// sendmmsg(2): how many messages went out; an error only when it was not one.
pub fn send_many(slot: &mut Slot, a: [usize; 6]) -> Result<usize> {
    let [socket, entries, count, flags, ..] = a;
    let mut done = 0;
    while done < count.min(VECTORS_MAX) {
        let entry = entries + done * ENTRY;
        let sent = Wide::read(entry).and_then(|wide| {
            let socket = descriptor(socket);
            let message =
                world().message(&mut slot.scratch, socket, wide.header(), flags as u32)?;
            let sent = match message.without_address() {
                Some(later) => at_once(&later)?,
                None => broker::send(&message, NO_SIGNALS)?,
            };
            InProcess.write(entry + MESSAGE, &(sent as u32).to_ne_bytes())
        });
        match sent {
            Ok(()) => done += 1,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// A message as x86_64 has it, in memory of its own.
struct Wide {
    start: usize,
    length: usize,
}

impl Wide {
    /// Words of `struct msghdr` of x86_64.
    const HEADER: usize = 7;

    fn header(&self) -> usize {
        self.start
    }

    /// Translates a message: its header, its vectors, its control part.
    fn read(at: usize) -> Result<Self> {
        let name = [word(at)? as usize, word(at + 4)? as usize];
        let (vectors, count) = (word(at + 8)? as usize, word(at + 12)? as usize);
        let (control, control_length) = (word(at + 16)? as usize, word(at + 20)? as usize);
        /// `EMSGSIZE`
        const TOO_LONG: Errno = Errno(90);
        if count > VECTORS_MAX {
            return Err(TOO_LONG);
        }
        if control_length > CONTROL_MAX {
            return Err(Errno::INVAL);
        }
        // A header of a control message grows by a third, and so does what is rounded up.
        let bytes = 8 * Self::HEADER + 16 * count + 2 * CONTROL_MAX;
        let length = bytes.next_multiple_of(PAGE);
        let flags = MAP_PRIVATE | MAP_ANONYMOUS;
        // SAFETY: a fresh mapping of our own.
        let start = unsafe { map(0, length, PROT_READ | PROT_WRITE, flags, -1, 0)? };
        let wide = Self { start, length };
        let vectors_at = start + 8 * Self::HEADER;
        for index in 0..count {
            for half in 0..2 {
                let value = word(vectors + 8 * index + 4 * half)? as usize;
                put(vectors_at + 16 * index + 8 * half, value)?;
            }
        }
        let control_at = vectors_at + 16 * count;
        let control_length = widen_control(control, control_length, control_at)?;
        let control_at = if control_length == 0 { 0 } else { control_at };
        let header =
            [name[0], name[1], vectors_at, count, control_at, control_length, 0];
        for (index, value) in header.into_iter().enumerate() {
            put(start + 8 * index, value)?;
        }
        Ok(wide)
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        let _ = plain(nr::MUNMAP, [self.start, self.length, 0, 0, 0, 0]);
    }
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
