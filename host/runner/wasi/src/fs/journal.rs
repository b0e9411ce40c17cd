//! The transaction: how to take back each change, and which paths differ at the end.

use super::hidden::Hidden;
use super::undo::{Undo, failed, lookup};
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::path;
use kiln_rootfs::{Metadata, Rootfs, RootfsError, Timestamp};
use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;

/// Where removed and overwritten files wait for the end of the transaction, in the root. Guests
/// cannot name it.
pub(super) const HIDDEN: &[u8] = b".kiln-undo";

pub(super) type Result<T> = std::result::Result<T, RootfsError>;

/// A transaction's record.
#[derive(Debug, Default)]
pub(super) struct Journal {
    undo: Vec<Undo>,
    /// What was there before the transaction, for every path that was touched.
    before: BTreeMap<Vec<u8>, Option<Metadata>>,
    /// Paths whose contents or xattrs changed.
    dirty: HashSet<Vec<u8>>,
    /// Directories that came to these paths with all that is in them.
    moved: Vec<Vec<u8>>,
    /// Inodes made by the transaction: nothing of them needs to be put back.
    fresh: HashSet<u64>,
    /// Times of directories before names in them changed.
    directories: HashMap<Vec<u8>, (Timestamp, Timestamp)>,
    /// A directory was removed or moved, so that another one may be in its place.
    replaced: bool,
    /// Files kept in [`HIDDEN`].
    kept: u64,
    /// An inode with several names was changed; only a walk finds them all.
    aliased: bool,
    /// Names in [`HIDDEN`] of inodes that have others.
    hidden: Hidden,
}

impl Journal {
    /// Names that are kept out of sight.
    pub(super) fn hidden(&self) -> Hidden {
        self.hidden.clone()
    }

    /// To be called before anything at the path changes.
    pub(super) fn touch(&mut self, rootfs: &Rootfs, at: &[u8]) -> Result<()> {
        let (parent, _) = path::split(at);
        if !at.is_empty() && !self.directories.contains_key(parent) {
            let times = rootfs.metadata(parent, false)?;
            self.directories.insert(parent.to_vec(), (times.atime, times.mtime));
        }
        if !self.before.contains_key(at) {
            let before = if self.is_below_new(rootfs, at)? { None } else { lookup(rootfs, at)? };
            self.before.insert(at.to_vec(), before);
        }
        Ok(())
    }

