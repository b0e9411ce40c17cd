//! The layers of an image that is being built, wherever their blobs are.

use std::sync::Arc;

use kiln_image::digest::{Digest, Hasher};
use kiln_image::manifest::Descriptor;
use kiln_image::reference::Reference;

/// One layer; its blob may still be in the registry that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct LayerRef {
    /// The blob.
    pub(crate) descriptor: Descriptor,
    /// The digest before compression.
    pub(crate) diff_id: Digest,
    /// Where it can be pulled from; `None` when it is in the store.
    pub(crate) origin: Option<Arc<Reference>>,
    /// It has the form of Windows images: its files are below `Files/`.
    pub(crate) windows: bool,
}

/// Identifies a file system by the layers that it is made of (OCI image-spec, "Layer ChainID").
pub(crate) fn chain_id(layers: &[LayerRef]) -> Digest {
    let mut chain: Option<Digest> = None;
    for layer in layers {
        chain = Some(match chain {
            None => layer.diff_id,
            Some(parent) => {
                let mut hasher = Hasher::new();
                hasher.update(format!("{parent} {}", layer.diff_id).as_bytes());
                hasher.finish()
            }
        });
    }
    chain.unwrap_or_else(|| Digest::of(b""))
}
