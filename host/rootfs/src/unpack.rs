//! Unpacking layers: a tar stream becomes files, whiteouts take files of lower layers away.
//!
//! Nothing lands outside the root: parents resolve with `RESOLVE_IN_ROOT`, the last name is made
//! with `O_EXCL` or its like and never followed. What is in the way is replaced, save that a
//! directory is merged into a directory. The modification times of directories survive what is
//! made in them: a parent's time is read when we enter it and put back when we leave.

mod archive;
mod make;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use kiln_image::layer::Entry;
use kiln_image::layer::read::LayerReader;
use kiln_ledger::Owner;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::attributes::change_times;
use crate::error::{At, Result, RootfsError, show};
use crate::list::for_each_name;
use crate::metadata::Timestamp;
use crate::path;
use crate::rootfs::{Rootfs, stat_fd};

use self::archive::Added;

pub use self::archive::add_archive;
pub use kiln_image::layer::read::Limits;

/// What marks a name as removed (OCI image spec, layer.md, "Whiteouts").
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// The name that hides all of a directory's content in lower layers.
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names of AUFS's own that old layers carry.
const AUFS: &[u8] = b".wh..wh.";
/// Bytes copied at once.
const BUFFER: usize = 256 << 10;
/// Mode of directories that no entry describes.
const IMPLIED_MODE: u32 = 0o755;

/// What unpacking a layer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries of the layer.
    pub entries: u64,
    /// Bytes of file content.
    pub bytes: u64,
    /// Whiteouts and opaque markers applied.
    pub whiteouts: u64,
    /// Extended attributes that neither file system nor ledger can hold; they are dropped.
    pub dropped_xattrs: u64,
}

/// Unpacks one layer, given as decompressed tar, over what is there. Reads the stream to its end.
///
/// # Errors
/// [`RootfsError::Refused`] and [`RootfsError::Read`] for damaged or hostile layers, else the
/// system call that failed. What was unpacked until then stays.
pub fn unpack_layer(rootfs: &Rootfs, tar: &mut dyn Read, limits: &Limits) -> Result<Stats> {
    unpack(rootfs, LayerReader::with_limits(tar, *limits), true, None)
}

/// Unpacks one layer of a Windows image, of which only `Files/` is the image's.
///
/// # Errors
/// As [`unpack_layer`].
pub fn unpack_windows_layer(rootfs: &Rootfs, tar: &mut dyn Read, limits: &Limits) -> Result<Stats> {
    unpack(rootfs, LayerReader::with_limits(tar, *limits).windows(true), true, None)
}

/// Unpacks an archive that is no layer: names that mark whiteouts in layers are names like others.
///
/// # Errors
/// As [`unpack_layer`].
pub fn unpack_archive(rootfs: &Rootfs, tar: &mut dyn Read, limits: &Limits) -> Result<Stats> {
    unpack(rootfs, LayerReader::with_limits(tar, *limits), false, None)
}

fn unpack(
    rootfs: &Rootfs,
    mut reader: LayerReader<&mut dyn Read>,
    has_whiteouts: bool,
    added: Option<Added<'_>>,
) -> Result<Stats> {
    let mut unpacker = Unpacker {
        rootfs,
        has_whiteouts,
        added,
        stats: Stats::default(),
        parent: None,
        ours: HashSet::new(),
        hasher: RandomState::new(),
        buffer: vec![0; BUFFER],
    };
    while let Some(entry) = reader.next_entry()? {
        unpacker.stats.entries += 1;
        unpacker.apply(&entry, &mut reader)?;
    }
    unpacker.leave_parent()?;
    let stats = unpacker.stats;
    reader.drain().at("read", b"layer")?;
    Ok(stats)
}

/// The directory that the last entry went into.
struct Parent {
    /// As entries spell it.
    spelled: Vec<u8>,
    /// With symlinks followed.
    canonical: Vec<u8>,
    fd: OwnedFd,
    mtime: Timestamp,
}

