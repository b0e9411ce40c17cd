//! Programs of i386, which run in a 64-bit process.
//!
//! The loader maps such a program below 4 GiB and jumps into it in the processor's compatibility mode.
//! Its calls (`int 0x80`) trap like all others; the handler, 64-bit code as ever, answers them with the
//! calls of x86_64, and translates what they point to. Calls that need nothing of the view are the
//! kernel's, which knows i386's structures (`kiln_emulated_core::arch::i386` says which).
//!
//! A signal must not interrupt the handler: what the kernel saves then holds 32 bits of an address that
//! has more. So calls wait in the gates below 4 GiB; the few that cannot wait with signals held back.

mod files;
pub mod gates;
mod ipc;
pub mod low;
pub mod signals;
mod sockets;
mod start;

use kiln_emulated_core::abi::AT_FDCWD;
use kiln_emulated_core::arch::i386::{Way, nr32, way};
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::dispatch::{Answer, Later, dispatch};
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

pub use start::{Lists, start};

use crate::broker::{self, NO_SIGNALS};
use crate::exec::{Strings, execute};
use crate::guest::InProcess;
use crate::handler::{Context, at_once};
use crate::process::world;
use crate::slots::Slot;
use crate::{connect, sharing, sysv};

/// The code segment of compatibility mode.
const CODE: u16 = 0x23;
/// Bytes of a pointer.
const POINTER: usize = 4;

/// The guest's registers, in the order of arguments.
fn arguments(context: &Context) -> [usize; 6] {
    let c = context;
    [c.rbx, c.rcx, c.rdx, c.rsi, c.rdi, c.rbp].map(|value| value as u32 as usize)
}

/// Answers a trapped call of an i386 program.
pub fn answer(context: &mut Context, slot: &mut Slot, number: u32) {
    if context.cs != CODE || !low::is_set_up() {
        context.answer(Errno::NOSYS.negated());
        return;
    }
    let a = arguments(context);
    match translated(context, slot, number, a) {
        Ok(Some(value)) => context.answer(value as u32 as i32 as isize),
        Ok(None) => {}
        Err(errno) => context.answer(errno.negated()),
    }
}

/// The call's value, or nothing when it is made at a gate.
fn translated(
    context: &mut Context,
    slot: &mut Slot,
    number: u32,
    a: [usize; 6],
) -> Result<Option<usize>> {
    let done = |result: Result<usize>| result.map(Some);
    match number {
        nr32::EXECVE => {
            let strings = Strings { argv: a[1], envp: a[2], width: POINTER };
            Err(execute(slot, AT_FDCWD, a[0], strings, 0, context.mask))
        }
        nr32::EXECVEAT => {
            let strings = Strings { argv: a[2], envp: a[3], width: POINTER };
            Err(execute(slot, a[0] as i32, a[1], strings, a[4] as u32, context.mask))
        }
        nr32::BRK => Ok(Some(low::set_break(a[0]))),
        nr32::CLONE | nr32::VFORK => sharing::clone_i386(context, number, a[0]).map(|()| None),
        nr32::RT_SIGACTION => done(signals::set_action(context, a)),
        nr32::SIGACTION => done(signals::set_old_action(context, a)),
        nr32::SIGNAL => done(signals::set_simple_action(context, a)),
        nr32::RT_SIGPROCMASK => done(crate::handler::change_mask(&mut context.mask, a)),
        nr32::SIGPROCMASK => done(signals::change_old_mask(context, a)),
        nr32::SIGSUSPEND | nr32::RT_SIGSUSPEND | nr32::PPOLL | nr32::PPOLL_TIME64
        | nr32::PSELECT6 | nr32::PSELECT6_TIME64 | nr32::EPOLL_PWAIT | nr32::EPOLL_PWAIT2 => {
            signals::wait(context, number, a).map(|()| None)
        }
        nr32::STAT | nr32::LSTAT | nr32::FSTAT | nr32::STAT64 | nr32::LSTAT64 | nr32::FSTAT64
        | nr32::FSTATAT64 => done(files::stat(context, slot, number, a)),
        nr32::STATFS | nr32::STATFS64 => done(files::statfs(context, slot, number, a)),
        nr32::UTIME | nr32::UTIMES | nr32::FUTIMESAT | nr32::UTIMENSAT | nr32::UTIMENSAT_TIME64 => {
            done(files::set_times(context, slot, number, a))
        }
        nr32::TRUNCATE | nr32::TRUNCATE64 => done(files::truncate(context, slot, number, a)),
        nr32::SOCKETCALL => sockets::multiplexed(context, a).map(|()| None),
        nr32::SENDMSG => sockets::send_message(context, slot, a),
        nr32::SENDMMSG => done(sockets::send_many(slot, a)),
        // Of what is older than its successor's layout nothing is left out.
        nr32::GETDENTS => {
            go_by(context, &Later::unchanged(number, a)).map(|()| None)
        }
        nr32::IPC => ipc::multiplexed(a, context.mask).map(Some),
        nr32::SHMAT | nr32::SHMCTL | nr32::MSGSND | nr32::MSGRCV | nr32::MSGCTL | nr32::SEMCTL
        | nr32::SEMTIMEDOP_TIME64 => done(ipc::answer(number, a, context.mask)),
        _ => match way(number) {
            Some(Way::Same(same) | Way::Judged(same)) => same_as(context, slot, same, a),
            Some(Way::Short(same)) => {
                let value = same_as(context, slot, same, a.map(widen))?;
                Ok(value.map(|value| value & 0xffff))
            }
            _ => Err(Errno::NOSYS),
        },
    }
}

