//! Asking the builder for what only it may do.

use kiln_emulated_core::abi::{O_CLOEXEC, O_NONBLOCK};
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::broker::{
    CONNECT, DATA_MAX, LINGER, LINK_TIMES, LISTEN, MODE, PEER, PROC_TEXT, REMOVE_XATTR, REQUEST_LEN,
    Request, SCHEDULE, SEND, SET_XATTR, TERMINAL, TIMES, WATCH,
};
use kiln_emulated_core::buf::CPath;
use kiln_emulated_core::config::BROKER_FD;
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;
use kiln_emulated_core::message::{Message, Peer};
use kiln_emulated_core::sysv;

use crate::connect::limit;
use crate::guest::InProcess;
use crate::poll::{READABLE, WRITABLE, poll};
use crate::process::world;
use crate::restart::Waiting;
use crate::system::{checked, fd, plain};

/// `SOL_SOCKET`, `SCM_RIGHTS`
const RIGHTS: [u32; 2] = [1, 1];
/// `MSG_DONTWAIT`, `MSG_NOSIGNAL`
const DONT_WAIT: u32 = 0x40;
const NO_SIGNAL: u32 = 0x4000;
/// Short calls, which nothing may interrupt.
pub const NO_SIGNALS: u64 = u64::MAX;
/// Most pieces of a message that are sent in one go.
const MAX_PIECES: usize = 64;
/// Most descriptors with a request: the reply's, a socket, an inode, the guest's.
const MAX_FILES: usize = 3 + kiln_emulated_core::broker::FILES_MAX;

/// Asks the builder to set a symbolic link's times.
pub fn set_link_times(file: i32, times: Option<[i64; 4]>) -> Result<()> {
    set_times(LINK_TIMES, file, times)
}

/// Asks for the times of an open file.
pub fn set_file_times(file: i32, times: Option<[i64; 4]>) -> Result<()> {
    set_times(TIMES, file, times)
}

fn set_times(kind: u32, file: i32, times: Option<[i64; 4]>) -> Result<()> {
    let mut request = Request::new(kind);
    if let Some(times) = times {
        for (to, time) in request.payload.chunks_exact_mut(8).zip(times) {
            to.copy_from_slice(&time.to_ne_bytes());
        }
        request.len = 32;
    }
    ask(&request, &[file], &[], NO_SIGNALS).map(drop)
}

/// fchmod(2)
pub fn set_mode(file: i32, mode: u32) -> Result<()> {
    let request = Request { flags: mode, ..Request::new(MODE) };
    ask(&request, &[file], &[], NO_SIGNALS).map(drop)
}

/// fsetxattr(2): name, and the guest's value, size and flags.
pub fn set_xattr(file: i32, name: CPath<'_>, [value, size, flags]: [usize; 3]) -> Result<()> {
    let name = name.with_nul();
    if name.len() + size > DATA_MAX {
        return Err(Errno::TOOBIG);
    }
    let request = Request { flags: flags as u32, ..Request::new(SET_XATTR) };
    let data = [[name.as_ptr() as usize, name.len()], [value, size]];
    ask(&request, &[file], &data, NO_SIGNALS).map(drop)
}

/// fremovexattr(2)
pub fn remove_xattr(file: i32, name: CPath<'_>) -> Result<()> {
    let name = name.with_nul();
    let data = [[name.as_ptr() as usize, name.len()]];
    ask(&Request::new(REMOVE_XATTR), &[file], &data, NO_SIGNALS).map(drop)
}

/// inotify_add_watch(2) of an open file.
pub fn watch(instance: i32, file: i32, mask: u32) -> Result<usize> {
    let request = Request { flags: mask, ..Request::new(WATCH) };
    ask(&request, &[instance, file], &[], NO_SIGNALS)
}

/// Opens a terminal of the step's, or a new one; its descriptor and number.
pub fn open_terminal(number: Option<u32>, flags: u64) -> Result<(i32, u32)> {
    let mut request = Request { flags: flags as u32, ..Request::new(TERMINAL) };
    if let Some(number) = number {
        request.payload[..4].copy_from_slice(&number.to_ne_bytes());
        request.len = 4;
    }
    let (number, file) = ask_for_file(&request, &[], &[], flags)?;
    Ok((file, number as u32))
}

