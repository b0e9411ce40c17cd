//! A stage's file system: layers, and the root file system made of them once somebody looks.

use std::sync::{Arc, Mutex, PoisonError};

use kiln_image::config::ImageConfig;
use kiln_image::digest::DigestReader;
use kiln_image::layer::Mtime;
use kiln_image::layer::build::LayerBuilder;
use kiln_image::layer::compress::decompress;
use kiln_rootfs::changes::{self, ChangeSet, WriteOptions};
use kiln_rootfs::index::Index;
use kiln_rootfs::{Rootfs, unpack};

use super::StageRun;
use super::env::Variables;
use crate::cache::{Key, KeyBuilder, Record};
use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::layers::{LayerRef, chain_id};
use crate::users::UserDatabase;

/// A passwd or group file longer than this is not one.
const MAX_DATABASE: u64 = 16 << 20;

/// The root file system of a stage that is being executed.
#[derive(Debug, Default)]
pub(crate) struct Filesystem {
    working: Option<Working>,
}

#[derive(Debug)]
struct Working {
    rootfs: Arc<Rootfs>,
    /// The state that the layers describe; `None` when it has to be taken anew.
    index: Option<Index>,
}

/// What a step changed.
#[derive(Debug)]
pub(super) struct LayerContent {
    /// The changes; `None`: compare with the index.
    pub(super) changes: Option<ChangeSet>,
}

/// A finished stage, or an image that `--from` names.
#[derive(Debug)]
pub(crate) struct FinishedStage {
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<LayerRef>,
    /// The variables and arguments that a stage based on this one starts with.
    pub(crate) variables: Variables,
    /// In a plan: why the layers are not all known.
    pub(crate) unknown: Option<String>,
    filesystem: Mutex<Filesystem>,
}

impl FinishedStage {
    pub(crate) fn new(
        config: ImageConfig,
        layers: Vec<LayerRef>,
        variables: Variables,
        filesystem: Filesystem,
    ) -> Self {
        Self { config, layers, variables, unknown: None, filesystem: Mutex::new(filesystem) }
    }

