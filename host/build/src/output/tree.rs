//! The target stage's file system as an output, of one platform or of several.

use std::sync::Arc;

use kiln_rootfs::changes::{ChangeSet, EntrySink, WriteOptions, write_layer};
use kiln_rootfs::copy::Source;
use kiln_rootfs::{Rootfs, path};

use kiln_image::layer::write::LayerWriter;
use kiln_image::layer::{Entry, Kind};

use super::Platforms;
use crate::error::{Context, ErrorKind, Result};
use crate::request::Destination;
use crate::schedule::cancelled;

/// A root file system and the directory that it goes to.
pub(super) struct Tree {
    pub(super) rootfs: Arc<Rootfs>,
    /// Empty where there is one platform; else its name, such as `linux_arm64`.
    pub(super) dir: String,
    /// `SOURCE_DATE_EPOCH`: no file is newer.
    pub(super) epoch: Option<i64>,
}

/// The file systems of all platforms, made if they are not there.
pub(super) fn trees(platforms: &Platforms<'_>) -> Result<Vec<Tree>> {
    let tree = |(cx, target): &(_, Arc<crate::stage::FinishedStage>)| {
        let cx: &crate::engine::Engine<'_> = cx;
        let dir = match platforms.len() {
            1 if !cx.request.wants_index() => String::new(),
            _ => cx.plan.target_platform.normalized().to_string().replace('/', "_"),
        };
        Ok(Tree { rootfs: target.rootfs(cx)?, dir, epoch: cx.plan.epoch })
    };
    platforms.iter().map(tree).collect()
}

/// Writes the file systems as one archive.
pub(super) fn write_tar(platforms: &Platforms<'_>, dest: &Destination) -> Result<()> {
    let trees = trees(platforms)?;
    let what = || format!("write {dest}");
    dest.write(|out| {
        let mut tar = LayerWriter::new(out);
        for tree in &trees {
            let options = WriteOptions { clamp_mtime: tree.epoch, ..WriteOptions::default() };
            let everything = everything(platforms, &tree.rootfs)?;
            let dir = tree.dir.as_bytes();
            if !dir.is_empty() {
                let entry = Entry::new(dir, Kind::Dir, 0o755);
                tar.append(&entry, &mut std::io::empty()).context(ErrorKind::Environment, what)?;
            }
            write_layer(&tree.rootfs, &everything, &options, &mut Below { dir, tar: &mut tar })
                .context(ErrorKind::Environment, what)?;
        }
        tar.finish().map(drop).context(ErrorKind::Environment, what)
    })
}

/// Every path of a file system but the root.
fn everything(platforms: &Platforms<'_>, rootfs: &Rootfs) -> Result<ChangeSet> {
    let what = || "read the target stage".to_owned();
    let mut all = ChangeSet::new();
    let mut open = vec![Vec::new()];
    while let Some(dir) = open.pop() {
        if platforms.iter().any(|(cx, _)| cx.request.cancel.is_cancelled()) {
            return Err(cancelled());
        }
        for (name, metadata) in rootfs.list(&dir).context(ErrorKind::Environment, what)? {
            let path = path::join(&dir, &name);
            all.add(&path);
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(all)
}

/// Puts every entry into a directory of the archive.
struct Below<'a, T> {
    dir: &'a [u8],
    tar: &'a mut T,
}

impl<T: EntrySink> EntrySink for Below<'_, T> {
    fn append_entry(&mut self, entry: &Entry, data: &mut dyn std::io::Read) -> std::io::Result<()> {
        if self.dir.is_empty() {
            return self.tar.append_entry(entry, data);
        }
        let mut moved = entry.clone();
        moved.path = path::join(self.dir, &entry.path);
        if let Kind::HardLink { target } = &entry.kind {
            moved.kind = Kind::HardLink { target: path::join(self.dir, target) };
        }
        self.tar.append_entry(&moved, data)
    }
}
