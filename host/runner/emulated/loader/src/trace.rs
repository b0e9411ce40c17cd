//! Debuggers inside a step: what they would see of this runner's own doing is not shown to them.
//!
//! A trapped call is a SIGSYS, which stops who is traced, and the handler's calls and instructions
//! would be seen too. Whoever waits for the processes that it traces (see [`crate::wait`]) is told of
//! the stops that the guest's own code makes: a call's entry, and its exit with the emulated answer;
//! an execve(2) once the program is there. All others go on as the tracer last let them go on.
//!
//! As all of the view, this can show a guest wrong things about itself at worst.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use kiln_emulated_core::arch::{LOADER_BASE, LOADER_SPAN, nr};
use kiln_emulated_core::errno::Result;
use kiln_emulated_core::guest::Guest;

use crate::entry::{again_gate, later_gate, program_start};
use crate::guest::InProcess;
use crate::process::state_word;
use crate::sharing::{is_borrowed, is_gate};
use crate::system::{call, checked, plain};

const TRACEME: usize = 0;
const CONT: usize = 7;
const SINGLESTEP: usize = 9;
const ATTACH: usize = 16;
const DETACH: usize = 17;
const SYSCALL: usize = 24;
const SYSEMU: usize = 31;
const SYSEMU_SINGLESTEP: usize = 32;
const SINGLEBLOCK: usize = 33;
const GETSIGINFO: usize = 0x4202;
const SEIZE: usize = 0x4206;
const PEEKSIGINFO: usize = 0x4209;
const GET_SYSCALL_INFO: usize = 0x420e;

const SIGTRAP: u32 = 5;
const SIGSYS: u32 = 31;
/// `PTRACE_EVENT_FORK`, `PTRACE_EVENT_CLONE`, and that of vfork(2) between: they stop within a call.
const EVENT_FORK: u32 = 1;
const EVENT_CLONE: u32 = 3;
/// `PTRACE_EVENT_EXEC`
const EVENT_EXEC: u32 = 4;
/// `PTRACE_O_TRACESYSGOOD`'s mark.
const GOOD: u32 = 0x80;
/// `SYS_SECCOMP`, `SI_TKILL`: why a signal came.
const BY_FILTER: i32 = 1;
const BY_THREAD: i32 = -6;
const BY_ANYONE: i32 = 0;

/// The word of the step's shared memory that says that something was traced.
const TRACING: usize = 2;

/// A call's entry was shown, and its exit was not: stops of the two kinds are shown by turns. Who is
/// attached to in the middle of a call, or of the handler, shows an entry first, as on a bare kernel.
const INSIDE: u32 = 1;
/// An execve(2) has not been shown: the plain stop, or the event.
const STARTING: u32 = 2;
const STARTING_EVENT: u32 = 4;

/// What a tracer remembers of a thread that it traces.
struct Tracee {
    tid: AtomicU32,
    /// How it was last let go on; zero: not yet.
    request: AtomicU32,
    flags: AtomicU32,
}

/// More are traced with less hidden.
const TRACEES: usize = 1024;
/// How many places of the table were ever in use.
static USED: AtomicUsize = AtomicUsize::new(0);
static TABLE: [Tracee; TRACEES] = [const {
    Tracee { tid: AtomicU32::new(0), request: AtomicU32::new(0), flags: AtomicU32::new(0) }
}; TRACEES];

/// Which child of vfork(2) is to be traced from its execve(2) on.
static WANTED: AtomicU32 = AtomicU32::new(0);

fn find(tid: usize) -> Option<&'static Tracee> {
    let used = USED.load(Relaxed);
    TABLE.iter().take(used).find(|tracee| tracee.tid.load(Relaxed) == tid as u32)
}

fn find_or_add(tid: usize) -> Option<&'static Tracee> {
    find(tid).or_else(|| {
        let is_free =
            |tracee: &Tracee| tracee.tid.compare_exchange(0, tid as u32, Relaxed, Relaxed).is_ok();
        let index = TABLE.iter().position(is_free)?;
        USED.fetch_max(index + 1, Relaxed);
        let free = TABLE.get(index)?;
        free.request.store(0, Relaxed);
        free.flags.store(0, Relaxed);
        Some(free)
    })
}

/// A thread has ended: its number may come to be another's.
pub fn forget(tid: usize) {
    if let Some(tracee) = find(tid) {
        tracee.tid.store(0, Relaxed);
    }
}

fn flags(tid: usize) -> u32 {
    find(tid).map_or(0, |tracee| tracee.flags.load(Relaxed))
}

fn set_flags(tid: usize, flags: u32) {
    let tracee = if flags == 0 { find(tid) } else { find_or_add(tid) };
    if let Some(tracee) = tracee {
        tracee.flags.store(flags, Relaxed);
    }
}

fn request_of(tid: usize) -> usize {
    match find(tid).map_or(0, |tracee| tracee.request.load(Relaxed)) {
        0 => CONT,
        request => request as usize,
    }
}

