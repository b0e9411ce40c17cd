//! ADD of a URL and contexts by URL: one file, streamed to the disk.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kiln_image::digest::{Algorithm, Digest, Hasher};
use kiln_runner::Cancel;
use reqwest::header::{AUTHORIZATION, HeaderValue, LAST_MODIFIED};
use reqwest::{Response, Url};

use super::{auth, client, metadata, public, redact};
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::request::Secret;
use crate::schedule::cancelled;

/// The longest body: a server may send without end, and fill the disk that other builds need.
const MAX_BODY: u64 = 64 << 30;
/// How often a transfer looks whether the build was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// The mode of fetched files, as in BuildKit.
const MODE: u32 = 0o600;
/// The name of a file whose URL has no path, as in BuildKit.
const UNNAMED: &str = "__unnamed__";

/// What a download needs besides its URL.
#[derive(Clone, Copy)]
pub(super) struct Fetch<'a> {
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) cancel: &'a Cancel,
    pub(super) secrets: &'a BTreeMap<String, Secret>,
    /// The digest that is computed.
    pub(super) algorithm: Algorithm,
}

/// A fetched file.
#[derive(Debug)]
pub(crate) struct HttpFile {
    /// The directory that holds the file and nothing else.
    pub(crate) dir: PathBuf,
    /// The file's name.
    pub(crate) name: String,
    /// The content's digest.
    pub(crate) digest: Digest,
    /// `Last-Modified`, seconds since 1970.
    pub(crate) modified: Option<i64>,
}

/// The name that ADD gives to the file of a URL: the last part of its path.
///
/// # Errors
/// What is no URL, and names that are no file names.
pub(crate) fn file_name(url: &str) -> Result<String> {
    let wrong = |why: &str| BuildError::input(format!("invalid URL {}: {why}", public(url)));
    let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    let last = parsed.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = percent_decode(last).ok_or_else(|| wrong("its path is not UTF-8"))?;
    // An escaped slash separates too.
    let name = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match name {
        "" | "." => Ok(UNNAMED.to_owned()),
        ".." => Err(wrong("its last part is no file name")),
        name if name.chars().any(char::is_control) => {
            Err(wrong("its last part has control characters"))
        }
        name => Ok(name.to_owned()),
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(value) => {
                bytes.push(value);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Fetches a URL into a new file of `dir`.
///
/// # Errors
/// Of kind `Input` for what is no URL, `Registry` for what the network or the server say.
pub(super) fn download(
    url: &str,
    dir: PathBuf,
    name: String,
    fetch: Fetch<'_>,
) -> Result<HttpFile> {
    let parsed = Url::parse(url)
        .map_err(|error| BuildError::input(format!("invalid URL {}: {error}", public(url))))?;
    metadata::check(&parsed)
        .map_err(|refused| BuildError::input(format!("GET {}: {refused}", public(url))))?;
    let login = auth::for_file(fetch.secrets, &parsed)?;
    let client = client::new(url, fetch.env)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context(ErrorKind::Environment, || "start the HTTP client".to_owned())?;
    let path = dir.join(&name);
    let transfer = async {
        let mut request = client.get(parsed);
        if let Some(Ok(mut login)) = login.as_deref().map(HeaderValue::from_str) {
            login.set_sensitive(true);
            request = request.header(AUTHORIZATION, login);
        }
        let response = request.send().await.map_err(|error| failed(url, error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(BuildError::new(
                ErrorKind::Registry,
                format!("GET {}: invalid response status {status}", public(url)),
            ));
        }
        let modified = response
            .headers()
            .get(LAST_MODIFIED)
            .and_then(|value| value.to_str().ok())
            .and_then(parse_date);
        let digest = save(url, response, &path, fetch.algorithm, MAX_BODY).await?;
        Ok((modified, digest))
    };
    let (modified, digest) = runtime.block_on(until_cancelled(transfer, fetch.cancel))?;
    // A name that is still being looked up must not hold us.
    runtime.shutdown_background();
    let time = SystemTime::UNIX_EPOCH
        + Duration::from_secs(modified.and_then(|secs| u64::try_from(secs).ok()).unwrap_or(0));
    set_time(&path, time)?;
    Ok(HttpFile { dir, name, digest, modified })
}

fn set_time(path: &Path, time: SystemTime) -> Result<()> {
    let what = || format!("set the time of {}", path.display());
    let file = File::open(path).context(ErrorKind::Environment, what)?;
    file.set_modified(time).context(ErrorKind::Environment, what)
}

pub(super) async fn until_cancelled<T>(
    transfer: impl Future<Output = Result<T>>,
    cancel: &Cancel,
) -> Result<T> {
    let mut transfer = std::pin::pin!(transfer);
    loop {
        match tokio::time::timeout(CANCEL_CHECK, &mut transfer).await {
            Ok(result) => return result,
            Err(_) if cancel.is_cancelled() => return Err(cancelled()),
            Err(_) => {}
        }
    }
}

async fn save(
    url: &str,
    mut response: Response,
    path: &Path,
    algorithm: Algorithm,
    limit: u64,
) -> Result<Digest> {
    let what = || format!("write {}", path.display());
    let too_long = || {
        BuildError::new(
            ErrorKind::Registry,
            format!("GET {}: the body is longer than {limit} bytes", public(url)),
        )
    };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
        .context(ErrorKind::Environment, what)?;
    file.set_permissions(std::fs::Permissions::from_mode(MODE))
        .context(ErrorKind::Environment, what)?;
    let mut hasher = Hasher::with(algorithm);
    let mut length = 0u64;
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(url, error))? {
        length = length.saturating_add(chunk.len() as u64);
        if length > limit {
            return Err(too_long());
        }
        hasher.update(&chunk);
        file.write_all(&chunk).context(ErrorKind::Environment, what)?;
    }
    Ok(hasher.finish())
}

/// What the client says, without the URL: it may hold a password.
fn failed(url: &str, error: reqwest::Error) -> BuildError {
    let kind = if error.is_builder() { ErrorKind::Input } else { ErrorKind::Registry };
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(inner) = next {
        cause = inner.to_string();
        next = inner.source();
    }
    if timed_out {
        cause = "the server does not answer: timed out".to_owned();
    }
    BuildError::new(kind, format!("GET {}: {}", public(url), redact(&cause)))
}

/// An HTTP date (RFC 9110, section 5.6.7), seconds since 1970; the obsolete forms count as none.
fn parse_date(text: &str) -> Option<i64> {
    let timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(timestamp.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_path() {
        for (url, expected) in [
            ("https://h/a/b.tar.gz?x=/y#/z", "b.tar.gz"),
            ("https://h/a%20b", "a b"),
            ("https://h/a/", "a"),
            ("https://h/x%2Fy", "y"),
            ("https://h/%zz", "%zz"),
            ("https://h", UNNAMED),
            ("https://h/", UNNAMED),
        ] {
            assert_eq!(file_name(url).unwrap(), expected, "{url}");
        }
        for url in ["https://", "https://h/a%00b", "https://h/a/x%2F%2e%2e"] {
            assert!(file_name(url).is_err(), "{url}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(parse_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse_date("yesterday"), None);
    }
}
