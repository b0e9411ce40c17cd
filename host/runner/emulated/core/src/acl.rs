//! POSIX ACLs (acl(5)): the disk's, save for the owner's own entry.
//!
//! On disk that entry always lets us, who own every file, read and write; the mode that the guest
//! sees has the real one. No layer holds ACLs, as BuildKit's do not; the mode, which an ACL's mask
//! changes, is in it. The default ACL of a directory keeps the owner's entry as it is on disk.

use crate::abi::{AT_FDCWD, O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, S_IFDIR, S_IFREG, Statx};
use crate::arch::nr;
use crate::buf::{CPath, PathBuf};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::world::World;

const ACCESS: &[u8] = b"system.posix_acl_access\0";
const DEFAULT: &[u8] = b"system.posix_acl_default\0";

/// `POSIX_ACL_XATTR_VERSION`
const VERSION: u32 = 2;
const HEADER: usize = 4;
const ENTRY: usize = 8;
/// Most entries that are kept; some file systems keep fewer.
const MAX_ENTRIES: usize = 128;
const MAX: usize = HEADER + ENTRY * MAX_ENTRIES;

/// Tags of entries.
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// Which of a file's two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// That decides about the file.
    Access,
    /// That new files in a directory get.
    Default,
}

impl Kind {
    /// The kind that an attribute's name means.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        [Self::Access, Self::Default].into_iter().find(|kind| kind.name().bytes() == name)
    }

    fn name(self) -> CPath<'static> {
        let name = if self == Self::Access { ACCESS } else { DEFAULT };
        CPath::new(name).unwrap_or(CPath::EMPTY)
    }
}

/// An ACL in the form of its attribute.
struct Acl {
    bytes: [u8; MAX],
    len: usize,
}

