//! The builder's side of what guests ask for: connections and addressed messages, watches, the times
//! of symbolic links, attributes of files beside which there are some that may only be read, priorities
//! of other threads.
//!
//! A guest sends the descriptors that a request is about. Nothing that it says is taken on trust:
//! what a descriptor names is asked of the kernel, and what is decided about is what is used.

mod address;
mod peers;
mod proc_text;
mod schedule;
mod send;
mod terminals;

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kiln_emulated_core::broker::{
    CONNECT, DATA_MAX, FILES_MAX, LINGER, LINK_TIMES, LISTEN, MODE, PEER, PROC_TEXT, REMOVE_XATTR,
    REQUEST_LEN, Request, SCHEDULE, SEND, SET_XATTR, SYSV, TERMINAL, TIMES, WATCH,
};
use kiln_emulated_core::config::below;
use kiln_emulated_core::message::{abbreviated, abstract_name};
use kiln_emulated_core::sysv::Call;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, StatxFlags, Timespec, Timestamps, XattrFlags, fchmod,
    fcntl_getfl, fcntl_setfl, fremovexattr, fsetxattr, futimens, inotify, statx, utimensat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, recvmsg, sendmsg,
};

pub(crate) use address::name_servers;
use address::{parse_address, permit};
use peers::{Ids, Peers};
pub(crate) use schedule::First;
use terminals::Terminals;

use crate::binds::host_path;
use crate::sysv::Ipc;

/// What the broker decides by.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Host paths below which the step may write.
    pub(crate) writable: Vec<Vec<u8>>,
    /// Host paths below which it may read alone.
    pub(crate) readable: Vec<Vec<u8>>,
    /// Whether there is a network beside Unix sockets.
    pub(crate) network: bool,
    /// Whom the pod asks for names.
    pub(crate) resolvers: Vec<IpAddr>,
    /// What the step's abstract sockets are called first.
    pub(crate) token: Vec<u8>,
    /// The name of the step's host.
    pub(crate) hostname: Vec<u8>,
    /// Host paths, and what the step calls them.
    pub(crate) names: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Answers requests until nobody can ask any more, or the step is over. A guest may have given us
/// its own end of the socket to hold, so the first is no promise.
pub(crate) fn serve(
    socket: &OwnedFd,
    rules: &Rules,
    first: &OnceLock<Option<First>>,
    over: &AtomicBool,
) {
    let mut bytes = vec![0; REQUEST_LEN + DATA_MAX];
    let mut terminals = Terminals::default();
    let mut ipc = Ipc::default();
    let peers = Peers::default();
    loop {
        while !ipc.is_idle() && !wait(socket, &mut ipc) {}
        let (length, files, pid) = match receive(socket, &mut bytes) {
            Ok(received) => received,
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        if over.load(Ordering::SeqCst) || length == 0 && files.is_empty() {
            return;
        }
        let mut files = files.into_iter();
        let Some(reply) = files.next() else { continue };
        let Some((request, data)) = bytes.get(..length).and_then(Request::parse) else {
            answer(&reply, Err(Errno::INVAL));
            continue;
        };
        let files: Vec<OwnedFd> = files.collect();
        match request.kind {
            CONNECT => {
                if let (Some(ids), Some(socket)) = (ids(pid, data), files.first()) {
                    // Without, its peer takes it for its own like.
                    let _ = peers.connects(socket, ids);
                }
                answer(&reply, connect(&request, &files, rules).map(|()| 0));
            }
            LISTEN => {
                let ids = ids(pid, request.used()).ok_or(Errno::INVAL);
                answer(&reply, ids.map(|ids| peers.listens(ids)).map(|()| 0));
            }
            PEER => answer_peer(&reply, &request, &files, &peers),
            TERMINAL => answer_file(&reply, terminals.open(&request)),
            PROC_TEXT => {
                let text = proc_text::translated(&files, data, rules, &mut ipc);
                answer_file(&reply, text.map(|file| (0, file)));
            }
            SCHEDULE => {
                let call = Call::parse(&request, data).ok_or(Errno::INVAL);
                match call.and_then(|call| schedule::schedule(first, &call)) {
                    Ok(told) => answer_bytes(&reply, &[&[0; 4], told.as_slice()].concat()),
                    Err(errno) => answer(&reply, Err(errno)),
                }
            }
            SYSV => match (Call::parse(&request, data), pid) {
                (Some(call), Some(pid)) => ipc.call(pid, &call, reply),
                _ => answer(&reply, Err(Errno::INVAL)),
            },
            _ => answer(&reply, at_once(&request, data, &files, rules)),
        }
    }
}

/// Waits for a request, true, or for what becomes of those that wait, which is seen to.
fn wait(socket: &OwnedFd, ipc: &mut Ipc) -> bool {
    let mut polled = vec![PollFd::new(socket, PollFlags::IN)];
    polled.extend(ipc.descriptors().map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN)));
    if poll(&mut polled, None).is_err() {
        return false;
    }
    let ready: Vec<bool> = polled.iter().map(|file| !file.revents().is_empty()).collect();
    drop(polled);
    let (request, others) = ready.split_at(1);
    if others.contains(&true) {
        ipc.ready(others);
        return false;
    }
    request.contains(&true)
}

