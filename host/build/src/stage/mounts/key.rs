//! What identifies the files that mounts show: in a step's key, and for a cache's name.

use kiln_dockerfile::instruction::Mount;
use kiln_image::digest::Digest;

use super::super::cached::KeyBy;
use super::super::sources::SourceTree;
use super::super::workdir::absolute;
use super::{Planned, StepMounts};
use crate::cache::KeyBuilder;
use crate::content::hash_tree;
use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};
use crate::layers::chain_id;

impl StepMounts {
    /// Whether some show files of a stage or an image.
    pub(in crate::stage) fn read_images(&self) -> bool {
        self.mounts.iter().any(|planned| match planned {
            Planned::Bind { from, .. } => from.is_image(),
            Planned::Cache { from, .. } => from.as_ref().is_some_and(SourceTree::is_image),
            _ => false,
        })
    }

    /// Adds what the mounts show to a step's key. What caches, secrets and agents hold is not part
    /// of it, nor a cache's name, as in BuildKit.
    pub(in crate::stage) fn add_to_key(
        &self,
        cx: &Engine<'_>,
        key: &mut KeyBuilder,
        by: KeyBy,
    ) -> Result<()> {
        for planned in &self.mounts {
            match planned {
                Planned::Tmpfs { target, size } => {
                    key.field("tmpfs", format!("{target} {size:?}"));
                }
                Planned::Cache { target, from, mount, .. } => {
                    key.field("cache", target);
                    if let Some(from) = from {
                        add_source(cx, key, from, &source_path(mount), by)?;
                    }
                }
                Planned::Secret { id, target, variable, .. } => {
                    key.field("secret", id).field("as", format!("{target:?} {variable:?}"));
                }
                Planned::Ssh { target, .. } => {
                    key.field("ssh", target);
                }
                Planned::Bind { target, from, path, writable } => {
                    key.field("bind", target).field("writable", writable.to_string());
                    add_source(cx, key, from, path, by)?;
                }
            }
        }
        if let Some((name, content)) = &self.script {
            key.field("script", name).field("content", content);
        }
        Ok(())
    }
}

/// Adds the files that a mount shows to a key.
fn add_source(
    cx: &Engine<'_>,
    key: &mut KeyBuilder,
    from: &SourceTree,
    path: &str,
    by: KeyBy,
) -> Result<()> {
    if let (SourceTree::Image(stage), KeyBy::Layers) = (from, by) {
        key.field("from", chain_id(&stage.layers).to_string()).field("path", path);
    } else {
        key.field("digest", content(cx, from, path)?.as_bytes());
    }
    Ok(())
}

/// The digest of the files that a mount shows.
fn content(cx: &Engine<'_>, from: &SourceTree, path: &str) -> Result<Digest> {
    let opened = from.open(cx)?;
    hash_tree(opened.source(), path.as_bytes(), None)
        .context(ErrorKind::Input, || format!("mount source {path}"))
}

/// What tells a cache from others, as in BuildKit: its id and what a new one starts with.
pub(super) fn cache_name(
    cx: &Engine<'_>,
    id: &str,
    from: Option<&SourceTree>,
    mount: &Mount,
) -> Result<String> {
    let path = source_path(mount);
    if let Some(from) = from {
        return Ok(format!("{id}\0{}", content(cx, from, &path)?));
    }
    Ok(match (mount.uid, mount.gid, mount.mode) {
        (None, None, None) => id.to_owned(),
        start => format!("{id}\0{start:?}"),
    })
}

pub(super) fn source_path(mount: &Mount) -> String {
    absolute("/", mount.source.as_deref().unwrap_or("/"))
}
