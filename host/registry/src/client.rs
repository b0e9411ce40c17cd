//! HTTP clients: TLS settings and proxies, one client for each set of settings.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Identity, NoProxy, Proxy, Url, redirect, retry};

use crate::config::{Config, RegistryOptions};
use crate::endpoint;
use crate::error::{Error, Result};
use crate::{metadata, text};

/// Shorter than the patience of usual load balancers, whose silence would look like a slow registry.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// Largest PEM file: a path to something endless must not fill the memory.
const MAX_PEM: u64 = 16 << 20;
/// Hosts that no proxy can reach for us, as Go's tools have it.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// Clients by what distinguishes them. A client is made when its first request is, because to load
/// the system's certificates takes time, and may fail where nobody needs them.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    made: Mutex<HashMap<Profile, Client>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Profile {
    /// No TLS, so no certificates.
    Plain,
    /// TLS as the default options say.
    Default,
    /// TLS as the options of this registry say.
    Registry(String),
}

impl Clients {
    /// The client for a URL's scheme and host.
    pub(crate) fn get(&self, config: &Config, url: &Url) -> Result<Client> {
        let own = own_options(config, url);
        let profile = match (url.scheme(), own) {
            ("http", _) => Profile::Plain,
            (_, Some((name, _))) => Profile::Registry(name.to_owned()),
            (_, None) => Profile::Default,
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&profile) {
            return Ok(client.clone());
        }
        let mut builder = base(config)?;
        builder = match profile {
            Profile::Plain => builder.tls_certs_only([]),
            Profile::Default | Profile::Registry(_) => {
                tls(builder, config, own.map_or(&config.default_registry, |(_, own)| own))?
            }
        };
        let client = builder.build().map_err(|error| {
            Error::config(
                "TLS",
                format!(
                    "{}: name a file of trusted CA certificates in SSL_CERT_FILE",
                    innermost(&error)
                ),
            )
        })?;
        made.insert(profile, client.clone());
        Ok(client)
    }
}

/// The options of the registry that a URL leads to, if it has some of its own.
fn own_options<'a>(config: &'a Config, url: &Url) -> Option<(&'a str, &'a RegistryOptions)> {
    let host = text::host(url);
    // A reference may spell out the port that a URL leaves out.
    let with_port =
        format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default()?);
    let names = [endpoint::canonical(&host), &with_port];
    names.into_iter().find_map(|name| {
        let (name, options) = config.registries.get_key_value(name)?;
        Some((name.as_str(), options))
    })
}

/// What all clients share. Redirects and retries are decided by our own code: it knows which host
/// may see which header, and which request can be repeated.
fn base(config: &Config) -> Result<ClientBuilder> {
    let mut builder = Client::builder()
        .user_agent(&config.user_agent)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .connect_timeout(config.timeouts.connect)
        // HTTP/2's windows hold a blob to a few MiB a round trip, shared by all transfers: at 40 ms
        // a push took eight times as long. And one dead connection would stall them all.
        .http1_only()
        .pool_idle_timeout(POOL_IDLE)
        .dns_resolver(metadata::Resolver(kiln_metadata::is_service))
        // A blob's digest is that of the bytes as stored.
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        // The environment counts only as far as it was handed to us.
        .no_proxy();
    let variable = |name: &str| config.env(name).or_else(|| config.env(&name.to_lowercase()));
    let exceptions = format!("{NEVER_PROXIED},{}", variable("NO_PROXY").unwrap_or_default());
    let general = variable("ALL_PROXY");
    for (name, make) in [
        ("HTTP_PROXY", Proxy::http as fn(String) -> reqwest::Result<Proxy>),
        ("HTTPS_PROXY", Proxy::https),
    ] {
        let Some(address) = variable(name).or(general) else { continue };
        let address = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        // The message must not repeat the value: it may hold a password.
        let wrong = || Error::config(name, "is not an HTTP proxy's URL: http://HOST:PORT");
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(wrong());
        }
        let proxy = make(address).map_err(|_| wrong())?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_string(&exceptions)));
    }
    Ok(builder)
}

