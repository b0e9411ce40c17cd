//! Messages to other sockets (send(2)): who they go to, in the guest's view.
//!
//! A message without address and descriptors goes to a peer that connect(2) settled: it becomes a
//! call that has no address. All others are the builder's to send, which sees the address that is
//! really used.

use crate::abi::AT_FDCWD;
use crate::arch::nr;
use crate::broker::FILES_MAX;
use crate::dispatch::Later;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::socket::ADDRESS_MAX;
use crate::world::{MAY_WRITE, Scratch, World};

const AF_UNIX: u16 = 1;
const AF_NETLINK: u16 = 16;
/// `SOL_SOCKET`, `SCM_RIGHTS`
const RIGHTS: (u32, u32) = (1, 1);
/// `SOL_SOCKET`, `SCM_CREDENTIALS`: the kernel adds the sender's own where they are wanted.
const CREDENTIALS: (u32, u32) = (1, 2);
/// `IPPROTO_IP`, `IPPROTO_IPV6`: wishes about the way, such as the interface.
const WISHES: [u32; 2] = [0, 41];
/// `SOL_SOCKET`, `SO_TYPE`
const SO_TYPE: (i32, i32) = (1, 3);
/// Longest control part that is looked at: room for the most descriptors and some wishes.
const CONTROL_MAX: usize = 512;
/// Length of `struct msghdr`.
pub const HEADER: usize = 56;

/// Where a connection or a message goes.
#[derive(Debug)]
pub struct Peer {
    /// The address (`struct sockaddr`), for all but paths.
    pub address: [u8; ADDRESS_MAX],
    /// Its length.
    pub len: usize,
    /// The socket's inode, `O_PATH`, for a path; to be closed.
    pub target: Option<i32>,
}

impl Peer {
    /// Nobody: who the socket is connected to.
    pub const CONNECTED: Self = Self { address: [0; ADDRESS_MAX], len: 0, target: None };

    /// Whether there is an address.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.len > 0 || self.target.is_some()
    }
}

/// A message.
#[derive(Debug)]
pub struct Message {
    /// The guest's socket.
    pub socket: i32,
    /// The call's flags.
    pub flags: u32,
    /// To whom.
    pub peer: Peer,
    /// The guest's `struct iovec`s, unless there is only `single`.
    pub vectors: usize,
    /// How many.
    pub count: usize,
    /// Address and length of the only piece.
    pub single: [usize; 2],
    /// The descriptors to be passed.
    pub files: [i32; FILES_MAX],
    /// How many.
    pub file_count: usize,
}

fn word(bytes: &[u8], at: usize) -> usize {
    bytes
        .get(at..at + 8)
        .map_or(0, |word| usize::from_ne_bytes(word.try_into().unwrap_or_default()))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_ne_bytes(word.try_into().unwrap_or_default()))
}

impl Message {
    /// The same as a call that no address can be given to, where there is one.
    #[must_use]
    pub fn without_address(&self) -> Option<Later> {
        if self.peer.is_named() || self.file_count > 0 {
            return None;
        }
        let socket = usize::try_from(self.socket).ok()?;
        if self.count <= 1 {
            let [base, length] = self.single;
            let flags = usize::try_from(self.flags).ok()?;
            return Some(Later::unchanged(nr::SENDTO, [socket, base, length, flags, 0, 0]));
        }
        let vectors = [socket, self.vectors, self.count, 0, 0, 0];
        (self.flags == 0).then(|| Later::unchanged(nr::WRITEV, vectors))
    }
}

