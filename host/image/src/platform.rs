//! Platforms: `linux/arm/v7`, which one a machine can run, and which manifest of an index to take.
//!
//! Source: OCI image-spec `image-index.md`; the normal forms and the order of variants are those
//! of containerd's `platforms` package, which Docker and BuildKit use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json::null_is_default;
use crate::manifest::{Descriptor, Index};

/// An operating system and a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Platform {
    /// Go's GOARCH: `amd64`, `arm64`, `386` …
    #[serde(default)]
    pub architecture: String,
    /// Go's GOOS: `linux` …
    #[serde(default)]
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
    /// The processor's variant: `v7`, `v8` …
    #[serde(
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub variant: String,
    /// Keys that are not of the spec, as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Not one to three parts of the allowed characters.
    #[error("platform `{0}` is not of the form os[/arch[/variant]], as in linux/arm64")]
    Malformed(String),
    /// A single word that is neither an operating system nor an architecture.
    #[error("platform `{0}` is neither a known operating system nor a known architecture")]
    Unknown(String),
}

const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];
const KNOWN_ARCH: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
    "ppc64le", "riscv64", "s390x", "sparc64", "wasm",
];

impl Platform {
    /// A platform without a variant.
    pub fn new(os: &str, architecture: &str) -> Self {
        Self { os: os.to_owned(), architecture: architecture.to_owned(), ..Self::default() }
    }

    /// The platform this program was compiled for.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        let mut host = Self::new(std::env::consts::OS, architecture);
        if architecture == "arm" {
            host.variant = "v7".to_owned();
        }
        host
    }

    /// The normal form: `x86_64` is amd64, `arm64/v8` is arm64, `arm` is arm/v7.
    pub fn normalized(&self) -> Self {
        let (architecture, variant) = normalize_arch(&self.architecture, &self.variant);
        Self { os: normalize_os(&self.os), architecture, variant, ..self.clone() }
    }

    /// Whether an image for `candidate` runs on this platform.
    pub fn matches(&self, candidate: &Self) -> bool {
        self.rank(candidate).is_some()
    }

    /// How well an image for `candidate` suits this platform: 0 is exact, more is an older variant
    /// or a compatible architecture, `None` does not run.
    pub fn rank(&self, candidate: &Self) -> Option<usize> {
        let wanted = self.normalized();
        let candidate = candidate.normalized();
        let same_version = wanted.os != "windows"
            || wanted.os_version.is_empty()
            || candidate.os_version.is_empty()
            || windows_build(&wanted.os_version) == windows_build(&candidate.os_version);
        let features = candidate.os_features.iter().all(|f| wanted.os_features.contains(f));
        if candidate.os != wanted.os || !same_version || !features {
            return None;
        }
        runnable(&wanted.architecture, &wanted.variant).iter().position(
            |(architecture, variant)| {
                *architecture == candidate.architecture && *variant == candidate.variant
            },
        )
    }
}

/// Windows images fit when major, minor and build agree; the revision may differ.
fn windows_build(version: &str) -> Vec<&str> {
    version.split('.').take(3).collect()
}

/// What a processor runs, best first, in normal form.
fn runnable(architecture: &str, variant: &str) -> Vec<(String, String)> {
    let mut all = vec![(architecture.to_owned(), variant.to_owned())];
    let number = |text: &str| text.strip_prefix('v').and_then(|n| n.parse::<u8>().ok());
    match architecture {
        "amd64" => {
            for older in (1..number(variant).unwrap_or(1)).rev() {
                all.push(pair("amd64", format!("v{older}")));
            }
            all.push(pair("386", String::new()));
        }
        "arm" => {
            for older in (5..number(variant).unwrap_or(5)).rev() {
                all.push(pair("arm", format!("v{older}")));
            }
        }
        "arm64" => {
            let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
            let mut minor = minor.parse::<u8>().unwrap_or(0).min(9);
            if !matches!(major, "" | "v8" | "v9") {
                return all;
            }
            if major == "v9" {
                all.extend((0..minor).rev().map(|m| pair("arm64", dotted(9, m))));
                // v9.0 grew out of v8.5: a v9.x runs what is built for v8.(x+5).
                minor += 5;
                all.push(pair("arm64", dotted(8, minor)));
            }
            all.extend((0..minor).rev().map(|m| pair("arm64", dotted(8, m))));
            all.extend((5..=8).rev().map(|v| pair("arm", format!("v{v}"))));
        }
        _ => {}
    }
    all
}