impl Acl {
    const fn new() -> Self {
        Self { bytes: [0; MAX], len: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Tag, permissions and id of each entry.
    fn entries(&self) -> impl Iterator<Item = (u16, u32, u32)> {
        self.bytes().get(HEADER..).unwrap_or(&[]).chunks_exact(ENTRY).map(|entry| {
            let half = |at: usize| u16::from_ne_bytes([entry[at], entry[at + 1]]);
            let id = u32::from_ne_bytes([entry[4], entry[5], entry[6], entry[7]]);
            (half(0), u32::from(half(2)) & 7, id)
        })
    }

    fn of(&self, tag: u16) -> Option<u32> {
        self.entries().find(|entry| entry.0 == tag).map(|(_, permissions, _)| permissions)
    }

    /// Whether it is one, as far as the kernel does not say so itself.
    fn check(&self) -> Result<()> {
        let version = self.bytes().first_chunk::<4>().ok_or(Errno::INVAL)?;
        match u32::from_ne_bytes(*version) {
            VERSION if (self.len - HEADER).is_multiple_of(ENTRY) => Ok(()),
            VERSION => Err(Errno::INVAL),
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// The permission bits of a file that has it.
    fn mode(&self) -> Option<u32> {
        let group = self.of(MASK).or(self.of(GROUP_OBJ))?;
        Some(self.of(USER_OBJ)? << 6 | group << 3 | self.of(OTHER)?)
    }

    /// Changes the owner's entry.
    fn set_owner(&mut self, permissions: impl Fn(u32) -> u32) {
        let entries = self.bytes.get_mut(HEADER..self.len).unwrap_or(&mut []);
        for entry in entries.chunks_exact_mut(ENTRY) {
            if let [low, high, bits, ..] = entry
                && u16::from_ne_bytes([*low, *high]) == USER_OBJ
            {
                *bits = u8::try_from(permissions(u32::from(*bits)) & 7).unwrap_or(0);
            }
        }
    }

    /// What acl(5) says to who is not the owner.
    fn allows(
        &self,
        want: u32,
        uid: u32,
        owns_group: bool,
        in_group: impl Fn(u32) -> bool,
    ) -> bool {
        let mask = self.of(MASK).unwrap_or(7);
        let mut entries = self.entries();
        if let Some((_, permissions, _)) = entries.find(|&(tag, _, id)| tag == USER && id == uid) {
            return permissions & mask & want == want;
        }
        let mut is_member = false;
        for (tag, permissions, id) in self.entries() {
            let applies = tag == GROUP_OBJ && owns_group || tag == GROUP && in_group(id);
            if applies && permissions & mask & want == want {
                return true;
            }
            is_member |= applies;
        }
        !is_member && self.of(OTHER).is_some_and(|permissions| permissions & want == want)
    }
}

impl<G: Guest> World<'_, G> {
    /// getxattr(2)
    pub(crate) fn get_acl(
        &self,
        fd: i32,
        disk: &Statx,
        kind: Kind,
        [value, size]: [usize; 2],
    ) -> Result<usize> {
        let mut acl = Acl::new();
        let fd = usize::try_from(fd).map_err(|_| Errno::BADF)?;
        let (name, to) =
            (kind.name().with_nul().as_ptr() as usize, acl.bytes.as_mut_ptr() as usize);
        acl.len = self.guest.pass(nr::FGETXATTR, [fd, name, to, MAX, 0, 0])?;
        if kind == Kind::Access {
            let mode = u32::from(self.seen(disk).mode);
            acl.set_owner(|_| mode >> 6);
        }
        self.give(acl.bytes(), value, size)
    }

    /// setxattr(2)
    pub(crate) fn set_acl(
        &self,
        fd: i32,
        disk: &Statx,
        kind: Kind,
        [value, size, flags]: [usize; 3],
    ) -> Result<usize> {
        if size == 0 {
            return self.remove_acl(fd, disk, kind);
        }
        let mut acl = Acl::new();
        let bytes = acl.bytes.get_mut(..size).ok_or(Errno::NOSPC)?;
        self.guest.read(value, bytes)?;
        acl.len = size;
        acl.check()?;
        let seen = self.owned(disk)?;
        if kind == Kind::Default && !disk.is_dir() {
            return Err(Errno::ACCES);
        }
        let wanted = acl.mode();
        let own = if disk.is_dir() { 7 } else { 6 };
        acl.set_owner(|permissions| permissions | own);
        let from = acl.bytes().as_ptr() as usize;
        self.guest.set_xattr(fd, kind.name(), [from, acl.len, flags])?;
        if kind == Kind::Access
            && let Some(wanted) = wanted
        {
            let mode = u32::from(seen.mode) & 0o7000 | wanted;
            self.record_mode(&self.disk_of(fd)?, mode, Some(fd))?;
        }
        Ok(0)
    }

    /// removexattr(2); the mode stays.
    pub(crate) fn remove_acl(&self, fd: i32, disk: &Statx, kind: Kind) -> Result<usize> {
        self.owned(disk)?;
        self.guest.remove_xattr(fd, kind.name()).map(|()| 0)
    }

    /// The inode as seen, which must be the guest's to change.
    fn owned(&self, disk: &Statx) -> Result<Statx> {
        let seen = self.seen(disk);
        if disk.uid == self.config.own_uid && self.owns(&seen) {
            Ok(seen)
        } else {
            Err(Errno::PERM)
        }
    }

    /// Whether a file's ACL gives what its mode refuses. The file is `path` below `base`, or `base`.
    pub(crate) fn acl_allows(&self, base: i32, path: &[u8], seen: &Statx, want: u32) -> bool {
        let mut name = PathBuf::new();
        let named = name
            .set(b"/proc/self/fd/")
            .and_then(|()| name.push_number(base.cast_unsigned()))
            .and_then(|()| if path.is_empty() { Ok(()) } else { name.push(b"/") })
            .and_then(|()| name.push(path));
        let uid = self.cred.user.fs();
        // Fifos and devices are not opened for this: that others would notice.
        let is_quiet = matches!(seen.kind(), S_IFREG | S_IFDIR);
        if named.is_err() || uid == seen.uid || !is_quiet {
            return false;
        }
        // By path alone it would be anybody's file: the wall is in opening it.
        let follow = if path.is_empty() { 0 } else { O_NOFOLLOW };
        let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | follow;
        let Ok(fd) = self.guest.openat(AT_FDCWD, name.c(), flags, 0) else { return false };
        let mut acl = Acl::new();
        let to = acl.bytes.as_mut_ptr() as usize;
        let attribute = Kind::Access.name().with_nul().as_ptr() as usize;
        let file = usize::try_from(fd).unwrap_or(usize::MAX);
        let length = self.guest.pass(nr::FGETXATTR, [file, attribute, to, MAX, 0, 0]);
        self.guest.close(fd);
        let Ok(length) = length else { return false };
        acl.len = length;
        let in_group = |gid| self.cred.in_group(gid);
        acl.allows(want, uid, in_group(seen.gid), in_group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Acl {
        let mut acl = Acl::new();
        let mut bytes = VERSION.to_ne_bytes().to_vec();
        for (tag, permissions, id) in entries {
            bytes.extend_from_slice(&tag.to_ne_bytes());
            bytes.extend_from_slice(&permissions.to_ne_bytes());
            bytes.extend_from_slice(&id.to_ne_bytes());
        }
        acl.bytes[..bytes.len()].copy_from_slice(&bytes);
        acl.len = bytes.len();
        acl
    }

    const NONE: u32 = u32::MAX;

    #[test]
    fn entries_are_judged_in_order() {
        let acl = acl(&[
            (USER_OBJ, 0, NONE),
            (USER, 7, 5),
            (USER, 0, 6),
            (GROUP_OBJ, 4, NONE),
            (GROUP, 2, 50),
            (MASK, 6, NONE),
            (OTHER, 1, NONE),
        ]);
        assert_eq!(acl.mode(), Some(0o061));
        let allows = |uid, groups: &[u32], want| {
            acl.allows(want, uid, groups.contains(&40), |gid| groups.contains(&gid))
        };
        assert!(allows(5, &[], 6) && !allows(5, &[], 1));
        assert!(!allows(6, &[40, 50], 1) && !allows(6, &[40, 50], 4));
        assert!(allows(7, &[40, 50], 4) && allows(7, &[40, 50], 2) && !allows(7, &[40, 50], 6));
        assert!(!allows(7, &[40], 1) && allows(7, &[], 1));
    }

    #[test]
    fn damaged_ones_are_refused() {
        assert_eq!(acl(&[]).check(), Ok(()));
        let mut short = acl(&[(USER_OBJ, 7, NONE)]);
        short.len -= 1;
        assert_eq!(short.check(), Err(Errno::INVAL));
        short.len = 3;
        assert_eq!(short.check(), Err(Errno::INVAL));
        short.len = 12;
        short.bytes[0] = 9;
        assert_eq!(short.check(), Err(Errno::OPNOTSUPP));
        let mut whole = acl(&[(USER_OBJ, 1, NONE), (GROUP_OBJ, 5, NONE), (OTHER, 4, NONE)]);
        whole.set_owner(|permissions| permissions | 6);
        assert_eq!(whole.mode(), Some(0o754));
    }
}