/// A request, its descriptors, and the process that sent it.
fn receive(
    socket: &OwnedFd,
    bytes: &mut [u8],
) -> Result<(usize, Vec<OwnedFd>, Option<i32>), Errno> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3 + FILES_MAX), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut vector = [IoSliceMut::new(bytes)];
    let received = recvmsg(socket, &mut vector, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut files = Vec::new();
    let mut pid = None;
    for message in control.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(rights) => files.extend(rights),
            RecvAncillaryMessage::ScmCredentials(sender) => {
                pid = Some(sender.pid.as_raw_nonzero().get());
            }
            _ => {}
        }
    }
    Ok((received.bytes, files, pid))
}

fn answer(reply: &OwnedFd, result: Result<usize, Errno>) {
    let value = match result {
        Ok(value) => i32::try_from(value).unwrap_or(i32::MAX),
        Err(errno) => -errno.raw_os_error(),
    };
    answer_bytes(reply, &value.to_ne_bytes());
}

/// An answer's value, and what comes after it.
fn answer_bytes(reply: &OwnedFd, bytes: &[u8]) {
    // Without a signal, and without waiting: a guest that has gone, or whose "reply socket" is
    // something else, gets nothing.
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = rustix::net::send(reply, bytes, flags);
}

/// Who asks: the process is the kernel's word, user and group are its own.
fn ids(pid: Option<i32>, data: &[u8]) -> Option<Ids> {
    let (user, rest) = data.split_first_chunk()?;
    let group = rest.first_chunk()?;
    let pid = pid?.cast_unsigned();
    Some([pid, u32::from_ne_bytes(*user), u32::from_ne_bytes(*group)])
}

fn answer_peer(reply: &OwnedFd, request: &Request, files: &[OwnedFd], peers: &Peers) {
    let found = match files {
        [socket] => peers.of(socket, request.flags),
        _ => Err(Errno::INVAL),
    };
    match found {
        Ok([pid, user, group]) => {
            let words = [0, pid, user, group].map(u32::to_ne_bytes);
            answer_bytes(reply, words.as_flattened());
        }
        Err(errno) => answer(reply, Err(errno)),
    }
}

/// An answer with a descriptor.
fn answer_file(reply: &OwnedFd, result: Result<(u32, OwnedFd), Errno>) {
    let (value, file) = match result {
        Ok(found) => found,
        Err(errno) => return answer(reply, Err(errno)),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&files));
    let value = value.to_ne_bytes();
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let _ = sendmsg(reply, &[IoSlice::new(&value)], &mut control, flags);
}

/// The requests that never wait.
fn at_once(
    request: &Request,
    data: &[u8],
    files: &[OwnedFd],
    rules: &Rules,
) -> Result<usize, Errno> {
    if request.kind == SEND {
        return send::send(request, data, files, rules);
    }
    if request.kind == WATCH {
        let [instance, file] = files else { return Err(Errno::INVAL) };
        let path = host_path(file.as_fd())?;
        let trees = rules.writable.iter().chain(&rules.readable);
        inside(&path, trees)?;
        let mask = inotify::WatchFlags::from_bits_retain(request.flags);
        let watch = inotify::add_watch(instance, proc_path(file), mask)?;
        return usize::try_from(watch).map_err(|_| Errno::IO);
    }
    let [file] = files else { return Err(Errno::INVAL) };
    let done = match request.kind {
        LINK_TIMES => {
            require(file.as_fd(), FileType::Symlink, rules)?;
            utimensat(file, "", &times(request), AtFlags::EMPTY_PATH)
        }
        MODE => writable(file.as_fd(), rules)
            .and_then(|()| fchmod(file, Mode::from_raw_mode(request.flags & 0o7777))),
        TIMES => writable(file.as_fd(), rules).and_then(|()| futimens(file, &times(request))),
        LINGER => {
            let reset = (request.flags != 0).then_some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(file, reset)
        }
        SET_XATTR | REMOVE_XATTR => change_xattr(request, data, file, rules),
        _ => Err(Errno::NOSYS),
    };
    done.map(|()| 0)
}

fn change_xattr(
    request: &Request,
    data: &[u8],
    file: &OwnedFd,
    rules: &Rules,
) -> Result<(), Errno> {
    writable(file.as_fd(), rules)?;
    let end = data.iter().position(|&byte| byte == 0).ok_or(Errno::INVAL)?;
    let (name, value) = data.split_at(end);
    let value = value.get(1..).unwrap_or(&[]);
    // An ACL that shuts us out of our own file is the step's own loss.
    if !name.starts_with(b"user.") && !name.starts_with(b"system.posix_acl_") {
        return Err(Errno::PERM);
    }
    if request.kind == REMOVE_XATTR {
        return fremovexattr(file, name);
    }
    fsetxattr(file, name, value, XattrFlags::from_bits_retain(request.flags))
}

