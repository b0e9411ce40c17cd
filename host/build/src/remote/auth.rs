//! Logins for ADD and contexts: secrets with the names that BuildKit gives them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

use crate::error::{BuildError, Result};
use crate::request::Secret;

/// The user that a token of a git server belongs to, whatever the server.
const TOKEN_USER: &str = "x-access-token";

/// The `Authorization` header for a repository: `GIT_AUTH_HEADER`, or made of `GIT_AUTH_TOKEN`;
/// those of its host, `NAME.HOST[:PORT]`, go first.
///
/// # Errors
/// A value that no header can hold.
pub(super) fn for_git(secrets: &BTreeMap<String, Secret>, remote: &str) -> Result<Option<String>> {
    let Some(url) = http_url(remote) else { return Ok(None) };
    let host = match (url.host_str(), url.port()) {
        (None, _) => return Ok(None),
        (Some(host), None) => host.to_owned(),
        (Some(host), Some(port)) => format!("{host}:{port}"),
    };
    for (name, is_token) in [
        (format!("GIT_AUTH_HEADER.{host}"), false),
        (format!("GIT_AUTH_TOKEN.{host}"), true),
        ("GIT_AUTH_HEADER".to_owned(), false),
        ("GIT_AUTH_TOKEN".to_owned(), true),
    ] {
        if let Some(value) = value(secrets, &name)? {
            let basic = || format!("basic {}", STANDARD.encode(format!("{TOKEN_USER}:{value}")));
            return Ok(Some(if is_token { basic() } else { value.to_owned() }));
        }
    }
    Ok(None)
}

/// The `Authorization` header for a file: `HTTP_AUTH_TOKEN_HOST`, or `HTTP_AUTH_HEADER_HOST` as it
/// is.
///
/// # Errors
/// A value that no header can hold.
pub(super) fn for_file(secrets: &BTreeMap<String, Secret>, url: &Url) -> Result<Option<String>> {
    let Some(host) = url.host_str() else { return Ok(None) };
    if let Some(token) = value(secrets, &format!("HTTP_AUTH_TOKEN_{host}"))? {
        return Ok(Some(format!("Bearer {token}")));
    }
    Ok(value(secrets, &format!("HTTP_AUTH_HEADER_{host}"))?.map(str::to_owned))
}

/// The URLs for which a repository's login is good: on GitHub all, as in BuildKit, since its
/// repositories have each other as submodules.
pub(super) fn scope(remote: &str) -> &str {
    let all = ["https://github.com/", "https://www.github.com/"];
    all.into_iter().find(|prefix| remote.starts_with(prefix)).unwrap_or(remote)
}

pub(super) fn http_url(remote: &str) -> Option<Url> {
    Url::parse(remote).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// A secret as text; files of secrets often end in a newline.
fn value<'a>(secrets: &'a BTreeMap<String, Secret>, name: &str) -> Result<Option<&'a str>> {
    let Some(Secret(bytes)) = secrets.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
    match text.filter(|text| !text.chars().any(char::is_control)) {
        Some(text) => Ok(Some(text)),
        None => Err(BuildError::input(format!("the secret {name} is no value of an HTTP header"))
            .with_hint("it must be one line of text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), Secret((*value).into()));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_hosts_own_login_goes_first() {
        let all = secrets(&[
            ("GIT_AUTH_TOKEN", "t\n"),
            ("GIT_AUTH_HEADER.h:8080", "Bearer x"),
            ("GIT_AUTH_TOKEN.github.com", "g"),
        ]);
        let basic =
            |token: &str| format!("basic {}", STANDARD.encode(format!("{TOKEN_USER}:{token}")));
        for (remote, expected) in [
            ("https://other/r.git", Some(basic("t"))),
            ("http://h:8080/r.git", Some("Bearer x".to_owned())),
            ("https://github.com/a/b.git", Some(basic("g"))),
            ("git@github.com:a/b.git", None),
            ("ssh://h/r.git", None),
        ] {
            assert_eq!(for_git(&all, remote).unwrap(), expected, "{remote}");
        }
        assert!(for_git(&secrets(&[("GIT_AUTH_TOKEN", "a\nb")]), "https://h/r").is_err());
    }

    #[test]
    fn a_files_login_is_its_hosts() {
        let all = secrets(&[("HTTP_AUTH_HEADER_h", "Custom x"), ("HTTP_AUTH_TOKEN_i", "t")]);
        for (url, expected) in [
            ("https://h:1/f", Some("Custom x")),
            ("https://i/f", Some("Bearer t")),
            ("https://j/f", None),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(for_file(&all, &url).unwrap().as_deref(), expected, "{url}");
        }
    }
}
