//! Writing an image as one tar file: an OCI layout, or what `docker load` takes.
//!
//! A Docker archive is an OCI layout with a `manifest.json` beside, as BuildKit and Docker write
//! it since version 25: older programs read the one, newer the other. Archives are deterministic:
//! sorted, without owners and times.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::graph::{load_index, load_manifest, reachable};
use super::write::named;
use super::{LayoutError, MAX_DEPTH};
use crate::json;
use crate::layer::write::LayerWriter;
use crate::layer::{Entry, Kind};
use crate::manifest::{Descriptor, Index};
use crate::media_type;
use crate::platform::is_attestation;
use crate::reference::Reference;
use crate::store::{OCI_LAYOUT, Store, random_name};

/// Writes the image `root` as an OCI archive to the file `dest`, which appears when complete.
///
/// # Errors
/// What goes wrong while reading and writing; `dest` is as it was then.
pub fn write_oci_archive(
    dest: &Path,
    store: &Store,
    root: &Descriptor,
    ref_name: Option<&str>,
) -> Result<(), LayoutError> {
    write_file(dest, |out| oci_archive(out, store, root, ref_name))
}

/// Writes the image `root` as a Docker archive to the file `dest`, which appears when complete.
///
/// # Errors
/// [`LayoutError::NotForDocker`] for what is not one image, and what goes wrong while reading and
/// writing; `dest` is as it was then.
pub fn write_docker_archive(
    dest: &Path,
    store: &Store,
    root: &Descriptor,
    tags: &[Reference],
) -> Result<(), LayoutError> {
    write_file(dest, |out| docker_archive(out, store, root, tags))
}

/// Writes the image `root` as an OCI archive to `out` (a pipe, say).
///
/// # Errors
/// What goes wrong while reading and writing.
pub fn oci_archive(
    out: &mut dyn Write,
    store: &Store,
    root: &Descriptor,
    ref_name: Option<&str>,
) -> Result<(), LayoutError> {
    let index = Index::new(vec![named(root, ref_name)]);
    let files =
        BTreeMap::from([("index.json", json::to_vec(&index)), ("oci-layout", OCI_LAYOUT.to_vec())]);
    archive(out, store, &reachable(store, root)?, &files)
}

/// Writes the image `root` as a Docker archive to `out` (a pipe, say).
///
/// # Errors
/// As [`write_docker_archive`].
pub fn docker_archive(
    out: &mut dyn Write,
    store: &Store,
    root: &Descriptor,
    tags: &[Reference],
) -> Result<(), LayoutError> {
    let image = only_image(store, root)?;
    let manifest = load_manifest(store, &image.digest)?;
    let refuse = |problem| LayoutError::NotForDocker { digest: image.digest, problem };
    if !media_type::is_config(&manifest.config.media_type) {
        return Err(refuse("it is not an image but another artifact"));
    }
    if manifest.layers.iter().any(|layer| !media_type::is_layer(&layer.media_type)) {
        return Err(refuse("it has a layer that is no file system layer"));
    }
    if manifest.layers.iter().any(|layer| store.has(&layer.digest).is_none()) {
        return Err(refuse("a layer of it is not in the store"));
    }
    let tags: Vec<&Reference> = tags.iter().filter(|tag| tag.tag.is_some()).collect();
    let item = DockerImage {
        config: member(&manifest.config),
        repo_tags: tags.iter().map(|tag| familiar_tag(tag)).collect(),
        layers: manifest.layers.iter().map(member).collect(),
    };
    let mut entries: Vec<Descriptor> =
        tags.iter().map(|tag| named(&image, Some(&without_digest(tag).to_string()))).collect();
    if entries.is_empty() {
        entries.push(named(&image, None));
    }
    let files = BTreeMap::from([
        ("index.json", json::to_vec(&Index::new(entries))),
        ("manifest.json", json::to_vec(&[item])),
        ("oci-layout", OCI_LAYOUT.to_vec()),
    ]);
    archive(out, store, &reachable(store, &image)?, &files)
}

/// An entry of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

fn without_digest(tag: &Reference) -> Reference {
    Reference { digest: None, ..tag.clone() }
}

fn familiar_tag(tag: &Reference) -> String {
    without_digest(tag).familiar()
}

