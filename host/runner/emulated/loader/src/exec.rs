//! execve(2): the loader executes itself, and tells itself which program to load, as whom.

use core::convert::Infallible;

use kiln_emulated_core::abi::{AT_EMPTY_PATH, AT_FDCWD, O_RDONLY};
use kiln_emulated_core::arch::{LOADER_BASE, nr};
use kiln_emulated_core::buf::{PathBuf, decimal};
use kiln_emulated_core::config::LOADER_FD;
use kiln_emulated_core::cred::{Credentials, ENCODED_LEN};
use kiln_emulated_core::elf::Program;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::exec::Image;
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::world::World;

use crate::guest::InProcess;
use crate::process::world;
use crate::sharing::own;
use crate::slots::{FEW_POINTERS, Slot};
use crate::system::{
    MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, call, checked, fd, map, plain,
};
use crate::trace;

/// Starts the first string that the loader leaves for itself in the environment.
pub const STATE: &[u8] = b"\x01kiln=";
/// Starts the second one: the program's canonical path.
pub const EXE: &[u8] = b"\x01exe=";

/// Most arguments and variables together; the kernel's own limit is on bytes.
const MAX_POINTERS: usize = 1 << 22;
/// Longest path of an ELF interpreter.
const MAX_INTERPRETER: usize = 1024;

/// Root, whatever the guest is: an ELF interpreter needs no permission of the user's.
static ROOT: Credentials = Credentials::new();

/// The guest's arguments and environment.
#[derive(Clone, Copy)]
pub struct Strings {
    pub argv: usize,
    pub envp: usize,
    /// Bytes of a pointer in them.
    pub width: usize,
}

/// execveat(2); returns only when it failed.
pub fn execute(
    slot: &mut Slot,
    dirfd: i32,
    path: usize,
    strings: Strings,
    flags: u32,
    mask: u64,
) -> Errno {
    let read = InProcess.read_str(path, slot.scratch.path.space());
    let result = read.and_then(|length| {
        slot.scratch.path.filled(length);
        let image = world().image(&mut slot.scratch, dirfd, flags)?;
        let result = with_interpreter(slot, &image, strings, mask);
        InProcess.close(image.fd);
        result
    });
    match result {
        Err(errno) => errno,
        Ok(never) => match never {},
    }
}

fn with_interpreter(
    slot: &mut Slot,
    image: &Image,
    strings: Strings,
    mask: u64,
) -> Result<Infallible> {
    let length = InProcess.read_head(image.fd, &mut slot.head)?;
    let head = slot.head.get(..length).unwrap_or(&[]);
    let Some(program) = Program::parse(head) else {
        if Program::is_foreign(head) {
            explain(slot.scratch.path.bytes(), FOREIGN);
        }
        return Err(Errno::NOEXEC);
    };
    if !program.relocatable && program.span.1 > LOADER_BASE {
        explain(slot.scratch.path.bytes(), TAKEN);
        return Err(Errno::NOEXEC);
    }
    let interpreter = match program.interpreter {
        Some((offset, length)) => Some(open_interpreter(slot, image.fd, offset, length)?),
        None => None,
    };
    let result = replace(slot, image, interpreter, strings, mask);
    if let Some(interpreter) = interpreter {
        InProcess.close(interpreter);
    }
    result
}

const FOREIGN: &[u8] = b": a program for another machine, which the emulated runner does not run; \
    --runner namespaces does where the kernel can\n";
const TAKEN: &[u8] = b": a program linked to fixed addresses beyond 0x700000000000, which are the \
    emulated runner's own; link it lower or as position-independent, or use --runner namespaces\n";

/// Who gets `ENOEXEC` says little, or takes the file for a script: why it is, on descriptor 2.
fn explain(name: &[u8], reason: &[u8]) {
    for part in [b"kiln: ", name, reason] {
        // SAFETY: the bytes are readable for their length.
        unsafe { call(nr::WRITE, [2, part.as_ptr() as usize, part.len(), 0, 0, 0]) };
    }
}

