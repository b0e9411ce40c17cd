//! What changes names: checked as the kernel checks it, and noted in the journal.

use super::access::{EXECUTE, WRITE};
use super::{Found, Fs, FsError, Identity, Result, device};
use kiln_guest_abi::wire::errno;
use kiln_rootfs::{FileType, Metadata, path};
use rustix::fs::RenameFlags;
use std::sync::atomic::Ordering;

pub(super) const S_ISGID: u32 = 0o2000;

/// A path as a guest gave it: who, from where, which.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Who asks.
    pub(crate) who: &'a Identity,
    /// The canonical directory at which relative paths start.
    pub(crate) base: &'a [u8],
    /// The path as spelled.
    pub(crate) path: &'a [u8],
}

impl Fs {
    /// Where the place leads.
    pub(crate) fn find(&self, place: Place<'_>, follow: bool) -> Result<Found> {
        self.resolve(place.who, place.base, place.path, follow)
    }

    /// A name that can be made: it does not exist, and its directory may be written.
    fn find_new(&self, place: Place<'_>) -> Result<(Vec<u8>, Metadata)> {
        self.find_free(place, true)
    }

    /// As `find_new`, for what is no directory: after its name there is no slash.
    fn find_new_file(&self, place: Place<'_>) -> Result<(Vec<u8>, Metadata)> {
        self.find_free(place, false)
    }

    fn find_free(&self, place: Place<'_>, slash: bool) -> Result<(Vec<u8>, Metadata)> {
        let found = self.find(place, false)?;
        if found.metadata.is_some() {
            return Err(FsError::Errno(errno::EEXIST));
        }
        if found.must_be_dir && !slash {
            return Err(FsError::Errno(errno::ENOENT));
        }
        let parent = self.checked_parent(place.who, &found.path)?;
        Ok((found.path, parent))
    }

    /// The directory in which a name is to be made.
    pub(super) fn checked_parent(&self, who: &Identity, at: &[u8]) -> Result<Metadata> {
        check_own(at)?;
        let parent = self.parent_of(at)?;
        who.may(&parent, WRITE | EXECUTE)?;
        if self.created.fetch_add(1, Ordering::Relaxed) >= self.most_created {
            return Err(FsError::Limit(format!("new names: more than {}", self.most_created)));
        }
        Ok(parent)
    }

    /// Gives a new inode its owner, and tells the journal.
    pub(super) fn adopt(
        &self,
        who: &Identity,
        at: &[u8],
        parent: &Metadata,
        journal: &mut super::Journal,
    ) -> Result<()> {
        let gid = if parent.mode & S_ISGID == 0 { who.gid } else { parent.gid };
        if (who.uid, gid) != (0, 0) {
            self.rootfs.set_owner(at, Some(who.uid), Some(gid), false)?;
        }
        self.ways.forget(at);
        Ok(journal.made(&self.rootfs, at)?)
    }

    /// `mkdir(2)`; the umask is applied already.
    pub(crate) fn mkdir(&self, place: Place<'_>, mode: u32) -> Result<()> {
        let mut journal = self.journal();
        let (at, parent) = self.find_new(place)?;
        journal.touch(&self.rootfs, &at)?;
        let inherited = parent.mode & S_ISGID;
        self.rootfs.mkdir(&at, mode & 0o1777 | inherited)?;
        self.adopt(place.who, &at, &parent, &mut journal)
    }

    /// `mknod(2)`; the umask is applied already.
    pub(crate) fn mknod(
        &self,
        place: Place<'_>,
        kind: FileType,
        mode: u32,
        rdev: (u32, u32),
    ) -> Result<()> {
        if matches!(kind, FileType::Char | FileType::Block) && !place.who.is_root() {
            return Err(FsError::Errno(errno::EPERM));
        }
        let mut journal = self.journal();
        let (at, parent) = self.find_new_file(place)?;
        journal.touch(&self.rootfs, &at)?;
        self.rootfs.mknod(&at, kind, mode & 0o7777, rdev)?;
        self.adopt(place.who, &at, &parent, &mut journal)
    }

    /// `symlink(2)`.
    pub(crate) fn symlink(&self, target: &[u8], place: Place<'_>) -> Result<()> {
        if target.is_empty() {
            return Err(FsError::Errno(errno::ENOENT));
        }
        if target.len() >= path::MAX_PATH {
            return Err(FsError::Errno(errno::ENAMETOOLONG));
        }
        let mut journal = self.journal();
        let (at, parent) = self.find_new_file(place)?;
        journal.touch(&self.rootfs, &at)?;
        self.rootfs.symlink(target, &at)?;
        self.adopt(place.who, &at, &parent, &mut journal)
    }

    /// `link(2)`.
    pub(crate) fn link(&self, old: Place<'_>, follow: bool, new: Place<'_>) -> Result<()> {
        let mut journal = self.journal();
        let source = self.find(old, follow)?;
        let file = *source.existing()?;
        if file.is_dir() {
            return Err(FsError::Errno(errno::EPERM));
        }
        check_own(&source.path)?;
        refuse_device(&source)?;
        let (at, _) = self.find_new_file(new)?;
        journal.touch(&self.rootfs, &at)?;
        self.rootfs.hard_link(&source.path, &at, false)?;
        journal.linked(&at, &file);
        Ok(())
    }

