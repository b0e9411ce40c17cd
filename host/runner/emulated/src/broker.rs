//! The builder's side of what guests ask for: connections, and the times of symbolic links.
//!
//! A guest sends the descriptors that a request is about. Nothing that it says is taken on trust:
//! what a descriptor names is asked of the kernel, and what is decided about is what is used.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln_emulated_core::broker::{CONNECT, LINK_TIMES, REQUEST_LEN, Request};
use kiln_emulated_core::config::below;
use rustix::fs::{AtFlags, FileType, StatxFlags, Timespec, Timestamps, statx, utimensat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, recvmsg,
};

use crate::binds::host_path;

/// Connections in the making at once; a step that asks for more is told to try again.
const MAX_WAITING: usize = 256;

/// Where clouds hand out credentials to whoever asks: never a build's business.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
];
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// What the broker decides by.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Host paths below which a step's sockets and links lie.
    pub(crate) trees: Vec<Vec<u8>>,
    /// Whether there is a network beside Unix sockets.
    pub(crate) network: bool,
}

/// Answers requests until every process of the step has closed its end.
pub(crate) fn serve(socket: &OwnedFd, rules: &Arc<Rules>) {
    let waiting = Arc::new(AtomicUsize::new(0));
    loop {
        let mut bytes = [0; REQUEST_LEN];
        let (length, files) = match receive(socket, &mut bytes) {
            Ok(received) => received,
            Err(Errno::INTR) => continue,
            Err(_) => return,
        };
        if length == 0 && files.is_empty() {
            return;
        }
        let mut files = files.into_iter();
        let Some(reply) = files.next() else { continue };
        let Some(request) = bytes.get(..length).and_then(Request::parse) else {
            answer(&reply, Err(Errno::INVAL));
            continue;
        };
        let files: Vec<OwnedFd> = files.collect();
        if request.kind != CONNECT {
            answer(&reply, link_times(&request, &files, rules));
            continue;
        }
        // A connection can take minutes: others do not wait for it.
        if waiting.fetch_add(1, Ordering::SeqCst) >= MAX_WAITING {
            waiting.fetch_sub(1, Ordering::SeqCst);
            answer(&reply, Err(Errno::AGAIN));
            continue;
        }
        let (rules, waiting) = (Arc::clone(rules), Arc::clone(&waiting));
        std::thread::spawn(move || {
            answer(&reply, connect(&request, &files, &rules));
            waiting.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut vector = [IoSliceMut::new(bytes)];
    let received = recvmsg(socket, &mut vector, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            files.extend(rights);
        }
    }
    Ok((received.bytes, files))
}

fn answer(reply: &OwnedFd, result: Result<(), Errno>) {
    let errno = result.err().map_or(0, Errno::raw_os_error);
    // Without a signal, and without waiting: a guest that has gone, or whose "reply socket" is
    // something else, gets nothing.
    let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
    let _ = rustix::net::send(reply, &errno.to_ne_bytes(), flags);
}

/// Fails unless the descriptor is of this type and lies in a tree of the step's.
fn require(file: BorrowedFd<'_>, kind: FileType, rules: &Rules) -> Result<(), Errno> {
    let stat = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if FileType::from_raw_mode(stat.stx_mode.into()) != kind {
        return Err(Errno::INVAL);
    }
    let path = host_path(file)?;
    let inside = rules.trees.iter().any(|tree| below(&path, tree).is_some());
    if inside { Ok(()) } else { Err(Errno::ACCESS) }
}

fn link_times(request: &Request, files: &[OwnedFd], rules: &Rules) -> Result<(), Errno> {
    let [link] = files else { return Err(Errno::INVAL) };
    if request.kind != LINK_TIMES {
        return Err(Errno::NOSYS);
    }
    require(link.as_fd(), FileType::Symlink, rules)?;
    let mut words = request
        .used()
        .chunks_exact(8)
        .map(|bytes| i64::from_ne_bytes(bytes.try_into().unwrap_or_default()));
    let mut time = || match (words.next(), words.next()) {
        (Some(seconds), Some(nanos)) => Timespec { tv_sec: seconds, tv_nsec: nanos },
        _ => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
    };
    let times = Timestamps { last_access: time(), last_modification: time() };
    utimensat(link, "", &times, AtFlags::EMPTY_PATH)
}

fn connect(request: &Request, files: &[OwnedFd], rules: &Rules) -> Result<(), Errno> {
    match files {
        [socket, target] => {
            require(target.as_fd(), FileType::Socket, rules)?;
            let path = format!("/proc/self/fd/{}", target.as_raw_fd());
            rustix::net::connect(socket, &SocketAddrUnix::new(path)?)
        }
        [socket] => {
            let family = request.used().get(..2).ok_or(Errno::INVAL)?;
            let family = u16::from_ne_bytes(family.try_into().map_err(|_| Errno::INVAL)?);
            if family == AddressFamily::UNSPEC.as_raw() {
                return rustix::net::connect_unspec(socket);
            }
            let address = parse_address(family, request.used())?;
            permit(address.ip(), rules)?;
            rustix::net::connect(socket, &address)
        }
        _ => Err(Errno::INVAL),
    }
}

fn permit(ip: IpAddr, rules: &Rules) -> Result<(), Errno> {
    if !rules.network {
        return Err(Errno::NETUNREACH);
    }
    let forbidden = match ip.to_canonical() {
        IpAddr::V4(ip) => METADATA_V4.contains(&ip),
        IpAddr::V6(ip) => METADATA_V6.contains(&ip) || embeds_metadata(ip),
    };
    if forbidden { Err(Errno::ACCESS) } else { Ok(()) }
}

/// The ways to write an IPv4 address in an IPv6 one that a gateway may undo: the IPv4-compatible
/// form, the NAT64 prefix, 6to4.
fn embeds_metadata(ip: Ipv6Addr) -> bool {
    let octets = ip.octets();
    let v4 = |at: usize| {
        let octets = octets.get(at..at + 4).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        octets.is_some_and(|octets| METADATA_V4.contains(&Ipv4Addr::from(octets)))
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, ..] | [0x64, 0xff9b, ..] => v4(12),
        [0x2002, ..] => v4(2),
        _ => false,
    }
}

/// `struct sockaddr_in`, `struct sockaddr_in6`
fn parse_address(family: u16, bytes: &[u8]) -> Result<SocketAddr, Errno> {
    let port = bytes.get(2..4).ok_or(Errno::INVAL)?;
    let port = u16::from_be_bytes(port.try_into().map_err(|_| Errno::INVAL)?);
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).ok_or(Errno::INVAL)?;
        <[u8; 4]>::try_from(bytes).map_err(|_| Errno::INVAL)
    };
    if family == AddressFamily::INET.as_raw() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(word(4)?)), port));
    }
    if family == AddressFamily::INET6.as_raw() {
        let octets = bytes.get(8..24).ok_or(Errno::INVAL)?;
        let octets = <[u8; 16]>::try_from(octets).map_err(|_| Errno::INVAL)?;
        let scope = word(24).map_or(0, u32::from_ne_bytes);
        let flow = u32::from_be_bytes(word(4)?);
        let address = std::net::SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope);
        return Ok(SocketAddr::V6(address));
    }
    Err(Errno::AFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_refused_however_it_is_written() {
        let rules = Rules { trees: Vec::new(), network: true };
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
        ] {
            assert_eq!(permit(ip.parse().unwrap(), &rules), Err(Errno::ACCESS), "{ip}");
        }
        for ip in ["127.0.0.1", "169.254.20.10", "::1", "fd00:ec2::253", "10.0.0.1"] {
            assert_eq!(permit(ip.parse().unwrap(), &rules), Ok(()), "{ip}");
        }
        let none = Rules { trees: Vec::new(), network: false };
        assert_eq!(permit("127.0.0.1".parse().unwrap(), &none), Err(Errno::NETUNREACH));
    }

    #[test]
    fn addresses_parse_as_the_kernel_reads_them() {
        let mut v4 = vec![2, 0, 0, 80, 10, 1, 2, 3];
        assert_eq!(parse_address(2, &v4).unwrap(), "10.1.2.3:80".parse().unwrap());
        v4.truncate(7);
        assert_eq!(parse_address(2, &v4), Err(Errno::INVAL));
        assert_eq!(parse_address(40, &[0; 16]), Err(Errno::AFNOSUPPORT));
        let mut v6 = vec![10, 0, 1, 187];
        v6.extend([0; 4]);
        v6.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        v6.extend([0; 4]);
        assert_eq!(parse_address(10, &v6).unwrap(), "[2001:db8::1]:443".parse().unwrap());
    }
}
