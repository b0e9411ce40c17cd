//! Pushes an image: layers side by side, then the config, then the manifest.

use std::sync::Mutex;
use std::sync::PoisonError;

use kiln_image::reference::Reference;

use super::image::{Image, Root};
use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::layers::LayerRef;

/// Blobs that travel at the same time.
const PARALLEL: usize = 4;

/// Pushes an image, or an index with its images, under a name.
pub(super) fn push(cx: &Engine<'_>, tag: &Reference, root: &Root<'_>) -> Result<()> {
    push_layers(cx, tag, root.images)?;
    let what = || format!("push {tag}");
    let registry = cx.registry();
    for image in root.images {
        registry
            .push_blob(tag, &image.config, &cx.store, &[], None)
            .context(ErrorKind::Registry, what)?;
        if image.descriptor.digest != root.descriptor.digest {
            let by_digest = tag.with_digest(image.descriptor.digest);
            registry
                .push_manifest(&by_digest, &image.descriptor.media_type, &image.manifest)
                .context(ErrorKind::Registry, what)?;
        }
    }
    registry
        .push_manifest(tag, &root.descriptor.media_type, &root.bytes)
        .context(ErrorKind::Registry, what)?;
    Ok(())
}

fn push_layers(cx: &Engine<'_>, tag: &Reference, images: &[Image]) -> Result<()> {
    let mut unique: Vec<&LayerRef> = Vec::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        if unique.iter().all(|have| have.descriptor.digest != layer.descriptor.digest) {
            unique.push(layer);
        }
    }
    let queue = Mutex::new(unique.into_iter());
    let first_error: Mutex<Option<BuildError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(layer) = next else { break };
                    if let Err(error) = push_layer(cx, tag, layer) {
                        let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                        first.get_or_insert(error);
                        break;
                    }
                }
            });
        }
    });
    first_error.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn push_layer(cx: &Engine<'_>, tag: &Reference, layer: &LayerRef) -> Result<()> {
    let what = || format!("push {tag}: blob {}", layer.descriptor.digest);
    let registry = cx.registry();
    if registry.blob_exists(tag, &layer.descriptor).context(ErrorKind::Registry, what)? {
        return Ok(());
    }
    cx.ensure_local(std::slice::from_ref(layer))?;
    let mount_from: Vec<String> = layer
        .origin
        .iter()
        .filter(|origin| origin.registry == tag.registry)
        .map(|origin| origin.repository.clone())
        .collect();
    registry
        .push_blob(tag, &layer.descriptor, &cx.store, &mount_from, None)
        .context(ErrorKind::Registry, what)?;
    Ok(())
}