/// A file of /proc in the guest's words.
pub fn proc_text(file: i32, credentials: &[u8], flags: u64) -> Result<i32> {
    let data = [[credentials.as_ptr() as usize, credentials.len()]];
    ask_for_file(&Request::new(PROC_TEXT), &[file], &data, flags).map(|(_, file)| file)
}

/// A request that is answered with a descriptor: it gets the lowest number that is free, as
/// open(2) promises.
fn ask_for_file(
    request: &Request,
    files: &[i32],
    data: &[[usize; 2]],
    flags: u64,
) -> Result<(usize, i32)> {
    let (value, file) = ask_all(request, files, data, NO_SIGNALS)?;
    let file = file.ok_or(Errno::IO)?;
    let lowest = duplicate(file, 0, flags);
    InProcess.close(file);
    lowest.map(|lowest| (value, lowest))
}

/// The lowest number from `first` on that is free, for a file that was opened with these flags.
pub fn duplicate(file: i32, first: i32, flags: u64) -> Result<i32> {
    /// `F_DUPFD`, `F_DUPFD_CLOEXEC`
    const DUPLICATE: [usize; 2] = [0, 1030];
    let how = DUPLICATE[usize::from(flags & O_CLOEXEC != 0)];
    plain(nr::FCNTL, [fd(file), how, fd(first), 0, 0, 0]).map(|file| file as i32)
}

/// connect(2), once, without waiting.
pub fn connect(socket: i32, peer: &Peer) -> Result<usize> {
    let files = [socket, peer.target.unwrap_or(socket)];
    let count = 1 + usize::from(peer.target.is_some());
    let cred = world().cred;
    let ids = [cred.user.effective(), cred.group.effective()];
    let data = [[ids.as_ptr() as usize, size_of_val(&ids)]];
    ask(&request_to(CONNECT, peer), &files[..count], &data, NO_SIGNALS)
}

/// `SO_LINGER`
pub fn set_linger(socket: i32, reset: bool) -> Result<()> {
    let request = Request { flags: u32::from(reset), ..Request::new(LINGER) };
    ask(&request, &[socket], &[], NO_SIGNALS).map(drop)
}

/// Before a Unix socket listens.
pub fn note_listener(ids: [u32; 2]) -> Result<()> {
    let mut request = Request::new(LISTEN);
    for (to, id) in request.payload.chunks_exact_mut(4).zip(ids) {
        to.copy_from_slice(&id.to_ne_bytes());
    }
    request.len = 8;
    ask(&request, &[], &[], NO_SIGNALS).map(drop)
}

/// Process, user and group at the other end of a Unix socket.
pub fn peer_ids(socket: i32, process: u32) -> Result<[u32; 3]> {
    let request = Request { flags: process, ..Request::new(PEER) };
    let mut ids = [0u32; 3];
    let to = [ids.as_mut_ptr() as usize, size_of_val(&ids)];
    let (.., length) = ask_for(&request, &[socket], &[], to, NO_SIGNALS)?;
    if length == size_of_val(&ids) { Ok(ids) } else { Err(Errno::IO) }
}

/// Something of another thread's: what the call reads, and where the answer's rest goes.
pub fn schedule(
    number: u32,
    arguments: [usize; 5],
    reads: [usize; 2],
    writes: [usize; 2],
) -> Result<usize> {
    let request = Request { kind: SCHEDULE, ..sysv::request(number, arguments, 0) };
    ask_for(&request, &[], &[reads], writes, NO_SIGNALS).map(|(value, ..)| value)
}

fn request_to(kind: u32, peer: &Peer) -> Request {
    let mut request = Request::new(kind);
    request.target = peer.target.is_some();
    request.payload[..peer.address.len()].copy_from_slice(&peer.address);
    request.len = peer.len as u32;
    request
}

/// Closes what finding a peer has opened.
pub fn forget(peer: &Peer) {
    if let Some(target) = peer.target {
        InProcess.close(target);
    }
}