/// ptrace(2). A child of vfork(2) is traced from its execve(2) on: stopped before, it would keep the
/// tracer that it shares its memory with from seeing it.
pub fn request(a: [usize; 6]) -> Result<usize> {
    let [request, tid, ..] = a;
    match request {
        TRACEME => {
            note();
            if is_borrowed() {
                WANTED.store(InProcess.tid(), Relaxed);
                return Ok(0);
            }
        }
        ATTACH | SEIZE => {
            note();
            forget(tid);
        }
        CONT | SINGLESTEP | SYSCALL | SYSEMU | SYSEMU_SINGLESTEP | SINGLEBLOCK => {
            if let Some(tracee) = find_or_add(tid) {
                tracee.request.store(request as u32, Relaxed);
            }
            if request != SYSCALL {
                // No exit of this call will be seen.
                set_flags(tid, flags(tid) & !INSIDE);
            }
        }
        DETACH => forget(tid),
        _ => {}
    }
    // SAFETY: the guest's own call, with the guest's own pointers.
    unsafe { checked(nr::PTRACE, a) }
}

fn note() {
    if let Some(word) = state_word(TRACING) {
        word.store(1, Relaxed);
    }
}

/// Just before an execve(2) that should succeed.
pub fn before_exec() {
    let wanted = WANTED.load(Relaxed);
    if wanted != 0 && wanted == InProcess.tid() {
        WANTED.store(0, Relaxed);
        let _ = plain(nr::PTRACE, [TRACEME, 0, 0, 0, 0, 0]);
    }
}

/// Tells a tracer, if there is one, that the program is in place: by a SIGTRAP that is ignored where
/// nobody traces.
pub fn tell_started() {
    const IGNORE: [u64; 4] = [1, 0, 0, 0];
    /// `SIG_SETMASK`
    const SET_MASK: usize = 2;
    if !state_word(TRACING).is_some_and(|word| word.load(Relaxed) != 0) {
        return;
    }
    let (mut action, mut mask) = ([0u64; 4], 0u64);
    let signal = SIGTRAP as usize;
    let (pid, tid) = (InProcess.pid() as usize, InProcess.tid() as usize);
    // SAFETY: all pointers are to locals of the sizes that the kernel reads and writes.
    unsafe {
        let saved = (core::ptr::from_mut(&mut action) as usize, core::ptr::from_mut(&mut mask));
        call(nr::RT_SIGACTION, [signal, IGNORE.as_ptr() as usize, saved.0, 8, 0, 0]);
        call(nr::RT_SIGPROCMASK, [SET_MASK, 0, saved.1 as usize, 8, 0, 0]);
        let open = mask & !(1 << (SIGTRAP - 1));
        let open = core::ptr::from_ref(&open) as usize;
        call(nr::RT_SIGPROCMASK, [SET_MASK, open, 0, 8, 0, 0]);
        call(nr::TGKILL, [pid, tid, signal, 0, 0, 0]);
        call(nr::RT_SIGPROCMASK, [SET_MASK, saved.1 as usize, 0, 8, 0, 0]);
        call(nr::RT_SIGACTION, [signal, saved.0, 0, 8, 0, 0]);
    }
}

/// Lets a thread go on as its tracer last did.
fn go_on(tid: usize, signal: u32) -> Option<u32> {
    let _ = plain(nr::PTRACE, [request_of(tid), tid, 0, signal as usize, 0, 0]);
    None
}

/// The status that a tracer is to see; `None`: it is none of its business, and the thread goes on.
pub fn show(tid: usize, status: u32) -> Option<u32> {
    if status & 0xff != 0x7f {
        const CONTINUED: u32 = 0xffff;
        if status != CONTINUED {
            forget(tid);
        }
        return Some(status);
    }
    match (status >> 8 & 0xff, status >> 16) {
        (SIGTRAP, EVENT_FORK..=EVENT_CLONE) => {
            set_flags(tid, flags(tid) | INSIDE);
            Some(status)
        }
        (SIGSYS, 0) if reason(tid).is_some_and(|why| why.code == BY_FILTER) => go_on(tid, SIGSYS),
        (SIGTRAP, EVENT_EXEC) => executed(tid, status, STARTING_EVENT),
        (SIGTRAP, 0) => trapped(tid, status),
        (signal, 0) if signal == SIGTRAP | GOOD => match place(tid) {
            Some(place) => call_stop(tid, status, &place),
            None => Some(status),
        },
        _ => Some(status),
    }
}

/// An execve(2) has replaced the program by the loader. Who looks at calls sees it now, in order; who
/// does not, once there is a program to look at.
fn executed(tid: usize, status: u32, kind: u32) -> Option<u32> {
    if request_of(tid) == SYSCALL {
        set_flags(tid, flags(tid) & INSIDE);
        return Some(status);
    }
    set_flags(tid, kind);
    go_on(tid, 0)
}

