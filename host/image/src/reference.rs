//! Image references: `registry/repository:tag@digest`, with Docker's short forms.
//!
//! Source: distribution/reference (`grammar`, `normalize.go`).

use std::fmt;
use std::str::FromStr;

use crate::digest::{Digest, DigestError};

/// The registry of names that tell none.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// Docker Hub's host, to which `docker.io` is a name.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// The longest registry and repository together, as in distribution/reference.
const MAX_NAME: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// The name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Host and, where it is not the usual one, port: `docker.io`, `[::1]:5000`.
    pub registry: String,
    /// The repository: `library/debian`.
    pub repository: String,
    /// The tag; `latest` when neither tag nor digest was given.
    pub tag: Option<String>,
    /// The digest, which prevails over the tag.
    pub digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("image reference is empty")]
    Empty,
    /// The registry part is no host name with an optional port.
    #[error("image reference `{0}`: the registry is not a host name with an optional port")]
    Registry(String),
    /// The repository has capital letters.
    #[error("image reference `{0}`: the repository must be lower case")]
    UpperCase(String),
    /// The repository has characters or an order of them that are not allowed.
    #[error(
        "image reference `{0}`: the repository must be components of a-z, 0-9 joined by `/`, each with single `.`, `_`, `__` or dashes inside"
    )]
    Repository(String),
    /// A bare image id.
    #[error("image reference `{0}` is an image id, not a name; write `name@sha256:…`")]
    Identifier(String),
    /// Registry and repository are too long.
    #[error("image reference `{0}…` is too long: at most {MAX_NAME} bytes before the tag")]
    TooLong(String),
    /// The tag is empty, too long or has other characters.
    #[error(
        "image reference `{0}`: the tag must be 1 to {MAX_TAG} letters, digits, `_`, `.`, `-`, and not begin with `.` or `-`"
    )]
    Tag(String),
    /// The digest is none.
    #[error("image reference `{text}`: {source}")]
    Digest {
        /// The reference, shortened.
        text: String,
        /// What is wrong.
        source: DigestError,
    },
}

impl Reference {
    /// The short form that Docker shows: `debian:12` for `docker.io/library/debian:12`.
    pub fn familiar(&self) -> String {
        let mut text = self.to_string();
        for prefix in ["docker.io/library/", "docker.io/"] {
            if let Some(short) = text.strip_prefix(prefix) {
                // `docker.io/localhost/x` must not turn into the registry localhost.
                let kept = short.parse::<Self>().is_ok_and(|again| again == *self);
                if kept {
                    text = short.to_owned();
                    break;
                }
            }
        }
        text
    }

    /// The host (and port) to connect to: Docker Hub's own for `docker.io`.
    pub fn registry_host(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY { DOCKER_HUB_HOST } else { &self.registry }
    }

    /// `registry/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// What to ask a registry for: the digest if there is one, else the tag.
    pub fn identifier(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The same repository by digest, without a tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same repository by tag.
    ///
    /// # Errors
    /// [`ReferenceError::Tag`].
    pub fn with_tag(&self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(ReferenceError::Tag(shorten(tag)));
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err(ReferenceError::Identifier(text.to_owned()));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|source| ReferenceError::Digest { text: shorten(text), source })?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (registry, remainder) = split_registry(rest);
        let (repository, tag) = match remainder.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (remainder, None),
        };
        if !is_registry(registry) {
            return Err(ReferenceError::Registry(shorten(text)));
        }
        if repository.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ReferenceError::UpperCase(shorten(text)));
        }
        if !repository.split('/').all(is_component) {
            return Err(ReferenceError::Repository(shorten(text)));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(shorten(text)));
        }
        let registry =
            if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry }.to_owned();
        let repository = if registry == DEFAULT_REGISTRY && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        if registry.len() + 1 + repository.len() > MAX_NAME {
            return Err(ReferenceError::TooLong(shorten(text)));
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Self { registry, repository, tag, digest })
    }
}

/// The first component is a registry if it could not be part of a Docker Hub name.
fn split_registry(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_REGISTRY, text),
    }
}

