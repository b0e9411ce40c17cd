//! Results of earlier steps, found again by a key over everything that they depend on.
//!
//! Files: `<work-dir>/cache/v2/<hex key>`, one JSON record each, written to a temporary name and
//! renamed. A record is a hint: the blob that it names is looked up in the content store, and what
//! is unreadable counts as absent.

use std::io::Read;
use std::path::Path;

use cap_std::fs::Dir;
use kiln_image::digest::{Digest, Hasher};
use kiln_image::manifest::Descriptor;
use kiln_image::store::Store;
use serde::{Deserialize, Serialize};

use crate::error::{Context, ErrorKind, Result};
use crate::layers::LayerRef;
use crate::scratch::{make_private_dir, random_name};

/// Changes whenever the meaning of a key or of a record changes.
const VERSION: &str = "v2";

/// A record longer than this was not written by us.
const MAX_RECORD: u64 = 64 * 1024;

/// What a step made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    /// The layer's blob.
    pub(crate) descriptor: Descriptor,
    /// The layer's digest before compression.
    pub(crate) diff_id: Digest,
    /// When the step ran, RFC 3339: a cached rebuild gives the same image.
    pub(crate) created: String,
}

impl Record {
    /// The layer; `windows` as in [`LayerRef`].
    pub(crate) fn into_layer(self, windows: bool) -> LayerRef {
        LayerRef { descriptor: self.descriptor, diff_id: self.diff_id, origin: None, windows }
    }
}

/// Identifies a step with all its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(Digest);

/// Hashes named values, each framed by its length: no two lists of values give the same bytes.
#[derive(Debug)]
pub(crate) struct KeyBuilder(Hasher);

impl KeyBuilder {
    /// A key of this kind, such as `run` or `copy`.
    pub(crate) fn new(kind: &str) -> Self {
        let mut key = Self(Hasher::new());
        key.bytes(VERSION.as_bytes());
        key.bytes(kind.as_bytes());
        key
    }

    /// Adds a named value.
    pub(crate) fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        self.bytes(name.as_bytes());
        self.bytes(value.as_ref());
        self
    }

    /// Adds a named list; its length is part of the key.
    pub(crate) fn list<T: AsRef<[u8]>>(
        &mut self,
        name: &str,
        values: impl ExactSizeIterator<Item = T>,
    ) -> &mut Self {
        self.bytes(name.as_bytes());
        self.bytes(&(values.len() as u64).to_le_bytes());
        for value in values {
            self.bytes(value.as_ref());
        }
        self
    }

    /// The key.
    pub(crate) fn finish(self) -> Key {
        Key(self.0.finish())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

/// The records below a work directory.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: Dir,
}

impl Cache {
    /// Opens the cache of a work directory, creating it.
    pub(crate) fn open(work_dir: &Path) -> Result<Self> {
        let path = work_dir.join("cache").join(VERSION);
        let what = || format!("open the cache {}", path.display());
        let here = cap_std::ambient_authority();
        make_private_dir(&path)?;
        let dir = Dir::open_ambient_dir(&path, here).context(ErrorKind::Environment, what)?;
        Ok(Self { dir })
    }

    /// The record of a step whose blob is still in the store.
    pub(crate) fn get(&self, key: &Key, store: &Store) -> Option<Record> {
        let mut text = Vec::new();
        let file = self.dir.open(key.name()).ok()?;
        file.take(MAX_RECORD).read_to_end(&mut text).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (store.has(&record.descriptor.digest)? == record.descriptor.size).then_some(record)
    }

    /// Keeps a step's result.
    pub(crate) fn put(&self, key: &Key, record: &Record) -> Result<()> {
        let name = key.name();
        let what = || format!("write cache record {name}");
        let bytes = serde_json::to_vec(record).context(ErrorKind::Environment, what)?;
        // Two builds may write the same record: each has a temporary name of its own.
        let temporary = format!("{name}.{}", random_name()?);
        self.dir
            .write(&temporary, bytes)
            .and_then(|()| self.dir.rename(&temporary, &self.dir, &name))
            .inspect_err(|_| {
                // What is left is no record: nothing reads it.
                let _left = self.dir.remove_file(&temporary);
            })
            .context(ErrorKind::Environment, what)
    }
}

impl Key {
    /// The name of the key's record.
    fn name(&self) -> String {
        self.0.hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: &[(&str, &str)]) -> Key {
        let mut key = KeyBuilder::new("test");
        for (name, value) in parts {
            key.field(name, value);
        }
        key.finish()
    }

    #[test]
    fn values_are_framed() {
        assert_ne!(key(&[("a", "bc")]), key(&[("ab", "c")]));
        assert_ne!(key(&[("a", "b"), ("c", "")]), key(&[("a", "bc")]));
        assert_eq!(key(&[("a", "b")]), key(&[("a", "b")]));
    }

    #[test]
    fn lists_are_framed() {
        let list = |values: &[&str]| {
            let mut key = KeyBuilder::new("test");
            key.list("l", values.iter());
            key.finish()
        };
        assert_ne!(list(&["a", "b"]), list(&["ab"]));
        assert_ne!(list(&["a", ""]), list(&["a"]));
    }
}
