//! The SIGSYS handler: every trapped call of the guest comes here.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use kiln_emulated_core::arch::i386::AUDIT_ARCH as AUDIT_ARCH_I386;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::dispatch::{Answer, Later, dispatch};
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::message::HEADER;

use crate::broker;
use crate::entry::{again_gate, later_gate, signal_entry, signal_return};
use crate::exec::{self, Strings};
use crate::guest::InProcess;
use crate::process::world;
use crate::slots::{Pending, Slot, claim_pending};
use crate::system::{call, checked, die};
use crate::{connect, i386, sharing, shortcut, sysv, trace, wait};

/// `SIGSYS`
pub const SIGSYS: usize = 31;
pub const SIGSYS_BIT: u64 = 1 << (SIGSYS - 1);
/// `SA_SIGINFO | SA_RESTORER | SA_ONSTACK`
const FLAGS: u64 = 4 | 0x0400_0000 | 0x0800_0000;
/// `SIG_SETMASK`
const SET_MASK: usize = 2;

/// The registers in `struct ucontext` of x86_64.
#[repr(C)]
pub struct Context {
    head: [u64; 5],
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub rdx: u64,
    pub rax: u64,
    pub rcx: u64,
    pub rsp: u64,
    pub rip: u64,
    flags: u64,
    /// Code segment, and others.
    pub cs: u16,
    segments: [u16; 3],
    rest: [u64; 13],
    /// The guest's signal mask.
    pub mask: u64,
}

const _: () = assert!(core::mem::offset_of!(Context, mask) == 296);

impl Context {
    fn arguments(&self) -> [usize; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9].map(|value| value as usize)
    }

    /// Where the guest goes on.
    pub fn next(&self) -> usize {
        self.rip as usize
    }

    /// The guest's call is made once more, with its registers as they are, by the `syscall` at this
    /// address.
    pub fn call_at(&mut self, address: usize, number: u32) {
        self.rip = address as u64;
        self.rax = u64::from(number);
    }

    /// The value that the guest's call has.
    pub fn answer(&mut self, value: isize) {
        self.rax = value as u64;
    }
}

/// Installs the handler.
pub fn set_up() {
    let action: [u64; 4] =
        [signal_entry as *const () as u64, FLAGS, signal_return as *const () as u64, u64::MAX];
    // SAFETY: the kernel's `struct sigaction`, 32 bytes.
    let done = unsafe { call(nr::RT_SIGACTION, [SIGSYS, action.as_ptr() as usize, 0, 8, 0, 0]) };
    if done != 0 {
        die("the SIGSYS handler was refused");
    }
}

/// Called by `signal_entry` on the slot's stack; returns where the slot's owner is noted.
pub unsafe extern "C" fn handle(
    info: *const u8,
    context: *mut Context,
    slot: *mut Slot,
) -> *const AtomicU32 {
    // SAFETY: the kernel's siginfo and context, alive until sigreturn; the slot is ours.
    let (number, arch, context, slot) = unsafe {
        let number = info.add(24).cast::<u32>();
        (number.read(), number.add(1).read(), &mut *context, &mut *slot)
    };
    if arch == AUDIT_ARCH_I386 {
        i386::answer(context, slot, number);
        return slot.owner;
    }
    let a = context.arguments();
    match number {
        nr::EXECVE => {
            let strings = Strings { argv: a[1], envp: a[2], width: 8 };
            let errno = exec::execute(slot, -100, a[0], strings, 0, context.mask);
            context.answer(errno.negated());
        }
        nr::EXECVEAT => {
            let strings = Strings { argv: a[2], envp: a[3], width: 8 };
            let errno =
                exec::execute(slot, a[0] as i32, a[1], strings, a[4] as u32, context.mask);
            context.answer(errno.negated());
        }
        nr::RT_SIGPROCMASK => {
            let result = change_mask(&mut context.mask, a);
            context.answer(value(result));
            shortcut::consider(number, context.rip as usize);
        }
        nr::RT_SIGACTION => context.answer(value(set_action(a))),
        nr::PPOLL => mask_call(context, number, a, 3),
        nr::EPOLL_PWAIT | nr::EPOLL_PWAIT2 => mask_call(context, number, a, 4),
        nr::RT_SIGSUSPEND => mask_call(context, number, a, 0),
        nr::WAIT4 | nr::WAITID => wait::answer(context, number, a),
        nr::PTRACE => context.answer(value(trace::request(a))),
        nr::PSELECT6 => pselect(context, a),
        nr::CLONE | nr::VFORK => sharing::clone(context, number, a[0]),
        nr::SHMGET | nr::SHMAT | nr::SHMDT | nr::SHMCTL | nr::SEMGET | nr::SEMCTL | nr::SEMOP
        | nr::SEMTIMEDOP | nr::MSGGET | nr::MSGSND | nr::MSGRCV | nr::MSGCTL => {
            context.answer(value(sysv::answer(number, a, context.mask)));
        }
        _ => match dispatch(&world(), &mut slot.scratch, number, a) {
            Answer::Now(value) => {
                context.answer(value);
                shortcut::consider(number, context.rip as usize);
            }
            Answer::Later(later) => make_later(context, &later, None),
            Answer::Connect(socket, peer) => {
                context.answer(value(connect::connect(socket, &peer, context.mask)));
            }
            Answer::Send(message) => context.answer(value(broker::send(&message, context.mask))),
            Answer::SendMany => context.answer(value(send_many(slot, a, context.mask))),
        },
    }
    slot.owner
}

