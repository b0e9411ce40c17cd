//! Descriptors, manifests and indexes.
//!
//! Own types rather than a library's: keys we do not know survive, Docker's media types are plain
//! text like any other, and the bytes written are those that BuildKit writes.
//! Source: OCI image-spec `descriptor.md`, `manifest.md`, `image-index.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::json::{self, null_is_default};
use crate::media_type;
pub use crate::platform::Platform;

/// The largest manifest or index that is read, in bytes: a hostile one must not fill the memory.
/// Registries take 4 MiB at most.
pub const MAX_MANIFEST_SIZE: u64 = 4 << 20;

/// Why a document is no manifest or index.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of the form the spec asks.
    #[error("invalid {what}: {source}")]
    Json {
        /// Which document.
        what: &'static str,
        /// The parser's reason.
        source: serde_json::Error,
    },
    /// Docker's schema 1, or a version that does not exist.
    #[error(
        "{what} has schemaVersion {version}; only 2 is supported, push the image again with a current tool"
    )]
    Version {
        /// Which document.
        what: &'static str,
        /// What it says.
        version: u64,
    },
    /// A document that could be read as two different things.
    #[error("invalid {what}: it also has `{key}`, which belongs to another document type")]
    Ambiguous {
        /// Which document.
        what: &'static str,
        /// The key that does not belong.
        key: &'static str,
    },
    /// It says itself that it is something else.
    #[error("expected {what}, got media type `{media_type}`")]
    MediaType {
        /// Which document.
        what: &'static str,
        /// What it says.
        media_type: String,
    },
}

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where else it can be had.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// For which platform it is, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Keys that are not of the spec, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the three things each has; `size` in bytes.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
            extra: Map::new(),
        }
    }

    /// The descriptor of `content`.
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self::new(media_type, Digest::of(content), content.len() as u64)
    }
}

/// An image manifest, or that of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u64,
    /// Its own media type; older OCI manifests do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, when it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The config.
    pub config: Descriptor,
    /// The layers, base first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about (referrers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Keys that are not of the spec, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Manifest {
    /// An OCI image manifest.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// What is no manifest of schema version 2, or could also be read as an index.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let what = "image manifest";
        let manifest: Self = parse(bytes, what, &["manifests", "fsLayers"])?;
        check(what, manifest.media_type.as_deref(), media_type::is_manifest)?;
        Ok(manifest)
    }

    /// The bytes, as BuildKit writes them: indented by two spaces.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_vec_indented(self)
    }

    /// Its media type, OCI's when it does not tell.
    pub fn media_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or(media_type::OCI_MANIFEST)
    }
}

/// An image index, or Docker's manifest list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u64,
    /// Its own media type; older OCI indexes do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact it is, when it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    #[serde(default, deserialize_with = "null_is_default")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about (referrers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free metadata.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Keys that are not of the spec, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Index {
    /// An OCI index.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
            extra: Map::new(),
        }
    }

    /// Reads an index.
    ///
    /// # Errors
    /// What is no index of schema version 2, or could also be read as a manifest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let what = "image index";
        let index: Self = parse(bytes, what, &["config", "layers", "fsLayers"])?;
        check(what, index.media_type.as_deref(), media_type::is_index)?;
        Ok(index)
    }

    /// The bytes, as BuildKit writes them: indented by two spaces.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_vec_indented(self)
    }

    /// Its media type, OCI's when it does not tell.
    pub fn media_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or(media_type::OCI_INDEX)
    }
}

/// What every document of this kind has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    schema_version: u64,
    #[serde(flatten)]
    keys: BTreeMap<String, serde::de::IgnoredAny>,
}

/// Parses, after refusing other versions and documents with two faces: whoever checks a manifest
/// and whoever runs it must not read different things (CVE-2021-41190).
fn parse<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
    foreign: &[&'static str],
) -> Result<T, ManifestError> {
    let wrap = |source| ManifestError::Json { what, source };
    let head: Version = serde_json::from_slice(bytes).map_err(wrap)?;
    if head.schema_version != 2 {
        return Err(ManifestError::Version { what, version: head.schema_version });
    }
    if let Some(key) = foreign.iter().find(|key| head.keys.contains_key(**key)) {
        return Err(ManifestError::Ambiguous { what, key });
    }
    serde_json::from_slice(bytes).map_err(wrap)
}

fn check(
    what: &'static str,
    media_type: Option<&str>,
    fits: fn(&str) -> bool,
) -> Result<(), ManifestError> {
    match media_type {
        Some(other) if !other.is_empty() && !fits(other) => {
            Err(ManifestError::MediaType { what, media_type: other.chars().take(120).collect() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_buildkit_does() {
        let config = Descriptor::of(media_type::OCI_CONFIG, b"{}");
        let mut manifest = Manifest::new(config, Vec::new());
        manifest.annotations.insert("b".into(), "<x>".into());
        manifest.annotations.insert("a".into(), String::new());
        let wanted = r#"{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.manifest.v1+json",
  "config": {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2
  },
  "layers": [],
  "annotations": {
    "a": "",
    "b": "\u003cx\u003e"
  }
}"#;
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), wanted);
        assert_eq!(Manifest::from_bytes(wanted.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn unknown_keys_survive() {
        let text = r#"{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"platform":{"architecture":"amd64","os":"linux","features":["sse4"]},"x":1}],"annotations":null,"y":{"z":[]}}"#;
        let index = Index::from_bytes(text.as_bytes()).unwrap();
        let again: Value = serde_json::from_slice(&index.to_bytes()).unwrap();
        let mut wanted: Value = serde_json::from_str(text).unwrap();
        wanted.as_object_mut().unwrap().remove("annotations");
        assert_eq!(again, wanted);
    }

    #[test]
    fn refuses() {
        let config = r#""config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
        for (text, wanted) in [
            (String::from("nonsense"), "invalid image manifest"),
            (String::from("{}"), "schemaVersion 0"),
            (String::from(r#"{"schemaVersion":1,"fsLayers":[]}"#), "schemaVersion 1"),
            (format!(r#"{{"schemaVersion":2,{config},"manifests":[]}}"#), "also has `manifests`"),
            (
                format!(
                    r#"{{"schemaVersion":2,"mediaType":"{}",{config}}}"#,
                    media_type::OCI_INDEX
                ),
                "got media type",
            ),
            (
                config
                    .replace(r#""size":2"#, r#""size":-2"#)
                    .replace("\"config", "{\"schemaVersion\":2,\"config")
                    + "}",
                "invalid image manifest",
            ),
        ] {
            let error = Manifest::from_bytes(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let both = format!(r#"{{"schemaVersion":2,"manifests":[],{config}}}"#);
        assert!(Index::from_bytes(both.as_bytes()).is_err());
    }
}
