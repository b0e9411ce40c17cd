//! Owners and modes of files that a step sees through its mounts.
//!
//! A step's programs look inodes up in one ledger, its stage's. What is mounted for a step (a piece
//! of another stage, a cache, a secret) has a rootfs and a ledger of its own: before the step the
//! stage's ledger takes its records over, and after it gives those of a cache back.

use std::os::fd::AsFd as _;

use rustix::fs::{FileType, Mode, OFlags, Statx};
use rustix::io::Errno;

use crate::error::{At, Result};
use crate::list::for_each_name;
use crate::path;
use crate::rootfs::{Ownership, Rootfs, stat_at, stat_fd};

impl Rootfs {
    /// Takes over what `other`, of which what lies at `top` is about to be mounted here, has on
    /// record. Where the kernel holds owners there is nothing to take.
    ///
    /// Of files that are there alone: a step of another stage can have written into its ledger what
    /// it likes, of files of this one too.
    ///
    /// # Errors
    /// Its files cannot be read; the ledger, or the disk behind it, is full.
    pub fn adopt_records(&self, other: &Self, top: &[u8]) -> Result<()> {
        if self.ownership() == Ownership::Kernel || other.ledger.is_empty() {
            return Ok(());
        }
        other.for_each_inode(top, |stat, dir| {
            let Some(record) = other.ledger.get(stat) else { return Ok(()) };
            self.ledger.update(stat, |old| *old = record).at("record an owner below", dir)
        })
    }

    /// Gives `other`, whose files were mounted here for a step, what is on record of them now.
    ///
    /// # Errors
    /// Its files cannot be read, or its ledger is full.
    pub fn return_records(&self, other: &Self) -> Result<()> {
        if self.ownership() == Ownership::Kernel || self.ledger.is_empty() {
            return Ok(());
        }
        other.for_each_inode(b"", |stat, dir| {
            let record = self.ledger.get(stat).unwrap_or_default();
            other.ledger.update(stat, |old| *old = record).at("record an owner below", dir)
        })
    }

    /// Calls `visit` with everything at a path and below it, and the directory that it is in. What
    /// lies too deep for a path to name it is left out.
    fn for_each_inode(
        &self,
        top: &[u8],
        mut visit: impl FnMut(&Statx, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.let_us_in(self.root_fd()).at("chmod", b"")?;
        let top = self.canonicalize(top)?;
        let fd = self.locate(&top, false).at("stat", &top)?;
        let stat = stat_fd(fd.as_fd()).at("stat", &top)?;
        visit(&stat, &top)?;
        let mut open = if is_dir(&stat) { vec![top] } else { Vec::new() };
        while let Some(dir) = open.pop() {
            let mut found = Vec::new();
            let listed = self.list_for_records(&dir, |name, stat| {
                let path = path::join(&dir, name);
                if is_dir(stat) && path.len() <= path::MAX_PATH {
                    open.push(path);
                }
                found.push(*stat);
            });
            match listed {
                // Gone since: another build's step uses the same cache.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                other => other.at("list", &dir)?,
            }
            found.iter().try_for_each(|stat| visit(stat, &dir))?;
        }
        Ok(())
    }

    fn list_for_records(
        &self,
        dir: &[u8],
        mut each: impl FnMut(&[u8], &Statx),
    ) -> rustix::io::Result<()> {
        let only_dir = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let fd = self.resolve(dir, OFlags::PATH | only_dir, Mode::empty())?;
        self.let_us_in(fd.as_fd())?;
        let fd = self.resolve(dir, OFlags::RDONLY | only_dir, Mode::empty())?;
        for_each_name(fd.as_fd(), |name, _| {
            match stat_at(fd.as_fd(), name) {
                Err(Errno::NOENT) => {}
                other => each(name, &other?),
            }
            Ok(())
        })
    }
}

fn is_dir(stat: &Statx) -> bool {
    FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory
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
        stage.adopt_records(&cache, b"/").unwrap();
        let fd = cache.open(b"/d", OFlags::RDONLY, 0).unwrap();
        assert_eq!(stage.metadata_fd(fd.as_fd()).unwrap().uid, 33);
        // What a step does through the mount: the stage's ledger alone sees it.
        stage.set_owner_fd(fd.as_fd(), Some(55), None).unwrap();
        assert_eq!(cache.metadata(b"/d", false).unwrap().uid, 33);
        stage.return_records(&cache).unwrap();
        let seen = cache.metadata(b"/d", false).unwrap();
        assert_eq!((seen.uid, seen.gid), (55, 44));
    }

    #[test]
    fn a_ledger_says_nothing_of_files_that_are_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Rootfs::create(&dir.path().join("stage")).unwrap();
        let other = Rootfs::create(&dir.path().join("other")).unwrap();
        if stage.ownership() == Ownership::Kernel {
            println!("skipped: the kernel keeps owners here (run as another user than root)");
            return;
        }
        stage.mkdir(b"/mine", 0o755).unwrap();
        for path in [&b"/shown"[..], b"/shown/in", b"/hidden"] {
            other.mkdir(path, 0o755).unwrap();
            other.set_owner(path, Some(33), None, false).unwrap();
        }
        // As a step of the other stage could, past the handler.
        let mine = stage.locate(b"/mine", false).unwrap();
        let owner = Some(kiln_ledger::Owner { uid: 44, gid: 44 });
        let stat = stat_fd(mine.as_fd()).unwrap();
        other.ledger.update(&stat, |record| record.owner = owner).unwrap();
        stage.adopt_records(&other, b"/shown").unwrap();
        assert_eq!(stage.metadata(b"/mine", false).unwrap().uid, 0);
        let uid = |path| {
            let fd = other.locate(path, false).unwrap();
            stage.metadata_fd(fd.as_fd()).unwrap().uid
        };
        assert_eq!((uid(b"/shown"), uid(b"/shown/in"), uid(b"/hidden")), (33, 33, 0));
    }

    #[test]
    fn a_cache_that_a_step_has_locked_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let stage = Rootfs::create(&dir.path().join("stage")).unwrap();
        let path = dir.path().join("cache");
        let cache = Rootfs::create(&path).unwrap();
        if stage.ownership() == Ownership::Kernel {
            println!("skipped: the kernel keeps owners here (run as another user than root)");
            return;
        }
        cache.mkdir_all(b"/a/b", 0o755).unwrap();
        stage.set_owner_fd(cache.root_fd(), Some(7), None).unwrap();
        rustix::fs::fchmod(cache.root_fd(), Mode::empty()).unwrap();
        let cache = Rootfs::open_existing(&path).unwrap();
        for path in [&b"/a/b"[..], b"/a", b"/"] {
            let fd = cache.open(path, OFlags::RDONLY, 0).unwrap();
            rustix::fs::fchmod(fd, Mode::empty()).unwrap();
        }
        stage.return_records(&cache).unwrap();
        assert_eq!(cache.metadata(b"/", false).unwrap().uid, 7);
        assert_eq!(cache.metadata(b"/a/b", false).unwrap().mode, 0);
        assert_eq!(cache.read_dir(b"/a").unwrap().len(), 1);
    }
}
