//! The directory in which a path's last component is made or removed.

use crate::abi::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_DIRECTORY, O_PATH, RESOLVE_BENEATH,
    RESOLVE_IN_ROOT, S_ISVTX, Statx,
};
use crate::buf::{CPath, PathBuf};
use crate::config::ROOT_FD;
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::known::{LONGEST, split};
use crate::walk::Place;
use crate::world::{MAY_EXEC, MAY_WRITE, WalkBuffers, World};

/// The directory that holds a path's last component, and that component.
#[derive(Debug)]
pub struct Parent {
    /// The directory.
    pub fd: i32,
    owned: bool,
    /// Whether the kernel resolved it, without a look at binds and permissions.
    fast: bool,
    /// How much of the name is the directory's path below the descriptor.
    directory: usize,
    name: [u8; ROOM],
    len: usize,
}

/// A directory that is known, a slash, a name, a slash, a NUL.
const ROOM: usize = LONGEST + 258;

impl Parent {
    fn new(fd: i32, owned: bool, fast: bool, name: &[u8]) -> Result<Self> {
        // One slash may follow a name of 255 bytes.
        if name.len() > 256 {
            return Err(Errno::NAMETOOLONG);
        }
        Self::spelled(fd, owned, fast, name)
    }

    fn spelled(fd: i32, owned: bool, fast: bool, name: &[u8]) -> Result<Self> {
        let len = name.len();
        let mut parent = Self { fd, owned, fast, directory: 0, name: [0; ROOM], len };
        parent.name.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
        Ok(parent)
    }

    /// Below the rootfs, by a path without links.
    fn plain(path: &[u8], directory: &[u8]) -> Result<Self> {
        let mut parent = Self::spelled(ROOT_FD, false, true, path.get(1..).unwrap_or(&[]))?;
        parent.directory = directory.len().saturating_sub(1);
        Ok(parent)
    }

    /// The path ended with a slash: only a directory may have this name, which the kernel sees to.
    fn add_slash(&mut self) {
        if let Some(end) = self.name.get_mut(self.len) {
            *end = b'/';
            self.len += 1;
        }
    }

    pub(crate) const fn is_fast(&self) -> bool {
        self.fast
    }

    /// The last component, for use with the descriptor.
    #[must_use]
    pub fn name(&self) -> CPath<'_> {
        self.name.get(..=self.len).and_then(CPath::new).unwrap_or(CPath::DOT)
    }
}

/// Where the last component of a path starts and ends; slashes may follow it.
pub(crate) fn last_component(path: &[u8]) -> (usize, usize) {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let before = path.get(..end).unwrap_or(&[]);
    let start = before.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    (start, end)
}

/// What a call is going to do in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Make a new name.
    Create,
    /// Take a name away.
    Remove,
}