/// Adds who is trusted and who we are.
fn tls(
    mut builder: ClientBuilder,
    config: &Config,
    options: &RegistryOptions,
) -> Result<ClientBuilder> {
    if options.skip_tls_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else {
        let mut extra = Vec::new();
        for path in &options.ca_files {
            extra.extend(certificates(path)?);
        }
        let system = system_override(config)?;
        builder = match system {
            Some(system) => builder.tls_certs_only(system.into_iter().chain(extra)),
            None => builder.tls_certs_merge(extra),
        };
    }
    if let Some((certificate, key)) = &options.client_certificate {
        let mut pem = read(certificate)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let identity = Identity::from_pem(&pem).map_err(|_| {
            Error::config(
                format_args!("{} and {}", certificate.display(), key.display()),
                "are not the PEM files of a certificate and its key",
            )
        })?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

/// The certificates of `SSL_CERT_FILE` and `SSL_CERT_DIR`, which replace the system's. None: neither
/// names any. Directories that do not exist are passed over, as OpenSSL and Go do.
fn system_override(config: &Config) -> Result<Option<Vec<Certificate>>> {
    let mut found = Vec::new();
    if let Some(file) = config.env("SSL_CERT_FILE") {
        found.extend(certificates(Path::new(file))?);
    }
    for directory in config.env("SSL_CERT_DIR").into_iter().flat_map(|list| list.split(':')) {
        let problem = |error: std::io::Error| {
            Error::config(format_args!("SSL_CERT_DIR {directory}"), error.to_string())
        };
        let entries = match std::fs::read_dir(directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(problem)?,
        };
        for entry in entries {
            let path = entry.map_err(problem)?.path();
            // Such directories also hold links by hash and files of other kinds.
            if path.is_file()
                && let Ok(certificates) = certificates(&path)
            {
                found.extend(certificates);
            }
        }
    }
    Ok(Some(found).filter(|found| !found.is_empty()))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let pem = read(path)?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::config(path.display(), "holds no PEM certificate")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read as _;
    let problem = |error: std::io::Error| Error::config(path.display(), error.to_string());
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(problem)?;
    file.take(MAX_PEM + 1).read_to_end(&mut bytes).map_err(problem)?;
    if bytes.len() as u64 > MAX_PEM {
        return Err(Error::config(path.display(), "is too large for a certificate file"));
    }
    Ok(bytes)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let junk = dir.path().join("junk.pem");
        std::fs::write(&junk, "junk").unwrap();
        let url = "https://r.example/".parse().unwrap();
        let problem = |config: &Config| {
            Clients::default().get(config, &url).map(|_| ()).unwrap_err().to_string()
        };
        let with = |options: RegistryOptions| Config {
            registries: [("r.example".to_owned(), options)].into(),
            ..Config::default()
        };
        let ca = RegistryOptions { ca_files: vec![junk.clone()], ..RegistryOptions::default() };
        assert!(problem(&with(ca)).ends_with("junk.pem: holds no PEM certificate"));
        let client = RegistryOptions {
            client_certificate: Some((junk.clone(), junk)),
            ..RegistryOptions::default()
        };
        assert!(problem(&with(client)).contains("not the PEM files of a certificate and its key"));
        let env = |key: &str, value: &str| Config {
            env: [(key.to_owned(), value.to_owned())].into(),
            ..Config::default()
        };
        assert!(problem(&env("SSL_CERT_FILE", "/nonexistent")).starts_with("/nonexistent: "));
        let proxy = problem(&env("https_proxy", "http://u:hunter2@[::"));
        assert!(proxy.starts_with("HTTPS_PROXY: ") && !proxy.contains("hunter2"), "{proxy}");
        assert!(problem(&env("ALL_PROXY", "socks5://h:1")).contains("is not an HTTP proxy's URL"));
    }

    #[test]
    fn clients_are_shared_by_settings() {
        let clients = Clients::default();
        let tls = RegistryOptions { skip_tls_verify: true, ..RegistryOptions::default() };
        let config =
            Config { registries: [("r.example".to_owned(), tls)].into(), ..Config::default() };
        for url in ["http://a/", "http://b/", "https://r.example/x", "https://r.example/y"] {
            clients.get(&config, &url.parse().unwrap()).unwrap();
        }
        assert_eq!(clients.made.lock().unwrap().len(), 2);
    }

    #[test]
    fn options_are_found_by_host_and_port() {
        let named = |name: &str| Config {
            registries: [(name.to_owned(), RegistryOptions::default())].into(),
            ..Config::default()
        };
        let cases = [
            ("r.example", "https://r.example/x", true),
            ("r.example:443", "https://r.example/x", true),
            ("r.example:5000", "https://r.example:5000/x", true),
            ("r.example", "https://r.example:5000/x", false),
            ("docker.io", "https://registry-1.docker.io/v2/", true),
            ("[::1]:5000", "https://[::1]:5000/", true),
        ];
        for (name, url, expected) in cases {
            let config = named(name);
            let found = own_options(&config, &url.parse().unwrap());
            assert_eq!(found.is_some(), expected, "{name} for {url}");
        }
    }
}
