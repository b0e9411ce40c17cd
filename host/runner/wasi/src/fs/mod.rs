//! The file system that guests see: the rootfs with permissions, virtual devices and a journal.

mod access;
mod attributes;
mod change;
mod device;
mod errno;
mod file;
mod hidden;
mod journal;
mod resolve;
mod seen;
mod undo;
mod view;

pub(crate) use access::Identity;
pub(crate) use attributes::NewTime;
pub(crate) use change::Place;
pub(crate) use device::Device;
pub(crate) use errno::wasi_errno;
pub(crate) use file::{OpenFile, Opened};
pub(crate) use resolve::Found;
pub(crate) use view::stat_of;

use crate::kernel::Known;
use journal::Journal;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::{FileType, Metadata, Rootfs, RootfsError};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why an operation did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FsError {
    /// The guest gets this errno of preview 1.
    Errno(i32),
    /// Only a native run can do it; the text says what.
    Native(String),
    /// A bound of the step was reached; the text says which.
    Limit(String),
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
    hidden: hidden::Hidden,
    ways: seen::Ways,
    /// Sizes of the files that are mounted in `/etc`, by name.
    mounted: Vec<(Vec<u8>, u64)>,
    known: Arc<Known>,
    /// Names that were to be made, and how many may be.
    created: AtomicUsize,
    most_created: usize,
}

impl Fs {
    /// Starts a transaction on the rootfs; `mounted` are the names and sizes of the files that a
    /// native step has in `/etc`.
    /// `most_created` bounds the names that are made.
    pub(crate) fn new(
        rootfs: Rootfs,
        mounted: Vec<(Vec<u8>, u64)>,
        known: Arc<Known>,
        most_created: usize,
    ) -> Self {
        let journal = Journal::default();
        let hidden = journal.hidden();
        Self {
            rootfs,
            journal: Mutex::new(journal),
            hidden,
            ways: seen::Ways::default(),
            mounted,
            known,
            created: AtomicUsize::new(0),
            most_created,
        }
    }

    /// The file as guests see it: without the names that the journal keeps.
    fn seen(&self, mut file: Metadata) -> Metadata {
        if !file.is_dir() && file.nlink > 1 {
            file.nlink = file.nlink.saturating_sub(self.hidden.names(file.ino));
        }
        file
    }

    fn mounted_size(&self, name: &str) -> u64 {
        let found = self.mounted.iter().find(|(known, _)| known == name.as_bytes());
        found.map_or(0, |(_, size)| *size)
    }

    /// Whether the places that something is mounted on are what they are in any image.
    ///
    /// # Errors
    /// Which one is not: a native run mounts elsewhere then.
    pub(crate) fn check_mount_points(&self) -> std::result::Result<(), String> {
        for (path, file_type) in device::mount_points() {
            match self.rootfs.metadata(&path, false) {
                Ok(there) if there.file_type != file_type => {
                    let text = String::from_utf8_lossy(&path);
                    let what = if file_type == FileType::Dir { "directory" } else { "file" };
                    return Err(format!("/{text} of the image is no {what}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is known of the image's tools.
    pub(crate) fn known(&self) -> &Known {
        &self.known
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
