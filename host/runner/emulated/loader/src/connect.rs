//! connect(2): the builder connects, and this process waits, with the guest's signals as they are.

use kiln_emulated_core::abi::O_NONBLOCK;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::message::Peer;

use crate::broker::{self, forget};
use crate::guest::InProcess;
use crate::poll::WRITABLE;
use crate::restart::Waiting;

/// `SOL_SOCKET`
const SOCKET: i32 = 1;
/// `SO_SNDTIMEO`
const SEND_TIME: i32 = 21;
/// How long a peer without room is left alone.
const PAUSE_MS: i64 = 1;

/// Connects a socket to a peer, and closes what finding the peer has opened.
pub fn connect(socket: i32, peer: &Peer, mask: u64) -> Result<usize> {
    let result = waiting(socket, peer, mask);
    forget(peer);
    result
}

fn waiting(socket: i32, peer: &Peer, mask: u64) -> Result<usize> {
    let mut left = None;
    let mut how = None;
    loop {
        let errno = match broker::connect(socket, peer) {
            Err(errno @ (Errno::INPROGRESS | Errno::ALREADY | Errno::AGAIN)) => errno,
            other => return other,
        };
        if InProcess.status_flags(socket)? & O_NONBLOCK != 0 {
            return Err(errno);
        }
        let time = limit(socket);
        let how = how.get_or_insert_with(|| Waiting::new(mask, time.is_some()));
        if errno != Errno::AGAIN {
            // The other side's word. What it was says the next try, which also tells the socket.
            if how.poll(socket, WRITABLE, time)? == 0 {
                return Err(errno);
            }
            continue;
        }
        if !is_unix(peer) {
            return Err(errno);
        }
        // Nothing can be polled for: the queue of connections is the peer's.
        let ms = left.get_or_insert_with(|| time.map_or(i64::MAX, milliseconds));
        if *ms <= 0 {
            return Err(errno);
        }
        *ms -= PAUSE_MS;
        how.poll(-1, 0, Some([0, PAUSE_MS * 1_000_000]))?;
    }
}

fn is_unix(peer: &Peer) -> bool {
    const UNIX: [u8; 2] = 1u16.to_ne_bytes();
    peer.target.is_some() || peer.address.first_chunk() == Some(&UNIX)
}

/// How long a socket waits at most, in seconds and nanoseconds.
pub fn limit(socket: i32) -> Option<[i64; 2]> {
    let mut time = [0; 16];
    InProcess.socket_option(socket, SOCKET, SEND_TIME, &mut time).ok()?;
    let (seconds, micros) = time.split_at(8);
    let word = |bytes: &[u8]| i64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    let time = [word(seconds), word(micros) * 1000];
    (time != [0, 0]).then_some(time)
}

fn milliseconds([seconds, nanos]: [i64; 2]) -> i64 {
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}
