//! Layers of Windows images: what the image holds lies in `Files/`, beside the registry's `Hives/`.
//!
//! As BuildKit reads and writes them on Linux (moby/buildkit `util/winlayers`): attributes and
//! security descriptors are constants, hives are passed over.

use super::{Entry, Kind, Mtime};

/// Where a layer has the image's files.
const FILES: &[u8] = b"Files";
/// Both directories are in every layer.
const TOP: [&[u8]; 2] = [b"Hives", FILES];

const FILE_ATTRIBUTES: &str = "MSWINDOWS.fileattr";
const SECURITY: &str = "MSWINDOWS.rawsd";
const CREATION_TIME: &str = "LIBARCHIVE.creationtime";

/// Owner administrators, group system; full access for both, reading and adding for users; inherited.
const DIR_SECURITY: &str = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgCoAAcAAAAAAxgA/wEfAAECAAAAAAAFIAAAACACAAAAAxQA/wEfAAEBAAAAAAAFEgAAAAAAGAD/AR8AAQIAAAAAAAUgAAAAIAIAAAALFAAAAAAQAQEAAAAAAAMAAAAAAAMYAKkAEgABAgAAAAAABSAAAAAhAgAAAAIYAAQAAAABAgAAAAAABSAAAAAhAgAAAAIYAAIAAAABAgAAAAAABSAAAAAhAgAA";
/// Owner administrators, group system; full access for both, reading for users.
const FILE_SECURITY: &str = "AQAEgBQAAAAkAAAAAAAAADAAAAABAgAAAAAABSAAAAAgAgAAAQEAAAAAAAUSAAAAAgBMAAMAAAAAABgA/wEfAAECAAAAAAAFIAAAACACAAAAABQA/wEfAAEBAAAAAAAFEgAAAAAAGACpABIAAQIAAAAAAAUgAAAAIQIAAA==";

/// The entry as the image has it; `None` for what is not one of its files.
pub(super) fn from_layer(mut entry: Entry) -> Option<Entry> {
    entry.path = below_files(&entry.path)?.to_vec();
    match &mut entry.kind {
        Kind::Symlink { target } | Kind::HardLink { target } => {
            if let Some(below) = below_files(target) {
                *target = below.to_vec();
            }
        }
        _ => {}
    }
    Some(entry)
}

fn below_files(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(FILES)?.strip_prefix(b"/")
}

/// The entry as a layer has it; the root has none but those of [`top`].
pub(super) fn to_layer(entry: &Entry) -> Option<Entry> {
    if entry.path.is_empty() {
        return None;
    }
    let mut entry = entry.clone();
    entry.path = in_files(&entry.path);
    match &mut entry.kind {
        Kind::Symlink { target } | Kind::HardLink { target } => *target = in_files(target),
        _ => {}
    }
    Some(entry)
}

fn in_files(path: &[u8]) -> Vec<u8> {
    [FILES, b"/", path].concat()
}

/// The directories that every layer begins with.
pub(super) fn top(time: Mtime) -> impl Iterator<Item = Entry> {
    TOP.into_iter().map(move |name| Entry { mtime: time, ..Entry::new(name, Kind::Dir, 0) })
}

/// What an entry's header has besides: bits of the mode, and PAX records.
pub(super) fn extras(entry: &Entry) -> (u32, Vec<(&'static str, String)>) {
    let time = (CREATION_TIME, format!("{}.{}", entry.mtime.secs, entry.mtime.nanos));
    let mut records = vec![time];
    let (bits, attributes, security) = match entry.kind {
        Kind::Dir => (0o040_000, "16", DIR_SECURITY),
        Kind::File { .. } => (0o100_000, "32", FILE_SECURITY),
        _ => return (0, records),
    };
    records.push((FILE_ATTRIBUTES, attributes.to_owned()));
    if !TOP.contains(&&entry.path[..]) {
        records.push((SECURITY, security.to_owned()));
    }
    (bits, records)
}
