//! From a finished stage to an image, and to where the image goes.

mod destination;
mod directory;
mod image;
mod push;
mod tree;

pub(crate) use image::Image;

use std::path::Path;
use std::sync::Arc;

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

/// The target stage of each platform, finished, with the engine that made it.
pub(crate) type Platforms<'a> = [(Engine<'a>, Arc<FinishedStage>)];

/// Refuses outputs that cannot work, before anything is built.
pub(crate) fn check(request: &BuildRequest) -> Result<()> {
    let mut to_stdout = 0;
    for output in &request.outputs {
        match output {
            Output::Registry if request.tags.is_empty() => {
                return Err(BuildError::input("there is nothing to push to")
                    .with_hint("name the image with --tag REGISTRY/NAME[:TAG]"));
            }
            Output::Registry => {}
            Output::OciLayout(dest) => check_layout(dest)?,
            Output::Local(dest) => directory::check(dest)?,
            Output::OciArchive(dest) | Output::DockerArchive(dest) | Output::Tar(dest) => {
                dest.check()?;
                to_stdout += usize::from(dest.is_stdout());
            }
        }
    }
    if to_stdout > 1 {
        return Err(BuildError::input("only one output can go to stdout"));
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

/// Makes the image of a finished stage.
pub(crate) fn make(cx: &Engine<'_>, stage: &FinishedStage) -> Result<Image> {
    cx.step("exporting to image", |_| image::make(cx, stage))
}

/// Delivers the images, as an index when there are several, to every output.
pub(crate) fn deliver(platforms: &Platforms<'_>, images: &[Image]) -> Result<Built> {
    let Some((cx, _)) = platforms.first() else {
        return Err(BuildError::input("no platform was given"));
    };
    let root = image::root(cx, images)?;
    // The tag alone, as `docker buildx -o type=oci` and skopeo have it.
    let tag = cx.request.tags.first().and_then(|tag| tag.tag.as_deref());
    let what = || "write the image".to_owned();
    let mut names = Vec::new();
    for output in &cx.request.outputs {
        match output {
            Output::Registry => {
                for tag in &cx.request.tags {
                    cx.step(&format!("pushing {tag}"), |_| push::push(cx, tag, &root))?;
                    names.push(tag.to_string());
                }
            }
            Output::OciLayout(dest) => cx.step(&format!("writing {}", dest.display()), |_| {
                root.ensure_local(cx)?;
                layout::write_layout(dest, &cx.store, &root.descriptor, tag)
                    .context(ErrorKind::Environment, || format!("write {}", dest.display()))
            })?,
            Output::OciArchive(dest) => cx.step(&format!("writing {dest}"), |_| {
                root.ensure_local(cx)?;
                dest.write(|out| {
                    layout::oci_archive(out, &cx.store, &root.descriptor, tag)
                        .context(ErrorKind::Environment, what)
                })
            })?,
            Output::DockerArchive(dest) => cx.step(&format!("writing {dest}"), |_| {
                root.ensure_local(cx)?;
                dest.write(|out| {
                    layout::docker_archive(out, &cx.store, &root.descriptor, &cx.request.tags)
                        .context(ErrorKind::Environment, what)
                })
            })?,
            Output::Local(dest) => cx.step(&format!("writing {}", dest.display()), |_| {
                directory::write(&tree::trees(platforms)?, dest, &cx.request.cancel)
            })?,
            Output::Tar(dest) => {
                cx.step(&format!("writing {dest}"), |_| tree::write_tar(platforms, dest))?;
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
