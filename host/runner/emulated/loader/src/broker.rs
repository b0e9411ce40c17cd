//! Asking the builder for what only it may do.

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::broker::{CONNECT, LINK_TIMES, REQUEST_LEN, Request};
use kiln_emulated_core::config::BROKER_FD;
use kiln_emulated_core::dispatch::Connect;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use crate::guest::InProcess;
use crate::system::{checked, fd};

/// `SOL_SOCKET`, `SCM_RIGHTS`
const RIGHTS: [u32; 2] = [1, 1];
/// `POLLIN`
const READABLE: u16 = 1;

/// Asks the builder to set a symbolic link's times.
pub fn set_link_times(file: i32, times: Option<[i64; 4]>) -> Result<()> {
    let mut request = Request::new(LINK_TIMES);
    if let Some(times) = times {
        for (to, time) in request.payload.chunks_exact_mut(8).zip(times) {
            to.copy_from_slice(&time.to_ne_bytes());
        }
        request.len = 32;
    }
    // Short, so nothing may interrupt it.
    ask(&request, &[file], u64::MAX)
}

/// connect(2), waiting with the guest's signal mask.
pub fn connect(connect: &Connect, mask: u64) -> Result<()> {
    let mut request = Request::new(CONNECT);
    request.payload[..connect.address.len()].copy_from_slice(&connect.address);
    request.len = connect.len as u32;
    match connect.target {
        Some(target) => {
            let result = ask(&request, &[connect.socket, target], mask);
            InProcess.close(target);
            result
        }
        None => ask(&request, &[connect.socket], mask),
    }
}

fn ask(request: &Request, files: &[i32], mask: u64) -> Result<()> {
    /// `AF_UNIX`, `SOCK_STREAM | SOCK_CLOEXEC`
    const PAIR: [usize; 2] = [1, 0o2_000_001];
    let mut pair = [0i32; 2];
    let to = pair.as_mut_ptr() as usize;
    // SAFETY: two integers of a local.
    unsafe { checked(nr::SOCKETPAIR, [PAIR[0], PAIR[1], 0, to, 0, 0])? };
    let [mine, theirs] = pair;
    let sent = send(request, theirs, files);
    InProcess.close(theirs);
    let result = sent.and_then(|()| wait(mine, mask));
    InProcess.close(mine);
    result
}

fn send(request: &Request, reply: i32, files: &[i32]) -> Result<()> {
    let bytes: [u8; REQUEST_LEN] = request.to_bytes();
    let vector = [bytes.as_ptr() as usize, bytes.len()];
    // `struct cmsghdr` and the descriptors after it.
    let mut control = [0u32; 8];
    let length = 16 + 4 * (1 + files.len());
    control[0] = length as u32;
    control[2..4].copy_from_slice(&RIGHTS);
    control[4] = reply as u32;
    for (to, file) in control[5..].iter_mut().zip(files) {
        *to = *file as u32;
    }
    let message = [
        0,
        0,
        vector.as_ptr() as usize,
        1,
        control.as_ptr() as usize,
        length.next_multiple_of(8),
        0,
    ];
    /// `MSG_NOSIGNAL`
    const NO_SIGNAL: usize = 0x4000;
    let message = message.as_ptr() as usize;
    // SAFETY: the kernel's `struct msghdr`, whose parts are locals.
    unsafe { checked(nr::SENDMSG, [fd(BROKER_FD), message, NO_SIGNAL, 0, 0, 0]) }.map(drop)
}

fn wait(reply: i32, mask: u64) -> Result<()> {
    // `struct pollfd`: descriptor, wanted, got.
    let mut poll = [reply as u32, u32::from(READABLE)];
    let to = poll.as_mut_ptr() as usize;
    let mask = core::ptr::from_ref(&mask) as usize;
    let mut answer = [0u8; 4];
    // SAFETY: all locals, as long as the calls say. A handler of the guest's that runs meanwhile
    // finds this slot's stack, and may even leave it for good: the slot is lost then.
    unsafe {
        checked(nr::PPOLL, [to, 1, 0, mask, 8, 0])?;
        let read = checked(nr::READ, [fd(reply), answer.as_mut_ptr() as usize, 4, 0, 0, 0])?;
        if read != 4 {
            return Err(Errno::IO);
        }
    }
    match i32::from_ne_bytes(answer) {
        0 => Ok(()),
        errno => Err(Errno(errno)),
    }
}
