//! Writing an image into an OCI layout.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::source::{copy_blob, read_index};
use super::{IMAGE_NAME, LayoutError, REF_NAME, graph};
use crate::json;
use crate::manifest::{Descriptor, Index};
use crate::reference::Reference;
use crate::store::Store;

/// Writes the image `root` of `store` into the layout `dest`, which is created as needed.
///
/// Other images in it stay, but one of the same name loses its entry. `ref_name` is a tag, or a
/// full name from which the tag is taken. `index.json` is replaced last and as a whole.
///
/// # Errors
/// [`LayoutError::NotEmpty`] if `dest` holds something else, and what goes wrong while copying;
/// `index.json` is as it was then.
pub fn write_layout(
    dest: &Path,
    store: &Store,
    root: &Descriptor,
    ref_name: Option<&str>,
) -> Result<(), LayoutError> {
    let failed = |action| move |source| LayoutError::Io { action, path: dest.to_owned(), source };
    if !is_usable(dest).map_err(failed("read directory"))? {
        return Err(LayoutError::NotEmpty(dest.to_owned()));
    }
    let target = Store::open(dest)?;
    for blob in graph::reachable(store, root)? {
        copy_blob(store, &target, &blob)?;
    }

    // Another process may be adding an image: what is read must still hold when it is written.
    // The directory is what all of them have in common; files get replaced.
    let lock = File::open(dest).map_err(failed("lock"))?;
    if let Err(errno) = flock(&lock, FlockOperation::LockExclusive)
        && !matches!(errno, rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOLCK)
    {
        return Err(failed("lock")(errno.into()));
    }
    let mut index = read_index(dest)?.unwrap_or_else(|| Index::new(Vec::new()));
    add(&mut index, root, ref_name);
    target.replace_file("index.json", &json::to_vec(&index))?;
    // Only when empty: somebody else may be writing.
    let _in_use = fs::remove_dir(target.ingest_dir());
    Ok(())
}

/// What a layout that another process is just creating may have before its marker.
const BEGINNINGS: [&str; 2] = ["blobs", "ingest"];

/// Whether it is a layout, the beginning of one, an empty directory, or not there yet.
fn is_usable(dest: &Path) -> io::Result<bool> {
    if dest.join("oci-layout").is_file() {
        return Ok(true);
    }
    match fs::read_dir(dest) {
        Ok(entries) => {
            for entry in entries {
                let name = entry?.file_name();
                if !BEGINNINGS.iter().any(|known| name == *known) {
                    // The marker may have come meanwhile.
                    return Ok(dest.join("oci-layout").is_file());
                }
            }
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts `root` into the index; an entry of the same name goes, and one that says nothing else.
fn add(index: &mut Index, root: &Descriptor, ref_name: Option<&str>) {
    let entry = named(root, ref_name);
    index.manifests.retain(|old| {
        let same_name = [REF_NAME, IMAGE_NAME]
            .iter()
            .all(|key| old.annotations.get(*key) == entry.annotations.get(*key));
        let nameless = ref_name.is_none();
        !(same_name && (!nameless || old.digest == entry.digest))
    });
    index.manifests.push(entry);
}

/// The descriptor with the annotations that tell its name.
pub(crate) fn named(root: &Descriptor, ref_name: Option<&str>) -> Descriptor {
    let mut entry = root.clone();
    entry.annotations.remove(REF_NAME);
    entry.annotations.remove(IMAGE_NAME);
    if let Some(name) = ref_name {
        entry.annotations.extend(name_annotations(name));
    }
    entry
}

/// `v1` is a tag; `example.com/a:v1` is a name, of which both are written, as BuildKit does.
fn name_annotations(name: &str) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let reference = name.parse::<Reference>().ok().filter(|_| name.contains(['/', ':']));
    let tag = reference.as_ref().and_then(|reference| reference.tag.clone());
    if let Some(reference) = &reference {
        annotations.insert(IMAGE_NAME.to_owned(), reference.to_string());
    }
    annotations.insert(REF_NAME.to_owned(), tag.unwrap_or_else(|| name.to_owned()));
    annotations
}
