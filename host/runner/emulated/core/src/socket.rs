//! Addresses of Unix sockets: paths in the guest's view (unix(7)).

use crate::abi::AT_FDCWD;
use crate::arch::nr;
use crate::buf::CPath;
use crate::config::ROOT_FD;
use crate::dispatch::Later;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::message::{abbreviated, abstract_name, missing_zeros};
use crate::open::{Intent, Parent};
use crate::world::{Scratch, World};

const AF_UNIX: u16 = 1;
/// `sizeof(struct sockaddr_un)`
pub const ADDRESS_MAX: usize = 110;
/// `sun_path`'s length.
const PATH: usize = 108;

/// A translated address.
#[derive(Clone, Copy, Debug)]
struct Address {
    bytes: [u8; ADDRESS_MAX],
    len: usize,
}

impl Address {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn of(pieces: &[&[u8]]) -> Result<Self> {
        let mut address = Self { bytes: [0; ADDRESS_MAX], len: 2 };
        address.bytes[..2].copy_from_slice(&AF_UNIX.to_ne_bytes());
        for piece in pieces {
            let end = address.len + piece.len();
            // One byte stays for the NUL.
            let room = address.bytes.get_mut(address.len..end).filter(|_| end < ADDRESS_MAX);
            room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(piece);
            address.len = end;
        }
        address.len += 1;
        Ok(address)
    }
}

