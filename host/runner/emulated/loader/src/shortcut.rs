//! Shortcuts: a call that a program makes again and again stops trapping.
//!
//! A trap costs some two microseconds. The usual form of a call is `mov eax, NUMBER`, perhaps moves
//! between registers, `syscall`: the five bytes of the first instruction become a jump to a stub that
//! does the same and enters the handler directly. The rest stays as it was, so who jumps to the
//! `syscall`, or was just about to execute it, still traps and gets the same answer. Only code that
//! the program cannot write to is changed, and only while the process has one thread. The filter is
//! as it was: a stub is no more than a faster trap.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use kiln_emulated_core::abi::{AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::buf::CPath;
use kiln_emulated_core::dispatch::{Answer, dispatch};
use kiln_emulated_core::errno::Result;
use kiln_emulated_core::guest::Guest;

use crate::entry::shortcut_entry;
use crate::guest::InProcess;
use crate::handler::{change_mask, value};
use crate::process::world;
use crate::slots::{COUNTERS, Slot, children, counter, home};
use crate::system::{
    MAP_ANONYMOUS, MAP_PRIVATE, PAGE, PROT_EXEC, PROT_READ, PROT_WRITE, checked, map, plain,
};

/// How often a call traps at one place before it gets a stub, which costs about six traps.
const THRESHOLD: u32 = 12;
/// Length of `mov eax, imm32`.
const MOV: usize = 5;
/// `syscall`
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// Most bytes of moves between them.
const MOVES: usize = 16;
/// A stub's size.
const STUB: usize = 48;
/// A page of stubs is looked for so far below the code that jumps to it.
const BELOW: usize = 1 << 20;
/// Pages of stubs: for the program, its libraries, and what they load.
const AREAS: usize = 4;

/// A page of stubs: where it is and how many are used.
struct Area {
    page: AtomicUsize,
    used: AtomicU32,
}

static STUBS: [Area; AREAS] =
    [const { Area { page: AtomicUsize::new(0), used: AtomicU32::new(0) } }; AREAS];

/// Whether the guest has a handler for some signal: then signals are blocked during a shortcut, as
/// they are during a trap.
pub static HAS_HANDLERS: AtomicU32 = AtomicU32::new(0);

/// `SIG_SETMASK`
const SET_MASK: usize = 2;
/// `Frame::mask` when signals were not blocked.
const NO_MASK: u64 = u64::MAX;

/// What `shortcut_entry` leaves on the guest's stack, lowest address first.
#[repr(C)]
pub struct Frame {
    mask: u64,
    result: isize,
    number: u64,
    rbx: u64,
    r9: usize,
    r8: usize,
    r10: usize,
    rdx: usize,
    rsi: usize,
    rdi: usize,
}

/// Answers a call that came by a stub. False: it is to trap after all.
///
/// # Safety
/// Called by `shortcut_entry` with its frame, and a slot that is its own.
pub unsafe extern "C" fn answer(frame: *mut Frame, slot: *mut Slot) -> bool {
    // SAFETY: the caller's contract.
    let (frame, slot) = unsafe { (&mut *frame, &mut *slot) };
    let arguments = [frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9];
    if frame.number == u64::from(nr::RT_SIGPROCMASK) {
        frame.result = value(set_mask(&mut frame.mask, arguments));
        return true;
    }
    match dispatch(&world(), &mut slot.scratch, frame.number as u32, arguments) {
        Answer::Now(value) => {
            frame.result = value;
            true
        }
        Answer::Later(later) => {
            if let Some(fd) = later.close {
                InProcess.close(fd);
            }
            false
        }
        Answer::Connect(..) | Answer::Send(_) | Answer::SendMany => false,
    }
}

/// rt_sigprocmask(2). Where signals are not blocked meanwhile, the mask is the kernel's to tell.
fn set_mask(mask: &mut u64, arguments: [usize; 6]) -> Result<usize> {
    if *mask != NO_MASK {
        return change_mask(mask, arguments);
    }
    let mut now = 0u64;
    let to = core::ptr::from_mut(&mut now) as usize;
    // SAFETY: eight bytes of a local, written.
    unsafe { checked(nr::RT_SIGPROCMASK, [SET_MASK, 0, to, 8, 0, 0])? };
    let result = change_mask(&mut now, arguments)?;
    // SAFETY: eight bytes of a local, read.
    unsafe { checked(nr::RT_SIGPROCMASK, [SET_MASK, to, 0, 8, 0, 0])? };
    Ok(result)
}