/// An id of 16 bits, or something else.
const fn widen(id: usize) -> usize {
    if id & 0xffff == 0xffff { u32::MAX as usize } else { id }
}

/// As a call of x86_64 with these arguments, now or at a gate.
fn same_as(
    context: &mut Context,
    slot: &mut Slot,
    number: u32,
    a: [usize; 6],
) -> Result<Option<usize>> {
    match number {
        nr::SHMGET | nr::SHMDT | nr::SEMGET | nr::SEMOP | nr::MSGGET => {
            return sysv::answer(number, a, context.mask).map(Some);
        }
        _ => {}
    }
    let value = match dispatch(&world(), &mut slot.scratch, number, a) {
        Answer::Now(value) => return Errno::check(value).map(Some),
        Answer::Later(mut later) => {
            later.number = match later.number {
                nr::OPENAT => nr32::OPENAT,
                nr::KILL => nr32::KILL,
                _ => return Errno::check(at_once(&later)).map(Some),
            };
            return go_by(context, &later).map(|()| None);
        }
        Answer::Connect(socket, peer) => connect::connect(socket, &peer, NO_SIGNALS)?,
        Answer::Send(message) => broker::send(&message, NO_SIGNALS)?,
        Answer::SendMany => return Err(Errno::NOSYS),
    };
    Ok(Some(value))
}

/// The value of a call of x86_64 that the handler makes for its own ends.
fn ask(context: &mut Context, slot: &mut Slot, number: u32, a: [usize; 6]) -> Result<usize> {
    same_as(context, slot, number, a)?.ok_or(Errno::NOSYS)
}

/// Bytes of what [`go_by`] puts on the guest's stack beside the data.
const SAVED: usize = 28;

/// The handler returns to a gate, which makes this call of i386 and gives the guest its registers back.
/// What one argument points to goes onto the guest's stack, as do the registers; the kernel has left
/// the room when it delivered the signal.
fn go_by(context: &mut Context, later: &Later) -> Result<()> {
    let gate = if later.close.is_some() { gates::LATER_CLOSE } else { gates::LATER };
    go_by_gate(context, gate, later)
}

/// The same for a call that is the guest's own as it is, and judged as such.
fn go_judged(context: &mut Context, number: u32, arguments: [usize; 6]) -> Result<()> {
    go_by_gate(context, gates::LATER_JUDGED, &Later::unchanged(number, arguments))
}

fn go_by_gate(context: &mut Context, gate: u32, later: &Later) -> Result<()> {
    let c = &*context;
    let mut bytes = [0; SAVED + gates::DATA];
    let saved = [c.rbx, c.rcx, c.rdx, c.rsi, c.rdi, c.rbp, c.rip];
    for (to, word) in bytes.chunks_exact_mut(4).zip(saved) {
        to.copy_from_slice(&(word as u32).to_ne_bytes());
    }
    let used = later.data.get(..later.data_len).unwrap_or(&[]);
    bytes.get_mut(SAVED..SAVED + used.len()).ok_or(Errno::INVAL)?.copy_from_slice(used);
    if let Some(file) = later.close {
        bytes[SAVED + gates::DATA - 4..].copy_from_slice(&file.to_ne_bytes());
    }
    let data = room(context);
    let stack = data.wrapping_sub(SAVED);
    let mut a = later.arguments;
    if let Some(argument) = later.data_argument {
        a[argument] = data;
    }
    InProcess.write(stack, &bytes)?;
    context.rsp = stack as u64;
    context.rip = u64::from(gate);
    context.rax = u64::from(later.number);
    let a = a.map(|value| u64::from(value as u32));
    [context.rbx, context.rcx, context.rdx, context.rsi, context.rdi, context.rbp] = a;
    Ok(())
}

/// Memory below 4 GiB for what a call of the kernel's points to: below the guest's stack.
fn room(context: &Context) -> usize {
    (context.rsp as u32).wrapping_sub(gates::DATA as u32) as usize
}

/// A word of the guest's memory.
fn word(address: usize) -> Result<u32> {
    let mut bytes = [0; 4];
    InProcess.read(address, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}
