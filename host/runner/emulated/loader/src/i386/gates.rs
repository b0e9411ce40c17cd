//! The gates of i386 programs: code below 4 GiB, where a call of theirs can wait.
//!
//! What interrupts such a call saves 32 bits of where it was, so it cannot be made from the loader's
//! own text. The code is copied to [`GATES`](kiln_emulated_core::arch::i386::GATES), and every address
//! in it is absolute.

use core::arch::global_asm;
use core::mem::offset_of;

use kiln_emulated_core::arch::i386::GATES;

use super::low::{WORDS, Words};
use crate::entry::GATE;

unsafe extern "C" {
    static gates32: u8;
    static gates32_end: u8;
    /// A call as an i386 program makes it: its number, and its arguments' address.
    pub fn native32(number: u32, arguments: *const [u32; 6]) -> i32;
}

/// Where a call is made after the handler; then the registers that lie on the stack come back, and
/// what the call's arguments point to leaves it.
pub const LATER: u32 = GATES + 16;
/// The same for calls that the filter is to judge as the guest's own: a copy of the page, right below.
pub const LATER_JUDGED: u32 = LATER - 4096;
/// As [`LATER`], and the descriptor in the data's last word is closed.
pub const LATER_CLOSE: u32 = GATES + 48;
/// Where signal handlers return to that say nowhere: those with and without a `siginfo_t`.
pub const RETURN_INFO: u32 = GATES + 96;
/// See [`RETURN_INFO`].
pub const RETURN: u32 = GATES + 112;
/// Where children are made that share their parent's memory, see [`crate::sharing`]: first those that
/// are waited for.
pub const CLONES: u32 = GATES + 128;
/// How many gates there are of either kind.
pub const COUNT: usize = 48;
/// How much a call's arguments can point to.
pub const DATA: usize = 64;

const _: () = assert!((CLONES - GATES) as usize + 2 * GATE * COUNT <= 4096);

/// The gates' code.
pub fn code() -> &'static [u8] {
    // SAFETY: two labels of the code below, in order.
    unsafe {
        let (start, end) = (&raw const gates32, &raw const gates32_end);
        core::slice::from_raw_parts(start, end as usize - start as usize)
    }
}

global_asm!(
    ".pushsection .rodata",
    ".balign 16",
    ".code32",
    ".globl gates32",
    "gates32:",
    // Both kinds of code understand this one.
    "int 0x80",
    "ret",
    ".org gates32 + 16",
    "int 0x80",
    "2:",
    "pop ebx",
    "pop ecx",
    "pop edx",
    "pop esi",
    "pop edi",
    "pop ebp",
    "ret {data}",
    ".org gates32 + 48",
    "int 0x80",
    "push eax",
    "mov ebx, [esp + 28 + {data}]",
    "mov eax, 6",
    "int 0x80",
    "pop eax",
    "jmp 2b",
    ".org gates32 + 96",
    "mov eax, 173",
    "int 0x80",
    ".org gates32 + 112",
    "pop eax",
    "mov eax, 119",
    "int 0x80",
    ".org gates32 + 128",
    ".set gate, 0",
    ".irp unless, jz, jns",
    ".rept {count}",
    "int 0x80",
    "test eax, eax",
    "\\unless 3f",
    "lock dec dword ptr [{children}]",
    "3:",
    "jmp dword ptr [{targets} + 8 * gate]",
    ".balign {length}",
    ".set gate, gate + 1",
    ".endr",
    ".endr",
    ".globl gates32_end",
    "gates32_end:",
    ".code64",
    ".popsection",
    ".globl native32",
    "native32:",
    "push rbx",
    "push rbp",
    "mov eax, edi",
    "mov r10, rsi",
    "mov ebx, [r10]",
    "mov ecx, [r10 + 4]",
    "mov edx, [r10 + 8]",
    "mov esi, [r10 + 12]",
    "mov edi, [r10 + 16]",
    "mov ebp, [r10 + 20]",
    "mov r11d, {gates}",
    "call r11",
    "pop rbp",
    "pop rbx",
    "ret",
    data = const DATA,
    count = const COUNT,
    length = const GATE,
    gates = const GATES,
    children = const WORDS + offset_of!(Words, children),
    targets = const WORDS + offset_of!(Words, targets),
);
