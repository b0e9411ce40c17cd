//! What the caller decides: registries, mirrors, credentials, patience.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::retry::RetryPolicy;

/// Told of what goes wrong without stopping the work: a missing credential helper, a dead mirror.
pub type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// Settings of a [`Registry`](crate::Registry).
#[derive(Clone)]
pub struct Config {
    /// The environment. Read: `HOME`, `XDG_CONFIG_HOME`, `XDG_RUNTIME_DIR`, `DOCKER_CONFIG`,
    /// `DOCKER_AUTH_CONFIG`, `REGISTRY_AUTH_FILE`, `PATH` (credential helpers, which get all of
    /// it), `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` (in either case),
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub env: BTreeMap<String, String>,
    /// Auth files to look into before those that the environment names: docker's `config.json`,
    /// podman's `auth.json`, Kubernetes' `.dockerconfigjson` or `.dockercfg`, or a directory that
    /// holds one.
    pub auth_files: Vec<PathBuf>,
    /// Settings by registry, as written in references: `host[:port]`.
    pub registries: BTreeMap<String, RegistryOptions>,
    /// Settings of registries without an entry of their own.
    pub default_registry: RegistryOptions,
    /// Where to pull from before the registry itself, by registry (`docker.io`, `host[:port]`).
    /// A mirror is `[http://|https://]host[:port][/prefix]`. Pushes never go to a mirror.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Whether the registry itself is asked when no mirror has the content.
    pub mirror_fallback: bool,
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// Patience with failures that may pass.
    pub retry: RetryPolicy,
    /// Patience with silence.
    pub timeouts: Timeouts,
    /// Largest blob, in bytes, that is first tried in one piece, which is the fastest way. If that
    /// breaks, the upload goes on in chunks, from where the registry can.
    pub whole_limit: u64,
    /// Size of an upload's chunk in bytes: what a broken connection costs at most. 0: no chunks.
    pub chunk_size: u64,
    /// How many blobs move at the same time in [`pull_blobs`](crate::Registry::pull_blobs)
    /// and [`push_blobs`](crate::Registry::push_blobs).
    pub parallel: usize,
    /// Set to true by the caller to stop every operation soon.
    pub cancel: Arc<AtomicBool>,
    /// Receives warnings; None drops them.
    pub warn: Option<Warn>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            env: BTreeMap::new(),
            auth_files: Vec::new(),
            registries: BTreeMap::new(),
            default_registry: RegistryOptions::default(),
            mirrors: BTreeMap::new(),
            mirror_fallback: true,
            user_agent: concat!("kiln/", env!("CARGO_PKG_VERSION")).to_owned(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            whole_limit: 4 << 30,
            chunk_size: 64 << 20,
            parallel: 4,
            cancel: Arc::default(),
            warn: None,
        }
    }
}

impl Config {
    pub(crate) fn warn(&self, message: &str) {
        if let Some(warn) = &self.warn {
            warn(message);
        }
    }

    /// A variable that is set and not empty.
    pub(crate) fn env(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The environment may hold secrets: only its variables' names are shown.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("auth_files", &self.auth_files)
            .field("registries", &self.registries)
            .field("default_registry", &self.default_registry)
            .field("mirrors", &self.mirrors)
            .field("mirror_fallback", &self.mirror_fallback)
            .field("retry", &self.retry)
            .field("timeouts", &self.timeouts)
            .field("whole_limit", &self.whole_limit)
            .field("chunk_size", &self.chunk_size)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

/// How to talk to one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// HTTP without TLS. None: only for loopback addresses and `localhost`, as Docker does, unless
    /// another option here is about TLS.
    pub plain_http: Option<bool>,
    /// Accept any certificate.
    pub skip_tls_verify: bool,
    /// PEM files of CA certificates to trust besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// PEM files of the client certificate (with its chain) and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

impl RegistryOptions {
    pub(crate) fn is_about_tls(&self) -> bool {
        self.skip_tls_verify || !self.ca_files.is_empty() || self.client_certificate.is_some()
    }
}

/// How long silence is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS.
    pub connect: Duration,
    /// Between two pieces of data, in either direction.
    pub idle: Duration,
    /// From the last byte sent to the answer: registries hash and move a large blob before it.
    pub commit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            commit: Duration::from_secs(300),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_environment_values() {
        let config = Config {
            env: [("DOCKER_AUTH_CONFIG".to_owned(), "hunter2".to_owned())].into(),
            ..Config::default()
        };
        let shown = format!("{config:?}");
        assert!(shown.contains("DOCKER_AUTH_CONFIG") && !shown.contains("hunter2"), "{shown}");
    }
}