/// `host[:port]`: a domain name, an IPv4 address or an IPv6 address in brackets.
fn is_registry(text: &str) -> bool {
    let (host_is_fine, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port),
            None if port.is_empty() => None,
            None => return false,
        };
        (address.parse::<std::net::Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let label = |label: &str| {
            let dash_outside = label.starts_with('-') || label.ends_with('-');
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            !label.is_empty() && !dash_outside && label.bytes().all(allowed)
        };
        (host.split('.').all(label), port)
    };
    host_is_fine
        && port.is_none_or(|port| {
            !port.is_empty()
                && port.bytes().all(|b| b.is_ascii_digit())
                && port.parse::<u16>().is_ok()
        })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !bytes.first().is_some_and(plain) || !bytes.last().is_some_and(plain) {
        return false;
    }
    bytes
        .split(plain)
        .filter(|gap| !gap.is_empty())
        .all(|gap| matches!(gap, b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// Enough of a text for an error message.
fn shorten(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn normalises_as_docker_does() {
        for (text, full, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("index.docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("a/b", "docker.io/a/b:latest", "a/b:latest"),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("example.com/a", "example.com/a:latest", "example.com/a:latest"),
            ("[::1]:5000/x:y", "[::1]:5000/x:y", "[::1]:5000/x:y"),
            ("[fd00::2]/x", "[fd00::2]/x:latest", "[fd00::2]/x:latest"),
            ("127.0.0.1:80/x", "127.0.0.1:80/x:latest", "127.0.0.1:80/x:latest"),
            ("Host/x", "Host/x:latest", "Host/x:latest"),
            (
                "a__b/c---d.e_f:V1.0-x_y",
                "docker.io/a__b/c---d.e_f:V1.0-x_y",
                "a__b/c---d.e_f:V1.0-x_y",
            ),
            (
                "docker.io/localhost/x",
                "docker.io/localhost/x:latest",
                "docker.io/localhost/x:latest",
            ),
            (
                "docker.io/library/localhost",
                "docker.io/library/localhost:latest",
                "localhost:latest",
            ),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.to_string(), full, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference, "{text}");
        }
    }

    #[test]
    fn digests() {
        let plain: Reference = format!("debian@{D}").parse().unwrap();
        assert_eq!((plain.tag.as_deref(), plain.identifier().as_str()), (None, D));
        let both: Reference = format!("debian:12@{D}").parse().unwrap();
        assert_eq!(both.tag.as_deref(), Some("12"));
        assert_eq!(both.familiar(), format!("debian:12@{D}"));
        assert_eq!(both.identifier(), D);
        assert_eq!(both.with_tag("13").unwrap().familiar(), "debian:13");
        assert!(both.with_tag("-").is_err());
        assert_eq!(plain.registry_host(), "registry-1.docker.io");
    }

    #[test]
    fn refuses() {
        let long = format!("example.com/{}", "a/".repeat(130) + "a");
        let long_tag = format!("a:{}", "t".repeat(129));
        for (text, wanted) in [
            ("", "empty"),
            ("Debian", "lower case"),
            ("a/B", "lower case"),
            ("a//b", "components"),
            ("/a", "components"),
            ("a/", "components"),
            ("a..b", "components"),
            ("a___b", "components"),
            ("a_.b", "components"),
            ("-a", "components"),
            ("a:", "tag"),
            ("a:.x", "tag"),
            ("a:b:c", "tag"),
            (&long_tag, "tag"),
            (&long, "too long"),
            ("host:port/a", "registry"),
            ("host:99999/a", "registry"),
            ("ex ample.com/a", "registry"),
            ("-x.com/a", "registry"),
            ("[::1/a", "registry"),
            ("[zz]:1/a", "registry"),
            ("[::1]x/a", "registry"),
            ("a@sha256:12", "64 lower-case"),
            ("a@b", "has no algorithm"),
            ("a b", "components"),
            ("http://a/b", "registry"),
            ("é", "components"),
            ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "image id"),
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
