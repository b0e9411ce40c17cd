//! From a finished stage to an image, and to where the image goes.

mod image;
mod push;

pub(crate) use image::Image;

use std::path::Path;

use kiln_image::digest::Digest;
use kiln_image::layout;

use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::request::{BuildRequest, Output};
use crate::stage::FinishedStage;

/// What a build made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The digest of the image's manifest, or of the index of several.
    pub digest: Digest,
    /// The digest of the image's config: what Docker calls the image id.
    pub config_digest: Digest,
    /// The media type of what the digest names.
    pub media_type: String,
    /// The size of the manifest in bytes.
    pub size: u64,
    /// The names that the image was pushed or written under.
    pub names: Vec<String>,
}

/// Refuses outputs that cannot work, before anything is built.
pub(crate) fn check(request: &BuildRequest) -> Result<()> {
    for output in &request.outputs {
        match output {
            Output::Registry if request.tags.is_empty() => {
                return Err(BuildError::input("there is nothing to push to")
                    .with_hint("name the image with --tag REGISTRY/NAME[:TAG]"));
            }
            Output::Registry => {}
            Output::OciLayout(dest) => check_layout(dest)?,
            Output::OciArchive(dest) | Output::DockerArchive(dest) => check_file(dest)?,
        }
    }
    Ok(())
}

fn check_layout(dest: &Path) -> Result<()> {
    if dest.exists() && !dest.is_dir() {
        return Err(BuildError::input(format!("{} is not a directory", dest.display()))
            .with_hint("type=oci writes a directory, type=oci-archive a file"));
    }
    Ok(())
}

fn check_file(dest: &Path) -> Result<()> {
    if dest.is_dir() {
        return Err(BuildError::input(format!("{} is a directory", dest.display()))
            .with_hint("dest names the file to write"));
    }
    let parent = dest.parent().filter(|parent| !parent.as_os_str().is_empty());
    if parent.is_some_and(|parent| !parent.is_dir()) {
        return Err(BuildError::input(format!(
            "the directory of {} does not exist",
            dest.display()
        )));
    }
    Ok(())
}

/// Makes the image of a finished stage.
pub(crate) fn make(cx: &Engine<'_>, stage: &FinishedStage) -> Result<Image> {
    cx.step("exporting to image", |_| image::make(cx, stage))
}

/// Delivers the images, as an index when there are several, to every output.
pub(crate) fn deliver(cx: &Engine<'_>, images: &[Image]) -> Result<Built> {
    let root = image::root(cx, images)?;
    let mut names = Vec::new();
    for output in &cx.request.outputs {
        match output {
            Output::Registry => {
                for tag in &cx.request.tags {
                    cx.step(&format!("pushing {tag}"), |_| push::push(cx, tag, &root))?;
                    names.push(tag.to_string());
                }
            }
            Output::OciLayout(dest) => {
                write(cx, &root, dest, |tag| {
                    layout::write_layout(dest, &cx.store, &root.descriptor, tag)
                })?;
            }
            Output::OciArchive(dest) => {
                write(cx, &root, dest, |tag| {
                    layout::write_oci_archive(dest, &cx.store, &root.descriptor, tag)
                })?;
            }
            Output::DockerArchive(dest) => {
                write(cx, &root, dest, |_| {
                    layout::write_docker_archive(
                        dest,
                        &cx.store,
                        &root.descriptor,
                        &cx.request.tags,
                    )
                })?;
            }
        }
    }
    if names.is_empty() {
        names = cx.request.tags.iter().map(ToString::to_string).collect();
    }
    Ok(Built {
        digest: root.descriptor.digest,
        config_digest: root.images.first().map_or(root.descriptor.digest, |i| i.config.digest),
        media_type: root.descriptor.media_type.clone(),
        size: root.descriptor.size,
        names,
    })
}

/// Writes an output of the local file system as a step.
fn write<E: std::error::Error + Send + Sync + 'static>(
    cx: &Engine<'_>,
    root: &image::Root<'_>,
    dest: &Path,
    run: impl FnOnce(Option<&str>) -> std::result::Result<(), E>,
) -> Result<()> {
    cx.step(&format!("writing {}", dest.display()), |_| {
        for image in root.images {
            cx.ensure_local(&image.layers)?;
        }
        // The tag alone, as `docker buildx -o type=oci` and skopeo have it.
        let tag = cx.request.tags.first().and_then(|tag| tag.tag.as_deref());
        run(tag).context(ErrorKind::Environment, || format!("write {}", dest.display()))
    })
}