fn open_interpreter(slot: &mut Slot, file: i32, offset: u64, length: usize) -> Result<i32> {
    let mut name = PathBuf::new();
    if length > MAX_INTERPRETER {
        return Err(Errno::NOEXEC);
    }
    let space = name.space().get_mut(..length).ok_or(Errno::NOEXEC)?;
    let to = space.as_mut_ptr() as usize;
    // SAFETY: the buffer is `length` bytes long.
    let read = unsafe { checked(nr::PREAD64, [fd(file), to, length, offset as usize, 0, 0])? };
    let end = space.iter().take(read).position(|&byte| byte == 0).ok_or(Errno::NOEXEC)?;
    name.filled(end);
    let world = World { cred: &ROOT, ..world() };
    let saved = slot.scratch.path.clone();
    slot.scratch.path = name;
    let opened = world.open(&mut slot.scratch, AT_FDCWD, O_RDONLY, 0);
    slot.scratch.path = saved;
    opened
}

fn replace(
    slot: &mut Slot,
    image: &Image,
    interpreter: Option<i32>,
    Strings { argv, envp, width }: Strings,
    mask: u64,
) -> Result<Infallible> {
    let exe_at = write_text(slot, image, interpreter)?;
    let arguments = count(argv, width)?;
    let variables = count(envp, width)?;
    // Two strings of ours, two NULLs, and at most three words for each script.
    let needed = arguments + variables + 5 + 3 * image.scripts.count();
    let mut mapped = None;
    let pointers: &mut [usize] = if needed <= FEW_POINTERS {
        &mut slot.pointers
    } else {
        let bytes = needed * size_of::<usize>();
        // SAFETY: a fresh mapping of our own, large enough for the slice.
        unsafe {
            let flags = MAP_PRIVATE | MAP_ANONYMOUS;
            let start = map(0, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)?;
            mapped = Some((start, bytes));
            core::slice::from_raw_parts_mut(start as *mut usize, needed)
        }
    };
    let mut array = Array { pointers, used: 0 };
    let new_argv = if image.scripts.count() == 0 && arguments > 0 {
        if width == size_of::<usize>() {
            argv
        } else {
            let start = array.here();
            array.copy(argv, width, 0, arguments)?;
            array.push(0);
            start
        }
    } else {
        let start = array.here();
        for index in (0..image.scripts.count()).rev() {
            let (interpreter, argument) = image.scripts.line(index).ok_or(Errno::NOEXEC)?;
            array.push(interpreter.with_nul().as_ptr() as usize);
            if let Some(argument) = argument {
                array.push(argument.with_nul().as_ptr() as usize);
            }
        }
        array.push(slot.scratch.path.c().with_nul().as_ptr() as usize);
        array.copy(argv, width, 1, arguments)?;
        array.push(0);
        start
    };
    let new_envp = array.here();
    array.push(slot.text.as_ptr() as usize);
    array.push(slot.text.as_ptr() as usize + exe_at);
    array.copy(envp, width, 0, variables)?;
    array.push(0);

    let errno = enter(slot, new_argv, new_envp, mask);
    if let Some((start, bytes)) = mapped {
        let _ = plain(nr::MUNMAP, [start, bytes, 0, 0, 0, 0]);
    }
    Err(errno)
}