/// sendmsg(2), waiting with the guest's signal mask. The builder does not wait for one guest while
/// others ask: a message that finds no room is tried again.
pub fn send(message: &Message, mask: u64) -> Result<usize> {
    let result = send_waiting(message, mask);
    forget(&message.peer);
    if result == Err(Errno(32)) && message.flags & NO_SIGNAL == 0 {
        /// `SIGPIPE`
        const SIGPIPE: usize = 13;
        let (pid, tid) = (InProcess.pid() as usize, InProcess.tid() as usize);
        let _ = plain(nr::TGKILL, [pid, tid, SIGPIPE, 0, 0, 0]);
    }
    result
}

fn send_waiting(message: &Message, mask: u64) -> Result<usize> {
    let mut tries = 0u32;
    let mut how = None;
    loop {
        let result = send_once(message);
        if result != Err(Errno::AGAIN)
            || message.flags & DONT_WAIT != 0
            || InProcess.status_flags(message.socket)? & O_NONBLOCK != 0
        {
            return result;
        }
        let is_limited = || limit(message.socket).is_some();
        let how = how.get_or_insert_with(|| Waiting::new(mask, is_limited()));
        how.poll(message.socket, WRITABLE, Some([0, 20_000_000]))?;
        if tries > 0 {
            // A datagram socket says that it is writable though its peer has no room.
            how.poll(-1, 0, Some([0, 1_000_000]))?;
        }
        tries = tries.saturating_add(1);
    }
}

fn send_once(message: &Message) -> Result<usize> {
    let flags = message.flags | DONT_WAIT;
    if message.count <= 1 && message.file_count == 0 && !message.peer.is_named() {
        let [base, length] = message.single;
        // SAFETY: the guest's own buffer; the call could be its own.
        return unsafe {
            checked(nr::SENDTO, [fd(message.socket), base, length, flags as usize, 0, 0])
        };
    }
    let mut pieces = [[0usize; 2]; MAX_PIECES];
    let pieces = gather(message, &mut pieces)?;
    let mut request = request_to(SEND, &message.peer);
    request.flags = flags | NO_SIGNAL;
    let mut files = [message.socket; MAX_FILES];
    let mut count = 1;
    for &file in message.peer.target.iter().chain(&message.files[..message.file_count]) {
        files[count] = file;
        count += 1;
    }
    ask(&request, &files[..count], pieces, NO_SIGNALS)
}

/// The message's pieces. Of a stream the first ones suffice, the caller sends the rest.
fn gather<'p>(message: &Message, pieces: &'p mut [[usize; 2]]) -> Result<&'p [[usize; 2]]> {
    /// `EMSGSIZE`
    const TOO_LONG: Errno = Errno(90);
    if message.count <= 1 {
        pieces[0] = message.single;
    } else {
        for (index, piece) in pieces.iter_mut().enumerate().take(message.count) {
            let mut bytes = [0; 16];
            InProcess.read(message.vectors + 16 * index, &mut bytes)?;
            for (word, bytes) in piece.iter_mut().zip(bytes.chunks_exact(8)) {
                *word = usize::from_ne_bytes(bytes.try_into().unwrap_or_default());
            }
        }
    }
    let mut used = message.count.min(pieces.len());
    let mut room = DATA_MAX;
    let mut cut = message.count > used;
    for (index, piece) in pieces.iter_mut().enumerate().take(used) {
        if piece[1] > room {
            piece[1] = room;
            cut = true;
            used = index + 1;
            break;
        }
        room -= piece[1];
    }
    if cut && !is_stream(message.socket) {
        return Err(TOO_LONG);
    }
    Ok(&pieces[..used])
}

fn is_stream(socket: i32) -> bool {
    /// `SOL_SOCKET`, `SO_TYPE`, `SOCK_STREAM`
    const TYPE: (i32, i32, u32) = (1, 3, 1);
    let mut kind = [0; 4];
    InProcess.socket_option(socket, TYPE.0, TYPE.1, &mut kind).is_ok()
        && u32::from_ne_bytes(kind) == TYPE.2
}

