//! Owners and modes of files that a step sees through its mounts.
//!
//! A step's programs look inodes up in one ledger, its stage's. What is mounted for a step (a piece
//! of another stage, a cache, a secret) has a rootfs and a ledger of its own: before the step the
//! stage's ledger takes its records over, and after it gives those of a cache back.

use std::os::fd::AsFd as _;

use rustix::fs::{FileType, Mode, OFlags};

use crate::error::{At, Result};
use crate::list::for_each_name;
use crate::path;
use crate::rootfs::{Ownership, Rootfs, stat_at, stat_fd};

impl Rootfs {
    /// Takes over what `other`, whose files are about to be mounted here, has on record. Where the
    /// kernel holds owners there is nothing to take.
    ///
    /// # Errors
    /// The ledger, or the disk behind it, is full.
    pub fn adopt_records(&self, other: &Self) -> Result<()> {
        if self.ownership() == Ownership::Kernel {
            return Ok(());
        }
        for (key, record) in other.ledger.records() {
            self.ledger.put(&key, &record).at("record an owner", b"")?;
        }
        Ok(())
    }

    /// Gives `other`, whose files were mounted here for a step, what is on record of them now.
    ///
    /// # Errors
    /// Its files cannot be read, or its ledger is full.
    pub fn return_records(&self, other: &Self) -> Result<()> {
        if self.ownership() == Ownership::Kernel || self.ledger.is_empty() {
            return Ok(());
        }
        let mut open = vec![Vec::new()];
        while let Some(dir) = open.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = other.resolve(&dir, flags, Mode::empty()).at("list", &dir)?;
            self.return_record(other, &stat_fd(fd.as_fd()).at("stat", &dir)?, &dir)?;
            let mut files = Vec::new();
            for_each_name(fd.as_fd(), |name, _| {
                let stat = stat_at(fd.as_fd(), name)?;
                if FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory {
                    open.push(path::join(&dir, name));
                } else {
                    files.push(stat);
                }
                Ok(())
            })
            .at("list", &dir)?;
            for stat in files {
                self.return_record(other, &stat, &dir)?;
            }
        }
        Ok(())
    }

    fn return_record(&self, other: &Self, stat: &rustix::fs::Statx, dir: &[u8]) -> Result<()> {
        let record = self.ledger.get(stat).unwrap_or_default();
        other.ledger.update(stat, |old| *old = record).at("record an owner below", dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_travel_to_a_stage_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Rootfs::create(&dir.path().join("stage")).unwrap();
        let cache = Rootfs::create(&dir.path().join("cache")).unwrap();
        if stage.ownership() == Ownership::Kernel {
            println!("skipped: the kernel keeps owners here (run as another user than root)");
            return;
        }
        cache.mkdir_all(b"/d", 0o755).unwrap();
        cache.set_owner(b"/d", Some(33), Some(44), false).unwrap();
        stage.adopt_records(&cache).unwrap();
        let fd = cache.open(b"/d", OFlags::RDONLY, 0).unwrap();
        assert_eq!(stage.metadata_fd(fd.as_fd()).unwrap().uid, 33);
        // What a step does through the mount: the stage's ledger alone sees it.
        stage.set_owner_fd(fd.as_fd(), Some(55), None).unwrap();
        assert_eq!(cache.metadata(b"/d", false).unwrap().uid, 33);
        stage.return_records(&cache).unwrap();
        let seen = cache.metadata(b"/d", false).unwrap();
        assert_eq!((seen.uid, seen.gid), (55, 44));
    }
}