fn inside<'t>(path: &[u8], mut trees: impl Iterator<Item = &'t Vec<u8>>) -> Result<(), Errno> {
    if trees.any(|tree| below(path, tree).is_some()) { Ok(()) } else { Err(Errno::ACCESS) }
}

/// Fails unless the file lies where the step may write.
fn writable(file: BorrowedFd<'_>, rules: &Rules) -> Result<(), Errno> {
    inside(&host_path(file)?, rules.writable.iter())
}

/// Fails unless the descriptor is of this type and lies where the step may write.
fn require(file: BorrowedFd<'_>, kind: FileType, rules: &Rules) -> Result<(), Errno> {
    let stat = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if FileType::from_raw_mode(stat.stx_mode.into()) != kind {
        return Err(Errno::INVAL);
    }
    writable(file, rules)
}

fn proc_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// A path that reaches a step's socket, for the time that the descriptor is open.
fn socket_path(target: &OwnedFd, rules: &Rules) -> Result<String, Errno> {
    require(target.as_fd(), FileType::Socket, rules)?;
    Ok(proc_path(target))
}

fn times(request: &Request) -> Timestamps {
    let mut words = request
        .used()
        .chunks_exact(8)
        .map(|bytes| i64::from_ne_bytes(bytes.try_into().unwrap_or_default()));
    let mut time = || match (words.next(), words.next()) {
        (Some(seconds), Some(nanos)) => Timespec { tv_sec: seconds, tv_nsec: nanos },
        _ => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
    };
    Timestamps { last_access: time(), last_modification: time() }
}

/// Where a request's address leads.
enum Destination {
    /// There is none: to whom the socket is connected.
    Connected,
    Internet(SocketAddr),
    /// An abstract socket of the step's.
    Abstract(SocketAddrUnix),
}

fn family_of(address: &[u8]) -> Result<u16, Errno> {
    let family = address.first_chunk::<2>().ok_or(Errno::INVAL)?;
    Ok(u16::from_ne_bytes(*family))
}

fn destination(address: &[u8], rules: &Rules) -> Result<Destination, Errno> {
    if address.is_empty() {
        return Ok(Destination::Connected);
    }
    if let Some(name) = abstract_name(address) {
        let name = abbreviated(name, &rules.token).ok_or(Errno::INVAL)?;
        let name = [&rules.token, name].concat();
        return SocketAddrUnix::new_abstract_name(&name).map(Destination::Abstract);
    }
    parse_address(family_of(address)?, address).map(Destination::Internet)
}

/// connect(2). It never waits: that the guest does, with its own signals and for as long as it
/// likes ([`CONNECT`]).
fn connect(request: &Request, files: &[OwnedFd], rules: &Rules) -> Result<(), Errno> {
    let (socket, target) = match files {
        [socket, target] => (socket, Some(target)),
        [socket] => (socket, None),
        _ => return Err(Errno::INVAL),
    };
    if let Some(target) = target {
        let path = SocketAddrUnix::new(socket_path(target, rules)?)?;
        return without_waiting(socket, || rustix::net::connect(socket, &path));
    }
    if family_of(request.used())? == AddressFamily::UNSPEC.as_raw() {
        return rustix::net::connect_unspec(socket);
    }
    match destination(request.used(), rules)? {
        Destination::Connected => Err(Errno::INVAL),
        Destination::Internet(address) => {
            permit(address, rules)?;
            without_waiting(socket, || rustix::net::connect(socket, &address))
        }
        Destination::Abstract(address) => {
            without_waiting(socket, || rustix::net::connect(socket, &address))
        }
    }
}

/// A call on a guest's socket, as if it were one that never waits.
///
/// A terminal whose flags we set could be asked to send signals on input in our name, which Landlock
/// does not stop: `O_ASYNC`, should the guest take it away after we have read it.
fn without_waiting(
    socket: &OwnedFd,
    call: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), Errno> {
    let stat = statx(socket, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Socket {
        return Err(Errno::NOTSOCK);
    }
    let flags = fcntl_getfl(socket)?;
    if flags.contains(OFlags::NONBLOCK) {
        return call();
    }
    fcntl_setfl(socket, flags | OFlags::NONBLOCK)?;
    let result = call();
    fcntl_setfl(socket, flags)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_sockets_alone_are_changed() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let reader = OwnedFd::from(reader);
        assert_eq!(without_waiting(&reader, || Ok(())), Err(Errno::NOTSOCK));
        let socket = OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
        let waits = || !fcntl_getfl(&socket).unwrap().contains(OFlags::NONBLOCK);
        let call = || if waits() { Err(Errno::AGAIN) } else { Ok(()) };
        assert_eq!(without_waiting(&socket, call), Ok(()));
        assert!(waits());
    }
}
