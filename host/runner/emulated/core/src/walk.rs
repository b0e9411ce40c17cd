//! Path resolution component by component: the way for everything the kernel cannot resolve alone.
//!
//! Needed where a bind lies on the way, where the guest's user is not root and permissions count,
//! and in /proc. The wall does not depend on it: a race here shows the guest its own files at worst.

use crate::abi::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_DIRECTORY, O_PATH, Statx};
use crate::buf::{CPath, PATH_MAX};
use crate::config::{Bind, BindKind, ROOT_FD};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::known::{Kind, split};
use crate::special::is_absent;
use crate::world::{MAY_EXEC, WalkBuffers, World};

/// Most symlinks on the way (`MAXSYMLINKS` of path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Where a path leads.
#[derive(Clone, Copy, Debug)]
pub struct Place<'c> {
    /// The base directory: the rootfs or a bind.
    pub base: i32,
    /// Where the part below the base starts in the canonical path.
    pub start: usize,
    /// The bind, when it is below one.
    pub bind: Option<&'c Bind<'c>>,
    /// The inode on disk; `None` when the last component does not exist.
    pub disk: Option<Statx>,
    /// The last component is a magic link of /proc that the kernel is to follow.
    pub magic: Option<Magic>,
}

/// Links of /proc that are no paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    /// `/proc/self/exe`: the guest's program, not the loader.
    Exe,
    /// Any other; the kernel knows what is behind it.
    Kernel,
}

impl<'c> Place<'c> {
    /// The part below the base.
    pub fn path<'w>(&self, walk: &'w WalkBuffers) -> CPath<'w> {
        walk.here.tail(self.start)
    }

    /// Whether this is a bind's own root.
    pub fn is_mount_point(&self, walk: &WalkBuffers) -> bool {
        self.bind.is_some() && self.start >= walk.here.bytes().len()
    }

    /// Whether the file lies on a bind that the guest may not write to.
    pub fn is_read_only(&self) -> bool {
        self.bind.is_some_and(|bind| bind.read_only)
    }

    /// Whether the bind is a single file: there is no path below it.
    pub fn is_file_bind(&self) -> bool {
        self.bind
            .is_some_and(|bind| bind.kind == BindKind::File || bind.kind == BindKind::TerminalMaker)
    }

    /// Whether this is one of the terminals.
    pub(crate) fn is_terminal(&self, walk: &WalkBuffers) -> bool {
        self.bind.is_some_and(|bind| bind.kind == BindKind::Terminals) && !self.is_mount_point(walk)
    }

    pub(crate) fn in_proc(&self) -> bool {
        self.bind.is_some_and(|bind| bind.kind == BindKind::Proc)
    }
}

impl<'a, G: Guest> World<'a, G> {
    /// Whether the kernel cannot resolve a path from the image's root: it begins at a root of the
    /// process's own, or may lead to a bind.
    pub(crate) fn must_walk(&self, path: &[u8]) -> bool {
        path.starts_with(b"/") && (!self.root.is_empty() || self.config.may_cover(path))
    }

