//! Images from registries and OCI layouts.

use std::path::Path;
use std::sync::Arc;

use kiln_dockerfile::platform::Platform;
use kiln_image::config::{ImageConfig, MAX_CONFIG_SIZE};
use kiln_image::layout::{ImageSource, split_location};
use kiln_image::manifest::{Descriptor, Index, Manifest};
use kiln_image::media_type;
use kiln_image::platform::{self as image_platform, select_platform};
use kiln_image::reference::Reference;

use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::layers::LayerRef;

/// Resolves an image of a registry: its config, and its layers, which are pulled when needed.
pub(super) fn from_registry(
    cx: &Engine<'_>,
    reference: &Reference,
    platform: &Platform,
) -> Result<(ImageConfig, Vec<LayerRef>)> {
    let what = || format!("pull {reference}");
    let registry = cx.registry();
    let (mut descriptor, mut bytes) =
        registry.resolve(reference).context(ErrorKind::Registry, what)?;
    if media_type::is_index(&descriptor.media_type) {
        let index = Index::from_bytes(&bytes).context(ErrorKind::Registry, what)?;
        descriptor = choose(&index, platform, &reference.to_string())?;
        bytes = registry.manifest(reference, &descriptor).context(ErrorKind::Registry, what)?;
    }
    let manifest = Manifest::from_bytes(&bytes).context(ErrorKind::Registry, what)?;
    registry
        .pull_blob(reference, &manifest.config, &cx.store, None)
        .context(ErrorKind::Registry, what)?;
    let origin = Arc::new(reference.clone());
    read_image(cx, &manifest, platform, &reference.to_string(), Some(&origin))
}

/// Reads an image of an OCI layout (`DIR[:TAG|@DIGEST]`); its blobs are copied into the store.
pub(super) fn from_layout(
    cx: &Engine<'_>,
    spec: &str,
    platform: &Platform,
) -> Result<(ImageConfig, Vec<LayerRef>)> {
    let name = format!("oci-layout://{spec}");
    let what = || format!("read {name}");
    let (dir, wanted) = split_location(spec);
    let source = ImageSource::open(Path::new(dir), wanted).context(ErrorKind::Input, what)?;
    let (descriptor, manifest) =
        source.manifest(&to_oci(platform)).context(ErrorKind::Input, what)?;
    source.import(&descriptor, &cx.store).context(ErrorKind::Input, what)?;
    read_image(cx, &manifest, platform, &name, None)
}

fn choose(index: &Index, platform: &Platform, name: &str) -> Result<Descriptor> {
    select_platform(index, &to_oci(platform)).cloned().ok_or_else(|| {
        let have: Vec<String> = index
            .manifests
            .iter()
            .filter(|entry| !image_platform::is_attestation(entry))
            .filter_map(|entry| entry.platform.as_ref().map(ToString::to_string))
            .collect();
        BuildError::input(format!("{name}: no image for platform {platform}"))
            .with_hint(format!("it has: {}", have.join(", ")))
    })
}

fn read_image(
    cx: &Engine<'_>,
    manifest: &Manifest,
    platform: &Platform,
    name: &str,
    origin: Option<&Arc<Reference>>,
) -> Result<(ImageConfig, Vec<LayerRef>)> {
    let what = || format!("read the config of {name}");
    let bytes = cx
        .store
        .get(&manifest.config.digest, MAX_CONFIG_SIZE)
        .context(ErrorKind::Registry, what)?;
    let mut config = ImageConfig::from_bytes(&bytes).context(ErrorKind::Registry, what)?;
    config.forget_unknown();
    // The new image's own time is set when it is made.
    config.created = None;
    let diff_ids = std::mem::take(&mut config.rootfs.diff_ids);
    if diff_ids.len() != manifest.layers.len() {
        return Err(BuildError::new(
            ErrorKind::Registry,
            format!(
                "{name}: the manifest has {} layers, the config {}",
                manifest.layers.len(),
                diff_ids.len()
            ),
        )
        .with_hint("the image is damaged, or no file system image"));
    }
    let wanted = to_oci(platform);
    if !wanted.matches(&config.platform()) {
        cx.warn(&format!("base image {name} was built for {}, not {platform}", config.platform()));
    }
    let windows = config.os == "windows";
    let layers = manifest
        .layers
        .iter()
        .zip(diff_ids)
        .map(|(descriptor, diff_id)| LayerRef {
            descriptor: descriptor.clone(),
            diff_id,
            origin: origin.cloned(),
            windows,
        })
        .collect();
    Ok((config, layers))
}

/// A platform in the words of the image crate.
pub(crate) fn to_oci(platform: &Platform) -> image_platform::Platform {
    let mut oci = image_platform::Platform::new(&platform.os, &platform.architecture);
    oci.variant.clone_from(&platform.variant);
    oci.os_version.clone_from(&platform.os_version);
    oci.os_features.clone_from(&platform.os_features);
    oci
}
