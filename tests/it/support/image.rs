//! A look into an image of an OCI layout, made without kiln's own code.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// An image of an OCI layout; every digest on the way to it was checked.
#[derive(Debug)]
pub struct Image {
    pub digest: String,
    pub manifest: Value,
    pub config: Value,
    layout: PathBuf,
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: tar::EntryType,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: u64,
    pub link: Option<String>,
    pub content: Vec<u8>,
    pub pax: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// Opens the only image of a layout.
    pub fn open(layout: &Path) -> Self {
        let index: Value =
            serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 1, "{index}");
        let digest = manifests[0]["digest"].as_str().unwrap().to_owned();
        let manifest: Value = serde_json::from_slice(&blob(layout, &digest)).unwrap();
        let config = manifest["config"]["digest"].as_str().unwrap();
        let config = serde_json::from_slice(&blob(layout, config)).unwrap();
        Self { digest, manifest, config, layout: layout.to_owned() }
    }

    /// The number of layers.
    pub fn layer_count(&self) -> usize {
        self.manifest["layers"].as_array().unwrap().len()
    }

    /// The entries of a layer by path; its diff id is checked.
    pub fn layer(&self, index: usize) -> BTreeMap<String, Entry> {
        let digest = self.manifest["layers"][index]["digest"].as_str().unwrap();
        let packed = blob(&self.layout, digest);
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut plain).unwrap();
        let diff_id = format!("sha256:{}", hex(&Sha256::digest(&plain)));
        assert_eq!(self.config["rootfs"]["diff_ids"][index], diff_id);
        entries(&plain)
    }

    /// The entries of the last layer.
    pub fn last_layer(&self) -> BTreeMap<String, Entry> {
        self.layer(self.layer_count() - 1)
    }

    /// A history entry's `created_by`, from the end: 0 is the last.
    pub fn history(&self, from_end: usize) -> &str {
        let history = self.config["history"].as_array().unwrap();
        history[history.len() - 1 - from_end]["created_by"].as_str().unwrap()
    }
}

/// The entries of a tar archive, by path.
pub fn entries(tar: &[u8]) -> BTreeMap<String, Entry> {
    let mut found = BTreeMap::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8_lossy(&entry.path_bytes()).trim_end_matches('/').to_owned();
        let mut pax = BTreeMap::new();
        if let Some(extensions) = entry.pax_extensions().unwrap() {
            for extension in extensions {
                let extension = extension.unwrap();
                pax.insert(extension.key().unwrap().to_owned(), extension.value_bytes().to_vec());
            }
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let value = Entry {
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            uid: header.uid().unwrap(),
            gid: header.gid().unwrap(),
            mtime: header.mtime().unwrap(),
            link: entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned()),
            content,
            pax,
        };
        assert!(found.insert(path.clone(), value).is_none(), "{path} is twice in the layer");
    }
    found
}

/// A blob, with its digest checked.
fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    let hex_digest = digest.strip_prefix("sha256:").unwrap();
    let bytes = std::fs::read(layout.join("blobs/sha256").join(hex_digest)).unwrap();
    assert_eq!(hex(&Sha256::digest(&bytes)), hex_digest);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
