//! Who is at the other end of a Unix socket: SO_PEERCRED in the step's ids.
//!
//! The kernel knows one uid for all of a step, and the builder as the one who connects. So the
//! builder keeps for whom it connected a socket, and who said that a socket listens. What a process
//! says of its ids is taken as it is: only its own step ever asks. Of an end that is closed before
//! anybody asks nothing is known: until it is accepted, sock_diag(7) does not show the other end, which
//! has no inode yet, and then it does not show the one that is closed.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;

use rustix::fs::{AtFlags, StatxFlags, statx};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// Ends that are remembered of each kind; a step can open sockets for as long as it runs.
const MOST: usize = 4096;

/// Process, user and group, as the guest knows them.
pub(super) type Ids = [u32; 3];

/// The ends of a step's Unix sockets.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By the inode of the socket that was connected.
    connected: Latest<u64>,
    /// By the inode of the socket that asked: the answer holds when the other end is closed.
    accepted: Latest<u64>,
    /// By the process, as the kernel keeps it for a socket that listens.
    listening: Latest<u32>,
}

impl Peers {
    /// A socket is about to be connected for a process.
    pub(super) fn connects(&self, socket: &OwnedFd, ids: Ids) -> Result<(), Errno> {
        let socket = inode(socket)?;
        self.with(|known| known.connected.put(socket, ids));
        Ok(())
    }

    /// A process is about to listen.
    pub(super) fn listens(&self, ids: Ids) {
        self.with(|known| known.listening.put(ids[0], ids));
    }

    /// The other end of a socket for which the kernel names this process.
    pub(super) fn of(&self, socket: &OwnedFd, process: u32) -> Result<Ids, Errno> {
        let found = if process == std::process::id() {
            let accepted = inode(socket)?;
            if let Some(ids) = self.with(|known| known.accepted.get(accepted)) {
                return Ok(ids);
            }
            let other = u64::from(other_end(accepted)?);
            self.with(|known| {
                let ids = known.connected.get(other)?;
                known.accepted.put(accepted, ids);
                Some(ids)
            })
        } else {
            self.with(|known| known.listening.get(process))
        };
        found.ok_or(Errno::NOENT)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// The newest entries of a map.
#[derive(Debug)]
struct Latest<K> {
    entries: HashMap<K, Ids>,
    order: VecDeque<K>,
}

impl<K> Default for Latest<K> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Copy + Eq + Hash> Latest<K> {
    fn put(&mut self, key: K, ids: Ids) {
        if self.entries.insert(key, ids).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    fn get(&self, key: K) -> Option<Ids> {
        self.entries.get(&key).copied()
    }
}

fn inode(socket: impl AsFd) -> Result<u64, Errno> {
    Ok(statx(socket, "", AtFlags::EMPTY_PATH, StatxFlags::INO)?.stx_ino)
}

/// The inode of the socket that this one is connected with, which sock_diag(7) tells.
fn other_end(socket: u64) -> Result<u32, Errno> {
    /// `SOCK_DIAG_BY_FAMILY`
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST`
    const REQUEST: u16 = 1;
    /// `UDIAG_SHOW_PEER`
    const SHOW_PEER: u32 = 4;
    let socket = u32::try_from(socket).map_err(|_| Errno::NOENT)?;
    let flags = SocketFlags::CLOEXEC;
    let diag =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    // `struct nlmsghdr`, `struct unix_diag_req`: any state, any cookie.
    let mut request = Vec::with_capacity(40);
    request.extend(40u32.to_ne_bytes());
    request.extend([BY_FAMILY.to_ne_bytes(), REQUEST.to_ne_bytes()].concat());
    request.extend([0; 8]);
    let family = u8::try_from(AddressFamily::UNIX.as_raw()).unwrap_or_default();
    request.extend([family, 0, 0, 0]);
    for word in [u32::MAX, socket, SHOW_PEER, u32::MAX, u32::MAX] {
        request.extend(word.to_ne_bytes());
    }
    send(&diag, &request, SendFlags::empty())?;
    let mut answer = [0; 512];
    // The kernel has answered before send(2) returns.
    let (length, _) = recv(&diag, &mut answer[..], RecvFlags::DONTWAIT)?;
    peer_of(answer.get(..length).unwrap_or(&[]), BY_FAMILY).ok_or(Errno::NOENT)
}

/// `UNIX_DIAG_PEER` of an answer, `None` when it is an error or has none.
fn peer_of(answer: &[u8], wanted: u16) -> Option<u32> {
    /// `struct nlmsghdr` and `struct unix_diag_msg`.
    const HEADERS: usize = 16 + 16;
    /// `UNIX_DIAG_PEER`
    const PEER: u16 = 2;
    let half = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 2).and_then(|half| Some(u16::from_ne_bytes(half.try_into().ok()?)))
    };
    if half(answer, 4)? != wanted {
        return None;
    }
    let mut rest = answer.get(HEADERS..)?;
    loop {
        let length = usize::from(half(rest, 0)?);
        let value = rest.get(4..length)?;
        if half(rest, 2)? == PEER {
            return value.first_chunk().map(|value| u32::from_ne_bytes(*value)).filter(|&i| i != 0);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_kernel_knows_the_other_end() {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, other) = (OwnedFd::from(one), OwnedFd::from(other));
        match other_end(inode(&one).unwrap()) {
            Ok(found) => assert_eq!(u64::from(found), inode(&other).unwrap()),
            // A kernel without `unix_diag`.
            Err(errno) => assert!(matches!(errno, Errno::NOENT | Errno::PROTONOSUPPORT)),
        }
        assert!(other_end(u64::from(u32::MAX)).is_err());
    }

    #[test]
    fn answers_are_not_taken_on_trust() {
        let mut answer = vec![0; 32];
        answer[4] = 20;
        assert_eq!(peer_of(&answer, 20), None);
        answer.extend([8, 0, 1, 0, 9, 9, 9, 9, 8, 0, 2, 0, 7, 0, 0, 0]);
        assert_eq!(peer_of(&answer, 20), Some(u32::from_ne_bytes([7, 0, 0, 0])));
        assert_eq!(peer_of(&answer[..44], 20), None);
        answer[32] = 0;
        assert_eq!(peer_of(&answer, 20), None, "an attribute of no length");
        answer[4] = 2;
        assert_eq!(peer_of(&answer, 20), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut latest = Latest::default();
        for key in 0..=u64::try_from(MOST).unwrap() {
            latest.put(key, [1, 2, 3]);
            latest.put(key, [4, 5, 6]);
        }
        assert_eq!((latest.get(0), latest.get(1)), (None, Some([4, 5, 6])));
        assert_eq!(latest.entries.len(), MOST);
    }
}
