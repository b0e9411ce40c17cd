//! System V IPC: what a guest asks of the builder, which keeps the step's objects.
//!
//! The kernel's own would be the pod's. A request is the call's number and arguments, who asks, and
//! what the call reads of the guest's memory; the answer is the call's value and what it writes.

use crate::broker::{Request, SYSV};

/// Longest message (`MSGMAX`).
pub const MESSAGE_MAX: usize = 8192;
/// Most operations of one semop(2) (`SEMOPM`).
pub const OPERATIONS_MAX: usize = 500;
/// Most semaphores of one set (`SEMMSL`).
pub const SET_MAX: usize = 4096;
/// Length of `struct sembuf`.
pub const OPERATION_LEN: usize = 6;
/// semctl(2) with a command of our own: how many semaphores there are.
pub const COUNT: usize = 0x4b49;

/// How segments' memory is called in /proc/PID/maps; the key follows, as the kernel has it.
pub const SEGMENT_NAME: &str = "SYSV";
/// The same as a path.
pub const SEGMENT_PATH: &[u8] = b"/memfd:SYSV";

/// The commands that all kinds know.
pub mod command {
    /// `IPC_RMID`
    pub const REMOVE: usize = 0;
    /// `IPC_SET`
    pub const SET: usize = 1;
    /// `IPC_STAT`
    pub const STAT: usize = 2;
    /// `IPC_INFO`
    pub const INFO: usize = 3;
    /// `GETALL`
    pub const GET_ALL: usize = 13;
    /// `SETALL`
    pub const SET_ALL: usize = 17;
}

/// A call as the builder sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'d> {
    /// The system call.
    pub number: u32,
    /// Its arguments; pointers mean nothing to the builder.
    pub a: [usize; 5],
    /// The caller's credentials, as text.
    pub credentials: &'d [u8],
    /// What the call reads.
    pub data: &'d [u8],
}

/// A request for a call; the credentials' text comes first after it.
#[must_use]
pub fn request(number: u32, a: [usize; 5], credentials: usize) -> Request {
    let mut request = Request { flags: number, len: 48, ..Request::new(SYSV) };
    let words = a.into_iter().chain([credentials]);
    for (to, word) in request.payload.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_ne_bytes());
    }
    request
}

impl<'d> Call<'d> {
    /// The call of a request; `None` when a length is wrong.
    #[must_use]
    pub fn parse(request: &Request, data: &'d [u8]) -> Option<Self> {
        let mut words = request
            .used()
            .chunks_exact(8)
            .filter_map(|word| Some(usize::from_ne_bytes(word.try_into().ok()?)));
        let mut a = [0; 5];
        for word in &mut a {
            *word = words.next()?;
        }
        let length = words.next().filter(|&length| length <= data.len())?;
        let (credentials, data) = data.split_at(length);
        Some(Self { number: request.flags, a, credentials, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_survive_and_lies_do_not() {
        let request = request(29, [1, 2, 3, 4, usize::MAX], 3);
        let call = Call::parse(&request, b"creddata").unwrap();
        assert_eq!((call.number, call.a), (29, [1, 2, 3, 4, usize::MAX]));
        assert_eq!((call.credentials, call.data), (&b"cre"[..], &b"ddata"[..]));
        assert!(Call::parse(&request, b"cr").is_none());
        assert!(Call::parse(&Request { len: 40, ..request }, b"creddata").is_none());
    }
}