/// The last step. A child of vfork(2) shares this memory with its parent, which must get the slot
/// back when the child's execve(2) succeeds: the kernel then clears the word at the child's
/// "clear_child_tid" address, so that address is the slot's owner for the moment.
fn enter(slot: &Slot, argv: usize, envp: usize, mask: u64) -> Errno {
    /// `PR_GET_TID_ADDRESS`
    const GET_TID_ADDRESS: usize = 40;
    let mut address = 0usize;
    let mut all = u64::MAX;
    // SAFETY: all pointers are to locals, to the slot, or were checked by who made the arrays; on
    // success this memory is gone, on failure nothing has changed but the mask, which comes back.
    unsafe {
        let to = core::ptr::from_mut(&mut address) as usize;
        call(nr::PRCTL, [GET_TID_ADDRESS, to, 0, 0, 0, 0]);
        call(nr::SET_TID_ADDRESS, [slot.owner as usize, 0, 0, 0, 0, 0]);
        let mask = core::ptr::from_ref(&mask) as usize;
        call(nr::RT_SIGPROCMASK, [2, mask, 0, 8, 0, 0]);
        trace::before_exec();
        let empty = c"".as_ptr() as usize;
        let flags = AT_EMPTY_PATH as usize;
        let result = checked(nr::EXECVEAT, [fd(LOADER_FD), empty, argv, envp, flags, 0]);
        let everything = core::ptr::from_mut(&mut all) as usize;
        call(nr::RT_SIGPROCMASK, [2, everything, 0, 8, 0, 0]);
        call(nr::SET_TID_ADDRESS, [address, 0, 0, 0, 0, 0]);
        result.err().unwrap_or(Errno::IO)
    }
}

/// Writes the two strings for the new loader; the second one's offset.
fn write_text(slot: &mut Slot, image: &Image, interpreter: Option<i32>) -> Result<usize> {
    let mut encoded = [0; ENCODED_LEN];
    let own = own();
    let length = own.cred.encode(&mut encoded);
    let next = Credentials::new();
    next.decode(encoded.get(..length).unwrap_or(&[]));
    let secure = next.execute(image.set_user, image.set_group);
    let length = next.encode(&mut encoded);

    let mut text = Text { bytes: &mut slot.text, used: 0 };
    text.push(STATE)?;
    for number in [Some(image.fd), interpreter] {
        let mut digits = [0; 10];
        match number {
            Some(number) => text.push(decimal(number as u32, &mut digits))?,
            None => text.push(b"-")?,
        }
        text.push(b":")?;
    }
    text.push(if secure { b"1:" } else { b"0:" })?;
    text.push(encoded.get(..length).unwrap_or(&[]))?;
    let root = own.root();
    let mut digits = [0; 10];
    for part in [b":", decimal(root.len() as u32, &mut digits), b":", root, b":"] {
        text.push(part)?;
    }
    text.push(slot.scratch.path.bytes())?;
    text.push(b"\0")?;
    let exe_at = text.used;
    text.push(EXE)?;
    text.push(slot.scratch.other.bytes())?;
    text.push(b"\0")?;
    Ok(exe_at)
}

struct Text<'a> {
    bytes: &'a mut [u8],
    used: usize,
}

impl Text<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.used + bytes.len();
        self.bytes.get_mut(self.used..end).ok_or(Errno::TOOBIG)?.copy_from_slice(bytes);
        self.used = end;
        Ok(())
    }
}

struct Array<'a> {
    pointers: &'a mut [usize],
    used: usize,
}

impl Array<'_> {
    fn here(&self) -> usize {
        self.pointers.as_ptr() as usize + self.used * size_of::<usize>()
    }

    fn push(&mut self, pointer: usize) {
        if let Some(place) = self.pointers.get_mut(self.used) {
            *place = pointer;
            self.used += 1;
        }
    }

    /// Copies the guest's pointers from `first` up to `end`.
    fn copy(&mut self, array: usize, width: usize, first: usize, end: usize) -> Result<()> {
        for index in first..end {
            let pointer = pointer_at(array, width, index)?;
            self.push(pointer);
        }
        Ok(())
    }
}

fn pointer_at(array: usize, width: usize, index: usize) -> Result<usize> {
    // The low bytes come first.
    let mut bytes = [0; size_of::<usize>()];
    InProcess.read(array + index * width, bytes.get_mut(..width).unwrap_or(&mut []))?;
    Ok(usize::from_ne_bytes(bytes))
}

/// Length of a NULL-terminated array; a null pointer is an empty one.
fn count(array: usize, width: usize) -> Result<usize> {
    if array == 0 {
        return Ok(0);
    }
    for index in 0..MAX_POINTERS {
        if pointer_at(array, width, index)? == 0 {
            return Ok(index);
        }
    }
    Err(Errno::TOOBIG)
}
