//! Loading the guest's program: mapping it and its interpreter, fixing what the kernel told.

use kiln_emulated_core::arch::{LOADER_BASE, nr};
use kiln_emulated_core::cred::Which;
use kiln_emulated_core::elf::{HEADERS, Program, Segment};
use kiln_emulated_core::guest::Guest;

use crate::entry::jump;
use crate::exec::{EXE, STATE};
use crate::guest::InProcess;
use crate::i386::{self, Lists, low};
use crate::process;
use crate::sharing::{Own, begin};
use crate::system::{
    MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_NORESERVE, MAP_PRIVATE, PAGE, PROT_WRITE, call,
    die, map, plain,
};
use crate::{handler, slots, trace};

/// Where the kernel puts position-independent programs (`ELF_ET_DYN_BASE`).
const PROGRAM_BASE: usize = 0x5555_5555_4000;
/// The same for 32-bit programs.
const NARROW_BASE: usize = 0x5655_5000;

/// What the loader left for itself.
struct Orders {
    program: i32,
    interpreter: Option<i32>,
    secure: bool,
    name: usize,
}

/// Whether the first environment string is the loader's own.
pub fn is_guest_start(first: *const u8) -> bool {
    // SAFETY: an environment string of the kernel's, which ends with NUL; no byte beyond it is read
    // because STATE holds none.
    !first.is_null()
        && STATE.iter().enumerate().all(|(at, &byte)| unsafe { *first.add(at) } == byte)
}

pub fn string(start: usize) -> &'static [u8] {
    let mut length = 0;
    // SAFETY: an argument or environment string of the kernel's: it ends with NUL and lives in the
    // stack area for as long as the process.
    unsafe {
        while *((start + length) as *const u8) != 0 {
            length += 1;
        }
        core::slice::from_raw_parts(start as *const u8, length)
    }
}

/// Starts the guest's program on the stack that the kernel made for the loader.
///
/// # Safety
/// `stack` is the initial stack, with the loader's two strings first in the environment.
pub unsafe fn start(stack: *mut usize) -> ! {
    process::set_up();
    slots::set_up();
    let own = begin();
    // SAFETY: the caller's contract: argc, argv, NULL, envp, NULL, auxv.
    let (arguments, environment) = unsafe {
        let arguments = *stack;
        (arguments, stack.add(arguments + 2))
    };
    // SAFETY: as above; two strings of ours are there.
    let (state, exe) = unsafe { (*environment, *environment.add(1)) };
    let orders = read_orders(own, state);
    if orders.secure {
        process::world().note_changed_ids();
    } else {
        process::world().note_ids();
    }
    process::set_exe(string(exe).get(EXE.len()..).unwrap_or(&[]));
    handler::set_up();

    // SAFETY: the auxiliary vector follows the environment's NULL.
    let auxiliary = unsafe {
        let mut end = environment;
        while *end != 0 {
            end = end.add(1);
        }
        end.add(1)
    };
    // SAFETY: the vector ends with AT_NULL.
    let random = unsafe { find(auxiliary, 25) }.map_or(0, |value| {
        // SAFETY: AT_RANDOM points to 16 bytes.
        unsafe { (*value as *const u64).read_unaligned() as usize }
    });
    let parsed = read_program(orders.program);
    if parsed.is_narrow {
        low::set_up();
    }
    let hint = if parsed.is_narrow {
        NARROW_BASE + (random & 0xff) * PAGE
    } else {
        PROGRAM_BASE + (random & 0x0fff_ffff) * PAGE
    };
    let program = map_program(orders.program, &parsed, hint);
    let interpreter = orders.interpreter.map(|file| {
        let interpreter = read_program(file);
        if interpreter.is_narrow != parsed.is_narrow {
            die("the program's interpreter is for another machine");
        }
        map_program(file, &interpreter, 0)
    });
    let entry = interpreter.as_ref().map_or(program.entry, |interpreter| interpreter.entry);
    let base = interpreter.as_ref().map_or(0, |interpreter| interpreter.base);
    let [uid, euid, _] = own.cred.three(Which::User);
    let [gid, egid, _] = own.cred.three(Which::Group);
    let values = [
        (3, program.headers),
        (5, program.header_count),
        (7, base),
        (9, program.entry),
        (11, uid as usize),
        (12, euid as usize),
        (13, gid as usize),
        (14, egid as usize),
        (23, usize::from(orders.secure)),
        (31, orders.name),
    ];
    for (kind, value) in values {
        // SAFETY: as above.
        if let Some(place) = unsafe { find(auxiliary, kind) } {
            *place = value;
        }
    }
    name_thread(orders.name);
    let range = (program.base, program.end);
    if parsed.is_narrow {
        // SAFETY: the kernel's stack; what is the guest's comes after the loader's two strings.
        let lists = unsafe { Lists::new(stack, environment.add(2), auxiliary) };
        low::start_heap(program.end + (random >> 8 & 0x1fff) * PAGE);
        // SAFETY: the program is mapped, and nothing of the loader's is needed any more.
        unsafe { i386::start(&lists, range, parsed.executable_stack, entry) }
    }
    // SAFETY: the kernel's stack; the exe string is the last before the guest's environment.
    unsafe { describe(stack, environment.add(2), exe + string(exe).len() + 1, auxiliary, range) };
    trace::tell_started();
    // Our two strings leave the environment: what is before them moves up.
    // SAFETY: the words from `stack` to the first of our strings move by two words, over them.
    unsafe {
        let new = stack.add(2);
        core::ptr::copy(stack, new, arguments + 2);
        jump(new as usize, entry)
    }
}

