//! System V IPC: the builder keeps the objects; here are the guest's memory and its waiting.

use kiln_emulated_core::abi::{AT_FDCWD, O_CLOEXEC};
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::buf::CPath;
use kiln_emulated_core::cred::ENCODED_LEN;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::sysv::{
    COUNT, MESSAGE_MAX, OPERATION_LEN, OPERATIONS_MAX, SEGMENT_PATH, SET_MAX, command, request,
};

use crate::broker::{NO_SIGNALS, receive, reply_pair, send_request};
use crate::guest::InProcess;
use crate::i386::low;
use crate::poll::{READABLE, poll};
use crate::sharing::own;
use crate::system::{
    MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, PAGE, PROT_EXEC, PROT_READ, PROT_WRITE, checked, fd,
    map,
};

const SHM_RDONLY: usize = 0o10_000;
const SHM_RND: usize = 0o20_000;
const SHM_REMAP: usize = 0o40_000;
const SHM_EXEC: usize = 0o100_000;
/// Longest structure that a control call writes.
const STRUCTURE_MAX: usize = 120;
/// Length of the structures that IPC_SET reads, by call.
const SHM_DS: usize = 112;
const SEM_DS: usize = 104;
const MSG_DS: usize = 120;

/// What a call reads and writes of the guest's memory, and how it waits.
struct Exchange {
    reads: [usize; 2],
    writes: [usize; 2],
    /// The guest's signal mask while it waits, and for how long.
    waits: Option<(u64, Option<[i64; 2]>)>,
}

const NOTHING: Exchange = Exchange { reads: [0, 0], writes: [0, 0], waits: None };

/// Answers one of the calls.
pub fn answer(number: u32, a: [usize; 6], mask: u64) -> Result<usize> {
    let [first, second, third, fourth, fifth, _] = a;
    let a = [first, second, third, fourth, fifth];
    let exchange = match number {
        nr::SHMAT => return attach(a),
        nr::SHMDT => return detach(first),
        nr::SHMCTL => control(second, third, SHM_DS),
        nr::MSGCTL => control(second, third, MSG_DS),
        nr::SEMCTL => semaphore_control(a)?,
        nr::SEMOP => operations(second, third, None, mask)?,
        nr::SEMTIMEDOP => operations(second, third, read_time(fourth)?, mask)?,
        nr::MSGSND => {
            if third > MESSAGE_MAX {
                return Err(Errno::INVAL);
            }
            Exchange { reads: [second, 8 + third], waits: Some((mask, None)), ..NOTHING }
        }
        nr::MSGRCV => {
            let room = 8 + third.min(MESSAGE_MAX);
            Exchange { writes: [second, room], waits: Some((mask, None)), ..NOTHING }
        }
        _ => NOTHING,
    };
    ask(number, a, &exchange).map(|(value, _)| value)
}

fn control(what: usize, buffer: usize, length: usize) -> Exchange {
    match what & 0xff {
        command::SET => Exchange { reads: [buffer, length], ..NOTHING },
        command::REMOVE => NOTHING,
        _ => Exchange { writes: [buffer, STRUCTURE_MAX], ..NOTHING },
    }
}

fn semaphore_control(a: [usize; 5]) -> Result<Exchange> {
    let [set, _, what, argument, _] = a;
    Ok(match what & 0xff {
        command::SET_ALL => {
            let (count, _) = ask(nr::SEMCTL, [set, 0, COUNT, 0, 0], &NOTHING)?;
            Exchange { reads: [argument, 2 * count], ..NOTHING }
        }
        command::GET_ALL => Exchange { writes: [argument, 2 * SET_MAX], ..NOTHING },
        other => control(other, argument, SEM_DS),
    })
}

fn operations(
    list: usize,
    count: usize,
    time: Option<[i64; 2]>,
    mask: u64,
) -> Result<Exchange> {
    if count == 0 {
        return Err(Errno::INVAL);
    }
    if count > OPERATIONS_MAX {
        return Err(Errno::TOOBIG);
    }
    let reads = [list, OPERATION_LEN * count];
    Ok(Exchange { reads, waits: Some((mask, time)), ..NOTHING })
}

fn read_time(address: usize) -> Result<Option<[i64; 2]>> {
    if address == 0 {
        return Ok(None);
    }
    let mut bytes = [0; 16];
    InProcess.read(address, &mut bytes)?;
    let (seconds, nanos) = bytes.split_at(8);
    let word = |bytes: &[u8]| i64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    let [seconds, nanos] = [word(seconds), word(nanos)];
    if seconds < 0 || !(0..1_000_000_000).contains(&nanos) {
        return Err(Errno::INVAL);
    }
    Ok(Some([seconds, nanos]))
}

/// Asks the builder; the value, and a descriptor.
fn ask(number: u32, a: [usize; 5], exchange: &Exchange) -> Result<(usize, Option<i32>)> {
    let mut credentials = [0; ENCODED_LEN];
    let length = own().cred.encode(&mut credentials);
    let request = request(number, a, length);
    let data = [[credentials.as_ptr() as usize, length], exchange.reads];
    let [mine, theirs] = reply_pair()?;
    let sent = send_request(&request, theirs, &[], &data);
    InProcess.close(theirs);
    let result = sent.and_then(|()| {
        let waited = match exchange.waits {
            None => poll(mine, READABLE, None, NO_SIGNALS).map(drop),
            Some((mask, time)) => wait(mine, mask, time),
        };
        match (waited, receive(mine, exchange.writes)) {
            (Err(errno), Err(Errno::INTR)) => Err(errno),
            // If it was too late to take the call back, it has been made.
            (_, answer) => answer,
        }
    });
    InProcess.close(mine);
    result.map(|(value, file, _)| (value, file))
}