    /// Resolves `path`; the canonical guest path is left in `walk.here` (empty = the root).
    ///
    /// # Errors
    /// As path_resolution(7) has them. A missing last component is no error.
    pub fn walk(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &[u8],
        follow: bool,
    ) -> Result<Place<'a>> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        walk.deep = None;
        let absolute = path.starts_with(b"/");
        let now = self.stamp();
        // Whether the way to the directory that `here` names is known to be open.
        let mut open = false;
        let mut rest = path;
        if absolute {
            walk.here.set(self.root)?;
            if !self.cred.is_fs_root()
                && self.root.is_empty()
                && let Some((directory, name)) = split(path)
                && walk.known.get(now, directory) == Some(Kind::Plain)
            {
                walk.here.set(directory)?;
                (open, rest) = (true, name);
            }
        } else {
            self.begin(walk, dirfd, path)?;
        }
        walk.rest.set(rest)?;
        let wants_dir = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
        let follow = follow || wants_dir;
        let mut links = 0;
        // The directory that `here` names, if it was looked at.
        let mut place = self.place(walk);
        if !open {
            place.disk = Some(self.look(walk, &place)?);
        }
        loop {
            if walk.rest.is_done() {
                let missing_or_dir = place.disk.is_none_or(|disk| disk.is_dir());
                if wants_dir && !missing_or_dir && place.magic.is_none() {
                    return Err(Errno::NOTDIR);
                }
                return Ok(place);
            }
            if !core::mem::take(&mut open) {
                let Some(disk) = place.disk else { return Err(Errno::NOENT) };
                if !disk.is_dir() {
                    return Err(Errno::NOTDIR);
                }
                if !self.cred.is_fs_root() {
                    self.require_at(&place, walk, &disk, MAY_EXEC)?;
                    // From the root on, every directory was looked at.
                    let from_root = absolute && self.root.is_empty();
                    if from_root && place.bind.is_none() && !walk.here.is_empty() {
                        walk.remember(now);
                    }
                }
            }
            let Some(name) = walk.rest.take() else { continue };
            if name == b"." {
                continue;
            }
            if name == b".." {
                if let Some(base) = walk.deep {
                    self.up_from_deep(walk, base)?;
                } else if walk.here.bytes() != self.root {
                    walk.here.pop();
                }
                place = self.place(walk);
                place.disk = Some(self.look(walk, &place)?);
                continue;
            }
            if name.len() > 255 {
                return Err(Errno::NAMETOOLONG);
            }
            walk.here.push(b"/")?;
            walk.here.push(name)?;
            place = self.place(walk);
            place.disk = match self.look(walk, &place) {
                Ok(disk) => Some(disk),
                Err(Errno::NOENT) => None,
                Err(errno) => return Err(errno),
            };
            let last = walk.rest.is_done();
            if place.disk.is_some_and(|disk| disk.is_symlink()) && (!last || follow) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                if let Some(magic) = self.follow(walk, &place, last)? {
                    place.magic = Some(magic);
                    return Ok(place);
                }
                place = self.place(walk);
                place.disk = Some(self.look(walk, &place)?);
            }
        }
    }

    /// Replaces the link at `here` by its target; a magic link at the end stays.
    fn follow(
        &self,
        walk: &mut WalkBuffers,
        place: &Place<'_>,
        last: bool,
    ) -> Result<Option<Magic>> {
        let is_program = place.in_proc() && self.program_of_other(walk, place);
        if !is_program {
            let length = self.guest.readlinkat(
                place.base,
                walk.here.tail(place.start),
                walk.link.space(),
            )?;
            walk.link.filled(length);
        }
        if place.in_proc() {
            if self.is_own_exe(walk.here.bytes()) {
                if last {
                    return Ok(Some(Magic::Exe));
                }
                return Err(Errno::NOTDIR);
            }
            let target = walk.link.bytes();
            if walk.here.bytes().ends_with(b"/root") && target.starts_with(b"/") {
                let root = if self.is_own(walk.here.bytes(), b"/root") { self.root } else { b"" };
                return walk.here.set(root).map(|()| None);
            }
            let relative = !target.starts_with(b"/") && !target.contains(&b':');
            if last && !relative && !is_program {
                return Ok(Some(Magic::Kernel));
            }
            if !relative {
                let (prefix, rest) = self.config.to_guest(target).ok_or(Errno::ACCES)?;
                walk.here.set(prefix)?;
                return walk.rest.prepend(rest).map(|()| None);
            }
        }
        if walk.link.bytes().starts_with(b"/") {
            walk.deep = None;
            walk.here.set(self.root)?;
        } else {
            walk.here.pop();
        }
        walk.rest.prepend(walk.link.bytes())?;
        Ok(None)
    }

    /// Fails unless the guest's user may do this to what a walk found.
    pub(crate) fn require_at(
        &self,
        place: &Place<'_>,
        walk: &WalkBuffers,
        disk: &Statx,
        want: u32,
    ) -> Result<()> {
        let seen =
            if place.in_proc() { self.seen_at(disk, walk.here.bytes()) } else { self.seen(disk) };
        let allowed = self.allows(&seen, want)
            || self.acl_allows(place.base, place.path(walk).bytes(), &seen, want);
        if allowed { Ok(()) } else { Err(Errno::ACCES) }
    }

    /// Whether a canonical path is the running program's `exe` link.
    pub(crate) fn is_own_exe(&self, here: &[u8]) -> bool {
        self.is_own(here, b"/exe")
    }

    /// Whether a canonical path is this file of /proc/PID, of the process itself.
    fn is_own(&self, here: &[u8], name: &[u8]) -> bool {
        let Some(rest) = here.strip_suffix(name) else { return false };
        let Some(rest) = rest.strip_prefix(b"/proc/") else { return false };
        let mut digits = [0; 10];
        let pid = crate::buf::decimal(self.guest.pid(), &mut digits);
        rest == pid || rest.strip_prefix(pid).is_some_and(|rest| rest.starts_with(b"/task/"))
    }

    /// The base that the path in `here` lies below.
    fn place(&self, walk: &WalkBuffers) -> Place<'a> {
        let here = walk.here.bytes();
        if let Some(base) = walk.deep {
            return Place { base, start: 1, bind: None, disk: None, magic: None };
        }
        match self.config.covering(here) {
            Some(bind) => Place {
                base: bind.fd,
                start: bind.target.len() + 1,
                bind: Some(bind),
                disk: None,
                magic: None,
            },
            None => Place { base: ROOT_FD, start: 1, bind: None, disk: None, magic: None },
        }
    }

    fn look(&self, walk: &WalkBuffers, place: &Place<'_>) -> Result<Statx> {
        if place.is_mount_point(walk) {
            return self.disk_of(place.base);
        }
        if place.is_file_bind() {
            return Err(Errno::NOTDIR);
        }
        let path = place.path(walk);
        if place.in_proc() && (is_absent(path.bytes()) || self.is_own_descriptor(path.bytes())) {
            return Err(Errno::NOENT);
        }
        self.guest.statx(place.base, path, AT_SYMLINK_NOFOLLOW)
    }

    /// The start of a relative walk. A path that grows beyond what the kernel takes or tells is
    /// walked from the directory itself, as if no bind lay below it: programs go as deep to test
    /// getcwd(3), or to remove such a tree.
    fn begin(&self, walk: &mut WalkBuffers, dirfd: i32, path: &[u8]) -> Result<()> {
        match self.guest_path(walk, dirfd) {
            Ok(()) if walk.here.is_empty() => return Ok(()),
            Ok(()) if walk.here.bytes().len() + path.len() + 1 < PATH_MAX => return Ok(()),
            Ok(()) | Err(Errno::NAMETOOLONG) => {}
            Err(errno) => return Err(errno),
        }
        walk.here.clear();
        walk.deep = Some(dirfd);
        Ok(())
    }

    /// One directory up in such a walk. What lies above the first directory is kept as `..`, until
    /// it has a name: only so far is it certain to lie below the root.
    fn up_from_deep(&self, walk: &mut WalkBuffers, base: i32) -> Result<()> {
        const UP: &[u8] = b"/..";
        if !walk.here.is_empty() && !walk.here.bytes().ends_with(UP) {
            walk.here.pop();
            return Ok(());
        }
        walk.here.push(UP)?;
        let length = walk.here.bytes().len();
        let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        let fd = self.guest.openat(base, walk.here.tail(1), flags, 0)?;
        let named = self.guest_path(walk, fd);
        self.guest.close(fd);
        match named {
            Ok(()) => walk.deep = None,
            Err(Errno::NAMETOOLONG) => {
                walk.here.clear();
                while walk.here.bytes().len() < length {
                    walk.here.push(UP)?;
                }
            }
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    /// The guest path of a directory descriptor, into `walk.here`; empty = the root.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when it is too deep for the kernel to tell; `ENOENT` when the guest has no name for it; the kernel's for a bad descriptor.
    pub fn guest_path(&self, walk: &mut WalkBuffers, dirfd: i32) -> Result<()> {
        if dirfd == AT_FDCWD {
            let length = self.guest.getcwd(walk.link.space()).map_err(|errno| match errno {
                Errno::RANGE => Errno::NAMETOOLONG,
                other => other,
            })?;
            walk.link.filled(length);
        } else {
            walk.here.set(b"/proc/self/fd/")?;
            walk.here.push_number(u32::try_from(dirfd).map_err(|_| Errno::BADF)?)?;
            let length = match self.guest.readlinkat(AT_FDCWD, walk.here.c(), walk.link.space()) {
                Err(Errno::NOENT) => return Err(Errno::BADF),
                other => other?,
            };
            walk.link.filled(length);
        }
        let (prefix, rest) = self.config.to_guest(walk.link.bytes()).ok_or(Errno::NOENT)?;
        walk.here.set(prefix)?;
        walk.here.push(rest)
    }
}