    /// `unlink(2)`.
    pub(crate) fn unlink(&self, place: Place<'_>) -> Result<()> {
        let mut journal = self.journal();
        let found = self.find(place, false)?;
        let file = *found.existing()?;
        if file.is_dir() {
            return Err(FsError::Errno(errno::EISDIR));
        }
        self.remove(place.who, &found, &file, &mut journal)
    }

    /// `rmdir(2)`.
    pub(crate) fn rmdir(&self, place: Place<'_>) -> Result<()> {
        match path::split(place.path).1 {
            b"." => return Err(FsError::Errno(errno::EINVAL)),
            b".." => return Err(FsError::Errno(errno::ENOTEMPTY)),
            _ => {}
        }
        let mut journal = self.journal();
        let found = self.find(place, false)?;
        let file = *found.existing()?;
        if !file.is_dir() {
            return Err(FsError::Errno(errno::ENOTDIR));
        }
        if found.path.is_empty() {
            return Err(FsError::Errno(errno::EBUSY));
        }
        check_own(&found.path)?;
        place.who.may_remove(&self.parent_of(&found.path)?, &file)?;
        if !self.read_dir(&found.path)?.is_empty() {
            return Err(FsError::Errno(errno::ENOTEMPTY));
        }
        self.remove(place.who, &found, &file, &mut journal)
    }

    fn remove(
        &self,
        who: &Identity,
        found: &Found,
        file: &Metadata,
        journal: &mut super::Journal,
    ) -> Result<()> {
        refuse_device(found)?;
        check_own(&found.path)?;
        who.may_remove(&self.parent_of(&found.path)?, file)?;
        journal.touch(&self.rootfs, &found.path)?;
        let result = journal.discard(&self.rootfs, &found.path, file);
        self.ways.forget(&found.path);
        Ok(result?)
    }

    /// `renameat2(2)`.
    pub(crate) fn rename(&self, old: Place<'_>, new: Place<'_>, flags: RenameFlags) -> Result<()> {
        let mut journal = self.journal();
        let from = self.find(old, false)?;
        let to = self.find(new, false)?;
        let source = *from.existing()?;
        if from.path.is_empty() || to.path.is_empty() {
            return Err(FsError::Errno(errno::EBUSY));
        }
        for found in [&from, &to] {
            refuse_device(found)?;
            check_own(&found.path)?;
            device::check_movable(&found.path)?;
        }
        if to.must_be_dir && !source.is_dir() {
            return Err(FsError::Errno(errno::ENOTDIR));
        }
        if from.path != to.path && path::is_within(&to.path, &from.path) {
            return Err(FsError::Errno(errno::EINVAL));
        }
        old.who.may_remove(&self.parent_of(&from.path)?, &source)?;
        let target_parent = self.checked_parent(new.who, &to.path)?;
        if flags.contains(RenameFlags::EXCHANGE) {
            let target = *to.existing()?;
            new.who.may_remove(&target_parent, &target)?;
            journal.touch_tree(&self.rootfs, &from.path)?;
            journal.touch_tree(&self.rootfs, &to.path)?;
            let result = self.rootfs.rename(&from.path, &to.path, flags);
            self.ways.forget_all();
            result?;
            journal.swapped(&from.path, &to.path);
            return Ok(());
        }
        if let Some(target) = &to.metadata {
            if flags.contains(RenameFlags::NOREPLACE) {
                return Err(FsError::Errno(errno::EEXIST));
            }
            if target.ino == source.ino {
                return Ok(());
            }
            new.who.may_remove(&target_parent, target)?;
            match (source.is_dir(), target.is_dir()) {
                (true, false) => return Err(FsError::Errno(errno::ENOTDIR)),
                (false, true) => return Err(FsError::Errno(errno::EISDIR)),
                (true, true) if !self.rootfs.read_dir(&to.path)?.is_empty() => {
                    return Err(FsError::Errno(errno::ENOTEMPTY));
                }
                _ => {}
            }
        }
        if source.is_dir() {
            journal.touch_tree(&self.rootfs, &from.path)?;
        } else {
            journal.touch(&self.rootfs, &from.path)?;
        }
        journal.touch(&self.rootfs, &to.path)?;
        if let Some(target) = &to.metadata {
            journal.discard(&self.rootfs, &to.path, target)?;
        }
        let result = self.rootfs.rename(&from.path, &to.path, RenameFlags::empty());
        if source.is_dir() {
            self.ways.forget_all();
        } else {
            self.ways.forget(&from.path);
            self.ways.forget(&to.path);
        }
        result?;
        journal.renamed(&from.path, &to.path, source.is_dir());
        Ok(())
    }
}

/// Refuses to touch what is not the image's.
fn check_own(at: &[u8]) -> Result<()> {
    if at.is_empty() {
        return Err(FsError::Errno(errno::EBUSY));
    }
    check_own_or_root(at)
}

/// As [`check_own`]; the root directory itself is the image's.
pub(super) fn check_own_or_root(at: &[u8]) -> Result<()> {
    device::check_mounted(at)?;
    if at.starts_with(b"dev/") || at.starts_with(b"proc/") || at.starts_with(b"sys/") {
        let text = String::from_utf8_lossy(at);
        return Err(FsError::Native(format!("/{text} is not part of the image")));
    }
    Ok(())
}

pub(super) fn refuse_device(found: &Found) -> Result<()> {
    match found.device {
        Some(_) => {
            Err(FsError::Native(format!("/{} is changed", String::from_utf8_lossy(&found.path))))
        }
        None => Ok(()),
    }
}
