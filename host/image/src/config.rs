//! The image config: what a container of the image runs, and how the image came about.
//!
//! The fields are OCI's and Docker's (HEALTHCHECK, ONBUILD, SHELL); keys of neither survive a
//! round trip. [`ImageConfig::to_bytes`] gives the bytes that BuildKit would.
//! Source: OCI image-spec `config.md`; moby `docker-image-spec/specs-go/v1/image.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::json::{self, is_false, null_is_default};
use crate::platform::Platform;

/// The largest config that is read, in bytes: a hostile one must not fill the memory.
pub const MAX_CONFIG_SIZE: u64 = 8 << 20;

/// The `comment` of history entries that BuildKit's Dockerfile frontend writes.
pub const BUILDKIT_COMMENT: &str = "buildkit.dockerfile.v0";

/// Why a document is no image config.
#[derive(Debug, thiserror::Error)]
#[error("invalid image config: {source}")]
pub struct ConfigError {
    /// The parser's reason.
    #[from]
    source: serde_json::Error,
}

/// An image's config document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ImageConfig {
    /// When it was built, RFC 3339 (see [`timestamp`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// Go's GOARCH.
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    /// Go's GOOS.
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    /// The version of the operating system (Windows).
    #[serde(
        rename = "os.version",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// What the operating system must offer (Windows).
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The processor's variant.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub variant: String,
    /// What a container runs.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// The layers' uncompressed digests.
    #[serde(default, deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    /// One entry per step.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Other keys, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ImageConfig {
    /// An empty config for `platform`.
    pub fn new(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone(),
            os_features: platform.os_features.clone(),
            variant: platform.variant.clone(),
            ..Self::default()
        }
    }

    /// Reads a config.
    ///
    /// # Errors
    /// What is no JSON object with values of the right types.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfigError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The bytes as BuildKit writes them: compact, the outer keys sorted, the inner in the order
    /// of Go's structs, empty values left out, Go's escapes.
    ///
    /// Two differences, both as the spec asks: an image without layers has `"diff_ids":[]`, and one
    /// without steps has no `history`, where BuildKit writes `null`.
    pub fn to_bytes(&self) -> Vec<u8> {
        // BuildKit patches rootfs and history into a map, and Go sorts maps.
        let document = serde_json::to_value(self).expect("keys are strings and values plain");
        match document {
            Value::Object(keys) => json::to_vec(&keys.into_iter().collect::<BTreeMap<_, _>>()),
            other => json::to_vec(&other),
        }
    }

    /// The platform that the image is for.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: self.variant.clone(),
            extra: Map::new(),
        }
    }

    /// Drops the keys that BuildKit does not take over from a base image (`container_config`,
    /// `docker_version`, `Hostname`, `Image` …).
    pub fn forget_unknown(&mut self) {
        self.extra.clear();
        self.config.extra.clear();
        if let Some(healthcheck) = &mut self.config.healthcheck {
            healthcheck.extra.clear();
        }
        self.rootfs.extra.clear();
        for entry in &mut self.history {
            entry.extra.clear();
        }
    }
}

/// What a container of the image runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// USER.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub user: String,
    /// EXPOSE: `80/tcp` …
    #[serde(
        default,
        deserialize_with = "set_from_map",
        serialize_with = "set_to_map",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub exposed_ports: BTreeSet<String>,
    /// ENV: `NAME=value`, in order.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// ENTRYPOINT.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// CMD.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// VOLUME.
    #[serde(
        default,
        deserialize_with = "set_from_map",
        serialize_with = "set_to_map",
        skip_serializing_if = "BTreeSet::is_empty"
    )]
    pub volumes: BTreeSet<String>,
    /// WORKDIR.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub working_dir: String,
    /// LABEL.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub labels: BTreeMap<String, String>,
    /// STOPSIGNAL.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub stop_signal: String,
    /// The command is one already escaped string (Windows).
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_false")]
    pub args_escaped: bool,
    /// HEALTHCHECK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// ONBUILD.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// SHELL.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// Other keys, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// HEALTHCHECK. Zero means: as the runtime likes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", script]`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two checks, in nanoseconds.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// For one check, in nanoseconds.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// In which failures do not count, in nanoseconds.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks in the start period, in nanoseconds.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make the container unhealthy.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub retries: i64,
    /// Other keys, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The digests of the uncompressed layers, base first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
    /// Other keys, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new(), extra: Map::new() }
    }
}

/// How one step came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct History {
    /// When, RFC 3339 (see [`timestamp`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By which instruction.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// By whom.
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// A remark; BuildKit's steps have [`BUILDKIT_COMMENT`].
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "is_false")]
    pub empty_layer: bool,
    /// Other keys, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A time as Go writes it (RFC 3339, UTC, no trailing zeros in the fraction).
///
/// `secs` since 1970 and `nanos` within the second. `None` if the year is beyond 9999.
pub fn timestamp(secs: i64, nanos: u32) -> Option<String> {
    let time = jiff::Timestamp::new(secs, i32::try_from(nanos).ok()?).ok()?;
    Some(time.to_string())
}

/// Reads an RFC 3339 time as seconds since 1970 and nanoseconds within the second.
pub fn parse_timestamp(text: &str) -> Option<(i64, u32)> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let nanos = time.as_nanosecond();
    let secs = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    Some((secs, rest))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Go's `map[string]struct{}`: `{"80/tcp": {}}`.
fn set_from_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let map = Option::<BTreeMap<String, serde::de::IgnoredAny>>::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_keys().collect())
}

fn set_to_map<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(set.iter().map(|key| (key, Map::new())))
}

#[cfg(test)]
mod tests;