fn ask(request: &Request, files: &[i32], data: &[[usize; 2]], mask: u64) -> Result<usize> {
    let (value, file) = ask_all(request, files, data, mask)?;
    if let Some(file) = file {
        InProcess.close(file);
    }
    Ok(value)
}

fn ask_all(
    request: &Request,
    files: &[i32],
    data: &[[usize; 2]],
    mask: u64,
) -> Result<(usize, Option<i32>)> {
    ask_for(request, files, data, [0, 0], mask).map(|(value, file, _)| (value, file))
}

/// The answer, the descriptor that came with it, and how many bytes more, which are put there.
fn ask_for(
    request: &Request,
    files: &[i32],
    data: &[[usize; 2]],
    to: [usize; 2],
    mask: u64,
) -> Result<(usize, Option<i32>, usize)> {
    let [mine, theirs] = reply_pair()?;
    let sent = send_request(request, theirs, files, data);
    InProcess.close(theirs);
    let result =
        sent.and_then(|()| poll(mine, READABLE, None, mask)).and_then(|_| receive(mine, to));
    InProcess.close(mine);
    result
}

/// A socket for the answer, and its other end.
pub fn reply_pair() -> Result<[i32; 2]> {
    /// `AF_UNIX`, `SOCK_STREAM | SOCK_CLOEXEC`
    const PAIR: [usize; 2] = [1, 0o2_000_001];
    let mut pair = [0i32; 2];
    let to = pair.as_mut_ptr() as usize;
    // SAFETY: two integers of a local.
    unsafe { checked(nr::SOCKETPAIR, [PAIR[0], PAIR[1], 0, to, 0, 0])? };
    Ok(pair)
}

pub fn send_request(request: &Request, reply: i32, files: &[i32], data: &[[usize; 2]]) -> Result<()> {
    let bytes: [u8; REQUEST_LEN] = request.to_bytes();
    let mut vectors = [[0usize; 2]; 1 + MAX_PIECES];
    vectors[0] = [bytes.as_ptr() as usize, bytes.len()];
    vectors[1..=data.len()].copy_from_slice(data);
    // `struct cmsghdr` and the descriptors after it.
    let mut control = [0u32; 4 + MAX_FILES + 1];
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
        vectors.as_ptr() as usize,
        1 + data.len(),
        control.as_ptr() as usize,
        length.next_multiple_of(8),
        0,
    ];
    let message = message.as_ptr() as usize;
    // SAFETY: the kernel's `struct msghdr`, whose parts are locals, or the guest's own buffers, of
    // which the kernel says EFAULT.
    unsafe { checked(nr::SENDMSG, [fd(BROKER_FD), message, NO_SIGNAL as usize, 0, 0, 0]) }.map(drop)
}

/// The answer that has come, the descriptor, and how many bytes more there were, which lie in the
/// guest's memory.
pub fn receive(reply: i32, to: [usize; 2]) -> Result<(usize, Option<i32>, usize)> {
    /// `MSG_CMSG_CLOEXEC`
    const CLOSE_ON_EXEC: usize = 0x4000_0000;
    /// `sizeof(struct cmsghdr)` and one descriptor.
    const WITH_FILE: usize = 20;
    let mut answer = [0u8; 4];
    let vectors = [[answer.as_mut_ptr() as usize, answer.len()], to];
    let count = 1 + usize::from(to[1] > 0);
    let mut control = [0u64; 3];
    let room = size_of_val(&control);
    let mut message =
        [0, 0, vectors.as_ptr() as usize, count, control.as_mut_ptr() as usize, room, 0usize];
    let to = message.as_mut_ptr() as usize;
    // SAFETY: the kernel's `struct msghdr`, whose parts are locals, and the
    // guest's own buffer, of which the kernel says EFAULT.
    let read = unsafe { checked(nr::RECVMSG, [fd(reply), to, CLOSE_ON_EXEC, 0, 0, 0])? };
    if read < 4 {
        return Err(Errno::IO);
    }
    let file = (message[5] >= WITH_FILE && control[0] as usize == WITH_FILE)
        .then_some((control[2] & 0xffff_ffff) as i32);
    Errno::check(i32::from_ne_bytes(answer) as isize).map(|value| (value, file, read - 4))
}