pub fn value(result: Result<usize>) -> isize {
    match result {
        Ok(value) => value as isize,
        Err(errno) => errno.negated(),
    }
}

fn send_many(slot: &mut Slot, a: [usize; 6], mask: u64) -> Result<usize> {
    /// Length of `struct mmsghdr`.
    const ENTRY: usize = 64;
    let [socket, entries, count, flags, ..] = a;
    send_each(entries, count, [ENTRY, HEADER], |entry| {
        let message = world().message(&mut slot.scratch, socket, entry, flags as u32)?;
        broker::send(&message, mask)
    })
}

/// sendmmsg(2): how many messages went out; an error only when it was not one. Their entries have this
/// length, and from there on say how much was sent.
pub fn send_each(
    entries: usize,
    count: usize,
    [length, sent_at]: [usize; 2],
    mut send: impl FnMut(usize) -> Result<usize>,
) -> Result<usize> {
    /// `UIO_MAXIOV`
    const MOST: usize = 1024;
    let mut done = 0;
    while done < (count & 0xffff_ffff).min(MOST) {
        let entry = entries + done * length;
        let sent = send(entry)
            .and_then(|sent| InProcess.write(entry + sent_at, &(sent as u32).to_ne_bytes()));
        match sent {
            Ok(()) => done += 1,
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// rt_sigprocmask(2) on the mask that the guest will have afterwards. SIGSYS is never blocked: a trapped
/// call would then kill the process.
pub fn change_mask(guests: &mut u64, a: [usize; 6]) -> Result<usize> {
    let [how, set, old, size, ..] = a;
    if size != 8 {
        return Err(Errno::INVAL);
    }
    let before = *guests;
    if set != 0 && how > SET_MASK {
        // How programs ask whether memory can be read: the kernel looks there before it refuses.
        // SAFETY: eight bytes are read, or EFAULT said.
        return unsafe { checked(nr::RT_SIGPROCMASK, [how, set, 0, 8, 0, 0]) };
    }
    if set != 0 {
        let mut bytes = [0; 8];
        InProcess.read(set, &mut bytes)?;
        let set = u64::from_ne_bytes(bytes);
        let mask = match how {
            0 => before | set,
            1 => before & !set,
            _ => set,
        };
        *guests = mask & !SIGSYS_BIT;
    }
    if old != 0 {
        InProcess.write(old, &before.to_ne_bytes())?;
    }
    Ok(0)
}

/// rt_sigaction(2): SIGSYS stays ours, and no handler of the guest's runs with it blocked.
fn set_action(a: [usize; 6]) -> Result<usize> {
    let [signal, new, old, size, ..] = a;
    if size != 8 {
        return Err(Errno::INVAL);
    }
    if signal == SIGSYS {
        if old != 0 {
            InProcess.write(old, &[0; 32])?;
        }
        return Ok(0);
    }
    let mut action = [0u64; 4];
    let mut pointer = 0;
    if new != 0 {
        let mut bytes = [0; 32];
        InProcess.read(new, &mut bytes)?;
        for (word, bytes) in action.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        action[3] &= !SIGSYS_BIT;
        // Neither SIG_DFL nor SIG_IGN.
        if action[0] > 1 {
            shortcut::HAS_HANDLERS.store(1, Relaxed);
        }
        pointer = action.as_ptr() as usize;
    }
    // SAFETY: the new action is a copy of ours, the old one goes where the guest said.
    unsafe { checked(nr::RT_SIGACTION, [signal, pointer, old, 8, 0, 0]) }
}

/// A call that waits with another signal mask: the same, without SIGSYS in it.
fn mask_call(context: &mut Context, number: u32, a: [usize; 6], argument: usize) {
    let mut bytes = [0; 8];
    if let Err(errno) = InProcess.read(a[argument], &mut bytes) {
        context.answer(errno.negated());
        return;
    }
    let mask = u64::from_ne_bytes(bytes) & !SIGSYS_BIT;
    let later = Later::unchanged(number, a).with_data(argument, &mask.to_ne_bytes());
    make_later(context, &later, None);
}

/// pselect6(2): its sixth argument points to the mask's address and size.
fn pselect(context: &mut Context, a: [usize; 6]) {
    let mut pair = [0; 16];
    let mut mask = [0; 8];
    let read = InProcess.read(a[5], &mut pair).and_then(|()| {
        let address = usize::from_ne_bytes(pair[..8].try_into().unwrap_or_default());
        if address == 0 { Ok(false) } else { InProcess.read(address, &mut mask).map(|()| true) }
    });
    match read {
        Err(errno) => context.answer(errno.negated()),
        Ok(false) => make_later(context, &Later::unchanged(nr::PSELECT6, a), None),
        Ok(true) => {
            let mask = u64::from_ne_bytes(mask) & !SIGSYS_BIT;
            let mut data = [0; 24];
            data[8..16].copy_from_slice(&pair[8..]);
            data[16..].copy_from_slice(&mask.to_ne_bytes());
            let later = Later::unchanged(nr::PSELECT6, a).with_data(5, &data);
            make_later(context, &later, Some(16));
        }
    }
}

/// The value of a call that is to be made later, here and now, at the price of signals that wait.
pub fn at_once(later: &Later) -> isize {
    let mut a = later.arguments;
    if let Some(argument) = later.data_argument {
        a[argument] = later.data.as_ptr() as usize;
    }
    // SAFETY: the guest's own arguments, and data that lives until the call returns.
    let result = unsafe { call(later.number, a) };
    if let Some(fd) = later.close {
        InProcess.close(fd);
    }
    result
}

/// Arranges for a call to be made once the handler has returned. With `inner`, the data's first
/// word is to point that far into the data.
fn make_later(context: &mut Context, later: &Later, inner: Option<usize>) {
    let Some(pending) = claim_pending() else {
        // Too many waiters.
        context.answer(at_once(later));
        return;
    };
    pending.close = later.close.map_or(-1, i64::from);
    let mut a = later.arguments.map(|value| value as u64);
    if let Some(argument) = later.data_argument {
        let length = later.data_len.min(later.data.len());
        pending.data[..length].copy_from_slice(&later.data[..length]);
        let address = pending.data.as_ptr() as u64;
        if let Some(inner) = inner {
            pending.data[..8].copy_from_slice(&(address + inner as u64).to_ne_bytes());
        }
        a[argument] = address;
    }
    go_by(context, pending, later_gate as *const () as u64, later.number, a);
}

/// Arranges for a call to be made once the handler has returned, after which the guest's own call
/// `number` comes again. False: there is no room.
pub fn wait_again(context: &mut Context, number: u32, wait: [usize; 6]) -> bool {
    let Some(pending) = claim_pending() else { return false };
    pending.result = u64::from(number);
    let a = wait.map(|value| value as u64);
    go_by(context, pending, again_gate as *const () as u64, nr::WAITID, a);
    true
}

/// The handler returns to a gate, which makes this call and gives the guest its registers back.
fn go_by(context: &mut Context, pending: &mut Pending, gate: u64, number: u32, a: [u64; 6]) {
    pending.arguments = context.arguments().map(|value| value as u64);
    pending.rbx = context.rbx;
    pending.rip = context.rip;
    [context.rdi, context.rsi, context.rdx, context.r10, context.r8, context.r9] = a;
    context.rax = u64::from(number);
    context.rbx = core::ptr::from_mut(pending) as u64;
    context.rip = gate;
}
