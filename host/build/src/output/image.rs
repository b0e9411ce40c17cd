//! The image's config and manifest, in the store.

use kiln_image::manifest::{Descriptor, Index, Manifest};
use kiln_image::media_type;

use crate::base::to_oci;
use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};
use crate::history::{complete, fill_created};
use crate::layers::LayerRef;
use crate::stage::FinishedStage;

/// A finished image; config and manifest are in the store.
#[derive(Debug)]
pub(crate) struct Image {
    /// The manifest, with platform.
    pub(super) descriptor: Descriptor,
    /// The manifest's bytes.
    pub(super) manifest: Vec<u8>,
    /// The config.
    pub(super) config: Descriptor,
    /// The layers, some of them perhaps still in a registry.
    pub(super) layers: Vec<LayerRef>,
}

/// What the outputs name: the only image, or an index.
#[derive(Debug)]
pub(super) struct Root<'a> {
    /// The manifest or the index; in the store.
    pub(super) descriptor: Descriptor,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// The images.
    pub(super) images: &'a [Image],
}

impl Root<'_> {
    /// Pulls the layers that are still in a registry alone.
    pub(super) fn ensure_local(&self, cx: &Engine<'_>) -> Result<()> {
        self.images.iter().try_for_each(|image| cx.ensure_local(&image.layers))
    }
}

/// The only image, or an index.
pub(super) fn root<'a>(cx: &Engine<'_>, images: &'a [Image]) -> Result<Root<'a>> {
    if let [image] = images
        && !cx.request.wants_index()
    {
        let (descriptor, bytes) = (image.descriptor.clone(), image.manifest.clone());
        return Ok(Root { descriptor, bytes, images });
    }
    let index = Index::new(images.iter().map(|image| image.descriptor.clone()).collect());
    let bytes = index.to_bytes();
    let (digest, size) =
        cx.store.put(&bytes).context(ErrorKind::Environment, || "write the index".to_owned())?;
    Ok(Root { descriptor: Descriptor::new(media_type::OCI_INDEX, digest, size), bytes, images })
}

/// Makes config and manifest.
pub(super) fn make(cx: &Engine<'_>, stage: &FinishedStage) -> Result<Image> {
    let what = || "write the image's config and manifest".to_owned();
    let mut config = stage.config.clone();
    for (name, value) in &cx.request.labels {
        config.config.labels.insert(name.clone(), value.clone());
    }
    if cx.plan.platform_is_explicit {
        let target = to_oci(&cx.plan.target_platform);
        let is_same = config.os == target.os && config.architecture == target.architecture;
        config.os = target.os;
        config.architecture = target.architecture;
        // What the base says more exactly stays.
        if !is_same || !target.variant.is_empty() {
            config.variant = target.variant;
        }
        if !is_same || !target.os_version.is_empty() {
            config.os_version = target.os_version;
        }
        if !target.os_features.is_empty() {
            config.os_features = target.os_features;
        }
    }
    complete(&mut config, stage.layers.len());
    let now = cx.now();
    fill_created(&mut config.history, &now);
    config.created = config.history.last().and_then(|entry| entry.created.clone()).or(Some(now));
    config.rootfs.kind = "layers".to_owned();
    config.rootfs.diff_ids = stage.layers.iter().map(|layer| layer.diff_id).collect();
    let platform = config.platform();
    let bytes = config.to_bytes();
    let (digest, size) = cx.store.put(&bytes).context(ErrorKind::Environment, what)?;
    let config = Descriptor::new(media_type::OCI_CONFIG, digest, size);
    let layers: Vec<LayerRef> = stage.layers.iter().map(as_oci).collect();
    let mut manifest = Manifest::new(
        config.clone(),
        layers.iter().map(|layer| layer.descriptor.clone()).collect(),
    );
    manifest.annotations.extend(cx.request.annotations.clone());
    let manifest_bytes = manifest.to_bytes();
    let (digest, size) = cx.store.put(&manifest_bytes).context(ErrorKind::Environment, what)?;
    let mut descriptor = Descriptor::new(media_type::OCI_MANIFEST, digest, size);
    descriptor.platform = Some(platform);
    Ok(Image { descriptor, manifest: manifest_bytes, config, layers })
}

/// The layer with an OCI media type, also when its base has Docker's; nothing of the base's
/// annotations or URLs survives.
fn as_oci(layer: &LayerRef) -> LayerRef {
    let old = &layer.descriptor;
    let descriptor = Descriptor::new(media_type::to_oci(&old.media_type), old.digest, old.size);
    LayerRef { descriptor, ..layer.clone() }
}