struct Unpacker<'a> {
    rootfs: &'a Rootfs,
    has_whiteouts: bool,
    /// What an archive adds to files that are there; `None` for a layer or into nothing.
    added: Option<Added<'a>>,
    stats: Stats,
    parent: Option<Parent>,
    /// Hashes of the paths that this layer made, and of those above them: a whiteout takes away
    /// what lower layers have, wherever in the layer it stands. 8 bytes a path.
    ours: HashSet<u64>,
    hasher: RandomState,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn apply(&mut self, entry: &Entry, reader: &mut LayerReader<&mut dyn Read>) -> Result<()> {
        if entry.path.is_empty() {
            return self.root(entry);
        }
        let (directory, name) = path::split(&entry.path);
        if self.has_whiteouts && entry.path.starts_with(AUFS) && entry.path != OPAQUE {
            return Ok(());
        }
        self.enter_parent(directory)?;
        if self.has_whiteouts
            && let Some(hidden) = name.strip_prefix(WHITEOUT)
        {
            return self.whiteout(entry, name, hidden);
        }
        let changed = self.make(entry, name, reader)?;
        let canonical = path::join(&self.here()?.canonical, name);
        if let Some(added) = self.added.as_mut().filter(|_| changed) {
            added.set(&canonical);
        }
        self.ours.insert(self.hasher.hash_one(canonical));
        Ok(())
    }

    fn here(&self) -> Result<&Parent> {
        self.parent.as_ref().ok_or(Errno::NOENT).at("unpack", b"")
    }

    /// Makes `directory` the current one.
    fn enter_parent(&mut self, directory: &[u8]) -> Result<()> {
        if self.parent.as_ref().is_some_and(|parent| parent.spelled == directory) {
            return Ok(());
        }
        self.leave_parent()?;
        let (fd, canonical) = self.open_parent(directory)?;
        let mtime = stat_fd(fd.as_fd()).at("stat", directory)?.stx_mtime.into();
        let mut above = canonical.as_slice();
        while self.ours.insert(self.hasher.hash_one(above)) && !above.is_empty() {
            above = path::split(above).0;
        }
        let spelled = directory.to_vec();
        self.parent = Some(Parent { spelled, canonical, fd, mtime });
        Ok(())
    }

    fn open_parent(&mut self, directory: &[u8]) -> Result<(OwnedFd, Vec<u8>)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let spelled: &[u8] = if directory.is_empty() { b"." } else { directory };
        let plain = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        match openat2(self.rootfs.root_fd(), spelled, flags, Mode::empty(), plain) {
            Ok(fd) => return Ok((fd, directory.to_vec())),
            Err(Errno::NOENT | Errno::LOOP | Errno::AGAIN) => {}
            Err(Errno::NOTDIR) => return Err(refused(directory, "it is not a directory")),
            Err(errno) => return Err(errno).at("open", directory),
        }
        let made = self.rootfs.mkdir_all(directory, IMPLIED_MODE).map_err(|error| {
            if error.errno() == Errno::NOTDIR {
                refused(directory, "a part of it is not a directory")
            } else {
                error
            }
        })?;
        if let Some(added) = &mut self.added {
            made.iter().for_each(|made| added.set(made));
        }
        let canonical = self.rootfs.canonicalize(directory)?;
        let fd = self.rootfs.resolve(&canonical, flags, Mode::empty()).at("open", directory)?;
        Ok((fd, canonical))
    }

    /// Puts the modification time of the current directory back.
    fn leave_parent(&mut self) -> Result<()> {
        let Some(parent) = self.parent.take() else { return Ok(()) };
        change_times(parent.fd.as_fd(), None, Some(parent.mtime)).at("utimensat", &parent.spelled)
    }

    /// The owner of what an entry describes.
    fn owner(&self, entry: &Entry) -> Owner {
        let given = self.added.as_ref().and_then(|added| added.owner);
        given.unwrap_or(Owner { uid: entry.uid, gid: entry.gid })
    }

    /// After a removal the current directory may be gone, or be reached another way.
    fn removed_something(&mut self, canonical: &[u8]) -> Result<()> {
        let Some(parent) = &self.parent else { return Ok(()) };
        if parent.spelled == parent.canonical && !path::is_within(&parent.canonical, canonical) {
            return Ok(());
        }
        let spelled = parent.spelled.clone();
        self.leave_parent()?;
        self.enter_parent(&spelled)
    }

    fn whiteout(&mut self, entry: &Entry, name: &[u8], hidden: &[u8]) -> Result<()> {
        let parent = self.here()?;
        let target = path::join(&parent.canonical, hidden);
        if name == OPAQUE {
            let directory = parent.canonical.clone();
            self.clear_lower(&directory)?;
        } else if name.starts_with(AUFS) {
            return Ok(());
        } else if matches!(hidden, b"" | b"." | b"..") {
            return Err(refused(&entry.path, "a whiteout that names nothing"));
        } else if self.ours.contains(&self.hasher.hash_one(target.as_slice())) {
            // The layer has the path itself, so only what was there before goes.
            self.clear_lower(&target)?;
        } else {
            self.rootfs.remove_all_at(parent.fd.as_fd(), hidden).at("remove", &target)?;
        }
        self.stats.whiteouts += 1;
        Ok(())
    }

    /// Removes what is below a directory and was not made by this layer.
    fn clear_lower(&mut self, directory: &[u8]) -> Result<()> {
        let mut pending = vec![directory.to_vec()];
        while let Some(directory) = pending.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let fd = match self.rootfs.resolve(&directory, flags, Mode::empty()) {
                // A file of this layer.
                Err(Errno::NOTDIR | Errno::LOOP) => continue,
                other => other.at("open", &directory)?,
            };
            let mtime = stat_fd(fd.as_fd()).at("stat", &directory)?.stx_mtime.into();
            let mut names = Vec::new();
            for_each_name(fd.as_fd(), |name, _| {
                names.push(name.to_vec());
                Ok(())
            })
            .at("list", &directory)?;
            for name in names {
                let child = path::join(&directory, &name);
                if self.ours.contains(&self.hasher.hash_one(child.as_slice())) {
                    pending.push(child);
                } else {
                    self.rootfs.remove_all_at(fd.as_fd(), &name).at("remove", &child)?;
                }
            }
            change_times(fd.as_fd(), None, Some(mtime)).at("utimensat", &directory)?;
        }
        Ok(())
    }
}

fn refused(path: &[u8], why: &'static str) -> RootfsError {
    RootfsError::Refused { path: show(path), why }
}
