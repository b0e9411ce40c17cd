//! The first stack of an i386 program, and the way into it.

use core::arch::asm;

use kiln_emulated_core::arch::i386::GATES;

use crate::load::{string, tell_kernel};
use crate::trace;
use crate::system::{
    MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, PAGE, PROT_EXEC, PROT_READ,
    PROT_WRITE, die, map,
};

use super::low;

/// Where the stack ends: below the gates, with a gap.
const TOP: usize = GATES as usize - 16 * PAGE;
/// What is left for the program's own use, at least.
const ROOM: usize = 8 << 20;
/// Most that arguments and environment can take, as for the kernel by default.
const STRINGS_MAX: usize = 6 << 20;
const PLATFORM: &[u8] = b"i686\0";

/// `AT_NULL`, `AT_PHENT`, `AT_PLATFORM`, `AT_RANDOM`, `AT_EXECFN`, `AT_SYSINFO`, `AT_SYSINFO_EHDR`
const NULL: usize = 0;
const HEADER_LENGTH: usize = 4;
const PLATFORM_NAME: usize = 15;
const RANDOM: usize = 25;
const FILE_NAME: usize = 31;
/// The kernel's own code for calls is 64-bit code here.
const KERNEL_CODE: [usize; 2] = [32, 33];
/// The length of a program header.
const HEADER: u32 = 32;

/// Arguments, environment and auxiliary vector as the kernel made them, for a 64-bit program.
pub struct Lists {
    arguments: *const usize,
    environment: *const usize,
    auxiliary: *const usize,
}

impl Lists {
    /// # Safety
    /// `stack` is the kernel's, argc first; the other two lie on it, each ended as the kernel does.
    pub unsafe fn new(stack: *mut usize, environment: *mut usize, auxiliary: *mut usize) -> Self {
        // SAFETY: the arguments follow their count.
        Self { arguments: unsafe { stack.add(1) }, environment, auxiliary }
    }

    /// The words of a list up to its NULL.
    fn words(list: *const usize) -> impl Iterator<Item = usize> {
        // SAFETY: the constructor's contract.
        (0..).map(move |index| unsafe { *list.add(index) }).take_while(|&word| word != 0)
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let list = self.auxiliary;
        // SAFETY: the constructor's contract.
        (0..)
            .map(move |index| unsafe { (*list.add(2 * index), *list.add(2 * index + 1)) })
            .take_while(|&(kind, _)| kind != NULL)
    }
}

/// Writes upwards.
struct Writer(usize);

impl Writer {
    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.0;
        // SAFETY: inside the fresh stack, whose size was counted before.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
        self.0 += bytes.len();
        at as u32
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_ne_bytes());
    }

    /// A string with its NUL.
    fn string(&mut self, from: usize) -> u32 {
        let at = self.bytes(string(from));
        self.bytes(b"\0");
        at
    }
}

/// Hands the processor to an i386 program that lies in `range`.
///
/// # Safety
/// The program is mapped, `entry` is its first instruction, and the gates are laid out.
pub unsafe fn start(
    lists: &Lists,
    range: (usize, usize),
    executable_stack: bool,
    entry: usize,
) -> ! {
    let length = |list| Lists::words(list).map(|at| string(at).len() + 1).sum::<usize>();
    let count = |list| Lists::words(list).count();
    let name = lists.pairs().find(|&(kind, _)| kind == FILE_NAME).map_or(0, |(_, value)| value);
    let name_length = if name == 0 { 0 } else { string(name).len() + 1 };
    let texts = length(lists.arguments) + length(lists.environment) + name_length;
    let pairs = lists.pairs().count() + 1;
    let words = 3 + count(lists.arguments) + count(lists.environment) + 2 * pairs;
    let used = (texts + 16 + PLATFORM.len() + 4 * words + 64).next_multiple_of(PAGE);
    if used > STRINGS_MAX {
        die("the arguments and variables are too long for a 32-bit program");
    }
    let mut protection = PROT_READ | PROT_WRITE;
    if executable_stack {
        protection |= PROT_EXEC;
    }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    let size = ROOM + used;
    // SAFETY: refused where something lies already.
    if unsafe { map(TOP - size, size, protection, flags, -1, 0) } != Ok(TOP - size) {
        die("no room for the stack of a 32-bit program");
    }

    let mut strings = Writer(TOP - used + (4 * words).next_multiple_of(16));
    // The stack pointer is a multiple of 16 at the first instruction.
    let stack = TOP - used;
    let mut list = Writer(stack);
    list.word(count(lists.arguments) as u32);
    let arguments = strings.0;
    Lists::words(lists.arguments).for_each(|at| list.word(strings.string(at)));
    list.word(0);
    let environment = strings.0;
    Lists::words(lists.environment).for_each(|at| list.word(strings.string(at)));
    list.word(0);
    let end = strings.0;
    for (kind, value) in lists.pairs().filter(|(kind, _)| !KERNEL_CODE.contains(kind)) {
        let value = match kind {
            HEADER_LENGTH => HEADER,
            PLATFORM_NAME => strings.bytes(PLATFORM),
            // SAFETY: AT_RANDOM points to 16 bytes of the kernel's.
            RANDOM => strings.bytes(unsafe { core::slice::from_raw_parts(value as *const u8, 16) }),
            FILE_NAME => strings.string(value),
            _ => value as u32,
        };
        list.word(kind as u32);
        list.word(value);
    }
    list.word(NULL as u32);
    list.word(0);
    let (low, high) = range;
    let texts = [arguments, environment, environment, end];
    tell_kernel([low, high, low::set_break(0), stack], texts, [0, 0]);
    trace::tell_started();
    // SAFETY: the caller's contract; the segments are those of the kernel for 32-bit programs, and
    // below the stack pointer is room for the far address.
    unsafe {
        asm!(
            "mov eax, 0x2b",
            "mov ds, eax",
            "mov es, eax",
            "mov rsp, rdi",
            "push 0x23",
            "push rsi",
            "xor eax, eax",
            "xor ebx, ebx",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor edi, edi",
            "xor ebp, ebp",
            "retfq",
            in("rdi") stack,
            in("rsi") entry,
            options(noreturn),
        )
    }
}
