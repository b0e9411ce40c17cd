//! The index: what every inode of a rootfs looked like at one moment, in some 75 bytes a file.
//!
//! It holds names, types, sizes, change times and the image's view of mode and owner, never
//! content. Equal means unchanged: whatever changes a file's content or metadata on disk moves its
//! change time, and nothing can set that back. Where only the change time moved, as a chmod to the
//! same mode does, the content's fingerprint decides if it is known; else the file counts as
//! changed.
//!
//! # Racy entries
//! Kernels before 6.13 stamp changes with a clock that ticks every 1 to 10 ms, so a change within
//! the tick of the index would not show. Taking an index therefore ends by waiting until that clock
//! is past the newest change time seen (at most a tick; a second on file systems without
//! sub-second times). What is changed later then has a later change time. An entry from the future
//! (the clock was set back) cannot be waited for; it counts as changed next time.
//!
//! [`Index::update`] does not wait, since most known changes are followed by others that are known
//! too; who lets files be changed unseen calls [`Index::settle`] before.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, Statx};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::changes::{Change, ChangeSet};
use crate::error::{At, Result, RootfsError};
use crate::metadata::{FileType, Metadata, Timestamp};
use crate::path;
use crate::rootfs::{Rootfs, stat_at};
use crate::walk;

/// How long an index waits for the clock of change times at most; longer than the coarsest file
/// system's second.
const MAX_SETTLE: Duration = Duration::from_millis(1100);

/// The most entries of an index. A hostile step that makes files without end meets this before the
/// builder's memory does: 10 Mi entries are some 800 MiB.
pub(crate) const MAX_ENTRIES: usize = 10 << 20;

/// No directory.
pub(crate) const NONE: u32 = u32::MAX;

/// One name in a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) ino: u64,
    /// Length of a file or symlink, device number of a node, 0 of a directory.
    pub(crate) size: u64,
    pub(crate) ctime_secs: i64,
    pub(crate) ctime_nanos: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The image's full `st_mode`, which has 16 bits.
    pub(crate) mode: u16,
    pub(crate) name_length: u8,
    pub(crate) name_start: u32,
    /// Number of the directory's [`Dir`], else [`NONE`].
    pub(crate) child: u32,
    /// It is one name of several.
    pub(crate) linked: bool,
    /// A hash of the modification time.
    pub(crate) mtime: u32,
    /// A hash of the ledger's capability of a file, which moves no change time.
    pub(crate) capability: u32,
}

/// A directory's names, sorted by bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dir {
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: Vec<u8>,
    /// A hash of the extended attributes; a directory's change time says nothing, since it moves
    /// with every name made in it.
    pub(crate) xattrs: u32,
}

/// The state of a rootfs at one moment.
#[derive(Debug)]
pub struct Index {
    pub(crate) dirs: Vec<Dir>,
    /// The root directory itself; its name is empty, its `child` 0.
    pub(crate) root: Node,
    /// Entries with this change time or a later one may change without it moving.
    pub(crate) unsettled: Option<Timestamp>,
}

impl Index {
    /// Walks the rootfs with two threads and takes note of everything. No process may be changing
    /// it meanwhile.
    ///
    /// # Errors
    /// The directory that could not be read; [`RootfsError::Limit`] for trees without end.
    pub fn take(rootfs: &Rootfs) -> Result<Self> {
        rootfs.recover_ledger()?;
        let mut index = walk::walk(rootfs, b"")?;
        index.wait();
        Ok(index)
    }

    /// Brings the index up to date after changes that are known, without a walk.
    ///
    /// # Errors
    /// As [`Index::take`].
    pub fn update(&mut self, rootfs: &Rootfs, changes: &ChangeSet) -> Result<()> {
        // An older entry's next change has a later time than it has.
        let from = coarse_now();
        self.unsettled = Some(from);
        // Other names of a changed inode have a new change time too.
        let mut linked = HashSet::new();
        for (path, change) in changes.iter() {
            match change {
                Change::Deleted => self.forget(path, &mut linked),
                Change::Set | Change::Opaque => self.renew(rootfs, path, &mut linked)?,
            }
        }
        if !linked.is_empty() {
            self.refresh_links(rootfs, &linked)?;
            // Another link made within the tick would not show.
            let mut nodes = self.dirs.iter().flat_map(|dir| &dir.nodes);
            if nodes.any(|node| node.linked && !node.is_settled(from)) {
                self.settle();
            }
        }
        Ok(())
    }

    /// Waits until later changes get later change times than all that is in the index: at most a
    /// tick, and not at all where that is so already.
    pub fn settle(&mut self) {
        if self.unsettled.take().is_some() {
            self.wait();
        }
    }

