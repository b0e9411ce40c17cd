//! Auth files: docker's `config.json`, podman's `auth.json`, Kubernetes' `.dockerconfigjson` (all of
//! one form) and the older `.dockercfg` (the `auths` object alone).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::Login;
use crate::endpoint;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Largest auth file: a path to something endless must not fill the memory.
const MAX_FILE: u64 = 4 << 20;
/// The files to look for where a directory is named, as in a mounted Kubernetes secret.
const NAMES: [&str; 4] = ["config.json", ".dockerconfigjson", "auth.json", ".dockercfg"];
/// Hand-made secrets often lack the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parts of an auth file that matter here.
#[derive(Default)]
pub(super) struct AuthFile {
    auths: Map<String, Value>,
    helpers: Map<String, Value>,
    store: Option<String>,
}

impl AuthFile {
    pub(super) fn read(path: &Path, required: bool) -> Result<Option<Self>> {
        let problem = |error: io::Error| Error::config(path.display(), error.to_string());
        let opened = if path.is_dir() {
            NAMES.iter().map(|name| path.join(name)).find(|path| path.is_file()).map(File::open)
        } else {
            Some(File::open(path))
        };
        let file = match opened {
            Some(Ok(file)) => file,
            Some(Err(error)) if !required && is_absence(error.kind()) => return Ok(None),
            Some(Err(error)) => return Err(problem(error)),
            None if required => {
                let problem = format!("is a directory with none of {}", NAMES.join(", "));
                return Err(Error::config(path.display(), problem));
            }
            None => return Ok(None),
        };
        let mut json = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut json).map_err(problem)?;
        if json.len() as u64 > MAX_FILE {
            return Err(Error::config(path.display(), "is too large for an auth file"));
        }
        Self::parse(&path.display().to_string(), &json).map(Some)
    }

    pub(super) fn parse(name: &str, json: &[u8]) -> Result<Self> {
        if json.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(json).map_err(|error| {
            // serde_json quotes no input for syntax errors, so no secret gets out.
            Error::config(name, format!("is not a valid auth file: {error}"))
        })?;
        let Value::Object(mut top) = value else {
            return Err(Error::config(name, "is not a valid auth file: not a JSON object"));
        };
        let modern = ["auths", "credHelpers", "credsStore"];
        let mut object = |key: &str| match top.remove(key) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let (auths, helpers) = (object("auths"), object("credHelpers"));
        let store = top.get("credsStore").and_then(Value::as_str).map(str::to_owned);
        if auths.is_empty() && helpers.is_empty() && store.is_none() {
            let legacy = !top.keys().any(|key| modern.contains(&key.as_str()));
            let entries = |(_, value): &(String, Value)| {
                ["auth", "username"].iter().any(|key| value.get(key).is_some())
            };
            let auths = if legacy { top.into_iter().filter(entries).collect() } else { Map::new() };
            return Ok(Self { auths, ..Self::default() });
        }
        Ok(Self { auths, helpers, store: store.filter(|store| !store.is_empty()) })
    }

    /// Name of the credential helper to ask about `registry`: its own one, else the general one.
    pub(super) fn helper(&self, registry: &str) -> Option<String> {
        let own = self
            .helpers
            .iter()
            .find(|(key, _)| Key::parse(key) == Key { host: registry, path: "" })
            .and_then(|(_, helper)| helper.as_str());
        match own {
            // An empty name switches the general one off for this registry.
            Some("") => None,
            Some(helper) => Some(helper.to_owned()),
            None => self.store.clone(),
        }
    }

    /// The entry whose key is the longest prefix of `registry/repository`.
    pub(super) fn login(
        &self,
        name: &str,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Login>> {
        let mut matching: Vec<(Key<'_>, &Value)> = self
            .auths
            .iter()
            .map(|(key, entry)| (Key::parse(key), entry))
            .filter(|(key, _)| key.covers(registry, repository))
            .collect();
        matching.sort_by_key(|(key, _)| std::cmp::Reverse(key.path.len()));
        for (_, entry) in matching {
            if let Some(login) = login(entry).map_err(|problem| {
                Error::config(name, format!("the entry for {registry} {problem}"))
            })? {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }
}

/// Whether it is as if there were no file. With a random uid, another user's home is closed to us.
fn is_absence(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(kind, NotFound | PermissionDenied | NotADirectory)
}

/// A key of `auths`: `host`, `host/path`, or a URL as docker writes for its hub.
#[derive(Debug, PartialEq, Eq)]
struct Key<'a> {
    host: &'a str,
    /// Empty, or the repository prefix that the entry is for.
    path: &'a str,
}

impl<'a> Key<'a> {
    fn parse(key: &'a str) -> Self {
        let (rest, is_url) = match key.split_once("://") {
            Some((_, rest)) => (rest, true),
            None => (key, false),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = path.trim_end_matches('/');
        // A URL's path is the API's, never a repository's.
        let path = if is_url || matches!(path, "v1" | "v2") { "" } else { path };
        Self { host: endpoint::canonical(host), path }
    }

    fn covers(&self, registry: &str, repository: &str) -> bool {
        let inside = || {
            repository.strip_prefix(self.path).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        self.host.eq_ignore_ascii_case(registry) && (self.path.is_empty() || inside())
    }
}

/// None: an entry without content, as `docker login` leaves beside a credential store.
fn login(entry: &Value) -> Result<Option<Login>, &'static str> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Login::IdentityToken(Secret::new(token))));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Login::RegistryToken(Secret::new(token))));
    }
    if let Some(auth) = text("auth") {
        let decoded = BASE64.decode(auth.trim()).map_err(|_| "has an `auth` that is not base64")?;
        let decoded = String::from_utf8(decoded).map_err(|_| "has an `auth` that is not UTF-8")?;
        let (user, password) =
            decoded.split_once(':').ok_or("has an `auth` that is not base64 of USER:PASSWORD")?;
        let password = Secret::new(password.trim_end_matches('\0'));
        return Ok(Some(Login::Password { user: user.to_owned(), password }));
    }
    let (Some(user), Some(password)) = (text("username"), text("password")) else {
        return Ok(None);
    };
    Ok(Some(Login::Password { user: user.to_owned(), password: Secret::new(password) }))
}