    /// Whether an ancestor of the path is not the directory that was there before.
    fn is_below_new(&self, rootfs: &Rootfs, at: &[u8]) -> Result<bool> {
        let mut ancestor = at;
        while !ancestor.is_empty() {
            ancestor = path::split(ancestor).0;
            match self.before.get(ancestor) {
                Some(None) => return Ok(true),
                Some(Some(before))
                    if self.replaced
                        && lookup(rootfs, ancestor)?.is_none_or(|now| now.ino != before.ino) =>
                {
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// As [`Journal::touch`] for the path and all below it.
    pub(super) fn touch_tree(&mut self, rootfs: &Rootfs, top: &[u8]) -> Result<()> {
        let mut pending = vec![top.to_vec()];
        while let Some(at) = pending.pop() {
            self.touch(rootfs, &at)?;
            if lookup(rootfs, &at)?.is_some_and(|there| there.is_dir()) {
                for entry in rootfs.read_dir(&at)? {
                    pending.push(path::join(&at, &entry.name));
                }
            }
        }
        Ok(())
    }

    /// The path was made.
    pub(super) fn made(&mut self, rootfs: &Rootfs, at: &[u8]) -> Result<()> {
        self.undo.push(Undo::Remove(at.to_vec()));
        self.fresh.insert(rootfs.metadata(at, false)?.ino);
        Ok(())
    }

    /// The path was made another name of an inode.
    pub(super) fn linked(&mut self, at: &[u8], file: &Metadata) {
        self.undo.push(Undo::Remove(at.to_vec()));
        self.aliased |= !self.fresh.contains(&file.ino);
    }

    /// Takes a name away: an empty directory's or another file's.
    pub(super) fn discard(&mut self, rootfs: &Rootfs, at: &[u8], file: &Metadata) -> Result<()> {
        self.replaced |= file.is_dir();
        if self.fresh.contains(&file.ino) {
            if file.is_dir() {
                self.undo.push(Undo::Directory(at.to_vec()));
                return rootfs.rmdir(at);
            }
            return rootfs.unlink(at);
        }
        let place = self.place(rootfs)?;
        rootfs.rename(at, &place, RenameFlags::empty())?;
        self.undo.push(Undo::Rename { from: place, to: at.to_vec() });
        if !file.is_dir() {
            self.hidden.note(file);
        }
        Ok(())
    }

    /// The path was renamed.
    pub(super) fn renamed(&mut self, from: &[u8], to: &[u8], is_dir: bool) {
        self.undo.push(Undo::Rename { from: to.to_vec(), to: from.to_vec() });
        self.replaced |= is_dir;
        if is_dir {
            self.moved.push(to.to_vec());
        }
    }

    /// The paths were swapped.
    pub(super) fn swapped(&mut self, first: &[u8], second: &[u8]) {
        self.replaced = true;
        self.undo.push(Undo::Swap(first.to_vec(), second.to_vec()));
        self.moved.extend([first.to_vec(), second.to_vec()]);
    }

    /// Mode, owner or times of the path are about to change.
    pub(super) fn metadata_changes(&mut self, at: &[u8], file: &Metadata) {
        if !self.fresh.contains(&file.ino) {
            self.undo.push(Undo::Metadata(at.to_vec(), Box::new(*file)));
            self.aliased |= !file.is_dir() && file.nlink > 1;
        }
    }

    /// An extended attribute of the path is about to change.
    pub(super) fn xattr_changes(
        &mut self,
        rootfs: &Rootfs,
        at: &[u8],
        file: &Metadata,
        name: &[u8],
    ) -> Result<()> {
        self.dirty.insert(at.to_vec());
        if self.fresh.contains(&file.ino) {
            return Ok(());
        }
        let value = match rootfs.get_xattr(at, name, false) {
            Ok(value) => Some(value),
            Err(error) if matches!(error.errno(), Errno::NODATA | Errno::NOTSUP) => None,
            Err(error) => return Err(error),
        };
        self.undo.push(Undo::Xattr { path: at.to_vec(), name: name.to_vec(), value });
        self.aliased |= !file.is_dir() && file.nlink > 1;
        Ok(())
    }

    /// The file is about to be opened for writing.
    pub(super) fn opens(
        &mut self,
        rootfs: &Rootfs,
        at: &[u8],
        file: &Metadata,
        appends: bool,
    ) -> Result<()> {
        if self.fresh.contains(&file.ino) {
            return Ok(());
        }
        self.aliased |= file.nlink > 1;
        let metadata = Box::new(*file);
        if appends || file.size == 0 {
            self.undo.push(Undo::Length(at.to_vec(), metadata));
            return Ok(());
        }
        let copy = self.place(rootfs)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut to = File::from(rootfs.open(&copy, flags, 0o600)?);
        let mut from = File::from(rootfs.open(at, OFlags::RDONLY | OFlags::NOFOLLOW, 0)?);
        io::copy(&mut from, &mut to).map_err(|error| failed("copy", at, &error))?;
        self.undo.push(Undo::Contents { path: at.to_vec(), copy, metadata });
        Ok(())
    }

    /// The contents at the path changed.
    pub(super) fn dirty(&mut self, at: &[u8]) {
        self.dirty.insert(at.to_vec());
    }

    /// A new name in [`HIDDEN`].
    fn place(&mut self, rootfs: &Rootfs) -> Result<Vec<u8>> {
        if self.kept == 0 {
            if !self.directories.contains_key(&b""[..]) {
                let root = rootfs.metadata(b"", false)?;
                self.directories.insert(Vec::new(), (root.atime, root.mtime));
            }
            // A build that was killed may have left one.
            rootfs.remove_all(HIDDEN)?;
            rootfs.mkdir(HIDDEN, 0o700)?;
        }
        self.kept += 1;
        Ok(path::join(HIDDEN, self.kept.to_string().as_bytes()))
    }

    /// Forgets how to take back, and says what changed; `None` when only a walk can tell.
    pub(super) fn commit(self, rootfs: &Rootfs) -> Result<Option<ChangeSet>> {
        self.clear(rootfs)?;
        if self.aliased || self.hidden.some_remain() {
            return Ok(None);
        }
        let mut changes = ChangeSet::new();
        // Sorted: a directory that is gone comes before what was in it.
        let mut gone: Option<&[u8]> = None;
        for (at, before) in &self.before {
            let now = lookup(rootfs, at)?;
            match (before, now) {
                (None, None) => {}
                (Some(_), None) => {
                    if gone.is_none_or(|top| !path::is_within(at, top)) {
                        changes.delete(at);
                        gone = Some(at);
                    }
                }
                (None, Some(_)) => changes.add(at),
                // Written, and all that shows it is as before: perhaps the contents too.
                (Some(before), Some(now))
                    if self.dirty.contains(at) && !now.is_dir() && !differs(before, &now) =>
                {
                    return Ok(None);
                }
                (Some(before), Some(now)) => {
                    if self.dirty.contains(at) || differs(before, &now) {
                        changes.add(at);
                    }
                }
            }
        }
        let replaced =
            |top: &Vec<u8>| matches!(self.before.get(top), Some(Some(old)) if old.is_dir());
        if self.moved.iter().any(replaced) {
            return Ok(None);
        }
        for top in &self.moved {
            let mut pending = vec![top.clone()];
            while let Some(at) = pending.pop() {
                let Some(there) = lookup(rootfs, &at)? else { continue };
                changes.add(&at);
                if there.is_dir() {
                    let names = rootfs.read_dir(&at)?;
                    pending.extend(names.iter().map(|entry| path::join(&at, &entry.name)));
                }
            }
        }
        Ok(Some(changes))
    }

    /// Puts everything back, the last change first.
    pub(super) fn roll_back(mut self, rootfs: &Rootfs) -> Result<()> {
        while let Some(undo) = self.undo.pop() {
            undo.apply(rootfs)?;
        }
        for (directory, (atime, mtime)) in &self.directories {
            match rootfs.set_times(directory, Some(*atime), Some(*mtime), false) {
                // It was made by the transaction.
                Err(error) if error.is_not_found() => {}
                result => result?,
            }
        }
        self.clear(rootfs)
    }

    /// Removes what was kept.
    fn clear(&self, rootfs: &Rootfs) -> Result<()> {
        if self.kept == 0 {
            return Ok(());
        }
        let now = rootfs.metadata(b"", false)?;
        rootfs.remove_all(HIDDEN)?;
        // The root's own time is the one of the step's last change in it.
        let (atime, mtime) = match self.directories.get(&b""[..]) {
            Some(times) if !self.root_changed() => *times,
            _ => (now.atime, now.mtime),
        };
        rootfs.set_times(b"", Some(atime), Some(mtime), false)
    }

    fn root_changed(&self) -> bool {
        self.before.keys().any(|at| !at.is_empty() && !at.contains(&b'/'))
    }
}

/// Whether a layer would show a difference; the time of a directory alone is none.
fn differs(before: &Metadata, now: &Metadata) -> bool {
    before.ino != now.ino
        || before.st_mode() != now.st_mode()
        || (before.uid, before.gid, before.rdev) != (now.uid, now.gid, now.rdev)
        || !now.is_dir() && (before.size, before.mtime) != (now.size, now.mtime)
}