/// The value of an entry of the auxiliary vector.
///
/// # Safety
/// `entry` is the vector's start.
unsafe fn find(mut entry: *mut usize, kind: usize) -> Option<&'static mut usize> {
    // SAFETY: pairs up to AT_NULL; the stack lives as long as the process.
    unsafe {
        while *entry != 0 {
            if *entry == kind {
                return Some(&mut *entry.add(1));
            }
            entry = entry.add(2);
        }
    }
    None
}

fn read_orders(own: &Own, state: usize) -> Orders {
    let text = string(state);
    let mut fields = text.get(STATE.len()..).unwrap_or(&[]).splitn(6, |&byte| byte == b':');
    let number = |field: Option<&[u8]>| {
        let field = field.filter(|field| *field != b"-")?;
        Some(field.iter().fold(0, |value: i32, &digit| {
            value.wrapping_mul(10).wrapping_add(i32::from(digit) - i32::from(b'0'))
        }))
    };
    let Some(program) = number(fields.next()) else { die("no program to load") };
    let interpreter = number(fields.next());
    let secure = fields.next() == Some(b"1");
    own.cred.decode(fields.next().unwrap_or(&[]));
    let length = number(fields.next()).map_or(0, |length| length as usize);
    // The root, a colon, the name.
    let (root, name) = fields.next().unwrap_or(&[]).split_at_checked(length).unwrap_or((&[], &[]));
    if own.set_root(root).is_err() {
        die("the root directory's path is too long");
    }
    let name = name.get(1..).unwrap_or(&[]);
    Orders { program, interpreter, secure, name: state + text.len() - name.len() }
}

/// Tells the kernel what of this is the guest's, for who looks at it in /proc: `environ`, `cmdline`
/// and `auxv`. Where the kernel was built without that, our two strings show there.
///
/// # Safety
/// As [`start`]; `environment` is the guest's, whose strings start at `strings`.
unsafe fn describe(
    stack: *mut usize,
    environment: *mut usize,
    strings: usize,
    auxiliary: *mut usize,
    (low, high): (usize, usize),
) {
    // SAFETY: the caller's contract; the vector ends with AT_NULL, whose value is counted too.
    let (arguments, state, last, size) = unsafe {
        let mut last = strings;
        let mut variable = environment;
        while *variable != 0 {
            last = *variable + string(*variable).len() + 1;
            variable = variable.add(1);
        }
        let mut end = auxiliary;
        while *end != 0 {
            end = end.add(2);
        }
        let state = *environment.sub(2);
        let first = if *stack > 0 { *stack.add(1) } else { state };
        (first, state, last, end.add(2) as usize - auxiliary as usize)
    };
    let heap = plain(nr::BRK, [0; 6]).unwrap_or(0);
    let vector = [auxiliary as usize, size];
    tell_kernel([low, high, heap, stack as usize], [arguments, state, strings, last], vector);
}

