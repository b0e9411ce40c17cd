//! Platforms: `linux/amd64`, `linux/arm/v7`, normalised as containerd does.

use std::fmt;
use std::str::FromStr;

use crate::quote::quote;

/// What images are usually built for.
const COMMON: [&str; 11] = [
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/arm/v6",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "linux/riscv64",
    "linux/mips64le",
    "linux/loong64",
    "windows/amd64",
];

/// An operating system and a processor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Platform {
    /// Operating system, `linux`.
    pub os: String,
    /// Processor architecture in Go's words, `amd64`.
    pub architecture: String,
    /// Variant of the processor, `v7`; empty where the architecture says it all.
    pub variant: String,
    /// Version of the operating system; empty outside Windows.
    pub os_version: String,
    /// Required features of the operating system, sorted.
    pub os_features: Vec<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// A `*`.
    #[error("{}: wildcards not yet supported: invalid argument", quote(.0))]
    Wildcard(String),
    /// A part with other characters than letters, digits and `_.-`.
    #[error("{} is an invalid component of {}: platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument", quote(.part), quote(.text))]
    Component {
        /// The part.
        part: String,
        /// The whole text.
        text: String,
    },
    /// A single word that is neither a system nor an architecture.
    #[error("{}: unknown operating system or architecture: invalid argument", quote(.0))]
    Unknown(String),
    /// More than three parts.
    #[error("{}: cannot parse platform specifier: invalid argument", quote(.0))]
    Parts(String),
}

const SYSTEMS: [&str; 17] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "windows",
    "zos",
];

const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "armbe",
    "arm64",
    "arm64be",
    "ppc64",
    "ppc64le",
    "loong64",
    "mips",
    "mipsle",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "ppc",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

impl Platform {
    /// A platform of these parts, as they are.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            ..Platform::default()
        }
    }

    /// The usual platform that a misspelt one is near to.
    pub fn near(text: &str) -> Option<&'static str> {
        crate::suggest::nearest(text, COMMON)
    }

    /// The platform this program runs on.
    pub fn local() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "loongarch64" => "loong64",
            other => other,
        };
        let os = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        Platform::new(os, architecture, "").normalized()
    }

    /// Reads `os/arch/variant`, `os/arch`, or one word that is a known system or architecture.
    ///
    /// # Errors
    /// See [`PlatformError`].
    pub fn parse(text: &str) -> Result<Platform, PlatformError> {
        if text.contains('*') {
            return Err(PlatformError::Wildcard(text.to_owned()));
        }
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        let (os, os_version, os_features) = split_os(parts[0])
            .ok_or_else(|| PlatformError::Component { part: parts[0].into(), text: text.into() })?;
        if let Some(part) = parts[1..].iter().find(|part| !is_component(part)) {
            return Err(PlatformError::Component { part: (*part).into(), text: text.into() });
        }
        let mut platform =
            Platform { os: normalize_os(&os), os_version, os_features, ..Platform::default() };
        match parts[..] {
            [_] if SYSTEMS.contains(&platform.os.as_str()) => {
                platform.architecture = Platform::local().architecture;
            }
            [word] => {
                let local = Platform::local();
                (platform.architecture, platform.variant) = normalize_arch(word, "");
                if !ARCHITECTURES.contains(&platform.architecture.as_str()) {
                    return Err(PlatformError::Unknown(text.to_owned()));
                }
                platform.os = local.os;
                platform.drop_default_variant();
            }
            [_, architecture] => {
                (platform.architecture, platform.variant) = normalize_arch(architecture, "");
                platform.drop_default_variant();
            }
            [_, architecture, variant] => {
                (platform.architecture, platform.variant) = normalize_arch(architecture, variant);
                if platform.architecture == "arm64" && platform.variant.is_empty() {
                    platform.variant = "v8".to_owned();
                }
            }
            _ => return Err(PlatformError::Parts(text.to_owned())),
        }
        Ok(platform)
    }

    /// The same with one name for each system, architecture and variant; the form to compare.
    #[must_use]
    pub fn normalized(&self) -> Platform {
        let (architecture, variant) = normalize_arch(&self.architecture, &self.variant);
        let mut os_features = self.os_features.clone();
        os_features.sort();
        os_features.dedup();
        Platform {
            os: if self.os.is_empty() { Platform::local().os } else { normalize_os(&self.os) },
            architecture,
            variant,
            os_version: self.os_version.clone(),
            os_features,
        }
    }

    /// `os/arch/variant` without the system's version; what `BUILDPLATFORM` holds.
    pub fn short(&self) -> String {
        join(&self.os, &self.architecture, &self.variant)
    }

    /// Whether both name the same system, architecture and variant.
    pub fn matches(&self, other: &Platform) -> bool {
        let (a, b) = (self.normalized(), other.normalized());
        (a.os, a.architecture, a.variant) == (b.os, b.architecture, b.variant)
    }

    fn drop_default_variant(&mut self) {
        if self.architecture == "arm" && self.variant == "v7" {
            self.variant.clear();
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Platform::parse(text)
    }
}