    /// The root file system, to be read; made on first use.
    pub(crate) fn rootfs(&self, cx: &Engine<'_>) -> Result<Arc<Rootfs>> {
        let mut filesystem = self.filesystem.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(&filesystem.materialise(cx, &self.layers)?.rootfs))
    }

    /// Hands the root file system over to the only stage that is based on this one.
    pub(crate) fn take_filesystem(&self) -> Filesystem {
        std::mem::take(&mut *self.filesystem.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Filesystem {
    fn materialise(&mut self, cx: &Engine<'_>, layers: &[LayerRef]) -> Result<&mut Working> {
        if self.working.is_none() {
            cx.ensure_local(layers)?;
            let rootfs = cx.scratch.new_rootfs()?;
            for layer in layers {
                unpack_layer(cx, &rootfs, layer)?;
            }
            self.working = Some(Working { rootfs: Arc::new(rootfs), index: None });
        }
        self.working.as_mut().ok_or_else(|| BuildError::failed("the root file system vanished"))
    }

    /// Prepares for a step that changes files behind our back: the index is there, and so is the
    /// working directory, which becomes part of the step's changes when it is made here. Gives the
    /// directories that were made.
    pub(super) fn prepare(&mut self, cwd: &str) -> Result<Vec<Vec<u8>>> {
        let mut made = Vec::new();
        if let Some(working) = &mut self.working {
            if working.index.is_none() {
                let index = Index::take(&working.rootfs)
                    .context(ErrorKind::Failed, || "read the root file system".to_owned())?;
                working.index = Some(index);
            }
            made = working
                .rootfs
                .mkdir_all(cwd.as_bytes(), 0o755)
                .context(ErrorKind::Failed, || format!("create working directory {cwd}"))?;
        }
        Ok(made)
    }

    /// To be called before a step whose changes only a comparison with the index will show.
    pub(super) fn settle(&mut self) {
        if let Some(index) = self.working.as_mut().and_then(|working| working.index.as_mut()) {
            index.settle();
        }
    }

    /// A step was taken back: all is as before, but change times moved, which must not count.
    pub(super) fn taken_back(&mut self) -> Result<()> {
        if let Some(Working { rootfs, index: Some(index) }) = &mut self.working {
            index
                .taken_back(rootfs)
                .context(ErrorKind::Failed, || "read the root file system".to_owned())?;
        }
        Ok(())
    }

    /// The root file system; it has been made.
    #[expect(clippy::expect_used, reason = "every caller has called materialise")]
    pub(super) fn rootfs(&self) -> &Arc<Rootfs> {
        &self.working.as_ref().expect("materialised before").rootfs
    }
}

/// Unpacks one layer, checking that its content is what the config says.
fn unpack_layer(cx: &Engine<'_>, rootfs: &Rootfs, layer: &LayerRef) -> Result<()> {
    let digest = &layer.descriptor.digest;
    let what = || format!("unpack layer {digest}");
    let blob = cx.store.reader(digest).context(ErrorKind::Failed, what)?;
    let tar = decompress(blob).context(ErrorKind::Failed, what)?;
    let mut tar = DigestReader::new(tar);
    let unpack = if layer.windows { unpack::unpack_windows_layer } else { unpack::unpack_layer };
    unpack(rootfs, &mut tar, &unpack::Limits::default()).context(ErrorKind::Failed, what)?;
    std::io::copy(&mut tar, &mut std::io::sink()).context(ErrorKind::Failed, what)?;
    let (_, diff_id, _) = tar.finish();
    if diff_id != layer.diff_id {
        return Err(BuildError::new(
            ErrorKind::Registry,
            format!(
                "layer {digest}: its content has digest {diff_id}, the image's config says {}",
                layer.diff_id
            ),
        )
        .with_hint("the image is damaged or was tampered with; push it again"));
    }
    Ok(())
}

impl StageRun<'_> {
    /// Makes the root file system unless it is there.
    pub(super) fn materialise(&mut self) -> Result<()> {
        self.filesystem.materialise(self.cx, &self.layers)?;
        Ok(())
    }

    /// The user databases of the image as it is now.
    pub(super) fn users(&mut self) -> Result<UserDatabase> {
        self.materialise()?;
        let read =
            |path: &str| match self.filesystem.rootfs().read_small(path.as_bytes(), MAX_DATABASE) {
                Ok(text) => Ok(text),
                Err(error) if error.is_not_found() => Ok(Vec::new()),
                Err(error) => Err(error).context(ErrorKind::Failed, || format!("read {path}")),
            };
        Ok(UserDatabase::parse(&read("/etc/passwd")?, &read("/etc/group")?))
    }

    /// Adds what every step depends on to its key: the file system before it and the platform.
    pub(super) fn key_state(&self, key: &mut KeyBuilder) {
        key.field("parent", chain_id(&self.layers).to_string());
        key.field("platform", self.platform().to_string());
        if self.has_windows_layers() {
            key.field("form", "windows");
        }
        self.cx.key_output(key);
    }

    /// Whether the stage is based on an image of Windows: then its layers have that form.
    fn has_windows_layers(&self) -> bool {
        self.layers.iter().any(|layer| layer.windows)
    }

    /// Turns a step's changes into a layer and remembers it under `keys`; gives the time that the
    /// history shows.
    pub(super) fn add_layer(&mut self, keys: &[Key], content: LayerContent) -> Result<String> {
        let cx = self.cx;
        let what = || "write the layer".to_owned();
        let working = self.filesystem.materialise(cx, &self.layers)?;
        let changes = match content.changes {
            Some(changes) => {
                // The index, if there is one, follows.
                if let Some(index) = &mut working.index {
                    index.update(&working.rootfs, &changes).context(ErrorKind::Failed, what)?;
                }
                changes
            }
            None => {
                let index = working
                    .index
                    .take()
                    .ok_or_else(|| BuildError::failed("no index was taken before the step"))?;
                let (changes, after) =
                    changes::diff(index, &working.rootfs).context(ErrorKind::Failed, what)?;
                working.index = Some(after);
                changes
            }
        };
        let rootfs = Arc::clone(&working.rootfs);
        self.store_layer(&rootfs, &changes, keys)
    }

    /// Turns the content of a root file system of its own into a layer on top of this stage.
    pub(super) fn add_layer_of(
        &mut self,
        rootfs: &Rootfs,
        changes: &ChangeSet,
        keys: &[Key],
    ) -> Result<String> {
        let created = self.store_layer(rootfs, changes, keys)?;
        if let (Some(working), Some(layer)) = (&mut self.filesystem.working, self.layers.last()) {
            unpack_layer(self.cx, &working.rootfs, layer)?;
            working.index = None;
        }
        Ok(created)
    }

    fn store_layer(
        &mut self,
        rootfs: &Rootfs,
        changes: &ChangeSet,
        keys: &[Key],
    ) -> Result<String> {
        let (layer, created) =
            write_layer(self.cx, rootfs, changes, self.has_windows_layers(), keys)?;
        self.layers.push(layer);
        Ok(created)
    }

    /// Takes over a layer that another build made.
    pub(super) fn adopt_layer(&mut self, record: Record) -> Result<()> {
        let layer = record.into_layer(self.has_windows_layers());
        if let Some(working) = &mut self.filesystem.working {
            unpack_layer(self.cx, &working.rootfs, &layer)?;
            working.index = None;
        }
        self.layers.push(layer);
        Ok(())
    }
}

/// Turns changes into a layer and remembers it under `keys`; gives the time that the history shows.
pub(crate) fn write_layer(
    cx: &Engine<'_>,
    rootfs: &Rootfs,
    changes: &ChangeSet,
    windows: bool,
    keys: &[Key],
) -> Result<(LayerRef, String)> {
    let what = || "write the layer".to_owned();
    let mut builder = LayerBuilder::new(&cx.store, cx.request.compression, threads())
        .context(ErrorKind::Environment, what)?;
    if windows {
        let time = Mtime::from_secs(cx.plan.epoch.unwrap_or(0));
        builder = builder.windows(time).context(ErrorKind::Failed, what)?;
    }
    let options = WriteOptions { clamp_mtime: cx.plan.epoch, ..WriteOptions::default() };
    changes::write_layer(rootfs, changes, &options, &mut builder)
        .context(ErrorKind::Failed, what)?;
    let layer = builder.finish().context(ErrorKind::Failed, what)?;
    let created = cx.now();
    let record = Record {
        descriptor: layer.descriptor.clone(),
        diff_id: layer.diff_id,
        created: created.clone(),
    };
    keys.iter().try_for_each(|key| cx.cache.put(key, &record))?;
    let layer =
        LayerRef { descriptor: layer.descriptor, diff_id: layer.diff_id, origin: None, windows };
    Ok((layer, created))
}

/// How many threads compress a layer.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
