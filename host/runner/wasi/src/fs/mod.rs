//! The file system that guests see: the rootfs with permissions, virtual devices and a journal.

mod access;
mod change;
mod device;
mod errno;
mod file;
mod journal;
mod resolve;
mod view;

pub(crate) use access::Identity;
pub(crate) use change::{NewTime, Place};
pub(crate) use device::Device;
pub(crate) use errno::wasi_errno;
pub(crate) use file::{OpenFile, Opened};
pub(crate) use resolve::Found;
pub(crate) use view::stat_of;

use journal::Journal;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::{Rootfs, RootfsError};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why an operation did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FsError {
    /// The guest gets this errno of preview 1.
    Errno(i32),
    /// Only a native run can do it; the text says what.
    Native(String),
}

impl From<RootfsError> for FsError {
    fn from(error: RootfsError) -> Self {
        Self::Errno(wasi_errno(error.errno()))
    }
}

impl From<rustix::io::Errno> for FsError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Errno(wasi_errno(error))
    }
}

/// The result of an operation.
pub(crate) type Result<T> = std::result::Result<T, FsError>;

/// A step's file system.
#[derive(Debug)]
pub(crate) struct Fs {
    rootfs: Rootfs,
    journal: Mutex<Journal>,
}

impl Fs {
    /// Starts a transaction on the rootfs.
    pub(crate) fn new(rootfs: Rootfs) -> Self {
        Self { rootfs, journal: Mutex::default() }
    }

    /// The rootfs itself, for what only reads.
    pub(crate) const fn rootfs(&self) -> &Rootfs {
        &self.rootfs
    }

    /// Ends the transaction: what was done stays. Gives what changed; `None` when only a walk can
    /// tell.
    pub(crate) fn commit(&self) -> std::result::Result<Option<ChangeSet>, RootfsError> {
        std::mem::take(&mut *self.journal()).commit(&self.rootfs)
    }

    /// Ends the transaction: everything is put back.
    pub(crate) fn roll_back(&self) -> std::result::Result<(), RootfsError> {
        std::mem::take(&mut *self.journal()).roll_back(&self.rootfs)
    }

    /// The journal; held over each change, so that its order is the order of the changes.
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