/// Waits for the answer. A signal or the end of the time takes the request back, which the builder
/// confirms by EINTR, unless it has answered before.
fn wait(reply: i32, mask: u64, time: Option<[i64; 2]>) -> Result<()> {
    /// `SHUT_WR`
    const WRITING: usize = 1;
    let errno = match poll(reply, READABLE, time, mask) {
        Ok(0) => Errno::AGAIN,
        Ok(_) => return Ok(()),
        Err(errno) => errno,
    };
    // SAFETY: two numbers.
    unsafe { checked(nr::SHUTDOWN, [fd(reply), WRITING, 0, 0, 0, 0])? };
    poll(reply, READABLE, None, NO_SIGNALS)?;
    Err(errno)
}

/// shmat(2): the builder gives the segment's memory, and this process maps it.
fn attach(a: [usize; 5]) -> Result<usize> {
    let [_, mut address, flags, ..] = a;
    if !address.is_multiple_of(PAGE) {
        if flags & SHM_RND == 0 {
            return Err(Errno::INVAL);
        }
        address -= address % PAGE;
    }
    if address == 0 && flags & SHM_REMAP != 0 {
        return Err(Errno::INVAL);
    }
    let mut size = 0usize;
    let writes = [core::ptr::from_mut(&mut size) as usize, 8];
    let (_, file) = ask(nr::SHMAT, a, &Exchange { writes, ..NOTHING })?;
    let file = file.ok_or(Errno::IO)?;
    // SAFETY: the builder wrote it, behind the compiler's back.
    let size = unsafe { core::ptr::from_ref(&size).read_volatile() };
    let mut protection = PROT_READ;
    if flags & SHM_RDONLY == 0 {
        protection |= PROT_WRITE;
    }
    if flags & SHM_EXEC != 0 {
        protection |= PROT_EXEC;
    }
    let fixed = match (address, flags & SHM_REMAP) {
        (0, _) => 0,
        (_, 0) => MAP_FIXED_NOREPLACE,
        _ => MAP_FIXED,
    };
    let (address, fixed) = if address == 0 && low::is_set_up() {
        (low::reserve(size)?, MAP_FIXED)
    } else {
        (address, fixed)
    };
    // SAFETY: with SHM_REMAP the guest said what is to be replaced; what was reserved is ours.
    let mapped = unsafe { map(address, size, protection, MAP_SHARED | fixed, file, 0) };
    InProcess.close(file);
    match mapped {
        Err(Errno::EXIST) => Err(Errno::INVAL),
        other => other,
    }
}

/// shmdt(2): what is attached, and where, the kernel knows: nobody keeps a second account.
fn detach(address: usize) -> Result<usize> {
    if !address.is_multiple_of(PAGE) {
        return Err(Errno::INVAL);
    }
    let path = CPath::new(b"/proc/self/maps\0").ok_or(Errno::IO)?;
    let file = InProcess.openat(AT_FDCWD, path, O_CLOEXEC, 0)?;
    let mut found = None;
    let mut line = Line::new();
    let mut buffer = [0u8; 1024];
    loop {
        let to = buffer.as_mut_ptr() as usize;
        // SAFETY: the buffer is that long.
        let read = unsafe { checked(nr::READ, [fd(file), to, buffer.len(), 0, 0, 0]) };
        let Some(bytes) = read.ok().filter(|&read| read > 0).and_then(|read| buffer.get(..read))
        else {
            break;
        };
        for &byte in bytes {
            if !line.ends_with(byte) {
                continue;
            }
            if let Some((start, end, offset, inode)) = line.segment()
                && start.checked_sub(address) == Some(offset)
                && found.is_none_or(|found| found == inode)
            {
                found = Some(inode);
                // SAFETY: a segment's mapping, which the guest wants gone.
                let _ = unsafe { checked(nr::MUNMAP, [start, end - start, 0, 0, 0, 0]) };
            }
            line = Line::new();
        }
    }
    InProcess.close(file);
    let inode = found.ok_or(Errno::INVAL)?;
    // For the segment's times, and its end.
    let _ = ask(nr::SHMDT, [inode, 0, 0, 0, 0], &NOTHING);
    Ok(0)
}

/// The start of a line of /proc/PID/maps.
struct Line {
    text: [u8; 128],
    used: usize,
}

impl Line {
    const fn new() -> Self {
        Self { text: [0; 128], used: 0 }
    }

    /// Takes a byte; whether the line is complete.
    fn ends_with(&mut self, byte: u8) -> bool {
        if let Some(place) = self.text.get_mut(self.used) {
            *place = byte;
            self.used += 1;
        }
        byte == b'\n'
    }

    /// Start, end, offset and inode, if it is a segment's.
    fn segment(&self) -> Option<(usize, usize, usize, usize)> {
        let text = self.text.get(..self.used)?;
        let mut fields = text.split(|&byte| byte == b' ' || byte == b'\n');
        let range = fields.next()?;
        let _ = fields.next()?;
        let offset = number(fields.next()?, 16)?;
        let _ = fields.next()?;
        let inode = number(fields.next()?, 10)?;
        let name = fields.find(|field| !field.is_empty())?;
        name.starts_with(SEGMENT_PATH).then_some(())?;
        let mut ends = range.split(|&byte| byte == b'-');
        Some((number(ends.next()?, 16)?, number(ends.next()?, 16)?, offset, inode))
    }
}

fn number(text: &[u8], base: u32) -> Option<usize> {
    text.iter().try_fold(0usize, |value, &digit| {
        let digit = char::from(digit).to_digit(base)?;
        value.checked_mul(base as usize)?.checked_add(digit as usize)
    })
}
