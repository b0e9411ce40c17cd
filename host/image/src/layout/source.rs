//! Reading an image from an OCI layout that somebody else wrote.

use std::io;
use std::path::{Path, PathBuf};

use super::graph::{self, load_index, load_manifest};
use super::{IMAGE_NAME, LayoutError, MAX_DEPTH, REF_NAME};
use crate::config::{ImageConfig, MAX_CONFIG_SIZE};
use crate::digest::Digest;
use crate::manifest::{Descriptor, Index, MAX_MANIFEST_SIZE, Manifest};
use crate::media_type;
use crate::platform::{Platform, is_attestation, select_platform};
use crate::reference::Reference;
use crate::store::Store;

/// How many of a layout's images an error message lists.
const LISTED: usize = 10;

/// An image in a layout.
#[derive(Debug, Clone)]
pub struct ImageSource {
    store: Store,
    root: Descriptor,
}

/// Splits `DIR[:tag|@digest]`, what follows `oci-layout://`.
///
/// ```
/// use kiln_image::layout::split_location;
/// assert_eq!(split_location("out/img:v1"), ("out/img", Some("v1")));
/// assert_eq!(split_location("out:1/img"), ("out:1/img", None));
/// ```
pub fn split_location(location: &str) -> (&str, Option<&str>) {
    if let Some((dir, digest)) = location.rsplit_once('@')
        && digest.parse::<Digest>().is_ok()
    {
        // A tag beside a digest says nothing more.
        return (split_tag(dir).0, Some(digest));
    }
    split_tag(location)
}

fn split_tag(location: &str) -> (&str, Option<&str>) {
    match location.rsplit_once(':') {
        Some((dir, tag)) if !dir.is_empty() && !tag.is_empty() && !tag.contains('/') => {
            (dir, Some(tag))
        }
        _ => (location, None),
    }
}

impl ImageSource {
    /// Opens the layout `dir` at the image of that tag or digest; without one, the only image, or
    /// that tagged `latest`. Nothing is written.
    ///
    /// # Errors
    /// [`LayoutError::NotALayout`], [`LayoutError::NoSuchImage`], [`LayoutError::Ambiguous`] and
    /// what goes wrong while reading.
    pub fn open(dir: &Path, wanted: Option<&str>) -> Result<Self, LayoutError> {
        let index = read_index(dir)?.ok_or_else(|| LayoutError::NotALayout {
            path: dir.to_owned(),
            problem: "it has no index.json",
        })?;
        let store = Store::open_read_only(dir);
        let entry = match wanted {
            None => default_image(dir, &index)?,
            Some(wanted) => match wanted.parse::<Digest>() {
                Ok(digest) => by_digest(dir, &store, &index, &digest)?,
                Err(_) => by_name(&index, wanted)
                    .cloned()
                    .ok_or_else(|| no_such_image(dir, &index, wanted))?,
            },
        };
        let root = typed(&store, entry)?;
        Ok(Self { store, root })
    }

    /// The manifest or index that was asked for.
    pub fn root(&self) -> &Descriptor {
        &self.root
    }

    /// The layout as a store, to read from. Its blobs come from elsewhere: read them by
    /// [`Store::get`] or [`Store::reader`], which verify.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The image for `platform`: its descriptor and manifest, an index being followed.
    ///
    /// A manifest that stands alone is given whatever platform it is for; its config tells.
    ///
    /// # Errors
    /// [`LayoutError::NoPlatform`] and what goes wrong while reading.
    pub fn manifest(&self, platform: &Platform) -> Result<(Descriptor, Manifest), LayoutError> {
        let mut current = self.root.clone();
        for _ in 0..=MAX_DEPTH {
            if !media_type::is_index(&current.media_type) {
                let manifest = load_manifest(&self.store, &current.digest)?;
                return Ok((current, manifest));
            }
            let index = load_index(&self.store, &current.digest)?;
            let chosen = select_platform(&index, platform).cloned();
            current = chosen.ok_or_else(|| LayoutError::NoPlatform {
                digest: current.digest,
                wanted: Box::new(platform.clone()),
                available: platforms(&index),
            })?;
        }
        let problem = "indexes nested more than 4 deep";
        Err(LayoutError::TooMuch { digest: current.digest, problem })
    }

    /// The config of an image: its bytes and what they say.
    ///
    /// # Errors
    /// What goes wrong while reading.
    pub fn config(&self, manifest: &Manifest) -> Result<(Vec<u8>, ImageConfig), LayoutError> {
        let digest = manifest.config.digest;
        let bytes = self.store.get(&digest, MAX_CONFIG_SIZE)?;
        let config = ImageConfig::from_bytes(&bytes)
            .map_err(|source| LayoutError::Config { digest, source })?;
        Ok((bytes, config))
    }

    /// Copies an image (all of `root` when it is an index) into `store`, verifying every blob.
    ///
    /// # Errors
    /// What goes wrong while reading and writing.
    pub fn import(&self, root: &Descriptor, store: &Store) -> Result<(), LayoutError> {
        for blob in graph::reachable(&self.store, root)? {
            copy_blob(&self.store, store, &blob)?;
        }
        Ok(())
    }
}

