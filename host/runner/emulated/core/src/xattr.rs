//! Extended attributes (xattr(7)): file capabilities in the ledger, ACLs and `user.*` on disk.

use kiln_ledger::Capability;

use crate::abi::{O_PATH, S_IFMT, S_IFREG, Statx};
use crate::acl::Kind;
use crate::arch::nr;
use crate::buf::PathBuf;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::world::{MAY_READ, MAY_WRITE, Scratch, World};

const CAPABILITY: &[u8] = b"security.capability";

/// The arguments of a call that are the guest's pointers.
#[derive(Clone, Copy, Debug)]
pub enum Xattr {
    /// getxattr(2): name, value, size.
    Get(usize, usize, usize),
    /// setxattr(2): name, value, size, flags.
    Set(usize, usize, usize, usize),
    /// listxattr(2): list, size.
    List(usize, usize),
    /// removexattr(2): name.
    Remove(usize),
}

impl<G: Guest> World<'_, G> {
    /// The call on a path.
    ///
    /// # Errors
    /// The call's.
    pub fn xattr_at(&self, scratch: &mut Scratch, follow: bool, call: Xattr) -> Result<usize> {
        let Scratch { path, walk, other } = scratch;
        match self.open_for_change(walk, crate::abi::AT_FDCWD, path, follow) {
            Ok((fd, disk)) => {
                let result = self.xattr(other, fd, &disk, call);
                self.guest.close(fd);
                result
            }
            // A link or a socket has no attributes of its own that we could reach.
            Err(Errno::LOOP | Errno::NXIO) => {
                self.disk(walk, crate::abi::AT_FDCWD, path, follow)?;
                match call {
                    Xattr::Get(..) | Xattr::Remove(_) => Err(Errno::NODATA),
                    Xattr::Set(..) => Err(Errno::PERM),
                    Xattr::List(..) => Ok(0),
                }
            }
            Err(errno) => Err(errno),
        }
    }

    /// The call on a descriptor.
    ///
    /// # Errors
    /// The call's.
    pub fn xattr_of(&self, scratch: &mut Scratch, fd: i32, call: Xattr) -> Result<usize> {
        if self.guest.status_flags(fd)? & O_PATH != 0 {
            return Err(Errno::BADF);
        }
        let disk = self.disk_of(fd)?;
        self.xattr(&mut scratch.other, fd, &disk, call)
    }

    fn xattr(&self, name: &mut PathBuf, fd: i32, disk: &Statx, call: Xattr) -> Result<usize> {
        let fd_argument = usize::try_from(fd).map_err(|_| Errno::BADF)?;
        let pass = |number, a: [usize; 4]| {
            self.guest.pass(number, [fd_argument, a[0], a[1], a[2], a[3], 0])
        };
        match call {
            Xattr::Get(pointer, value, size) => {
                if self.read_name(name, pointer)? == CAPABILITY {
                    let record = self.record(disk).and_then(|record| record.capability);
                    let capability = record.ok_or(Errno::NODATA)?;
                    return self.give(capability.as_bytes(), value, size);
                }
                if let Some(kind) = Kind::named(name.bytes()) {
                    return self.get_acl(fd, disk, kind, [value, size]);
                }
                self.may(disk, name.bytes(), MAY_READ)?;
                pass(nr::FGETXATTR, [pointer, value, size, 0])
            }
            Xattr::Set(pointer, value, size, flags) => {
                if self.read_name(name, pointer)? == CAPABILITY {
                    let mut bytes = [0; Capability::MAX];
                    let bytes = bytes.get_mut(..size).ok_or(Errno::INVAL)?;
                    self.guest.read(value, bytes)?;
                    let capability = Capability::new(bytes).ok_or(Errno::INVAL)?;
                    return self.change_capability(disk, Some(capability));
                }
                if let Some(kind) = Kind::named(name.bytes()) {
                    return self.set_acl(fd, disk, kind, [value, size, flags]);
                }
                self.may(disk, name.bytes(), MAY_WRITE)?;
                self.guest.set_xattr(fd, name.c(), [value, size, flags]).map(|()| 0)
            }
            Xattr::Remove(pointer) => {
                if self.read_name(name, pointer)? == CAPABILITY {
                    self.record(disk).and_then(|record| record.capability).ok_or(Errno::NODATA)?;
                    return self.change_capability(disk, None);
                }
                if let Some(kind) = Kind::named(name.bytes()) {
                    return self.remove_acl(fd, disk, kind);
                }
                self.may(disk, name.bytes(), MAY_WRITE)?;
                self.guest.remove_xattr(fd, name.c()).map(|()| 0)
            }
            Xattr::List(list, size) => {
                let ours = self.record(disk).is_some_and(|record| record.capability.is_some());
                let length = pass(nr::FLISTXATTR, [list, size, 0, 0])?;
                if !ours {
                    return Ok(length);
                }
                let end = length + CAPABILITY.len() + 1;
                if size == 0 {
                    return Ok(end);
                }
                if end > size {
                    return Err(Errno::RANGE);
                }
                self.guest.write(list + length, CAPABILITY)?;
                self.guest.write(list + end - 1, &[0])?;
                Ok(end)
            }
        }
    }

    fn read_name<'n>(&self, name: &'n mut PathBuf, pointer: usize) -> Result<&'n [u8]> {
        let length = self.guest.read_str(pointer, name.space())?;
        name.filled(length);
        if length == 0 || length > 255 {
            return Err(Errno::RANGE);
        }
        Ok(name.bytes())
    }

    fn may(&self, disk: &Statx, name: &[u8], want: u32) -> Result<()> {
        let on_disk = u32::from(disk.mode) & S_IFMT;
        if on_disk == S_IFREG && name.starts_with(b"user.") && self.seen(disk).kind() != S_IFREG {
            // A device, which has none.
            return Err(if want == MAY_READ { Errno::NODATA } else { Errno::PERM });
        }
        if self.cred.is_fs_root() {
            return Ok(());
        }
        let seen = self.seen(disk);
        if name.starts_with(b"user.") {
            self.require(&seen, want)
        } else if want == MAY_READ || self.owns(&seen) {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }

    fn change_capability(&self, disk: &Statx, capability: Option<Capability>) -> Result<usize> {
        if !self.cred.is_root() {
            return Err(Errno::PERM);
        }
        self.update(disk, |record| record.capability = capability).map(|()| 0)
    }

    pub(crate) fn give(&self, value: &[u8], pointer: usize, size: usize) -> Result<usize> {
        if size == 0 {
            return Ok(value.len());
        }
        if size < value.len() {
            return Err(Errno::RANGE);
        }
        self.guest.write(pointer, value)?;
        Ok(value.len())
    }
}
