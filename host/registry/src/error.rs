//! What can go wrong between kiln and a registry.
//!
//! A message names the registry or URL (without query and user info, which may carry secrets), what
//! the registry said, the cause, and the remedy where there is one.

use std::fmt;
use std::time::Duration;

use reqwest::{StatusCode, Url};

use crate::{cause, text};

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The sort of failure, for exit codes and fallbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The manifest, blob or repository does not exist (or is hidden from us).
    NotFound,
    /// No credentials, or refused ones.
    Unauthorized,
    /// The credentials are good and not enough.
    Denied,
    /// Still told to slow down after all retries.
    RateLimited,
    /// Connection failed, timed out, or the server failed, after all retries.
    Unavailable,
    /// The registry refused the request for another reason.
    Rejected,
    /// What the registry sent is not what was asked for: digest, size or form.
    Content,
    /// kiln was configured with something unusable: a URL, a certificate, an auth file.
    Config,
    /// The local content store failed.
    Store,
    /// The caller asked to stop.
    Cancelled,
}

/// A failed registry operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable answer: connection, TLS or transfer failed.
    #[error("registry {host}: {cause} ({request}){hint}")]
    Network {
        /// `host[:port]`.
        host: String,
        /// Method and URL.
        request: String,
        /// The innermost cause.
        cause: String,
        /// What to do about it, starting with `: `, or empty.
        hint: &'static str,
    },
    /// An HTTP status that the operation does not know how to use.
    #[error(transparent)]
    Status(#[from] Box<StatusError>),
    /// The registry wants other credentials.
    #[error(transparent)]
    Auth(#[from] Box<AuthError>),
    /// The registry's answer contradicts the digest, the size or the specification.
    #[error("{what}: {problem}")]
    Content {
        /// URL or digest.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// kiln's configuration cannot be used.
    #[error("{what}: {problem}")]
    Config {
        /// File, variable or option.
        what: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// The content store could not be read or written.
    #[error("content store: {what}: {problem}")]
    Store {
        /// The blob.
        what: String,
        /// The store's own message.
        problem: String,
    },
    /// The caller asked to stop.
    #[error("stopped on request")]
    Cancelled,
}

impl Error {
    /// The sort of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Network { .. } => ErrorKind::Unavailable,
            Self::Status(status) => match status.status.as_u16() {
                404 | 410 => ErrorKind::NotFound,
                401 => ErrorKind::Unauthorized,
                403 => ErrorKind::Denied,
                429 => ErrorKind::RateLimited,
                408 | 500..=599 => ErrorKind::Unavailable,
                _ => ErrorKind::Rejected,
            },
            Self::Auth(auth) => match auth.status {
                Some(StatusCode::FORBIDDEN) => ErrorKind::Denied,
                _ => ErrorKind::Unauthorized,
            },
            Self::Content { .. } => ErrorKind::Content,
            Self::Config { .. } => ErrorKind::Config,
            Self::Store { .. } => ErrorKind::Store,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    pub(crate) fn content(what: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::Content { what: what.to_string(), problem: problem.into() }
    }

    pub(crate) fn config(what: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::Config { what: what.to_string(), problem: problem.into() }
    }

    pub(crate) fn store(what: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::Store { what: what.to_string(), problem: problem.to_string() }
    }

    pub(crate) fn timeout(method: &reqwest::Method, url: &Url, limit: Duration) -> Self {
        Self::Network {
            host: text::host(url),
            request: format!("{method} {}", text::public_url(url)),
            cause: format!("no data for {} s", limit.as_secs_f64()),
            hint: "",
        }
    }

    pub(crate) fn slow(url: &Url, bytes: u64, time: Duration) -> Self {
        Self::Network {
            host: text::host(url),
            request: format!("GET {}", text::public_url(url)),
            cause: format!("only {bytes} bytes in {} s", time.as_secs_f64()),
            hint: "",
        }
    }

    pub(crate) fn network(method: &reqwest::Method, url: &Url, error: &reqwest::Error) -> Self {
        let (cause, hint) = cause::explain(error);
        Self::Network {
            host: text::host(url),
            request: format!("{method} {}", text::public_url(url)),
            cause,
            hint,
        }
    }
}

/// An HTTP status other than the expected ones.
#[derive(Debug)]
pub struct StatusError {
    /// HTTP method.
    pub method: String,
    /// URL without query.
    pub url: String,
    /// Status line's code.
    pub status: StatusCode,
    /// What the registry said, if it said so in the specification's JSON form.
    pub reported: Option<Reported>,
    /// How many times it was tried.
    pub attempts: u32,
}

impl std::error::Error for StatusError {}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: HTTP {}", self.method, self.url, self.status)?;
        if let Some(reported) = &self.reported {
            write!(f, ": {reported}")?;
        }
        if self.attempts > 1 {
            write!(f, " (tried {} times)", self.attempts)?;
        }
        match self.status.as_u16() {
            413 => f.write_str(
                "; a proxy before the registry limits the size of a request: raise its limit",
            ),
            429 => f.write_str("; log in to get a higher limit, use a mirror, or try again later"),
            _ => Ok(()),
        }
    }
}

/// The first entry of the registry's `errors` list (OCI distribution spec, "Error Codes").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// `NAME_UNKNOWN`, `DENIED`, `TOOMANYREQUESTS` …
    pub code: String,
    /// Human text.
    pub message: String,
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.is_empty(), self.message.is_empty()) {
            (false, false) => write!(f, "{}: {}", self.code, self.message),
            (false, true) => f.write_str(&self.code),
            _ => f.write_str(&self.message),
        }
    }
}

