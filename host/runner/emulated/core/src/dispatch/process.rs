//! Calls about the process, its sockets and descriptors, and extended attributes.

use core::sync::atomic::Ordering::Relaxed;

use super::{Answer, Call, Later, int, uint};
use crate::arch::nr;
use crate::config::FIRST_FD;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::xattr::Xattr;

impl<G: Guest> Call<'_, '_, G> {
    /// umask(2). The kernel never gets the owner's bits: what it creates must stay ours to open.
    pub(super) fn umask(&self) -> Result<usize> {
        /// The owner's permission bits.
        const OWNER: u32 = 0o700;
        let mask = uint(self.a[0]) & 0o777;
        let old = self.world.guest.pass(nr::UMASK, [self.a[0] & 0o077, 0, 0, 0, 0, 0])?;
        let owner = self.world.cred.owner_umask().swap(mask & OWNER, Relaxed);
        Ok(old | usize::try_from(owner).unwrap_or(0))
    }

    /// kill(2): by the kernel, with the guest's signals as they are, where it is permitted.
    pub(super) fn kill(&self) -> Result<Answer> {
        let [process, signal, ..] = self.a;
        match self.world.signal(int(process), int(signal))? {
            Some(process) => {
                let arguments = [(process as isize).cast_unsigned(), signal, 0, 0, 0, 0];
                Ok(Answer::Later(Later::unchanged(nr::KILL, arguments)))
            }
            None => Ok(Answer::Now(0)),
        }
    }

    pub(super) fn xattr_at(&mut self, follow: bool, call: Xattr) -> Result<usize> {
        self.path(self.a[0], 0)?;
        self.world.xattr_at(self.scratch, follow, call)
    }

    pub(super) fn xattr_of(&mut self, call: Xattr) -> Result<usize> {
        self.world.xattr_of(self.scratch, int(self.a[0]), call)
    }

    pub(super) fn connect(self) -> Result<Answer> {
        let [socket, address, length, ..] = self.a;
        let peer = self.world.peer(self.scratch, address, length)?;
        if !peer.is_named() {
            return Err(if address == 0 { Errno::FAULT } else { Errno::INVAL });
        }
        Ok(Answer::Connect(int(socket), peer))
    }

    /// listen(2): a Unix socket shows those who connect the ids of this moment.
    pub(super) fn listen(&self) -> Result<usize> {
        /// `SOL_SOCKET`, `SO_DOMAIN`, `AF_UNIX`
        const DOMAIN: (i32, i32, u32) = (1, 39, 1);
        let guest = self.world.guest;
        let mut domain = [0; 4];
        let known = guest.socket_option(int(self.a[0]), DOMAIN.0, DOMAIN.1, &mut domain);
        if known.is_ok() && u32::from_ne_bytes(domain) == DOMAIN.2 {
            let cred = self.world.cred;
            guest.note_listener([cred.user.effective(), cred.group.effective()])?;
        }
        guest.pass(nr::LISTEN, self.a)
    }

    /// `SO_PEERCRED`: the other end belongs to the same step, whose ids the builder keeps.
    pub(super) fn peer_credentials(&self) -> Result<usize> {
        let (a, guest, cred) = (self.a, self.world.guest, self.world.cred);
        let mut credentials = [0; 12];
        let length = guest.socket_option(int(a[0]), int(a[1]), int(a[2]), &mut credentials)?;
        let word = |at: usize| {
            credentials
                .get(at..at + 4)
                .and_then(|word| word.try_into().ok())
                .map(u32::from_ne_bytes)
        };
        if let (Some(process), Some(user)) = (word(0), word(4))
            && user == self.world.config.own_uid
        {
            // A pair of sockets, mostly, is between processes of the same ids.
            let own = [process, cred.user.effective(), cred.group.effective()];
            let ids = guest.peer_ids(int(a[0]), process).unwrap_or(own);
            for (to, id) in credentials.chunks_exact_mut(4).zip(ids) {
                to.copy_from_slice(&id.to_ne_bytes());
            }
        }
        let mut room = [0; 4];
        self.world.guest.read(a[4], &mut room)?;
        let room = usize::try_from(u32::from_ne_bytes(room)).unwrap_or(0).min(length).min(12);
        self.world.guest.write(a[3], credentials.get(..room).unwrap_or(&[]))?;
        self.world.guest.write(a[4], &u32::try_from(room).unwrap_or(0).to_ne_bytes())?;
        Ok(0)
    }

    pub(super) fn uname(&self) -> Result<usize> {
        /// Length of a field of `struct utsname`.
        const FIELD: usize = 65;
        let address = self.a[0];
        self.world.guest.pass(nr::UNAME, [address, 0, 0, 0, 0, 0])?;
        let name = self.world.config.hostname;
        let name = name.get(..name.len().min(FIELD - 1)).unwrap_or(&[]);
        self.world.guest.write(address + FIELD, name)?;
        self.world.guest.write(address + FIELD + name.len(), &[0])?;
        Ok(0)
    }

    /// Around the runner's own descriptors.
    pub(super) fn close_range(&self) -> Result<usize> {
        /// `CLOSE_RANGE_UNSHARE`
        const UNSHARE: usize = 2;
        let [first, last, flags, ..] = self.a;
        let (first, last) = (uint(first), uint(last));
        if first > last || flags & UNSHARE != 0 {
            return Err(Errno::INVAL);
        }
        let (low, high) = (FIRST_FD.cast_unsigned(), self.world.config.end_fd().cast_unsigned());
        let close = |first: u32, last: u32| {
            if first > last {
                return Ok(0);
            }
            let value = |number| usize::try_from(number).unwrap_or(usize::MAX);
            self.world.guest.pass(nr::CLOSE_RANGE, [value(first), value(last), flags, 0, 0, 0])
        };
        close(first, last.min(low - 1))?;
        close(first.max(high), last)
    }
}