/// `prctl(PR_SET_MM)`: where the program lies and ends, its heap and its stack; its arguments and their
/// end, its environment and the end of that; its auxiliary vector and the length.
pub fn tell_kernel(
    [low, high, heap, stack]: [usize; 4],
    [arguments, arguments_end, environment, environment_end]: [usize; 4],
    [auxiliary, size]: [usize; 2],
) {
    /// `PR_SET_MM`, `PR_SET_MM_MAP`, the size of `struct prctl_mm_map`
    const SET_MAP: [usize; 4] = [35, 14, 0, 104];
    let map = [
        low,
        high,
        high,
        high,
        heap,
        heap,
        stack,
        arguments,
        arguments_end,
        environment,
        environment_end,
        auxiliary,
        size | (u32::MAX as usize) << 32,
    ];
    let [option, what, _, length] = SET_MAP;
    // SAFETY: the kernel's `struct prctl_mm_map`, a local; the file stays as it is.
    unsafe { call(nr::PRCTL, [option, what, map.as_ptr() as usize, length, 0, 0]) };
}

/// `comm` is the name of the file as it was executed.
fn name_thread(name: usize) {
    /// `PR_SET_NAME`
    const SET_NAME: usize = 15;
    let text = string(name);
    let base = text.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    // SAFETY: a string that ends with NUL.
    unsafe { call(nr::PRCTL, [SET_NAME, name + base, 0, 0, 0, 0]) };
}

struct Mapped {
    base: usize,
    end: usize,
    entry: usize,
    headers: usize,
    header_count: usize,
}

fn read_program(file: i32) -> Program {
    let mut head = [0; HEADERS];
    let length = InProcess.read_head(file, &mut head).unwrap_or(0);
    match head.get(..length).and_then(Program::parse) {
        Some(program) => program,
        None => die("the program changed while it was executed"),
    }
}

/// Maps a program; closes its file.
fn map_program(file: i32, program: &Program, hint: usize) -> Mapped {
    let (low, high) = (program.span.0 as usize, program.span.1 as usize);
    let size = high - low;
    let reserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    let bias = if program.relocatable {
        let align = program.alignment as usize;
        let slack = align - PAGE;
        let found = if program.is_narrow && hint == 0 {
            low::reserve(size + slack)
        } else {
            // SAFETY: a fresh mapping where the kernel finds room.
            unsafe { map(hint & !(align - 1), size + slack, 0, reserve, -1, 0) }
        };
        let Ok(start) = found else { die("no room for the program") };
        let aligned = (start + slack) & !(align - 1);
        let after = start + slack - aligned;
        for (unused, bytes) in [(start, aligned - start), (aligned + size, after)] {
            if bytes > 0 {
                let _ = plain(nr::MUNMAP, [unused, bytes, 0, 0, 0, 0]);
            }
        }
        aligned.wrapping_sub(low)
    } else {
        if high as u64 > LOADER_BASE {
            die("the program wants addresses that are the loader's");
        }
        // SAFETY: refused where something lies already.
        let got = unsafe { map(low, size, 0, reserve | MAP_FIXED_NOREPLACE, -1, 0) };
        if got != Ok(low) {
            die("the program's addresses are taken");
        }
        0
    };
    for segment in program.segments() {
        map_segment(file, segment, bias);
    }
    InProcess.close(file);
    Mapped {
        base: low.wrapping_add(bias),
        end: high.wrapping_add(bias),
        entry: (program.entry as usize).wrapping_add(bias),
        headers: (program.headers as usize).wrapping_add(bias),
        header_count: program.header_count as usize,
    }
}

fn map_segment(file: i32, segment: &Segment, bias: usize) {
    let protection = segment.protection as usize;
    let address = (segment.address as usize).wrapping_add(bias);
    let start = address & !(PAGE - 1);
    let file_end = address + segment.file_size as usize;
    let memory_end = address + segment.memory_size as usize;
    let mut anonymous = start;
    if segment.file_size > 0 {
        let offset = segment.offset as usize & !(PAGE - 1);
        // SAFETY: inside the range reserved for this program.
        let mapped = unsafe {
            let flags = MAP_PRIVATE | MAP_FIXED;
            map(start, file_end - start, protection, flags, file, offset)
        };
        if mapped.is_err() {
            die("the program cannot be mapped: is the work directory on a noexec mount?");
        }
        anonymous = (file_end + PAGE - 1) & !(PAGE - 1);
        if memory_end > file_end && protection & PROT_WRITE != 0 {
            // To the end of the page, not of the segment: the dynamic loader's heap starts there.
            // SAFETY: the page was just mapped, writable and private.
            unsafe { core::ptr::write_bytes(file_end as *mut u8, 0, anonymous - file_end) };
        }
    }
    if memory_end > anonymous {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
        // SAFETY: inside the range reserved for this program.
        if unsafe { map(anonymous, memory_end - anonymous, protection, flags, -1, 0) }.is_err() {
            die("no memory for the program");
        }
    }
}