impl<G: Guest> World<'_, G> {
    /// The directory in which a path's last component is made or removed.
    ///
    /// # Errors
    /// As path_resolution(7) has them; `EACCES`, `EROFS`, `EBUSY` for a mount point.
    pub fn parent(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        intent: Intent,
    ) -> Result<Parent> {
        let bytes = path.bytes();
        if bytes.is_empty() {
            return Err(Errno::NOENT);
        }
        if self.must_walk(bytes) || !self.cred.is_fs_root() {
            return self.parent_walking(walk, dirfd, bytes, intent);
        }
        if let Some((directory, name)) = split(bytes)
            && name.len() <= 255
            && self.is_plain(walk, directory)
        {
            return Parent::plain(bytes, directory);
        }
        let (start, end) = last_component(bytes);
        let name_end = if end < bytes.len() && end > start { end + 1 } else { end };
        let name = bytes.get(start..name_end).unwrap_or(&[]);
        if name.is_empty() {
            return self.parent_walking(walk, dirfd, bytes, intent);
        }
        if start == 0 {
            return Parent::new(dirfd, false, true, name);
        }
        // The directory part, in the other buffer of the walk: `open_existing` uses `here`.
        let mut directory = Directory::new();
        let part = bytes.get(..start).unwrap_or(&[]);
        let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        let fd = match directory.set(part) {
            Some(path) if bytes.starts_with(b"/") => {
                match self.resolve(ROOT_FD, path, flags, 0, RESOLVE_IN_ROOT) {
                    Err(Errno::ACCES) => return self.parent_walking(walk, dirfd, bytes, intent),
                    other => other?,
                }
            }
            Some(path) => match self.resolve(dirfd, path, flags, 0, RESOLVE_BENEATH) {
                Err(Errno::XDEV | Errno::LOOP | Errno::ACCES) => {
                    return self.parent_walking(walk, dirfd, bytes, intent);
                }
                other => other?,
            },
            None => return self.parent_walking(walk, dirfd, bytes, intent),
        };
        Parent::new(fd, true, true, name).inspect_err(|_| self.guest.close(fd))
    }

    pub(crate) fn parent_walking(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &[u8],
        intent: Intent,
    ) -> Result<Parent> {
        let (start, end) = last_component(path);
        match path.get(start..end).unwrap_or(&[]) {
            b"" => return Err(if intent == Intent::Create { Errno::EXIST } else { Errno::BUSY }),
            name @ (b"." | b"..") => {
                // The kernel makes and removes no such name, and says so in each call's own words.
                let Some(directory) = path.get(..start).filter(|path| !path.is_empty()) else {
                    return Parent::new(dirfd, false, false, name);
                };
                let fd = self.open_directory(walk, dirfd, directory)?;
                return Parent::new(fd, true, false, name).inspect_err(|_| self.guest.close(fd));
            }
            _ => {}
        }
        let place = self.walk(walk, dirfd, path.get(..end).unwrap_or(&[]), false)?;
        if intent == Intent::Create && place.disk.is_some() {
            return Err(Errno::EXIST);
        }
        let mut parent = self.parent_of(walk, &place, intent)?;
        if end < path.len() {
            parent.add_slash();
        }
        Ok(parent)
    }

    fn open_directory(&self, walk: &mut WalkBuffers, dirfd: i32, path: &[u8]) -> Result<i32> {
        let place = self.walk(walk, dirfd, path, true)?;
        if place.disk.is_none() {
            return Err(Errno::NOENT);
        }
        self.open_place(walk, &place, O_PATH | O_DIRECTORY | O_CLOEXEC, 0)
    }

    /// The directory above what a walk found, after the checks that the intent asks for.
    pub(crate) fn parent_of(
        &self,
        walk: &mut WalkBuffers,
        place: &Place<'_>,
        intent: Intent,
    ) -> Result<Parent> {
        if walk.here.is_empty() || place.is_mount_point(walk) {
            return Err(Errno::BUSY);
        }
        if place.is_read_only() {
            return Err(Errno::ROFS);
        }
        walk.link.set(walk.here.bytes())?;
        walk.here.pop();
        let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        let fd = self.resolve(place.base, walk.here.tail(place.start), flags, 0, walk.bounds())?;
        let name_start = walk.here.bytes().len() + 1;
        let checked = self.check_parent(fd, place, intent);
        let name = walk.link.bytes().get(name_start..).unwrap_or(&[]);
        checked.and_then(|()| Parent::new(fd, true, false, name)).inspect_err(|_| {
            self.guest.close(fd);
        })
    }

    fn check_parent(&self, fd: i32, place: &Place<'_>, intent: Intent) -> Result<()> {
        if self.cred.is_fs_root() {
            return Ok(());
        }
        let directory = self.seen(&self.disk_of(fd)?);
        let want = MAY_WRITE | MAY_EXEC;
        if !self.allows(&directory, want) && !self.acl_allows(fd, b"", &directory, want) {
            return Err(Errno::ACCES);
        }
        if intent == Intent::Remove && u32::from(directory.mode) & S_ISVTX != 0 {
            let file = place.disk.map(|disk| self.seen(&disk));
            let mine = self.owns(&directory) || file.is_none_or(|file| self.owns(&file));
            if !mine {
                return Err(Errno::PERM);
            }
        }
        Ok(())
    }

    /// The directory itself, on disk.
    pub(crate) fn directory(&self, parent: &Parent) -> Result<Statx> {
        let mut directory = Directory::new();
        let part = parent.name.get(..parent.directory).unwrap_or(&[]);
        match directory.set(part) {
            Some(path) if !part.is_empty() => self.disk_at(parent.fd, path),
            _ => self.disk_of(parent.fd),
        }
    }

    /// The same parent with a descriptor of its own, where it has none.
    pub(crate) fn opened(&self, parent: &Parent) -> Result<Option<Parent>> {
        let mut directory = Directory::new();
        let part = parent.name.get(..parent.directory).unwrap_or(&[]);
        let Some(path) = directory.set(part).filter(|_| !part.is_empty()) else { return Ok(None) };
        let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        let fd = self.resolve(parent.fd, path, flags, 0, RESOLVE_BENEATH)?;
        let name = parent.name.get(parent.directory + 1..parent.len).unwrap_or(&[]);
        let opened = Parent::new(fd, true, true, name);
        opened.map(Some).inspect_err(|_| self.guest.close(fd))
    }

    /// Closes what [`World::parent`] opened.
    pub fn done(&self, parent: Parent) {
        if parent.owned {
            self.guest.close(parent.fd);
        }
    }

    /// Does something in the directory of a path's last component.
    ///
    /// # Errors
    /// As [`World::parent`], and what `act` returns.
    pub fn in_parent<T>(
        &self,
        walk: &mut WalkBuffers,
        dirfd: i32,
        path: &PathBuf,
        intent: Intent,
        act: impl Fn(&Parent) -> Result<T>,
    ) -> Result<T> {
        let parent = self.parent(walk, dirfd, path, intent)?;
        let result = act(&parent);
        let fast = parent.fast;
        self.done(parent);
        match result {
            // The kernel met a covered directory, which is locked for the length of the step.
            Err(Errno::ACCES) if fast => {
                let parent = self.parent_walking(walk, dirfd, path.bytes(), intent)?;
                let result = act(&parent);
                self.done(parent);
                result
            }
            other => other,
        }
    }

    /// The inode that a name in a directory has, on disk.
    pub(crate) fn disk_at(&self, fd: i32, name: CPath<'_>) -> Result<Statx> {
        if name.bytes().is_empty() {
            return self.guest.statx(fd, name, AT_EMPTY_PATH);
        }
        self.guest.statx(fd, name, AT_SYMLINK_NOFOLLOW)
    }
}

/// A directory part of a path, on the stack: most are short.
struct Directory([u8; 512]);

impl Directory {
    const fn new() -> Self {
        Self([0; 512])
    }

    fn set(&mut self, path: &[u8]) -> Option<CPath<'_>> {
        let end = path.len();
        self.0.get_mut(..end)?.copy_from_slice(path);
        *self.0.get_mut(end)? = 0;
        CPath::new(self.0.get(..=end)?)
    }
}
