//! What paths lead through, remembered: directories, held open, and the targets of symlinks.
//!
//! Guests change files through [`super::Fs`] alone, which forgets here what a change makes untrue.
//! Only what is there is remembered, so that new names need no forgetting.

use kiln_rootfs::{Directory, Metadata};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Directories held open: few beside the files that guests may have open.
const MAX_DIRECTORIES: usize = 64;

/// Symlinks remembered.
const MAX_LINKS: usize = 1024;

/// A directory that a path led through; of its metadata type, mode and owner count.
pub(super) type Way = Arc<(Directory, Metadata)>;

/// A symlink that a path led through, and its target.
pub(super) type Link = Arc<(Metadata, Vec<u8>)>;

#[derive(Debug, Default)]
struct State {
    directories: HashMap<Vec<u8>, Way>,
    links: HashMap<Vec<u8>, Link>,
    /// Counts forgettings: what was read before one is not kept after it.
    forgotten: u64,
}

/// The ways of a step's file system, by canonical path.
#[derive(Debug, Default)]
pub(super) struct Ways(Mutex<State>);

impl Ways {
    /// To be given back with what is read from now on.
    pub(super) fn now(&self) -> u64 {
        self.lock().forgotten
    }

    /// A directory that is remembered.
    pub(super) fn directory(&self, path: &[u8]) -> Option<Way> {
        self.lock().directories.get(path).cloned()
    }

    /// A symlink that is remembered.
    pub(super) fn link(&self, path: &[u8]) -> Option<Link> {
        self.lock().links.get(path).cloned()
    }

    /// Remembers a directory read since `since`.
    pub(super) fn keep_directory(&self, since: u64, path: &[u8], way: &Way) {
        let mut state = self.lock();
        if state.forgotten == since {
            if state.directories.len() >= MAX_DIRECTORIES {
                state.directories.clear();
            }
            state.directories.insert(path.to_vec(), Arc::clone(way));
        }
    }

    /// Remembers a symlink read since `since`.
    pub(super) fn keep_link(&self, since: u64, path: &[u8], link: &Metadata, target: &[u8]) {
        let mut state = self.lock();
        if state.forgotten == since {
            if state.links.len() >= MAX_LINKS {
                state.links.clear();
            }
            state.links.insert(path.to_vec(), Arc::new((*link, target.to_vec())));
        }
    }

    /// The path was given another mode or owner, or removed.
    pub(super) fn forget(&self, path: &[u8]) {
        let mut state = self.lock();
        state.forgotten += 1;
        state.directories.remove(path);
        state.links.remove(path);
    }

    /// A directory is elsewhere now, with all below it.
    pub(super) fn forget_all(&self) {
        let mut state = self.lock();
        state.forgotten += 1;
        state.directories.clear();
        state.links.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let rootfs = kiln_rootfs::Rootfs::create(&dir.path().join("stage")).unwrap();
        let root = rootfs.metadata(b"", false).unwrap();
        let ways = Ways::default();
        let keep = |since| ways.keep_link(since, b"a", &root, b"b");
        let target = || ways.link(b"a").map(|link| link.1.clone());
        let since = ways.now();
        keep(since);
        assert_eq!(target().as_deref(), Some(&b"b"[..]));
        ways.forget(b"a");
        keep(since);
        assert_eq!(target(), None);
        keep(ways.now());
        ways.forget_all();
        assert_eq!(target(), None);
    }
}
