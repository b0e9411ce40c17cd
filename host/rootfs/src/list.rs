//! Listing directories.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::error::{At, Result};
use crate::metadata::FileType;
use crate::rootfs::{Rootfs, stat_at};

/// Bytes for one getdents64(2) call.
const BUFFER: usize = 32 << 10;

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: Vec<u8>,
    /// Its inode's type in the image.
    pub file_type: FileType,
}

impl Rootfs {
    /// The names in a directory, sorted by bytes, without `.` and `..`.
    ///
    /// # Errors
    /// As open(2) and getdents(2).
    pub fn read_dir(&self, path: &[u8]) -> Result<Vec<DirEntry>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let dir = self.resolve(path, flags, Mode::empty()).at("list", path)?;
        let mut entries = Vec::new();
        for_each_name(std::os::fd::AsFd::as_fd(&dir), |name, _| {
            let stat = match stat_at(std::os::fd::AsFd::as_fd(&dir), name) {
                // Gone since: a wasi step has several processes.
                Err(Errno::NOENT) => return Ok(()),
                other => other?,
            };
            entries.push(DirEntry { name: name.to_vec(), file_type: self.view(&stat).file_type });
            Ok(())
        })
        .at("list", path)?;
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

/// Calls `each` with every name and its type as far as the directory knows it.
pub(crate) fn for_each_name(
    dir: BorrowedFd<'_>,
    mut each: impl FnMut(&[u8], rustix::fs::FileType) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            each(name, entry.file_type())?;
        }
    }
    Ok(())
}
