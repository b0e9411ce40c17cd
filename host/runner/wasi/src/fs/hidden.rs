//! Names of inodes that guests cannot see.

use kiln_rootfs::Metadata;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many names of an inode are kept where guests cannot see them; shared with who asks for the
/// number of an inode's names.
#[derive(Clone, Debug, Default)]
pub(super) struct Hidden(Arc<Mutex<HashMap<u64, Names>>>);

/// Names of an inode: those out of sight, and all.
#[derive(Clone, Copy, Debug, Default)]
struct Names {
    hidden: u32,
    all: u32,
}

impl Hidden {
    /// A name goes out of sight; the file is as guests saw it.
    pub(super) fn note(&self, file: &Metadata) {
        let mut inodes = self.lock();
        if file.nlink > 1 || inodes.contains_key(&file.ino) {
            let names = inodes.entry(file.ino).or_default();
            names.all = names.all.max(names.hidden + file.nlink);
            names.hidden += 1;
        }
    }

    /// The number of names of the inode that guests cannot see.
    pub(super) fn names(&self, ino: u64) -> u32 {
        self.lock().get(&ino).map_or(0, |names| names.hidden)
    }

    /// Whether some inode lost a name and has others: those show it too.
    pub(super) fn some_remain(&self) -> bool {
        self.lock().values().any(|names| names.hidden < names.all)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Names>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
