//! What belongs to an image: all blobs that its manifest or index leads to.

use std::collections::HashSet;

use super::{LayoutError, MAX_DEPTH};
use crate::digest::Digest;
use crate::manifest::{Descriptor, Index, MAX_MANIFEST_SIZE, Manifest};
use crate::media_type;
use crate::store::Store;

/// The most blobs of an image: a hostile index of 4 MiB, all of whose manifests have 4 MiB, would
/// name a billion.
pub const MAX_BLOBS: usize = 100_000;

/// All blobs of the image `root` in `store`, each once, what is referred to before what refers to
/// it: in this order they can be copied or pushed.
///
/// Layers that lie elsewhere (`urls`) and are not in the store are left out; other blobs are
/// listed whether or not they are there, except manifests, which must be.
///
/// # Errors
/// [`LayoutError`], if a manifest is missing or malformed, or there are too many blobs.
pub fn reachable(store: &Store, root: &Descriptor) -> Result<Vec<Descriptor>, LayoutError> {
    let mut walk = Walk { store, seen: HashSet::new(), found: Vec::new() };
    walk.visit(root, 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    store: &'a Store,
    seen: HashSet<Digest>,
    found: Vec<Descriptor>,
}

impl Walk<'_> {
    fn visit(&mut self, descriptor: &Descriptor, depth: u32) -> Result<(), LayoutError> {
        let digest = descriptor.digest;
        if !self.seen.insert(digest) {
            return Ok(());
        }
        let too_much = |problem| LayoutError::TooMuch { digest, problem };
        if self.seen.len() > MAX_BLOBS {
            return Err(too_much("more than 100000 blobs"));
        }
        if depth > MAX_DEPTH {
            return Err(too_much("indexes nested more than 4 deep"));
        }
        let kind = descriptor.media_type.as_str();
        if media_type::is_index(kind) {
            let index = load_index(self.store, &digest)?;
            for child in &index.manifests {
                self.visit(child, depth + 1)?;
            }
        } else if media_type::is_manifest(kind) {
            let manifest = load_manifest(self.store, &digest)?;
            self.visit_blob(&manifest.config)?;
            for layer in &manifest.layers {
                self.visit_blob(layer)?;
            }
        } else if is_elsewhere(self.store, descriptor) {
            return Ok(());
        }
        self.found.push(descriptor.clone());
        Ok(())
    }

    /// A config or layer: whatever its media type says, it is not followed.
    fn visit_blob(&mut self, blob: &Descriptor) -> Result<(), LayoutError> {
        if !is_elsewhere(self.store, blob) && self.seen.insert(blob.digest) {
            if self.seen.len() > MAX_BLOBS {
                let problem = "more than 100000 blobs";
                return Err(LayoutError::TooMuch { digest: blob.digest, problem });
            }
            self.found.push(blob.clone());
        }
        Ok(())
    }
}

fn is_elsewhere(store: &Store, blob: &Descriptor) -> bool {
    !blob.urls.is_empty() && store.has(&blob.digest).is_none()
}

pub(crate) fn load_manifest(store: &Store, digest: &Digest) -> Result<Manifest, LayoutError> {
    let bytes = store.get(digest, MAX_MANIFEST_SIZE)?;
    Manifest::from_bytes(&bytes).map_err(|source| LayoutError::Manifest { digest: *digest, source })
}

pub(crate) fn load_index(store: &Store, digest: &Digest) -> Result<Index, LayoutError> {
    let bytes = store.get(digest, MAX_MANIFEST_SIZE)?;
    Index::from_bytes(&bytes).map_err(|source| LayoutError::Manifest { digest: *digest, source })
}
