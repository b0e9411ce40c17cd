//! System V IPC of i386 programs, by ipc(2) and by calls of their own.

use kiln_emulated_core::arch::i386::nr32;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::sysv::{MESSAGE_MAX, command};

use super::word;
use crate::guest::InProcess;
use crate::system::Temporary;
use crate::sysv;

/// Bytes of a message's type: those of `long`.
const TYPE: usize = 4;
const WIDE_TYPE: usize = 8;

/// ipc(2)
pub fn multiplexed(a: [usize; 6], mask: u64) -> Result<usize> {
    /// All of a command but `IPC_64`, which says that structures are the newer ones.
    const COMMAND: usize = 0xff;
    let [call, first, second, third, pointer, fifth] = a;
    let version = call >> 16;
    match call & 0xffff {
        1 => sysv::answer(nr::SEMOP, [first, pointer, second, 0, 0, 0], mask),
        2 => sysv::answer(nr::SEMGET, [first, second, third, 0, 0, 0], mask),
        3 => {
            let argument = word(pointer)? as usize;
            answer(nr32::SEMCTL, [first, second, third & COMMAND, argument, 0, 0], mask)
        }
        4 => {
            let mut time = [0i64; 2];
            let mut time_at = 0;
            if fifth != 0 {
                for (index, part) in time.iter_mut().enumerate() {
                    *part = i64::from(word(fifth + 4 * index)?.cast_signed());
                }
                time_at = time.as_ptr() as usize;
            }
            sysv::answer(nr::SEMTIMEDOP, [first, pointer, second, time_at, 0, 0], mask)
        }
        11 => answer(nr32::MSGSND, [first, pointer, second, third, 0, 0], mask),
        12 => {
            // The older form has the address and the type in memory.
            let (at, kind) = if version == 0 {
                (word(pointer)? as usize, word(pointer + 4)? as usize)
            } else {
                (pointer, fifth)
            };
            answer(nr32::MSGRCV, [first, at, second, kind, third, 0], mask)
        }
        13 => sysv::answer(nr::MSGGET, [first, second, 0, 0, 0, 0], mask),
        14 => answer(nr32::MSGCTL, [first, second & COMMAND, pointer, 0, 0, 0], mask),
        21 => {
            let start = answer(nr32::SHMAT, [first, pointer, second, 0, 0, 0], mask)?;
            InProcess.write(third, &(start as u32).to_ne_bytes()).map(|()| 0)
        }
        22 => sysv::answer(nr::SHMDT, [pointer, 0, 0, 0, 0, 0], mask),
        23 => sysv::answer(nr::SHMGET, [first, second, third, 0, 0, 0], mask),
        24 => answer(nr32::SHMCTL, [first, second & COMMAND, pointer, 0, 0, 0], mask),
        _ => Err(Errno::NOSYS),
    }
}

/// The calls whose structures differ.
pub fn answer(number: u32, a: [usize; 6], mask: u64) -> Result<usize> {
    match number {
        nr32::SHMAT => sysv::answer(nr::SHMAT, a, mask),
        nr32::SEMTIMEDOP_TIME64 => sysv::answer(nr::SEMTIMEDOP, a, mask),
        nr32::MSGSND => send(a, mask),
        nr32::MSGRCV => receive(a, mask),
        nr32::SEMCTL => control(nr::SEMCTL, a, 2, mask),
        nr32::SHMCTL => control(nr::SHMCTL, a, 1, mask),
        _ => control(nr::MSGCTL, a, 1, mask),
    }
}

/// A control call, unless it is about the structure that describes an object.
fn control(number: u32, a: [usize; 6], at: usize, mask: u64) -> Result<usize> {
    match (a[at], number) {
        // Of semaphores GETPID to SETALL too: numbers and halves of words.
        (command::REMOVE, _) | (11..=17, nr::SEMCTL) => sysv::answer(number, a, mask),
        _ => Err(Errno::INVAL),
    }
}

/// Memory for a message with a wide type.
fn room(text: usize) -> Result<Temporary> {
    if text > MESSAGE_MAX {
        return Err(Errno::INVAL);
    }
    Temporary::new(WIDE_TYPE + text)
}

fn copy(from: usize, to: usize, length: usize) -> Result<()> {
    let mut piece = [0; 512];
    for at in (0..length).step_by(piece.len()) {
        let count = piece.len().min(length - at);
        let piece = piece.get_mut(..count).unwrap_or(&mut []);
        InProcess.read(from + at, piece)?;
        InProcess.write(to + at, piece)?;
    }
    Ok(())
}

fn send([queue, at, length, flags, ..]: [usize; 6], mask: u64) -> Result<usize> {
    let room = room(length)?;
    let kind = i64::from(word(at)?.cast_signed());
    InProcess.write(room.start(), &kind.to_ne_bytes())?;
    copy(at + TYPE, room.start() + WIDE_TYPE, length)?;
    sysv::answer(nr::MSGSND, [queue, room.start(), length, flags, 0, 0], mask)
}

fn receive([queue, at, length, kind, flags, _]: [usize; 6], mask: u64) -> Result<usize> {
    let length = length.min(MESSAGE_MAX);
    let room = room(length)?;
    let kind = kind as u32 as i32 as isize as usize;
    let got = sysv::answer(nr::MSGRCV, [queue, room.start(), length, kind, flags, 0], mask)?;
    InProcess.write(at, &word(room.start())?.to_ne_bytes())?;
    copy(room.start() + WIDE_TYPE, at + TYPE, got.min(length))?;
    Ok(got)
}
