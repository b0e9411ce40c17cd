//! Addresses of Unix sockets: paths in the guest's view (unix(7)).

use crate::abi::AT_FDCWD;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::open::Intent;
use crate::world::{Scratch, World};

const AF_UNIX: u16 = 1;
/// `sizeof(struct sockaddr_un)`
pub const ADDRESS_MAX: usize = 110;
/// `sun_path`'s length.
const PATH: usize = 108;

/// A translated address.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    bytes: [u8; ADDRESS_MAX],
    len: usize,
    /// A descriptor that the address names and that must be closed after the call.
    pub fd: Option<i32>,
}

impl Address {
    /// The bytes for the kernel.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn of(pieces: &[&[u8]], fd: Option<i32>) -> Result<Self> {
        let mut address = Self { bytes: [0; ADDRESS_MAX], len: 2, fd };
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

    /// The address to connect to, for the path in `scratch.path`.
    ///
    /// # Errors
    /// As path_resolution(7) has them.
    pub fn peer_address(&self, scratch: &mut Scratch) -> Result<Address> {
        let Scratch { path, walk, .. } = scratch;
        let (fd, disk) = self.locate(walk, AT_FDCWD, path, true)?;
        if !self.allows(&self.seen(&disk), crate::world::MAY_WRITE) {
            self.guest.close(fd);
            return Err(Errno::ACCES);
        }
        let mut name = [0; 32];
        let name = crate::change::descriptor_path(fd, &mut name).ok_or(Errno::BADF)?;
        Address::of(&[name.bytes()], Some(fd))
    }

    /// bind(2) of a Unix socket to the path in `scratch.path`.
    ///
    /// # Errors
    /// The call's.
    pub fn bind_path(&self, scratch: &mut Scratch, socket: i32) -> Result<()> {
        let Scratch { path, walk, other } = scratch;
        let owner_mask = self.cred.owner_umask().load(core::sync::atomic::Ordering::Relaxed);
        let bound = self.in_parent(walk, AT_FDCWD, path, Intent::Create, |parent| {
            let mut name = [0; 32];
            let address = if parent.fd == AT_FDCWD {
                Address::of(&[parent.name().bytes()], None)?
            } else {
                let directory =
                    crate::change::descriptor_path(parent.fd, &mut name).ok_or(Errno::BADF)?;
                // The whole host path where it fits: getsockname(2) can then be answered.
                let mut whole = crate::buf::PathBuf::new();
                let length = self.guest.readlinkat(AT_FDCWD, directory, whole.space())?;
                whole.filled(length);
                let name = parent.name();
                Address::of(&[whole.bytes(), b"/", name.bytes()], None)
                    .or_else(|_| Address::of(&[directory.bytes(), b"/", name.bytes()], None))?
            };
            self.guest.bind(socket, address.bytes())?;
            self.adopt(
                parent.fd,
                || self.disk_at(parent.fd, parent.name()),
                Some(0o777 & !owner_mask),
            )
        });
        other.clear();
        match bound {
            // EADDRINUSE is what bind(2) says of a name that exists.
            Err(Errno::EXIST) => Err(Errno(98)),
            other => other,
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
        let room = usize::try_from(u32::from_ne_bytes(room)).unwrap_or(0);
        let mut bytes = [0; 256];
        let length = self.guest.socket_name(socket, peer, &mut bytes)?;
        let mut answer = bytes.get(..length.min(256)).unwrap_or(&[]);
        let is_path = answer.get(..2) == Some(&AF_UNIX.to_ne_bytes()[..])
            && answer.get(2).is_some_and(|&first| first == b'/');
        let mut translated = [0; 256];
        if is_path {
            let Scratch { other, walk, .. } = scratch;
            let path = answer.get(2..).unwrap_or(&[]);
            let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
            other.set(path.get(..end).unwrap_or(&[]))?;
            if self.to_guest_path(walk, other)? {
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
}