impl Reported {
    /// Reads an error body; anything but the JSON forms in use is ignored, never echoed.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(body).ok()?;
        let field = |entry: &serde_json::Value, keys: &[&str]| {
            keys.iter()
                .find_map(|key| entry.get(key)?.as_str())
                .map(|found| text::printable(found, text::MESSAGE_LIMIT))
                .unwrap_or_default()
        };
        let reported = match value.get("errors").and_then(|errors| errors.get(0)) {
            Some(entry) => {
                Self { code: field(entry, &["code"]), message: field(entry, &["message"]) }
            }
            // Token services: RFC 6749 section 5.2, or Docker Hub's `details`.
            None => Self {
                code: field(&value, &["error", "code"]),
                message: field(&value, &["error_description", "message", "details"]),
            },
        };
        (!reported.code.is_empty() || !reported.message.is_empty()).then_some(reported)
    }
}

/// Access refused, with what is needed to mend it.
#[derive(Debug)]
pub struct AuthError {
    /// The registry as the user wrote it.
    pub registry: String,
    /// What was asked for, such as `repository:library/debian:pull`.
    pub access: String,
    /// Who refused: URL of the registry or of its token service.
    pub url: String,
    /// The refusal's status, if there was one.
    pub status: Option<StatusCode>,
    /// The refusal's own words, or why kiln did not go on.
    pub reason: String,
    /// Where the credentials came from, or which places hold none.
    pub credentials: Credentials,
}

/// What was presented to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Found, and refused.
    Used {
        /// File, variable or helper program.
        source: String,
        /// User name; secrets are never kept here.
        user: Option<String>,
    },
    /// None found in these places.
    Missing {
        /// Files and variables looked at.
        looked_in: Vec<String>,
    },
}

impl std::error::Error for AuthError {}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "registry {}: access to {} refused", self.registry, self.access)?;
        if let Some(status) = self.status {
            write!(f, " (HTTP {status}")?;
            if !self.url.is_empty() {
                write!(f, " from {}", self.url)?;
            }
            f.write_str(")")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        match &self.credentials {
            Credentials::Used { source, user } => {
                f.write_str("; the credentials")?;
                if let Some(user) = user {
                    write!(f, " of user `{user}`")?;
                }
                write!(f, " come from {source}: check that they are current and allow this")
            }
            Credentials::Missing { looked_in } => {
                write!(f, "; no credentials for {} in ", self.registry)?;
                if looked_in.is_empty() {
                    f.write_str("any known place")?;
                } else {
                    f.write_str(&looked_in.join(", "))?;
                }
                write!(
                    f,
                    ": log in to {}, or point DOCKER_CONFIG or REGISTRY_AUTH_FILE at an auth file",
                    self.registry
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bodies() {
        let reported = |body: &str| Reported::parse(body.as_bytes()).map(|r| r.to_string());
        let cases = [
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}"#,
                Some("NAME_UNKNOWN: repository name not known"),
            ),
            (r#"{"errors":[{"code":"DENIED"}]}"#, Some("DENIED")),
            (r#"{"errors":[{"message":"only text"}]}"#, Some("only text")),
            (
                r#"{"details":"incorrect username or password"}"#,
                Some("incorrect username or password"),
            ),
            (
                r#"{"error":"invalid_grant","error_description":"expired"}"#,
                Some("invalid_grant: expired"),
            ),
            (r#"{"errors":[]}"#, None),
            (r#"{"errors":[{"code":7}]}"#, None),
            ("<html>502 Bad Gateway</html>", None),
            ("", None),
            ("{\"errors\":[{\"message\":\"a\\u001b[31mb\\nc\"}]}", Some("a [31mb c")),
        ];
        for (body, expected) in cases {
            assert_eq!(reported(body).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn auth_errors_name_source_and_remedy() {
        let mut error = AuthError {
            registry: "r.example".into(),
            access: "repository:a:pull".into(),
            url: "https://auth.example/token".into(),
            status: Some(StatusCode::UNAUTHORIZED),
            reason: "bad".into(),
            credentials: Credentials::Used { source: "/c.json".into(), user: Some("joe".into()) },
        };
        assert_eq!(
            error.to_string(),
            "registry r.example: access to repository:a:pull refused (HTTP 401 Unauthorized from \
             https://auth.example/token): bad; the credentials of user `joe` come from /c.json: \
             check that they are current and allow this"
        );
        error.credentials = Credentials::Missing { looked_in: vec!["/a".into(), "/b".into()] };
        assert!(error.to_string().contains("no credentials for r.example in /a, /b: log in"));
    }
}