/// Copies one blob unless it is there already; what is copied is verified.
pub(crate) fn copy_blob(from: &Store, to: &Store, blob: &Descriptor) -> Result<(), LayoutError> {
    if to.has(&blob.digest) == Some(blob.size) {
        return Ok(());
    }
    let mut source = from.open_blob(&blob.digest)?;
    let mut target = to.writer_for(&blob.digest, blob.size)?;
    io::copy(&mut source, &mut target).map_err(|source| LayoutError::Io {
        action: "copy blob from",
        path: from.blob_path(&blob.digest),
        source,
    })?;
    target.commit(None)?;
    Ok(())
}

/// The layout's index; `None` if there is none, as in one that was just begun.
pub(crate) fn read_index(dir: &Path) -> Result<Option<Index>, LayoutError> {
    let problem = |problem| LayoutError::NotALayout { path: dir.to_owned(), problem };
    let marker =
        read_small(&dir.join("oci-layout"))?.ok_or_else(|| problem("it has no file oci-layout"))?;
    let marker: serde_json::Value =
        serde_json::from_slice(&marker).map_err(|_| problem("its file oci-layout is not JSON"))?;
    let version = marker["imageLayoutVersion"].as_str().unwrap_or_default();
    if !version.starts_with("1.") {
        return Err(problem("its file oci-layout does not tell layout version 1"));
    }
    let path = dir.join("index.json");
    let Some(bytes) = read_small(&path)? else { return Ok(None) };
    Index::from_bytes(&bytes).map(Some).map_err(|source| LayoutError::Index { path, source })
}

/// A file of the layout's own; `None` if it is not there.
fn read_small(path: &PathBuf) -> Result<Option<Vec<u8>>, LayoutError> {
    let failed = |source| LayoutError::Io { action: "read", path: path.clone(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MAX_MANIFEST_SIZE + 1), &mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_MANIFEST_SIZE {
        return Err(failed(io::Error::other("it has more than 4 MiB")));
    }
    Ok(Some(bytes))
}

fn default_image(dir: &Path, index: &Index) -> Result<Descriptor, LayoutError> {
    let images = || index.manifests.iter().filter(|entry| !is_attestation(entry));
    let mut digests: Vec<Digest> = images().map(|entry| entry.digest).collect();
    digests.dedup();
    let chosen = if digests.len() == 1 { images().next() } else { by_name(index, "latest") };
    let path = dir.to_owned();
    match chosen {
        Some(entry) => Ok(entry.clone()),
        None if digests.is_empty() => {
            Err(LayoutError::NotALayout { path, problem: "its index.json names no image" })
        }
        None => Err(LayoutError::Ambiguous { path, available: names(index) }),
    }
}

/// By tag, by what another tool put into the name, or by full name.
fn by_name<'a>(index: &'a Index, wanted: &str) -> Option<&'a Descriptor> {
    let full = wanted.parse::<Reference>().ok().map(|reference| reference.to_string());
    let is_it = |entry: &&Descriptor, wanted: &str| {
        [REF_NAME, IMAGE_NAME]
            .iter()
            .any(|key| entry.annotations.get(*key).is_some_and(|n| n == wanted))
    };
    index.manifests.iter().find(|entry| is_it(entry, wanted)).or_else(|| {
        let full = full?;
        index.manifests.iter().find(|entry| is_it(entry, &full))
    })
}

/// Also a manifest inside an index, which `index.json` does not name.
fn by_digest(
    dir: &Path,
    store: &Store,
    index: &Index,
    digest: &Digest,
) -> Result<Descriptor, LayoutError> {
    if let Some(entry) = index.manifests.iter().find(|entry| entry.digest == *digest) {
        return Ok(entry.clone());
    }
    match store.has(digest) {
        Some(size) => Ok(Descriptor::new("", *digest, size)),
        None => Err(no_such_image(dir, index, &digest.to_string())),
    }
}

/// The entry with the media type that its content tells, where it tells none that we know.
fn typed(store: &Store, mut entry: Descriptor) -> Result<Descriptor, LayoutError> {
    if media_type::is_manifest(&entry.media_type) || media_type::is_index(&entry.media_type) {
        return Ok(entry);
    }
    let digest = entry.digest;
    let bytes = store.get(&digest, MAX_MANIFEST_SIZE)?;
    entry.media_type = match Index::from_bytes(&bytes) {
        Ok(index) => index.media_type().to_owned(),
        Err(_) => Manifest::from_bytes(&bytes)
            .map_err(|source| LayoutError::Manifest { digest, source })?
            .media_type()
            .to_owned(),
    };
    Ok(entry)
}

fn no_such_image(dir: &Path, index: &Index, wanted: &str) -> LayoutError {
    LayoutError::NoSuchImage {
        path: dir.to_owned(),
        wanted: wanted.to_owned(),
        available: names(index),
    }
}

fn names(index: &Index) -> String {
    let name = |entry: &Descriptor| {
        let named = entry.annotations.get(REF_NAME).or_else(|| entry.annotations.get(IMAGE_NAME));
        named.cloned().unwrap_or_else(|| entry.digest.to_string())
    };
    list(index.manifests.iter().map(name))
}

fn platforms(index: &Index) -> String {
    let images = index.manifests.iter().filter(|entry| !is_attestation(entry));
    list(images.map(|entry| match &entry.platform {
        Some(platform) => platform.to_string(),
        None => "one without platform".to_owned(),
    }))
}

fn list(mut all: impl Iterator<Item = String>) -> String {
    let listed: Vec<String> = all.by_ref().take(LISTED).collect();
    match (listed.is_empty(), all.count()) {
        (true, _) => "none".to_owned(),
        (false, 0) => listed.join(", "),
        (false, more) => format!("{} and {more} more", listed.join(", ")),
    }
}