impl<G: Guest> World<'_, G> {
    /// Reads an address; `Some(path in scratch.path)` when it is a Unix socket's with a path.
    ///
    /// # Errors
    /// `EFAULT`
    pub fn unix_path(&self, scratch: &mut Scratch, address: usize, length: usize) -> Result<bool> {
        if address == 0 || length < 3 {
            return Ok(false);
        }
        let mut bytes = [0; ADDRESS_MAX];
        let bytes = bytes.get_mut(..length.min(ADDRESS_MAX)).unwrap_or(&mut []);
        self.guest.read(address, bytes)?;
        let Some((family, path)) = bytes.split_first_chunk::<2>() else { return Ok(false) };
        if u16::from_ne_bytes(*family) != AF_UNIX || path.first() == Some(&0) {
            return Ok(false);
        }
        let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
        scratch.path.set(path.get(..end.min(PATH)).unwrap_or(&[]))?;
        Ok(true)
    }

    /// bind(2) to anything but a path. Abstract names are the pod's, one name space for all: a step's
    /// own carry its token, which the builder adds when the step connects.
    ///
    /// # Errors
    /// `EINVAL` for a name that has no room for the token.
    pub fn bind_other(&self, a: [usize; 6]) -> Result<Later> {
        let unchanged = Later::unchanged(nr::BIND, a);
        let [_, address, length, ..] = a;
        let mut bytes = [0; ADDRESS_MAX];
        let Some(bytes) = bytes.get_mut(..length).filter(|bytes| bytes.len() >= 3) else {
            return Ok(unchanged);
        };
        self.guest.read(address, bytes)?;
        let Some(name) = abstract_name(bytes) else { return Ok(unchanged) };
        let token = self.config.token;
        let name = abbreviated(name, token).ok_or(Errno::INVAL)?;
        let mut named = [0; ADDRESS_MAX];
        named[..2].copy_from_slice(&AF_UNIX.to_ne_bytes());
        let end = 3 + token.len() + name.len();
        named.get_mut(3..3 + token.len()).ok_or(Errno::INVAL)?.copy_from_slice(token);
        named.get_mut(3 + token.len()..end).ok_or(Errno::INVAL)?.copy_from_slice(name);
        let mut later = unchanged.with_data(1, named.get(..end).unwrap_or(&[]));
        later.arguments[2] = end;
        Ok(later)
    }

    /// bind(2) of a Unix socket to the path in `scratch.path`.
    ///
    /// # Errors
    /// The call's.
    pub fn bind_path(&self, scratch: &mut Scratch, socket: i32) -> Result<()> {
        let Scratch { path, walk, other } = scratch;
        let owner_mask = self.cred.owner_umask().load(core::sync::atomic::Ordering::Relaxed);
        let bound = self.in_parent(walk, AT_FDCWD, path, Intent::Create, |parent| {
            let opened = self.opened(parent)?;
            let result = self.bind_in(opened.as_ref().unwrap_or(parent), socket, owner_mask);
            if let Some(opened) = opened {
                self.done(opened);
            }
            result
        });
        other.clear();
        match bound {
            // EADDRINUSE is what bind(2) says of a name that exists.
            Err(Errno::EXIST) => Err(Errno(98)),
            other => other,
        }
    }

    fn bind_in(&self, parent: &Parent, socket: i32, owner_mask: u32) -> Result<()> {
        let mut name = [0; 32];
        let address = if parent.fd == AT_FDCWD {
            Address::of(&[parent.name().bytes()])?
        } else {
            let directory =
                crate::change::descriptor_path(parent.fd, &mut name).ok_or(Errno::BADF)?;
            // The whole host path where it fits: getsockname(2) can then be answered.
            let mut whole = crate::buf::PathBuf::new();
            let length = self.guest.readlinkat(AT_FDCWD, directory, whole.space())?;
            whole.filled(length);
            let name = parent.name();
            Address::of(&[whole.bytes(), b"/", name.bytes()])
                .or_else(|_| self.address_in_root(whole.bytes(), name))
                .or_else(|_| Address::of(&[directory.bytes(), b"/", name.bytes()]))?
        };
        self.guest.bind(socket, address.bytes())?;
        self.adopt(
            || self.directory(parent),
            || self.disk_at(parent.fd, parent.name()),
            Some(0o777 & !owner_mask),
        )
    }

    /// A long host path of a directory in the rootfs, by the descriptor that all processes have.
    fn address_in_root(&self, directory: &[u8], name: CPath<'_>) -> Result<Address> {
        let mut root = [0; 32];
        let root = crate::change::descriptor_path(ROOT_FD, &mut root).ok_or(Errno::BADF)?;
        match self.config.to_guest(directory) {
            Some((b"", rest)) => Address::of(&[root.bytes(), rest, b"/", name.bytes()]),
            _ => Err(Errno::NAMETOOLONG),
        }
    }

    /// getsockname(2), getpeername(2): the guest's name of a path.
    ///
    /// # Errors
    /// The call's.
    pub fn socket_name(
        &self,
        scratch: &mut Scratch,
        socket: i32,
        peer: bool,
        address: usize,
        length_address: usize,
    ) -> Result<()> {
        let mut room = [0; 4];
        self.guest.read(length_address, &mut room)?;
        let room = usize::try_from(i32::from_ne_bytes(room)).map_err(|_| Errno::INVAL)?;
        let mut bytes = [0; 256];
        let length = self.guest.socket_name(socket, peer, &mut bytes)?;
        self.tell_low_port(bytes.get_mut(..length.min(256)).unwrap_or(&mut []));
        let mut answer = bytes.get(..length.min(256)).unwrap_or(&[]);
        let is_path = answer.get(..2) == Some(&AF_UNIX.to_ne_bytes()[..])
            && answer.get(2).is_some_and(|&first| first == b'/');
        let mut translated = [0; 256];
        if let Some(own) =
            abstract_name(answer).and_then(|name| name.strip_prefix(self.config.token))
        {
            let end = 3 + own.len();
            translated[..2].copy_from_slice(&AF_UNIX.to_ne_bytes());
            translated.get_mut(3..end).ok_or(Errno::INVAL)?.copy_from_slice(own);
            let end = end + missing_zeros(own, self.config.token);
            answer = translated.get(..end).unwrap_or(&[]);
        } else if is_path {
            let Scratch { other, walk, .. } = scratch;
            let path = answer.get(2..).unwrap_or(&[]);
            let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
            let path = path.get(..end).unwrap_or(&[]);
            let mut root = [0; 32];
            let root = crate::change::descriptor_path(ROOT_FD, &mut root).ok_or(Errno::BADF)?;
            match path.strip_prefix(root.bytes()).filter(|rest| rest.starts_with(b"/")) {
                Some(rest) => {
                    other.set(self.config.root)?;
                    other.push(rest)?;
                }
                None => other.set(path)?,
            }
            if self.to_seen_path(walk, other)? {
                let path = other.bytes();
                let end = (2 + path.len()).min(ADDRESS_MAX - 1);
                translated[..2].copy_from_slice(&AF_UNIX.to_ne_bytes());
                if let (Some(to), Some(from)) = (translated.get_mut(2..end), path.get(..end - 2)) {
                    to.copy_from_slice(from);
                }
                answer = translated.get(..=end).unwrap_or(&[]);
            }
        }
        self.guest.write(address, answer.get(..room.min(answer.len())).unwrap_or(&[]))?;
        let full = u32::try_from(answer.len()).unwrap_or(0);
        self.guest.write(length_address, &full.to_ne_bytes())
    }

    /// `SO_LINGER` of setsockopt(2). Nobody waits in close(2): whoever closes a connection last would,
    /// for as long as a guest likes, be it the builder or the first process of a step to come.
    ///
    /// # Errors
    /// The call's.
    pub fn set_linger(&self, socket: i32, value: usize, length: usize) -> Result<()> {
        // `struct linger`: whether, how many seconds.
        let mut linger = [0; 8];
        if length < linger.len() {
            return Err(Errno::INVAL);
        }
        self.guest.read(value, &mut linger)?;
        let (on, seconds) = linger.split_at(4);
        self.guest.set_linger(socket, on != [0; 4] && seconds == [0; 4])
    }
}
