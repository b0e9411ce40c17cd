//! Finds the credentials for a registry: auth files, inline JSON, credential helpers.
//!
//! Sources in order, the first that knows the registry wins: [`Config::auth_files`],
//! `DOCKER_AUTH_CONFIG` (JSON), `REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` or
//! `~/.docker/config.json`, `~/.dockercfg`, podman's `auth.json` in `$XDG_RUNTIME_DIR/containers`
//! and in the configuration directory.

mod file;
mod helper;

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::error::Result;
use crate::secret::Secret;
use file::AuthFile;

/// What may be presented to a registry, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) login: Login,
    /// File, variable or helper program, for messages.
    pub(crate) source: String,
}

/// The three forms that auth files know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Password {
        user: String,
        password: Secret,
    },
    /// An OAuth2 refresh token for the token service.
    IdentityToken(Secret),
    /// A bearer token to be sent as it is.
    RegistryToken(Secret),
}

impl Login {
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Password { user, .. } => Some(user),
            Self::IdentityToken(_) | Self::RegistryToken(_) => None,
        }
    }
}

/// The outcome of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(Found),
    /// Nothing in these places.
    Nothing(Vec<String>),
}

/// Searches for credentials for `repository` at `registry` (canonical name).
///
/// # Errors
/// An auth file that the user named and that cannot be read or parsed: to go on anonymously would
/// hide the mistake. A missing or failing credential helper is a warning.
pub(crate) fn find(config: &Config, registry: &str, repository: &str) -> Result<Lookup> {
    let mut looked_in = Vec::new();
    for source in sources(config) {
        let name = source.name();
        let Some(file) = source.read()? else {
            looked_in.push(format!("{name} (missing or unreadable)"));
            continue;
        };
        if let Some(helper) = file.helper(registry) {
            match helper::get(config, &helper, registry) {
                Ok(Some(login)) => {
                    let source = format!("docker-credential-{helper} (named in {name})");
                    return Ok(Lookup::Found(Found { login, source }));
                }
                Ok(None) => looked_in.push(format!("docker-credential-{helper}")),
                Err(problem) => {
                    config.warn(&format!(
                        "credential helper docker-credential-{helper}, named in {name}, {problem}; \
                         going on without it"
                    ));
                    looked_in.push(format!("docker-credential-{helper} ({problem})"));
                }
            }
        }
        if let Some(login) = file.login(&name, registry, repository)? {
            return Ok(Lookup::Found(Found { login, source: name }));
        }
        looked_in.push(name);
    }
    Ok(Lookup::Nothing(looked_in))
}

/// A place that may hold credentials.
enum Source {
    Inline { variable: &'static str, json: String },
    File { path: PathBuf, required: bool },
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Inline { variable, .. } => (*variable).to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// None: there is no such file that we may read, and nobody said that there must be.
    fn read(&self) -> Result<Option<AuthFile>> {
        match self {
            Self::Inline { variable, json } => AuthFile::parse(variable, json.as_bytes()).map(Some),
            Self::File { path, required } => AuthFile::read(path, *required),
        }
    }
}

fn sources(config: &Config) -> Vec<Source> {
    let file = |path: PathBuf, required| Source::File { path, required };
    let mut sources: Vec<Source> =
        config.auth_files.iter().map(|path| file(path.clone(), true)).collect();
    if let Some(json) = config.env("DOCKER_AUTH_CONFIG") {
        sources.push(Source::Inline { variable: "DOCKER_AUTH_CONFIG", json: json.to_owned() });
    }
    if let Some(path) = config.env("REGISTRY_AUTH_FILE") {
        // Podman creates it on login, so it may be missing.
        sources.push(file(path.into(), false));
    }
    let home = config.env("HOME").map(Path::new);
    match (config.env("DOCKER_CONFIG"), home) {
        (Some(directory), _) => sources.push(file(directory.into(), false)),
        (None, Some(home)) => sources.push(file(home.join(".docker/config.json"), false)),
        (None, None) => {}
    }
    if let Some(home) = home {
        sources.push(file(home.join(".dockercfg"), false));
    }
    if let Some(runtime) = config.env("XDG_RUNTIME_DIR") {
        sources.push(file(Path::new(runtime).join("containers/auth.json"), false));
    }
    let config_home = config
        .env("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".config")));
    if let Some(directory) = config_home {
        sources.push(file(directory.join("containers/auth.json"), false));
    }
    sources
}

#[cfg(test)]
mod tests;