/// The one image that `root` is or leads to.
fn only_image(store: &Store, root: &Descriptor) -> Result<Descriptor, LayoutError> {
    let mut current = root.clone();
    for _ in 0..=MAX_DEPTH {
        if !media_type::is_index(&current.media_type) {
            return Ok(current);
        }
        let index = load_index(store, &current.digest)?;
        let mut images = index.manifests.into_iter().filter(|entry| !is_attestation(entry));
        match (images.next(), images.next()) {
            (Some(only), None) => current = only,
            _ => {
                let problem = "it has not exactly one platform; build one with --platform, or write an OCI archive";
                return Err(LayoutError::NotForDocker { digest: current.digest, problem });
            }
        }
    }
    let problem = "indexes nested more than 4 deep";
    Err(LayoutError::TooMuch { digest: current.digest, problem })
}

/// Where a blob is in the archive.
fn member(blob: &Descriptor) -> String {
    format!("blobs/{}/{}", blob.digest.algorithm().as_str(), blob.digest.hex())
}

/// Something to put into the archive.
enum Member<'a> {
    Dir,
    Blob(&'a Descriptor),
    File(&'a [u8]),
}

fn archive(
    out: &mut dyn Write,
    store: &Store,
    blobs: &[Descriptor],
    files: &BTreeMap<&str, Vec<u8>>,
) -> Result<(), LayoutError> {
    let mut members = BTreeMap::from([("blobs".to_owned(), Member::Dir)]);
    for blob in blobs {
        let path = member(blob);
        members.insert(format!("blobs/{}", blob.digest.algorithm().as_str()), Member::Dir);
        members.insert(path, Member::Blob(blob));
    }
    members.extend(files.iter().map(|(name, bytes)| ((*name).to_owned(), Member::File(bytes))));

    let mut tar = LayerWriter::new(out);
    for (path, member) in &members {
        let entry = |kind, mode| Entry::new(path.as_bytes(), kind, mode);
        match member {
            Member::Dir => tar.append(&entry(Kind::Dir, 0o755), &mut io::empty())?,
            Member::File(bytes) => {
                let file = entry(Kind::File { size: bytes.len() as u64 }, 0o644);
                tar.append(&file, &mut &bytes[..])?;
            }
            Member::Blob(blob) => {
                let mut reader = store.reader(&blob.digest)?;
                let file = entry(Kind::File { size: blob.size }, 0o644);
                tar.append(&file, &mut reader)?;
                finish_blob(store, blob, &mut reader)?;
            }
        }
    }
    tar.finish().map(drop).map_err(LayoutError::ArchiveEnd)
}

/// The read at its end is what verifies a blob; it must find nothing more.
fn finish_blob(
    store: &Store,
    blob: &Descriptor,
    reader: &mut impl Read,
) -> Result<(), LayoutError> {
    let left = io::copy(reader, &mut io::sink()).map_err(|source| LayoutError::Io {
        action: "read blob",
        path: store.blob_path(&blob.digest),
        source,
    })?;
    if left == 0 {
        return Ok(());
    }
    let got = blob.size.saturating_add(left);
    Err(crate::store::StoreError::Size { digest: blob.digest, wanted: blob.size, got }.into())
}

/// Writes a file beside `dest` and renames it. What is no regular file (a pipe, a terminal) is
/// written to as it is.
fn write_file(
    dest: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), LayoutError>,
) -> Result<(), LayoutError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| LayoutError::Io { action, path, source }
    };
    let existing = fs::metadata(dest).ok();
    if existing.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(failed("write", dest)(io::ErrorKind::IsADirectory.into()));
    }
    if existing.is_some_and(|metadata| !metadata.is_file()) {
        let file = OpenOptions::new().write(true).open(dest).map_err(failed("open", dest))?;
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        return out.flush().map_err(failed("write", dest));
    }
    let suffix = random_name().map_err(failed("name a file beside", dest))?;
    let mut name = dest.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}.partial"));
    let partial = Partial(dest.with_file_name(name));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&partial.0)
        .map_err(failed("create", &partial.0))?;
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    let file: File = out.into_inner().map_err(|error| failed("write", dest)(error.into_error()))?;
    file.sync_data().map_err(failed("write", dest))?;
    fs::rename(&partial.0, dest).map_err(failed("rename into place", dest))
}

/// A file that goes away unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _renamed = fs::remove_file(&self.0);
    }
}
