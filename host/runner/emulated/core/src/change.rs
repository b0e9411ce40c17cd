//! Making, removing, renaming and linking names; reading links and the current directory.

use kiln_ledger::Owner;

use crate::abi::{
    AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, O_CLOEXEC, O_NOFOLLOW, O_PATH,
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_ISVTX,
};
use crate::buf::{CPath, PathBuf};
use crate::config::{ROOT_FD, below};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::known::split;
use crate::open::{Intent, Parent};
use crate::walk::Magic;
use crate::world::{MAY_EXEC, Scratch, WalkBuffers, World, creation_mode};

impl<G: Guest> World<'_, G> {
    /// mkdir(2)
    ///
    /// # Errors
    /// The call's.
    pub fn mkdir(&self, scratch: &mut Scratch, dirfd: i32, mode: u32) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        let mode = mode & 0o1777;
        self.in_parent(walk, dirfd, path, Intent::Create, |parent| {
            self.guest.mkdirat(parent.fd, parent.name(), creation_mode(mode, true))?;
            self.adopt(
                || self.directory(parent),
                || self.disk_at(parent.fd, parent.name()),
                Some(S_IFDIR | mode),
            )
        })
    }

    /// mknod(2). A device node becomes an empty file with a record.
    ///
    /// # Errors
    /// The call's.
    pub fn mknod(
        &self,
        scratch: &mut Scratch,
        dirfd: i32,
        mode: u32,
        device: (u32, u32),
    ) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        let kind = if mode & S_IFMT == 0 { S_IFREG } else { mode & S_IFMT };
        let is_device = matches!(kind, S_IFCHR | S_IFBLK);
        if is_device && !self.cred.is_root() {
            return Err(Errno::PERM);
        }
        self.in_parent(walk, dirfd, path, Intent::Create, |parent| {
            let disk_kind = if is_device { S_IFREG } else { kind };
            let asked = disk_kind | creation_mode(mode & 0o7777, false);
            self.guest.mknodat(parent.fd, parent.name(), asked)?;
            let look = || self.disk_at(parent.fd, parent.name());
            self.adopt(|| self.directory(parent), look, Some(mode & 0o7777))?;
            if is_device {
                let disk = look()?;
                let seen = u32::from(self.seen(&disk).mode) & 0o7777;
                self.update(&disk, |record| {
                    record.mode = Some(kind | seen);
                    record.rdev = Some(device);
                    record.owner.get_or_insert(Owner::default());
                })?;
            }
            Ok(())
        })
    }

    /// unlink(2), rmdir(2)
    ///
    /// # Errors
    /// The call's.
    pub fn unlink(&self, scratch: &mut Scratch, dirfd: i32, flags: u32) -> Result<()> {
        let Scratch { path, walk, .. } = scratch;
        self.in_parent(walk, dirfd, path, Intent::Remove, |parent| {
            // A covered directory is a mount point, however it was reached.
            if flags & AT_REMOVEDIR != 0
                && self.disk_at(parent.fd, parent.name()).is_ok_and(|disk| self.is_covered(&disk))
            {
                return Err(Errno::BUSY);
            }
            self.guest.unlinkat(parent.fd, parent.name(), flags)?;
            if flags & AT_REMOVEDIR != 0 {
                self.guest.note_change();
            }
            Ok(())
        })
    }

    /// symlink(2); the target is in `scratch.other`
    ///
    /// # Errors
    /// The call's.
    pub fn symlink(&self, scratch: &mut Scratch, dirfd: i32) -> Result<()> {
        let Scratch { path, other, walk } = scratch;
        self.in_parent(walk, dirfd, path, Intent::Create, |parent| {
            self.guest.symlinkat(other.c(), parent.fd, parent.name())?;
            self.guest.note_change();
            self.adopt(|| self.directory(parent), || self.disk_at(parent.fd, parent.name()), None)
        })
    }

    /// link(2) from `scratch.path` to `scratch.other`
    ///
    /// # Errors
    /// The call's.
    pub fn link(&self, scratch: &mut Scratch, from: i32, to: i32, flags: u32) -> Result<()> {
        let Scratch { path, other, walk } = scratch;
        let by_descriptor = path.is_empty() && flags & AT_EMPTY_PATH != 0;
        let opened = if by_descriptor {
            None
        } else {
            Some(self.locate(walk, from, path, flags & AT_SYMLINK_FOLLOW != 0)?)
        };
        let source = opened.map_or(from, |(fd, _)| fd);
        let disk = opened.map(|(_, disk)| disk);
        let result = (|| {
            if let Some(disk) = disk {
                if disk.is_dir() {
                    return Err(Errno::PERM);
                }
                let seen = self.seen(&disk);
                // protected_hardlinks of proc(5)
                if !self.owns(&seen) && !self.allows(&seen, 6) {
                    return Err(Errno::PERM);
                }
            }
            if let Some(disk) = disk
                && disk.is_symlink()
            {
                // /proc/self/fd would follow it: link by name.
                let target = self.parent(walk, to, other, Intent::Create)?;
                let result = self
                    .on_one_mount(source, target.fd)
                    .and_then(|()| self.link_by_name(walk, from, path, &target));
                self.done(target);
                return result;
            }
            let mut name = [0; 32];
            let name = descriptor_path(source, &mut name).ok_or(Errno::BADF)?;
            self.in_parent(walk, to, other, Intent::Create, |target| {
                self.on_one_mount(source, target.fd)?;
                self.guest.linkat(AT_FDCWD, name, target.fd, target.name(), AT_SYMLINK_FOLLOW)
            })
        })();
        if opened.is_some() {
            self.guest.close(source);
        }
        result
    }

    fn link_by_name(
        &self,
        walk: &mut WalkBuffers,
        from: i32,
        path: &PathBuf,
        target: &Parent,
    ) -> Result<()> {
        let place = self.walk(walk, from, path.bytes(), false)?;
        self.guest.linkat(place.base, place.path(walk), target.fd, target.name(), 0)?;
        self.guest.note_change();
        Ok(())
    }

    /// rename(2) from `scratch.path` to `scratch.other`
    ///
    /// # Errors
    /// The call's.
    pub fn rename(&self, scratch: &mut Scratch, from: i32, to: i32, flags: u32) -> Result<()> {
        let Scratch { path, other, walk } = scratch;
        let mut source = self.parent(walk, from, path, Intent::Remove)?;
        let mut result = self.rename_to(walk, &source, to, other, flags);
        if result == Err(Errno::ACCES) && source.is_fast() {
            self.done(source);
            source = self.parent_walking(walk, from, path.bytes(), Intent::Remove)?;
            result = self.rename_to(walk, &source, to, other, flags);
        }
        self.done(source);
        result
    }

    fn rename_to(
        &self,
        walk: &mut WalkBuffers,
        source: &Parent,
        to: i32,
        other: &PathBuf,
        flags: u32,
    ) -> Result<()> {
        self.in_parent(walk, to, other, Intent::Remove, |target| {
            self.on_one_mount(source.fd, target.fd)?;
            if !self.cred.is_fs_root() {
                self.check_sticky(source)?;
                self.check_sticky(target)?;
            }
            let moves_file = flags == 0
                && self.disk_at(source.fd, source.name()).is_ok_and(|disk| disk.kind() == S_IFREG);
            self.guest.renameat2(source.fd, source.name(), target.fd, target.name(), flags)?;
            if !moves_file {
                self.guest.note_change();
            }
            Ok(())
        })
    }

    /// `EXDEV` unless two files lie on the same mount. All of them are one on disk: a file of a cache
    /// would have a name in the image, and change with the cache, which other steps and builds use.
    fn on_one_mount(&self, one: i32, other: i32) -> Result<()> {
        if !self.config.has_writable_mounts() || self.mount_of(one) == self.mount_of(other) {
            Ok(())
        } else {
            Err(Errno::XDEV)
        }
    }

    /// Where what a descriptor is of is mounted, as far as it has a name.
    fn mount_of(&self, fd: i32) -> Option<&[u8]> {
        if fd == ROOT_FD {
            return Some(b"");
        }
        let (mut name, mut host) = ([0; 32], PathBuf::new());
        let name = match fd {
            AT_FDCWD => CPath::new(b"/proc/self/cwd\0")?,
            fd => descriptor_path(fd, &mut name)?,
        };
        let length = self.guest.readlinkat(AT_FDCWD, name, host.space()).ok()?;
        host.filled(length);
        self.config.to_guest(host.bytes()).map(|(mount, _)| mount)
    }

    fn check_sticky(&self, parent: &Parent) -> Result<()> {
        let directory = self.seen(&self.directory(parent)?);
        if u32::from(directory.mode) & S_ISVTX == 0 || self.owns(&directory) {
            return Ok(());
        }
        match self.disk_at(parent.fd, parent.name()) {
            Ok(disk) if !self.owns(&self.seen(&disk)) => Err(Errno::PERM),
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// readlink(2): the target as the guest sees it, left in `scratch.other`.
    ///
    /// # Errors
    /// The call's.
    pub fn readlink(&self, scratch: &mut Scratch, dirfd: i32) -> Result<()> {
        let Scratch { path, other, walk } = scratch;
        let bytes = path.bytes();
        if bytes.is_empty() {
            let length = self.guest.readlinkat(dirfd, CPath::EMPTY, other.space())?;
            other.filled(length);
            return Ok(());
        }
        let walks = self.must_walk(bytes);
        if self.cred.is_fs_root()
            && !walks
            && let Some((directory, _)) = split(bytes)
            && self.is_plain(walk, directory)
        {
            match self.guest.readlinkat(ROOT_FD, path.tail(1), other.space()) {
                Err(Errno::ACCES) => {}
                result => {
                    other.filled(result?);
                    return Ok(());
                }
            }
        } else if self.cred.is_fs_root() && bytes.starts_with(b"/") && !walks {
            let flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
            match self.open_existing(walk, dirfd, path, flags, 0) {
                Ok(fd) => {
                    let result = self.guest.readlinkat(fd, CPath::EMPTY, other.space());
                    self.guest.close(fd);
                    // An empty path on what is no link: ENOENT.
                    let length = result.map_err(|errno| match errno {
                        Errno::NOENT => Errno::INVAL,
                        other => other,
                    })?;
                    other.filled(length);
                    return Ok(());
                }
                Err(Errno::ACCES) => {}
                Err(errno) => return Err(errno),
            }
        }
        let place = self.walk(walk, dirfd, bytes, false)?;
        let disk = place.disk.ok_or(Errno::NOENT)?;
        if !disk.is_symlink() {
            return Err(Errno::INVAL);
        }
        let length = self.guest.readlinkat(place.base, place.path(walk), other.space())?;
        other.filled(length);
        if !place.in_proc() {
            return Ok(());
        }
        if self.program_of_other(walk, &place) {
            other.set(walk.link.bytes())?;
            return self.to_seen_path(walk, other).map(drop);
        }
        let place = self.walk(walk, dirfd, bytes, true);
        if matches!(place, Ok(place) if place.magic == Some(Magic::Exe)) {
            return other.set(self.below_root(self.exe).unwrap_or(self.exe));
        }
        if other.bytes().starts_with(b"/") {
            self.to_seen_path(walk, other)?;
        }
        Ok(())
    }

    /// Turns a host path in `path` into the guest's name for it, where it has one.
    ///
    /// # Errors
    /// `ENAMETOOLONG`
    pub fn to_guest_path(&self, walk: &mut WalkBuffers, path: &mut PathBuf) -> Result<bool> {
        walk.link.set(path.bytes())?;
        let Some((prefix, rest)) = self.config.to_guest(walk.link.bytes()) else {
            return Ok(false);
        };
        path.set(prefix)?;
        path.push(rest)?;
        if path.is_empty() {
            path.set(b"/")?;
        }
        Ok(true)
    }

    /// What a guest path is called below the process's root; `None` outside.
    fn below_root<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        if self.root.is_empty() {
            return Some(path);
        }
        match below(path, self.root)? {
            [] => Some(b"/"),
            rest => Some(rest),
        }
    }

    /// As [`World::to_guest_path`], and as the process calls it that has a root of its own.
    ///
    /// # Errors
    /// `ENAMETOOLONG`
    pub fn to_seen_path(&self, walk: &mut WalkBuffers, path: &mut PathBuf) -> Result<bool> {
        let known = self.to_guest_path(walk, path)?;
        if known && !self.root.is_empty() {
            walk.link.set(path.bytes())?;
            path.set(self.below_root(walk.link.bytes()).unwrap_or(walk.link.bytes()))?;
        }
        Ok(known)
    }

    /// getcwd(2): the guest's path, left in `scratch.other`.
    ///
    /// # Errors
    /// The call's.
    pub fn getcwd(&self, scratch: &mut Scratch) -> Result<()> {
        let Scratch { other, walk, .. } = scratch;
        let length = self.guest.getcwd(other.space())?;
        other.filled(length);
        if !self.to_guest_path(walk, other)? {
            return Err(Errno::NOENT);
        }
        walk.link.set(other.bytes())?;
        match self.below_root(walk.link.bytes()) {
            Some(path) => other.set(path),
            None => other.set(b"(unreachable)").and_then(|()| other.push(walk.link.bytes())),
        }
    }

    /// chroot(2) to the path in `scratch.path`.
    ///
    /// # Errors
    /// The call's.
    pub fn chroot(&self, scratch: &mut Scratch) -> Result<()> {
        /// `CAP_SYS_CHROOT`
        const SYS_CHROOT: u64 = 1 << 18;
        let Scratch { path, walk, .. } = scratch;
        let (fd, disk) = self.locate(walk, AT_FDCWD, path, true)?;
        let allowed = if disk.is_dir() {
            self.require(&self.seen(&disk), MAY_EXEC)
        } else {
            Err(Errno::NOTDIR)
        };
        let named = allowed.and_then(|()| self.guest_path(walk, fd));
        self.guest.close(fd);
        named?;
        if self.cred.caps()[0] & SYS_CHROOT == 0 {
            return Err(Errno::PERM);
        }
        self.guest.change_root(walk.here.bytes())
    }

    /// Whether a file made by mknod(2) with this mode is a fifo.
    #[must_use]
    pub const fn makes_fifo(mode: u32) -> bool {
        mode & S_IFMT == S_IFIFO
    }
}

/// `/proc/self/fd/N`: the file behind a descriptor, for calls that take only a path.
pub fn descriptor_path(fd: i32, out: &mut [u8; 32]) -> Option<CPath<'_>> {
    const PREFIX: &[u8] = b"/proc/self/fd/";
    let mut digits = [0; 10];
    let digits = crate::buf::decimal(u32::try_from(fd).ok()?, &mut digits);
    let end = PREFIX.len() + digits.len();
    out.get_mut(..PREFIX.len())?.copy_from_slice(PREFIX);
    out.get_mut(PREFIX.len()..end)?.copy_from_slice(digits);
    *out.get_mut(end)? = 0;
    CPath::new(out.get(..=end)?)
}
