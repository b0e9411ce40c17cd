//! Change sets: what a step added, changed or removed.

use std::collections::BTreeMap;

use crate::path;

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

/// The paths that a step touched, canonical and sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    paths: BTreeMap<Vec<u8>, Change>,
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
        let path = path::clean(path);
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
        self.paths.insert(path, Change::Deleted);
    }

    /// Notes a directory that replaces whatever lower layers have at its path; what is in it is to
    /// be added on its own.
    pub fn add_opaque(&mut self, path: &[u8]) {
        self.paths.insert(path::clean(path), Change::Opaque);
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

    /// The paths and what happened to them, sorted by bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Change)> {
        self.paths.iter().map(|(path, change)| (path.as_slice(), *change))
    }

    /// What happened to this path.
    #[must_use]
    pub fn get(&self, path: &[u8]) -> Option<Change> {
        self.paths.get(path).copied()
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
        let below: Vec<Vec<u8>> = self
            .paths
            .range(first..)
            .take_while(|(path, _)| path::is_within(path, directory))
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.paths.remove(&path);
        }
    }
}