/// Calls that are answered at once.
const fn is_simple(number: u32) -> bool {
    matches!(
        number,
        nr::OPEN
            | nr::OPENAT
            | nr::STAT
            | nr::LSTAT
            | nr::FSTAT
            | nr::NEWFSTATAT
            | nr::STATX
            | nr::ACCESS
            | nr::FACCESSAT
            | nr::FACCESSAT2
            | nr::READLINK
            | nr::READLINKAT
            | nr::GETCWD
            | nr::CHDIR
            | nr::MKDIR
            | nr::MKDIRAT
            | nr::RMDIR
            | nr::UNLINK
            | nr::UNLINKAT
            | nr::SYMLINK
            | nr::SYMLINKAT
            | nr::LINK
            | nr::LINKAT
            | nr::RENAME
            | nr::RENAMEAT
            | nr::RENAMEAT2
            | nr::CHMOD
            | nr::FCHMOD
            | nr::FCHMODAT
            | nr::CHOWN
            | nr::LCHOWN
            | nr::FCHOWN
            | nr::FCHOWNAT
            | nr::UTIMENSAT
            | nr::UTIMES
            | nr::GETXATTR
            | nr::LGETXATTR
            | nr::FGETXATTR
            | nr::LISTXATTR
            | nr::LLISTXATTR
            | nr::FLISTXATTR
            | nr::STATFS
            | nr::GETUID
            | nr::GETEUID
            | nr::GETGID
            | nr::GETEGID
            | nr::RT_SIGPROCMASK
    )
}

/// Counts a trap that came from before `next`, and shortens the way when there were enough.
pub fn consider(number: u32, next: usize) {
    if !is_simple(number) {
        return;
    }
    let place = next as u32;
    let index = (next >> 1) % COUNTERS;
    let (Some(address), Some(count)) = (counter(2 * index), counter(2 * index + 1)) else { return };
    if address.load(Relaxed) != place {
        address.store(place, Relaxed);
        count.store(1, Relaxed);
        return;
    }
    let seen = count.load(Relaxed);
    // Beyond the threshold: it was tried, in vain.
    if seen <= THRESHOLD {
        count.store(seen + 1, Relaxed);
    }
    if seen == THRESHOLD {
        shorten(number, next);
    }
}

fn shorten(number: u32, next: usize) {
    let mut code = [0; 1 + MOV + MOVES + SYSCALL.len()];
    // One byte before the first instruction is looked at; what is before this page may be nothing.
    let in_page = (next - 1) % PAGE + 1;
    let room = if is_readable(next - code.len()) { code.len() } else { in_page.min(code.len()) };
    let Some(code) = code.get_mut(..room) else { return };
    if InProcess.read(next - room, code).is_err() {
        return;
    }
    let Some(moves) = find_moves(code, number) else { return };
    let start = next - SYSCALL.len() - moves.len() - MOV;
    if !is_alone() || is_writable(start) || is_writable(start + MOV) {
        return;
    }
    let Some(stub) = make_stub(number, moves, start, next) else { return };
    let Some(distance) = reach(start + MOV, stub) else { return };
    let first = start & !(PAGE - 1);
    let length = (start + MOV).next_multiple_of(PAGE) - first;
    if protect(first, length, PROT_READ | PROT_WRITE | PROT_EXEC) {
        // SAFETY: one thread; the pages are mapped and, for this moment, writable. What is
        // overwritten is a whole instruction, and the processor notices its own stores.
        unsafe {
            (start as *mut u8).write(0xe9);
            ((start + 1) as *mut i32).write_unaligned(distance);
        }
        protect(first, length, PROT_READ | PROT_EXEC);
    }
}

/// Whether the eight bytes at an address can be read.
fn is_readable(address: usize) -> bool {
    /// `SIG_BLOCK`: in the handler everything is blocked, so the set that is read changes nothing.
    const BLOCK: usize = 0;
    // SAFETY: the kernel reads eight bytes, or says that it cannot.
    unsafe { checked(nr::RT_SIGPROCMASK, [BLOCK, address, 0, 8, 0, 0]) }.is_ok()
}

/// What is between `mov eax, number` and the `syscall` that the code ends with.
fn find_moves(code: &[u8], number: u32) -> Option<&[u8]> {
    let code = code.strip_suffix(&SYSCALL)?;
    let [n0, n1, n2, n3] = number.to_le_bytes();
    let first = [0xb8, n0, n1, n2, n3];
    (0..=MOVES).find_map(|length| {
        let (before, moves) = code.split_at_checked(code.len().checked_sub(length)?)?;
        // With a REX prefix it would be another register.
        let prefix = *before.strip_suffix(&first)?.last()?;
        (prefix & 0xf0 != 0x40 && are_moves(moves)).then_some(moves)
    })
}

