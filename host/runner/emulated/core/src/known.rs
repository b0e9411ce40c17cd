//! Directories that were reached without a symbolic link: a path below one can go to the kernel as
//! it is, relative to the rootfs, in one call.
//!
//! A few paths are remembered for as long as nothing in the step could have changed what they mean:
//! a counter that all its processes share moves with every symbolic link that appears, every
//! directory that is renamed or removed or changes its owner or mode. As everywhere in the view, a
//! race shows the guest its own files at worst; the wall does not depend on it.

use crate::abi::{O_CLOEXEC, O_DIRECTORY, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS};
use crate::config::ROOT_FD;
use crate::errno::Errno;
use crate::guest::Guest;
use crate::world::{WalkBuffers, World};

/// How many are remembered.
const PLACES: usize = 8;
/// The longest path that is.
pub const LONGEST: usize = 200;

/// What is known of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No component is a link; who is not root may search all of them.
    Plain,
    /// Some component is a link.
    Linked,
}

/// The changes that the step, and the process's ids, have gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    step: u32,
    ids: u32,
}

#[derive(Clone, Debug)]
struct Place {
    len: usize,
    kind: Kind,
    bytes: [u8; LONGEST],
}

/// The directories, by absolute guest path.
#[derive(Clone, Debug)]
pub struct Known {
    stamp: Stamp,
    next: usize,
    places: [Place; PLACES],
}

impl Default for Known {
    fn default() -> Self {
        Self::new()
    }
}

impl Known {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Self {
        const NOTHING: Place = Place { len: 0, kind: Kind::Linked, bytes: [0; LONGEST] };
        Self { stamp: Stamp { step: 0, ids: 0 }, next: 0, places: [NOTHING; PLACES] }
    }

    /// What is known of a directory now.
    pub fn get(&self, now: Stamp, directory: &[u8]) -> Option<Kind> {
        if self.stamp != now {
            return None;
        }
        let is_it = |place: &&Place| place.bytes.get(..place.len) == Some(directory);
        self.places.iter().filter(|place| place.len > 0).find(is_it).map(|place| place.kind)
    }

    /// Remembers what was found out after `then`.
    pub fn put(&mut self, then: Stamp, directory: &[u8], kind: Kind) {
        if self.stamp != then {
            self.stamp = then;
            for place in &mut self.places {
                place.len = 0;
            }
        }
        let Some(place) = self.places.get_mut(self.next) else { return };
        if let Some(bytes) = place.bytes.get_mut(..directory.len()) {
            bytes.copy_from_slice(directory);
            place.len = directory.len();
            place.kind = kind;
            self.next = (self.next + 1) % PLACES;
        }
    }
}

/// The directory (empty = the root) and the name of an absolute path that has no `.`, no `..` and no
/// slash too many.
#[must_use]
pub fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let components = path.strip_prefix(b"/")?;
    for component in components.split(|&byte| byte == b'/') {
        if matches!(component, b"" | b"." | b"..") {
            return None;
        }
    }
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    Some((path.get(..slash)?, path.get(slash + 1..)?))
}

impl<G: Guest> World<'_, G> {
    /// The changes up to now.
    pub fn stamp(&self) -> Stamp {
        Stamp { step: self.guest.changes(), ids: self.cred.version() }
    }

    /// Whether the path of a directory, from [`split`], holds no symbolic link. For root alone: no
    /// permission is looked at.
    pub fn is_plain(&self, walk: &mut WalkBuffers, directory: &[u8]) -> bool {
        if directory.is_empty() {
            return true;
        }
        if directory.len() > LONGEST {
            return false;
        }
        let now = self.stamp();
        if let Some(kind) = walk.known.get(now, directory) {
            return kind == Kind::Plain;
        }
        if walk.here.set(directory).is_err() {
            return false;
        }
        let flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
        let kind = match self.resolve(ROOT_FD, walk.here.tail(1), flags, 0, resolve) {
            Ok(fd) => {
                self.guest.close(fd);
                Kind::Plain
            }
            Err(Errno::LOOP) => Kind::Linked,
            Err(_) => return false,
        };
        walk.known.put(now, directory, kind);
        kind == Kind::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_are_spelled_out_are_split() {
        assert_eq!(split(b"/a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(split(b"/a/.b/c..d"), Some((&b"/a/.b"[..], &b"c..d"[..])));
        for path in ["", "a", "a/b", "/", "//a", "/a/", "/a//b", "/./a", "/a/../b", "/a/.", "/a/.."]
        {
            assert_eq!(split(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn what_is_known_ends_with_the_next_change() {
        let mut known = Known::new();
        let (now, later) = (Stamp { step: 1, ids: 1 }, Stamp { step: 1, ids: 2 });
        known.put(now, b"/usr", Kind::Plain);
        known.put(now, b"/lib", Kind::Linked);
        assert_eq!(known.get(now, b"/usr"), Some(Kind::Plain));
        assert_eq!(known.get(now, b"/lib"), Some(Kind::Linked));
        assert_eq!(known.get(now, b"/us"), None);
        assert_eq!(known.get(now, b""), None);
        assert_eq!(known.get(later, b"/usr"), None);
        known.put(later, b"/etc", Kind::Plain);
        assert_eq!((known.get(now, b"/usr"), known.get(later, b"/usr")), (None, None));
        for number in 0..PLACES {
            known.put(later, format!("/{number}").as_bytes(), Kind::Plain);
        }
        assert_eq!(known.get(later, b"/etc"), None);
        known.put(later, &[b'x'; LONGEST + 1], Kind::Plain);
        assert_eq!(known.get(later, &[b'x'; LONGEST + 1]), None);
    }
}