impl<G: Guest> World<'_, G> {
    /// The peer that an address names.
    ///
    /// # Errors
    /// As path_resolution(7) has them; `EACCES` for a socket that the guest's user may not write to.
    pub fn peer(&self, scratch: &mut Scratch, address: usize, length: usize) -> Result<Peer> {
        let mut peer = Peer::CONNECTED;
        if address == 0 || length == 0 {
            return Ok(peer);
        }
        if self.unix_path(scratch, address, length)? {
            let Scratch { path, walk, .. } = scratch;
            let (fd, disk) = self.locate(walk, AT_FDCWD, path, true)?;
            if !self.allows(&self.seen(&disk), MAY_WRITE) {
                self.guest.close(fd);
                return Err(Errno::ACCES);
            }
            peer.target = Some(fd);
            return Ok(peer);
        }
        if !(2..=ADDRESS_MAX).contains(&length) {
            return Err(Errno::INVAL);
        }
        let bytes = peer.address.get_mut(..length).ok_or(Errno::INVAL)?;
        self.guest.read(address, bytes)?;
        let family = half(bytes, 0) & 0xffff;
        if family == u32::from(AF_NETLINK) {
            // To the kernel, where an unconnected one goes anyway: no other process is a build's.
            return if word(bytes, 4) == 0 { Ok(Peer::CONNECTED) } else { Err(Errno::PERM) };
        }
        self.lead_to_low_port(bytes);
        peer.len = length;
        Ok(peer)
    }

    /// sendto(2)
    ///
    /// # Errors
    /// As [`World::peer`].
    pub fn datagram(&self, scratch: &mut Scratch, a: [usize; 6], flags: u32) -> Result<Message> {
        let socket = self.socket_of(a[0])?;
        let peer = self.peer(scratch, a[4], a[5])?;
        let single = [a[1], a[2]];
        Ok(Message { socket, flags, peer, vectors: 0, count: 1, single, ..Message::EMPTY })
    }

    /// sendmsg(2) of the `struct msghdr` at this address.
    ///
    /// # Errors
    /// As [`World::peer`]; `EINVAL` for a control message that means another message than ours.
    pub fn message(
        &self,
        scratch: &mut Scratch,
        socket: usize,
        address: usize,
        flags: u32,
    ) -> Result<Message> {
        /// `UIO_MAXIOV`
        const MOST: usize = 1024;
        let mut message = Message { socket: self.socket_of(socket)?, flags, ..Message::EMPTY };
        let mut header = [0; HEADER];
        self.guest.read(address, &mut header)?;
        (message.vectors, message.count) = (word(&header, 16), word(&header, 24));
        if message.count > MOST {
            return Err(Errno(90));
        }
        // A message in pieces may become a writev(2), which any file would take.
        self.guest.socket_option(message.socket, SO_TYPE.0, SO_TYPE.1, &mut [0; 4])?;
        if message.count == 1 {
            let mut vector = [0; 16];
            self.guest.read(message.vectors, &mut vector)?;
            message.single = [word(&vector, 0), word(&vector, 8)];
        }
        self.read_control(&mut message, word(&header, 32), word(&header, 40))?;
        let length = usize::try_from(half(&header, 8)).map_err(|_| Errno::INVAL)?;
        message.peer = self.peer(scratch, word(&header, 0), length)?;
        Ok(message)
    }

    /// The guest's socket; the runner's own are not there.
    fn socket_of(&self, argument: usize) -> Result<i32> {
        let low = u32::try_from(argument & 0xffff_ffff).map_err(|_| Errno::BADF)?;
        let socket = low.cast_signed();
        let ours = crate::config::FIRST_FD..self.config.end_fd();
        if socket < 0 || ours.contains(&socket) { Err(Errno::BADF) } else { Ok(socket) }
    }

    fn read_control(&self, message: &mut Message, address: usize, length: usize) -> Result<()> {
        /// Length of `struct cmsghdr`.
        const HEAD: usize = 16;
        if address == 0 || length == 0 {
            return Ok(());
        }
        let mut control = [0; CONTROL_MAX];
        let control = control.get_mut(..length).ok_or(Errno(109))?;
        self.guest.read(address, control)?;
        let mut at = 0;
        while at + HEAD <= length {
            let size = word(control, at);
            let end = at.checked_add(size).filter(|end| *end <= length).ok_or(Errno::INVAL)?;
            if size < HEAD {
                return Err(Errno::INVAL);
            }
            let kind = (half(control, at + 8), half(control, at + 12));
            if kind == RIGHTS {
                for place in (at + HEAD..end).step_by(4) {
                    let file = half(control, place).cast_signed();
                    *message.files.get_mut(message.file_count).ok_or(Errno(109))? = file;
                    message.file_count += 1;
                }
            } else if kind != CREDENTIALS && !WISHES.contains(&kind.0) {
                return Err(Errno::INVAL);
            }
            at += size.next_multiple_of(8);
        }
        Ok(())
    }
}

impl Message {
    const EMPTY: Self = Self {
        socket: -1,
        flags: 0,
        peer: Peer::CONNECTED,
        vectors: 0,
        count: 0,
        single: [0; 2],
        files: [-1; FILES_MAX],
        file_count: 0,
    };
}

/// Longest abstract name: `sun_path` without its first byte.
const NAME_MAX: usize = 107;

/// What of a step's abstract name follows its token in the pod. Many programs give all of
/// `sun_path` as the name, with the zeros at its end: of those as many go as the token needs.
/// `None`: there is no room.
#[must_use]
pub fn abbreviated<'n>(name: &'n [u8], token: &[u8]) -> Option<&'n [u8]> {
    let room = NAME_MAX.checked_sub(token.len())?;
    let (kept, rest) = name.split_at_checked(room).unwrap_or((name, &[]));
    let fits = rest.is_empty() || name.len() == NAME_MAX && rest.iter().all(|&byte| byte == 0);
    fits.then_some(kept)
}

/// How many zeros [`abbreviated`] has taken from what is left of a name.
#[must_use]
pub fn missing_zeros(kept: &[u8], token: &[u8]) -> usize {
    let is_full = kept.len() + token.len() == NAME_MAX && kept.ends_with(&[0]);
    if is_full { token.len() } else { 0 }
}

/// Whether an address is that of an abstract Unix socket, and its name.
#[must_use]
pub fn abstract_name(address: &[u8]) -> Option<&[u8]> {
    let (family, name) = address.split_first_chunk::<2>()?;
    let is_abstract = u16::from_ne_bytes(*family) == AF_UNIX && name.first() == Some(&0);
    if is_abstract { name.get(1..) } else { None }
}
