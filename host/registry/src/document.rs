//! What a manifest is: its media type, told by header and by content, which must agree.

use std::collections::BTreeMap;

use kiln_image::media_type;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What pull requests accept, the most wanted first.
pub(crate) const ACCEPT: [&str; 4] = [
    media_type::OCI_INDEX,
    media_type::OCI_MANIFEST,
    media_type::DOCKER_INDEX,
    media_type::DOCKER_MANIFEST,
];

#[derive(Deserialize)]
struct Head {
    #[serde(default, rename = "schemaVersion")]
    schema_version: u64,
    #[serde(default, rename = "mediaType")]
    media_type: Option<String>,
    #[serde(flatten)]
    keys: BTreeMap<String, IgnoredAny>,
}

/// The media type of a manifest's bytes, given the `Content-Type` they came with.
///
/// A document that could be read as two things is refused: a tool that checked the one could be
/// made to use the other (GHSA-qq97-vm5h-rrhg).
pub(crate) fn media_type(content_type: Option<&str>, bytes: &[u8]) -> Result<String, String> {
    let head: Head = serde_json::from_slice(bytes)
        .map_err(|error| format!("is not the JSON of a manifest: {error}"))?;
    if head.schema_version != 2 {
        return Err(format!(
            "is a manifest of schema version {}, which is not supported: push the image again with \
             a current tool",
            head.schema_version
        ));
    }
    let has = |key: &str| head.keys.contains_key(key);
    let is_index = match (has("manifests"), has("config") || has("layers")) {
        (true, true) => return Err("is both an index and an image manifest".to_owned()),
        (is_index, _) => is_index,
    };
    let fits = |found: &str| match is_index {
        true => media_type::is_index(found),
        false => media_type::is_manifest(found),
    };
    let declared = head.media_type.as_deref().filter(|found| !found.is_empty());
    let served = content_type
        .and_then(|value| value.split(';').next())
        .map(str::trim)
        .filter(|found| ACCEPT.contains(found));
    match (declared, served) {
        (Some(declared), _) if !fits(declared) => {
            Err(format!("declares the media type `{}`, which its content is not", short(declared)))
        }
        (Some(declared), Some(served)) if declared != served => {
            Err(format!("is served as `{served}` and declares itself to be `{}`", short(declared)))
        }
        (Some(declared), _) => Ok(declared.to_owned()),
        (None, Some(served)) if fits(served) => Ok(served.to_owned()),
        (None, Some(served)) => Err(format!("is served as `{served}`, which its content is not")),
        // A static file server knows no media types, and OCI's need not be declared.
        (None, None) if is_index => Ok(media_type::OCI_INDEX.to_owned()),
        (None, None) => Ok(media_type::OCI_MANIFEST.to_owned()),
    }
}

fn short(text: &str) -> String {
    crate::text::printable(text, 120)
}

#[cfg(test)]
mod tests {
    use kiln_image::media_type::{DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};

    use super::*;

    #[test]
    fn media_types() {
        let plain = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let declared = |what: &str| {
            format!(r#"{{"schemaVersion":2,"mediaType":"{what}","config":{{}},"layers":[]}}"#)
        };
        let cases: &[(Option<&str>, &str, Result<&str, &str>)] = &[
            (Some(OCI_MANIFEST), plain, Ok(OCI_MANIFEST)),
            (
                Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
                plain,
                Ok(OCI_MANIFEST),
            ),
            (None, plain, Ok(OCI_MANIFEST)),
            (Some("text/plain"), index, Ok(OCI_INDEX)),
            (Some(OCI_INDEX), index, Ok(OCI_INDEX)),
            (None, &declared(DOCKER_MANIFEST), Ok(DOCKER_MANIFEST)),
            (Some(DOCKER_MANIFEST), &declared(DOCKER_MANIFEST), Ok(DOCKER_MANIFEST)),
            (Some(OCI_MANIFEST), &declared(DOCKER_MANIFEST), Err("is served as")),
            (Some(OCI_INDEX), plain, Err("its content is not")),
            (Some(OCI_MANIFEST), index, Err("its content is not")),
            (None, &declared(OCI_INDEX), Err("its content is not")),
            (None, &declared(OCI_CONFIG), Err("its content is not")),
            (
                None,
                r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
                Err("both an index and an image manifest"),
            ),
            (None, r#"{"schemaVersion":1,"fsLayers":[]}"#, Err("schema version 1")),
            (None, "<html>", Err("not the JSON of a manifest")),
        ];
        for (content_type, body, expected) in cases {
            match (media_type(*content_type, body.as_bytes()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, *expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{content_type:?} {body}: {found:?}"),
            }
        }
    }
}
