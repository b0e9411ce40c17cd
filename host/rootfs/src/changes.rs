//! Change sets: what a step added, changed or removed.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::diff::compare;
use crate::error::Result;
use crate::index::Index;
use crate::path;
use crate::rootfs::Rootfs;

pub use crate::layer::{EntrySink, WriteOptions, write_layer};

/// Compares the rootfs with the index taken before a step: what the step changed, and the index
/// for the next one. Every process of the step must be dead.
///
/// # Errors
/// As [`Index::take`].
pub fn diff(before: Index, rootfs: &Rootfs) -> Result<(ChangeSet, Index)> {
    let after = Index::take(rootfs)?;
    let changes = compare(&before, &after, rootfs)?;
    drop(before);
    Ok((changes, after))
}

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is new, or its content or metadata changed.
    Set,
    /// It is gone, with all below it.
    Deleted,
    /// It is a directory that hides what lower layers have at this path, and is itself in the set.
    Opaque,
}

/// The paths that a step touched, canonical and sorted by component: what is in a directory
/// follows it at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    paths: BTreeMap<Key, Change>,
}

/// A path that sorts by component.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key(Vec<u8>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        /// Compared at once: paths of one directory begin alike, up to four thousand bytes.
        const CHUNK: usize = 64;
        let chunks = self.0.chunks(CHUNK).zip(other.0.chunks(CHUNK));
        let alike = chunks.take_while(|(one, other)| one == other).map(|(one, _)| one.len()).sum();
        // No component holds a NUL, so it can stand for the separator.
        let lower = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
        self.0.iter().skip(alike).map(lower).cmp(other.0.iter().skip(alike).map(lower))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl ChangeSet {
    /// A set without any change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that the path was added or changed. Gives way to nothing: what was deleted before and
    /// is there now was replaced.
    pub fn add(&mut self, path: &[u8]) {
        let path = Key(path::clean(path));
        let change = match self.paths.get(&path) {
            Some(Change::Opaque) => Change::Opaque,
            _ => Change::Set,
        };
        self.paths.insert(path, change);
    }

    /// Notes that the path is gone, with all below it.
    pub fn delete(&mut self, path: &[u8]) {
        let path = path::clean(path);
        self.forget_below(&path);
        self.paths.insert(Key(path), Change::Deleted);
    }

    /// Notes a directory that replaces whatever lower layers have at its path; what is in it is to
    /// be added on its own.
    pub fn add_opaque(&mut self, path: &[u8]) {
        self.paths.insert(Key(path::clean(path)), Change::Opaque);
    }

    /// Takes back what was noted of this path itself, not of what is below it.
    pub fn forget(&mut self, path: &[u8]) {
        self.paths.remove(&Key(path::clean(path)));
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// The paths and what happened to them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Change)> {
        self.paths.iter().map(|(path, change)| (path.0.as_slice(), *change))
    }

    /// What happened to this path.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<Change> {
        self.paths.get(&Key(path::clean(path))).copied()
    }

    /// Adds another set that happened later.
    pub fn merge(&mut self, later: &Self) {
        for (path, change) in later.iter() {
            match change {
                Change::Set => self.add(path),
                Change::Deleted => self.delete(path),
                Change::Opaque => {
                    self.forget_below(path);
                    self.add_opaque(path);
                }
            }
        }
    }

    fn forget_below(&mut self, directory: &[u8]) {
        let mut first = directory.to_vec();
        if !first.is_empty() {
            first.push(b'/');
        }
        let below: Vec<Key> = self
            .paths
            .range(Key(first)..)
            .take_while(|(path, _)| path::is_within(&path.0, directory))
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.paths.remove(&path);
        }
    }
}