impl fmt::Display for Platform {
    /// `os(version+feature)/arch/variant`; what `TARGETPLATFORM` holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut os = self.os.clone();
        let mut features: Vec<&String> = self.os_features.iter().collect();
        features.retain(|feature| !feature.is_empty());
        features.sort();
        features.dedup();
        let options: Vec<String> = std::iter::once(&self.os_version)
            .chain(features)
            .map(|option| encode(option))
            .collect();
        if !os.is_empty() && options.iter().any(|option| !option.is_empty()) {
            os.push_str(&format!("({})", options.join("+")));
        }
        f.write_str(&join(&os, &self.architecture, &self.variant))
    }
}

fn join(os: &str, architecture: &str, variant: &str) -> String {
    if os.is_empty() {
        return "unknown".to_owned();
    }
    let parts = [os, architecture, variant];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

fn is_component(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// Splits `os(version+feature+...)`.
fn split_os(text: &str) -> Option<(String, String, Vec<String>)> {
    let (os, options) = match text.split_once('(') {
        Some((os, options)) => (os, options.strip_suffix(')')?),
        None => (text, ""),
    };
    if !is_component(os) || os.contains('.') {
        return None;
    }
    let is_option = |c: char| c.is_ascii_alphanumeric() || "_.%-+".contains(c);
    if !options.chars().all(is_option) {
        return None;
    }
    let mut options = options.split('+');
    let version = decode(options.next().unwrap_or_default())?;
    let features = options.map(|feature| decode(feature).filter(|feature| !feature.is_empty()));
    Some((os.to_owned(), version, features.collect::<Option<_>>()?))
}

const ESCAPES: [(char, &str); 5] =
    [('%', "%25"), ('+', "%2B"), ('(', "%28"), (')', "%29"), ('/', "%2F")];

fn encode(option: &str) -> String {
    let mut out = String::new();
    for c in option.chars() {
        match ESCAPES.iter().find(|(plain, _)| *plain == c) {
            Some((_, escaped)) => out.push_str(escaped),
            None => out.push(c),
        }
    }
    out
}

fn decode(option: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = option.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

fn normalize_os(os: &str) -> String {
    match os.to_lowercase().as_str() {
        "macos" => "darwin".to_owned(),
        other => other.to_owned(),
    }
}

fn normalize_arch(architecture: &str, variant: &str) -> (String, String) {
    let architecture = architecture.to_lowercase();
    let variant = variant.to_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", other) => ("amd64", other),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "9" | "9.0" | "v9.0") => ("arm64", "v9"),
        ("aarch64", other) => ("arm64", other),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_containerd_reads_them() {
        let table = [
            ("linux/amd64", "linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64", "linux/amd64"),
            ("linux/amd64/v2", "linux/amd64/v2", "linux/amd64/v2"),
            ("linux/amd64/v1", "linux/amd64", "linux/amd64"),
            ("linux/arm64", "linux/arm64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8", "linux/arm64"),
            ("linux/aarch64/9", "linux/arm64/v9", "linux/arm64/v9"),
            ("linux/arm", "linux/arm", "linux/arm/v7"),
            ("linux/arm/v7", "linux/arm/v7", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6", "linux/arm/v6"),
            ("linux/armel", "linux/arm/v6", "linux/arm/v6"),
            ("linux/i386", "linux/386", "linux/386"),
            ("macos/arm64", "darwin/arm64", "darwin/arm64"),
            ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"),
            ("windows(1+win32k)/amd64", "windows(1+win32k)/amd64", "windows(1+win32k)/amd64"),
            ("linux(a%2Bb)/amd64", "linux(a%2Bb)/amd64", "linux(a%2Bb)/amd64"),
        ];
        for (text, parsed, normal) in table {
            let platform = Platform::parse(text).unwrap();
            assert_eq!(platform.to_string(), parsed, "{text}");
            assert_eq!(platform.normalized().to_string(), normal, "{text}");
        }
    }

    #[test]
    fn one_word_is_completed() {
        let local = Platform::local();
        assert_eq!(Platform::parse("arm64").unwrap(), Platform::new(&local.os, "arm64", ""));
        assert_eq!(
            Platform::parse("windows").unwrap(),
            Platform::new("windows", &local.architecture, "")
        );
        assert!(Platform::parse("local").is_err());
    }

    #[test]
    fn errors() {
        for text in ["", "linux/", "linux/*", "a b/c", "linux/amd64/v1/x", "foo", "linux(/amd64"] {
            assert!(Platform::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn matching_ignores_spelling() {
        let arm = Platform::new("linux", "arm64", "v8");
        assert!(arm.matches(&Platform::new("linux", "aarch64", "")));
        assert!(!arm.matches(&Platform::new("linux", "arm", "v8")));
    }
}