/// A stop by SIGTRAP that is no event.
fn trapped(tid: usize, status: u32) -> Option<u32> {
    let (Some(why), Some(place)) = (reason(tid), place(tid)) else { return Some(status) };
    let request = request_of(tid);
    if why.code == SIGTRAP as i32 && request == SYSCALL {
        return call_stop(tid, status, &place);
    }
    if !place.is_loaders() {
        return Some(status);
    }
    match why.code {
        BY_ANYONE if place.ip == program_start as *const () as usize => {
            executed(tid, status, STARTING)
        }
        BY_THREAD if why.pid == tid as u32 => {
            let starting = flags(tid);
            set_flags(tid, starting & !(STARTING | STARTING_EVENT));
            if starting & STARTING_EVENT != 0 {
                Some(status | EVENT_EXEC << 16)
            } else if starting & STARTING != 0 {
                Some(status)
            } else {
                go_on(tid, 0)
            }
        }
        _ if request == SINGLESTEP || request == SINGLEBLOCK => go_on(tid, 0),
        _ => Some(status),
    }
}

/// The entry to a call, or its exit.
fn call_stop(tid: usize, status: u32, place: &Place) -> Option<u32> {
    let gate = |gate: *const ()| place.ip == gate as usize + 2;
    let (later, again) = (gate(later_gate as *const ()), gate(again_gate as *const ()));
    let is_guests = if !place.is_loaders() {
        place.is_entry || !filter_has_refused(tid)
    } else if place.is_entry {
        // A call that starts again after a signal, whose first end was shown.
        later || again || is_gate(place.ip)
    } else {
        let is_start = place.ip == program_start as *const () as usize;
        is_start || later || is_gate(place.ip) || again && place.value < 0
    };
    // Of more threads than there is room for nothing is remembered.
    let is_due = find_or_add(tid).is_none() || place.is_entry == (flags(tid) & INSIDE == 0);
    if !is_guests || !is_due {
        return go_on(tid, 0);
    }
    set_flags(tid, flags(tid) & !INSIDE | if place.is_entry { INSIDE } else { 0 });
    Some(status)
}

/// Where a thread has stopped.
struct Place {
    ip: usize,
    is_entry: bool,
    /// A call's value at its exit.
    value: i64,
}

impl Place {
    fn is_loaders(&self) -> bool {
        (self.ip as u64).wrapping_sub(LOADER_BASE) < u64::from(LOADER_SPAN)
    }
}

fn place(tid: usize) -> Option<Place> {
    /// `PTRACE_PEEKUSER`, and where it finds rax.
    const PEEKUSER: usize = 3;
    const RAX: usize = 80;
    const ENTRY: u64 = 1;
    let mut info = [0u64; 11];
    let mut rax = 0i64;
    let to = info.as_mut_ptr() as usize;
    let rax_to = core::ptr::from_mut(&mut rax) as usize;
    // SAFETY: the kernel's `struct ptrace_syscall_info`, 88 bytes, and a word.
    unsafe {
        checked(nr::PTRACE, [GET_SYSCALL_INFO, tid, size_of_val(&info), to, 0, 0]).ok()?;
        checked(nr::PTRACE, [PEEKUSER, tid, RAX, rax_to, 0, 0]).ok()?;
    }
    let [kind, ip, ..] = info;
    // Who did not ask for the mark is told nothing: a call's value is ENOSYS until it has one.
    const NO_VALUE: i64 = -38;
    let is_entry = match kind & 0xff {
        0 => rax == NO_VALUE,
        kind => kind == ENTRY,
    };
    Some(Place { ip: ip as usize, is_entry, value: rax })
}

/// Why a signal came.
struct Reason {
    code: i32,
    pid: u32,
}

/// The first words of the kernel's `siginfo_t`.
type Information = [u32; 32];

fn reason(tid: usize) -> Option<Reason> {
    let mut info: Information = [0; 32];
    let to = info.as_mut_ptr() as usize;
    // SAFETY: the kernel's `siginfo_t`, 128 bytes.
    unsafe { checked(nr::PTRACE, [GETSIGINFO, tid, 0, to, 0, 0]) }.ok()?;
    Some(Reason { code: info[2].cast_signed(), pid: info[4] })
}

/// Whether a call's exit is only that of a trapped one: the SIGSYS is on its way.
fn filter_has_refused(tid: usize) -> bool {
    const MOST: usize = 8;
    let mut list: [Information; MOST] = [[0; 32]; MOST];
    // `struct ptrace_peeksiginfo_args`: from the first one, the thread's own, so many.
    let which = [0u64, (MOST as u64) << 32];
    let to = list.as_mut_ptr() as usize;
    let which = which.as_ptr() as usize;
    // SAFETY: room for as many as are asked for.
    let count = unsafe { checked(nr::PTRACE, [PEEKSIGINFO, tid, which, to, 0, 0]) }.unwrap_or(0);
    list.iter().take(count).any(|info| info[0] == SIGSYS && info[2].cast_signed() == BY_FILTER)
}