    /// Takes the change times as they are: what was changed since was put back as it was.
    ///
    /// # Errors
    /// A name that is gone, a directory that cannot be read.
    pub fn taken_back(&mut self, rootfs: &Rootfs) -> Result<()> {
        let files = self.dirs.iter().flat_map(|dir| &dir.nodes).filter(|node| !node.is_dir());
        let all = files.map(|node| node.ino).collect();
        self.refresh_links(rootfs, &all)?;
        self.wait();
        Ok(())
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dirs.iter().map(|dir| dir.nodes.len()).sum()
    }

    /// Whether the rootfs was empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dirs.iter().all(|dir| dir.nodes.is_empty())
    }

    pub(crate) fn dir(&self, number: u32) -> Option<&Dir> {
        self.dirs.get(number as usize)
    }

    /// The directory's number; `None` when it is not in the index.
    fn find_dir(&self, path: &[u8]) -> Option<u32> {
        path::components(path).try_fold(0, |number, name| {
            let dir = self.dir(number)?;
            let node = &dir.nodes[dir.position(name).ok()?];
            (node.child != NONE).then_some(node.child)
        })
    }

    /// Takes a path and all below it out.
    fn forget(&mut self, path: &[u8], linked: &mut HashSet<u64>) {
        let (directory, name) = path::split(path);
        let Some(number) = self.find_dir(directory) else { return };
        let dir = &mut self.dirs[number as usize];
        if let Ok(position) = dir.position(name) {
            let node = dir.nodes.remove(position);
            self.drop_tree(node, linked);
        }
    }

    /// Empties the directories of a node that is no longer in its parent.
    fn drop_tree(&mut self, node: Node, linked: &mut HashSet<u64>) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            if node.child == NONE {
                linked.insert(node.ino);
            } else {
                pending.extend(std::mem::take(&mut self.dirs[node.child as usize]).nodes);
            }
        }
    }

    /// Reads a path anew.
    fn renew(&mut self, rootfs: &Rootfs, path: &[u8], linked: &mut HashSet<u64>) -> Result<()> {
        if path.is_empty() {
            self.root = walk::root_node(rootfs)?;
            self.dirs[0].xattrs =
                walk::xattr_hash(rootfs, rootfs.root_fd()).at("listxattr", b"")?;
            return Ok(());
        }
        let (directory, name) = path::split(path);
        let Some(number) = self.find_dir(directory) else {
            // A directory that appeared with its content: its own path stands for it.
            return self.renew(rootfs, directory, linked);
        };
        let dir_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let fd = rootfs.resolve(directory, dir_flags, Mode::empty()).at("open", directory)?;
        let stat = match stat_at(fd.as_fd(), name) {
            Err(Errno::NOENT) => {
                self.forget(path, linked);
                return Ok(());
            }
            other => other.at("stat", path)?,
        };
        let mut node = Node::new(rootfs, &stat);
        let old = self.dirs[number as usize]
            .position(name)
            .ok()
            .map(|position| self.dirs[number as usize].nodes[position]);
        if node.is_dir() {
            match old {
                Some(old) if old.child != NONE && old.ino == node.ino => {
                    node.child = old.child;
                    let opened = rootfs.path_at(fd.as_fd(), name).at("open", path)?;
                    self.dirs[old.child as usize].xattrs =
                        walk::xattr_hash(rootfs, opened.as_fd()).at("listxattr", path)?;
                }
                _ => node.child = self.graft(walk::walk(rootfs, path)?)?,
            }
        } else if stat.stx_nlink > 1 {
            linked.insert(node.ino);
        }
        if let Some(old) = old {
            if old.child == NONE {
                linked.insert(old.ino);
            } else if old.child != node.child {
                self.drop_tree(old, linked);
            }
        }
        self.dirs[number as usize].put(name, node);
        Ok(())
    }

    /// Adds another index's directories; gives the number of its root.
    fn graft(&mut self, other: Self) -> Result<u32> {
        let base = u32::try_from(self.dirs.len()).map_err(|_| too_many())?;
        for mut dir in other.dirs {
            for node in &mut dir.nodes {
                if node.child != NONE {
                    node.child = node.child.checked_add(base).ok_or_else(too_many)?;
                }
            }
            self.dirs.push(dir);
        }
        Ok(base)
    }

    /// Reads the entries of these inodes anew.
    fn refresh_links(&mut self, rootfs: &Rootfs, linked: &HashSet<u64>) -> Result<()> {
        let mut pending = vec![(0, Vec::new())];
        while let Some((number, directory)) = pending.pop() {
            let mut fd = None;
            for position in 0..self.dirs[number as usize].nodes.len() {
                let dir = &self.dirs[number as usize];
                let node = dir.nodes[position];
                if node.child != NONE {
                    pending.push((node.child, path::join(&directory, dir.name(&node))));
                } else if linked.contains(&node.ino) {
                    let fd = match &fd {
                        Some(fd) => fd,
                        None => {
                            let flags = OFlags::PATH | OFlags::DIRECTORY;
                            let opened = rootfs.resolve(&directory, flags, Mode::empty());
                            fd.insert(opened.at("open", &directory)?)
                        }
                    };
                    let name = dir.name(&node);
                    let stat =
                        stat_at(fd.as_fd(), name).at("stat", &path::join(&directory, name))?;
                    let fresh = Node::new(rootfs, &stat);
                    let (name_start, name_length) = (node.name_start, node.name_length);
                    self.dirs[number as usize].nodes[position] =
                        Node { name_start, name_length, ..fresh };
                }
            }
        }
        Ok(())
    }

    fn wait(&mut self) {
        let nodes = self.dirs.iter().flat_map(|dir| &dir.nodes).filter(|node| !node.is_dir());
        let newest = nodes.map(Node::ctime).max().unwrap_or_default();
        let whole_seconds = newest.nanos == 0;
        let started = Instant::now();
        self.unsettled = None;
        loop {
            let mut now = coarse_now();
            if whole_seconds {
                now.nanos = 0;
            }
            if now > newest {
                return;
            }
            if started.elapsed() > MAX_SETTLE {
                self.unsettled = Some(now);
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Dir {
    pub(crate) fn name(&self, node: &Node) -> &[u8] {
        let start = node.name_start as usize;
        &self.names[start..start + usize::from(node.name_length)]
    }

    /// Where the name is, or would be.
    pub(crate) fn position(&self, name: &[u8]) -> std::result::Result<usize, usize> {
        self.nodes.binary_search_by(|node| self.name(node).cmp(name))
    }

    /// Adds a name at the end of the arena.
    pub(crate) fn intern(&mut self, name: &[u8], node: Node) -> Node {
        let name_start = u32::try_from(self.names.len()).expect("a directory's names fit 4 GiB");
        let name_length = u8::try_from(name.len()).expect("NAME_MAX is 255");
        self.names.extend_from_slice(name);
        Node { name_start, name_length, ..node }
    }

    fn put(&mut self, name: &[u8], node: Node) {
        match self.position(name) {
            Ok(position) => {
                let old = &mut self.nodes[position];
                let (name_start, name_length) = (old.name_start, old.name_length);
                *old = Node { name_start, name_length, ..node };
            }
            Err(position) => {
                let node = self.intern(name, node);
                self.nodes.insert(position, node);
            }
        }
    }
}

impl Node {
    pub(crate) fn new(rootfs: &Rootfs, stat: &Statx) -> Self {
        let record = rootfs.ledger.get(stat);
        let seen = Metadata::new(stat, record.as_ref(), rootfs.own_uid());
        let size = match seen.file_type {
            FileType::File | FileType::Symlink => seen.size,
            FileType::Char | FileType::Block => {
                (u64::from(seen.rdev.0) << 32) | u64::from(seen.rdev.1)
            }
            FileType::Dir | FileType::Fifo | FileType::Socket => 0,
        };
        let capability = record.and_then(|record| record.capability);
        Self {
            ino: seen.ino,
            size,
            ctime_secs: seen.ctime.secs,
            ctime_nanos: seen.ctime.nanos,
            uid: seen.uid,
            gid: seen.gid,
            mode: u16::try_from(seen.st_mode()).unwrap_or_default(),
            name_length: 0,
            name_start: 0,
            child: NONE,
            linked: seen.nlink > 1 && !seen.is_dir(),
            mtime: time_hash(seen.mtime),
            capability: capability.map_or(0, |capability| walk::hash(capability.as_bytes())),
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        FileType::of_mode(self.mode.into()) == FileType::Dir
    }

    /// Whether what changes from this moment on gets a later change time than the node has.
    pub(crate) fn is_settled(&self, from: Timestamp) -> bool {
        // A file system that keeps whole seconds shows a change by the next one.
        let whole = self.ctime_nanos == 0;
        if whole { self.ctime_secs < from.secs } else { self.ctime() < from }
    }

    pub(crate) const fn ctime(&self) -> Timestamp {
        Timestamp { secs: self.ctime_secs, nanos: self.ctime_nanos }
    }
}

/// The clock of change times.
fn coarse_now() -> Timestamp {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    Timestamp { secs: now.tv_sec, nanos: u32::try_from(now.tv_nsec).unwrap_or_default() }
}

/// Moves every bit of a time into 32.
fn time_hash(time: Timestamp) -> u32 {
    let mixed = time.secs.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from(time.nanos).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    u32::try_from(mixed >> 32).unwrap_or_default()
}

pub(crate) fn too_many() -> RootfsError {
    RootfsError::Limit { what: "files in a rootfs", limit: MAX_ENTRIES as u64 }
}
