//! Files as the base of a stage: a context that `--build-context` gave.

use kiln_dockerfile::platform::Platform;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{self as engine, CopyOptions};

use super::{Start, scratch};
use crate::cache::KeyBuilder;
use crate::content::hash_tree;
use crate::context::ContextDir;
use crate::contexts::ContextSource;
use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};
use crate::stage::write_layer;

/// An image without config whose one layer has the files.
pub(super) fn from_files(
    cx: &Engine<'_>,
    source: &ContextSource,
    platform: &Platform,
) -> Result<Start> {
    let what = || format!("read the context {}", source.shown());
    let files = ContextDir::named(cx, source)?;
    let digest = hash_tree(&files, b"/", None).context(ErrorKind::Input, what)?;
    let mut key = KeyBuilder::new("context");
    key.field("digest", digest.as_bytes());
    cx.key_output(&mut key);
    let key = key.finish();
    let cached = cx.request.use_cache.then(|| cx.cache.get(&key, &cx.store)).flatten();
    let layer = match cached {
        Some(record) => record.into_layer(false),
        None if cx.planning.is_some() => {
            let unknown = Some(format!("{} is not in the cache yet", source.shown()));
            return Ok(Start { unknown, ..scratch(platform) });
        }
        None => {
            let rootfs = cx.scratch.new_rootfs()?;
            let mut changes = ChangeSet::new();
            engine::copy(&files, b"/", &rootfs, b"/", &CopyOptions::default(), &mut changes)
                .context(ErrorKind::Input, what)?;
            let (layer, _) = write_layer(cx, &rootfs, &changes, false, &[key])?;
            // What cannot be removed now goes with the build's directory.
            let _later = rootfs.remove();
            layer
        }
    };
    Ok(Start { layers: vec![layer], ..scratch(platform) })
}