/// Whether these are instructions that set registers other than eax from registers or constants:
/// they do the same wherever they are.
fn are_moves(mut code: &[u8]) -> bool {
    while let Some((&byte, rest)) = code.split_first() {
        let (rex, opcode, rest) = match (byte & 0xf0, rest.split_first()) {
            (0x40, Some((&opcode, rest))) => (byte, opcode, rest),
            _ => (0x40, byte, rest),
        };
        let (register, rest) = match (opcode, rest) {
            // mov, xor, register to register
            (0x89 | 0x31, [modes, rest @ ..]) if modes >> 6 == 3 => {
                (modes & 7 | (rex & 1) << 3, rest)
            }
            (0x8b | 0x33, [modes, rest @ ..]) if modes >> 6 == 3 => {
                ((modes >> 3) & 7 | (rex & 4) << 1, rest)
            }
            // mov register, imm32
            (0xb8..=0xbf, [_, _, _, _, rest @ ..]) if rex & 8 == 0 => {
                (opcode & 7 | (rex & 1) << 3, rest)
            }
            _ => return false,
        };
        // rax holds the number; rsp is not to move.
        if matches!(register, 0 | 4) {
            return false;
        }
        code = rest;
    }
    true
}

fn protect(start: usize, length: usize, protection: usize) -> bool {
    plain(nr::MPROTECT, [start, length, protection, 0, 0, 0]).is_ok()
}

/// Whether nobody else can be executing this memory: one thread, and no child of vfork(2).
fn is_alone() -> bool {
    if children().load(Relaxed) != 0 || home().load(Relaxed) != InProcess.pid() {
        return false;
    }
    let Some(tasks) = CPath::new(b"/proc/self/task\0") else { return false };
    // Two links of the directory's own, one for each thread.
    InProcess.statx(AT_FDCWD, tasks, AT_SYMLINK_NOFOLLOW).is_ok_and(|tasks| tasks.nlink == 3)
}

/// Whether the program may write to this place: its protection would not be known afterwards.
fn is_writable(address: usize) -> bool {
    /// `FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG`: adds to the word as a store does, or fails.
    const WAKE_OP: usize = 5 | 128;
    /// Of the second word: its value plus nothing; compared with nothing.
    const ADD_ZERO: usize = 1 << 28;
    let word = AtomicU32::new(0);
    let own = word.as_ptr() as usize;
    // SAFETY: a local; the other word keeps its value, if it can be written at all.
    unsafe { checked(nr::FUTEX, [own, WAKE_OP, 0, 0, address & !3, ADD_ZERO]) }.is_ok()
}

/// The distance of a jump that ends at `from`.
fn reach(from: usize, to: usize) -> Option<i32> {
    i32::try_from(to.wrapping_sub(from).cast_signed()).ok()
}

fn make_stub(number: u32, moves: &[u8], start: usize, next: usize) -> Option<usize> {
    for area in &STUBS {
        let mut page = area.page.load(Relaxed);
        if page == 0 {
            let hint = (start.checked_sub(BELOW)?) & !(PAGE - 1);
            let protection = PROT_READ | PROT_WRITE;
            // SAFETY: a fresh mapping where the kernel finds room.
            page =
                unsafe { map(hint, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) }.ok()?;
            area.page.store(page, Relaxed);
        } else if !protect(page, PAGE, PROT_READ | PROT_WRITE) {
            return None;
        }
        let used = area.used.load(Relaxed) as usize;
        let stub = page + used * STUB;
        let fits = used < PAGE / STUB && reach(start + MOV, stub).is_some();
        if fits {
            write_stub(number, moves, stub, next)?;
            area.used.store(used as u32 + 1, Relaxed);
        }
        protect(page, PAGE, PROT_READ | PROT_EXEC);
        if fits {
            return Some(stub);
        }
    }
    None
}

/// `mov eax, number`, the moves, `lea rcx, [rip + ...]; jmp [rip]; shortcut_entry`
fn write_stub(number: u32, moves: &[u8], stub: usize, next: usize) -> Option<()> {
    let mut code = [0xcc; STUB];
    let mut used = 0;
    let mut push = |bytes: &[u8]| {
        code.get_mut(used..used + bytes.len())?.copy_from_slice(bytes);
        used += bytes.len();
        Some(used)
    };
    push(&[0xb8])?;
    push(&number.to_le_bytes())?;
    let end = push(moves)? + 7;
    push(&[0x48, 0x8d, 0x0d])?;
    push(&reach(stub + end, next)?.to_le_bytes())?;
    push(&[0xff, 0x25, 0, 0, 0, 0])?;
    push(&(shortcut_entry as *const () as usize).to_le_bytes())?;
    // SAFETY: inside the page of stubs, which is writable now; nothing jumps there yet.
    unsafe { (stub as *mut [u8; STUB]).write(code) };
    Some(())
}