fn dotted(major: u8, minor: u8) -> String {
    if minor == 0 { format!("v{major}") } else { format!("v{major}.{minor}") }
}

/// A pair in normal form.
fn pair(architecture: &str, variant: String) -> (String, String) {
    normalize_arch(architecture, &variant)
}

fn normalize_os(os: &str) -> String {
    let os = os.to_ascii_lowercase();
    if os == "macos" { "darwin".to_owned() } else { os }
}

fn normalize_arch(architecture: &str, variant: &str) -> (String, String) {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "8.0" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let malformed = || PlatformError::Malformed(text.chars().take(80).collect());
        let (os_part, rest) = match text.split_once('/') {
            Some((os, rest)) => (os, Some(rest)),
            None => (text, None),
        };
        let (os, version) = match os_part.split_once('(') {
            Some((os, version)) => (os, version.strip_suffix(')').ok_or_else(malformed)?),
            None => (os_part, ""),
        };
        let component = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if !component(os) || !(version.is_empty() || component(version)) {
            return Err(malformed());
        }
        let parts: Vec<&str> = rest.map(|rest| rest.split('/').collect()).unwrap_or_default();
        if !parts.iter().all(|part| component(part)) {
            return Err(malformed());
        }
        let mut platform = Self::new(&normalize_os(os), "");
        platform.os_version = version.to_owned();
        let (architecture, variant) = match parts.as_slice() {
            [] if KNOWN_OS.contains(&platform.os.as_str()) => {
                let host = Self::host();
                (host.architecture, host.variant)
            }
            [] => {
                let (architecture, variant) = normalize_arch(os, "");
                if !version.is_empty() || !KNOWN_ARCH.contains(&architecture.as_str()) {
                    return Err(PlatformError::Unknown(text.chars().take(80).collect()));
                }
                platform.os = Self::host().os;
                (architecture, variant)
            }
            [architecture] => normalize_arch(architecture, ""),
            [architecture, variant] => normalize_arch(architecture, variant),
            _ => return Err(malformed()),
        };
        // As containerd prints them: a bare arm stays bare, a written variant stays written.
        (platform.architecture, platform.variant) =
            match (architecture.as_str(), variant.as_str(), parts.len()) {
                ("arm", "v7", 0 | 1) => (architecture, String::new()),
                ("arm64", "", 2) => (architecture, "v8".to_owned()),
                _ => (architecture, variant),
            };
        Ok(platform)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if !self.os_version.is_empty() {
            write!(f, "({})", self.os_version)?;
        }
        write!(f, "/{}", self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

/// The manifest of `index` that suits `wanted` best; among equals the first.
///
/// Attestation manifests are no images and are skipped. A single entry that names no platform is
/// taken when nothing else is there; its config tells what it is.
pub fn select_platform<'a>(index: &'a Index, wanted: &Platform) -> Option<&'a Descriptor> {
    let images = || index.manifests.iter().filter(|entry| !is_attestation(entry));
    let best = images()
        .filter_map(|entry| Some((wanted.rank(entry.platform.as_ref()?)?, entry)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry);
    best.or_else(|| {
        let mut all = images();
        let only = all.next()?;
        (only.platform.is_none() && all.next().is_none()).then_some(only)
    })
}

/// Whether an index's entry is an attestation (provenance, SBOM) that rides along with an image.
pub fn is_attestation(entry: &Descriptor) -> bool {
    let marked = entry
        .annotations
        .get("vnd.docker.reference.type")
        .is_some_and(|kind| kind == "attestation-manifest");
    let unknown = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown");
    marked || unknown
}

#[cfg(test)]
mod tests;
