//! chroot(2): the directories that processes in this memory have as their roots.
//!
//! A root is a guest path that resolution does not go above; the kernel's is as it was. Paths are
//! never changed once they are here, since a thread may be resolving with one: a process has its
//! number.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use kiln_emulated_core::buf::PathBuf;
use kiln_emulated_core::errno::{Errno, Result};

/// Different roots in one memory's life.
const ROOTS: usize = 64;

const FREE: u32 = 0;
const WRITING: u32 = 1;
const READY: u32 = 2;

struct Root {
    state: AtomicU32,
    path: UnsafeCell<PathBuf>,
}

// SAFETY: written by who took it from FREE to WRITING, read once it is READY.
unsafe impl Sync for Root {}

static TABLE: [Root; ROOTS] = [const {
    Root { state: AtomicU32::new(FREE), path: UnsafeCell::new(PathBuf::new()) }
}; ROOTS];

impl Root {
    fn ready(&self) -> Option<&[u8]> {
        let is_ready = self.state.load(Ordering::Acquire) == READY;
        // SAFETY: nobody writes to one that is ready.
        is_ready.then(|| unsafe { &*self.path.get() }.bytes())
    }
}

/// A root by its number; zero is the image's.
pub fn path(number: u32) -> &'static [u8] {
    let place = (number as usize).checked_sub(1).and_then(|index| TABLE.get(index));
    place.and_then(Root::ready).unwrap_or(&[])
}

/// The number of a root.
///
/// # Errors
/// `ENOMEM`: there were too many.
pub fn keep(path: &[u8]) -> Result<u32> {
    if path.is_empty() {
        return Ok(0);
    }
    for (number, root) in (1..).zip(&TABLE) {
        if root.ready() == Some(path) {
            return Ok(number);
        }
        let taken = root.state.compare_exchange(
            FREE,
            WRITING,
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            // SAFETY: ours alone until it is ready.
            unsafe { &mut *root.path.get() }.set(path)?;
            root.state.store(READY, Ordering::Release);
            return Ok(number);
        }
    }
    Err(Errno::NOMEM)
}
