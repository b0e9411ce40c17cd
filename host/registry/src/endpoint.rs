//! Where a reference's registry is: scheme, host, path prefix; mirrors.

use std::net::IpAddr;

use reqwest::Url;

use crate::config::Config;
use crate::error::{Error, Result};

/// The name that references use for Docker Hub, and the host that serves its API.
const HUB: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// A server that speaks the distribution API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// As users, options and auth files name it: `docker.io`, `host[:port]`.
    pub(crate) registry: String,
    pub(crate) plain_http: bool,
    /// `host[:port]` to connect to.
    authority: String,
    /// Put before each repository name: `` or `prefix/`.
    prefix: String,
    pub(crate) is_mirror: bool,
}

impl Endpoint {
    /// The endpoint of a registry as named in a reference.
    pub(crate) fn of_registry(registry: &str, config: &Config) -> Self {
        let registry = canonical(registry);
        let options = config.registries.get(registry).unwrap_or(&config.default_registry);
        let plain_http =
            options.plain_http.unwrap_or_else(|| is_loopback(registry) && !options.is_about_tls());
        let authority = if registry == HUB { HUB_HOST } else { registry };
        Self {
            registry: registry.to_owned(),
            plain_http,
            authority: authority.to_owned(),
            prefix: String::new(),
            is_mirror: false,
        }
    }

    /// Reads `[http://|https://]host[:port][/prefix]`.
    fn of_mirror(mirror: &str, config: &Config) -> Result<Self> {
        let (scheme, rest) = match mirror.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, mirror),
        };
        let (host, prefix) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest, ""));
        let mut endpoint = Self::of_registry(host.trim_end_matches('/'), config);
        match scheme {
            Some("http") => endpoint.plain_http = true,
            Some("https") => endpoint.plain_http = false,
            Some(_) => {
                return Err(Error::config(
                    format_args!("mirror {mirror}"),
                    "is neither http:// nor https://",
                ));
            }
            None => {}
        }
        if !prefix.is_empty() {
            endpoint.prefix = format!("{prefix}/");
        }
        endpoint.is_mirror = true;
        endpoint.url("x", "tags/list")?;
        Ok(endpoint)
    }

    /// Where to pull from, in order.
    pub(crate) fn for_pull(registry: &str, config: &Config) -> Result<Vec<Self>> {
        let mut endpoints = Vec::new();
        for mirror in config.mirrors.get(canonical(registry)).into_iter().flatten() {
            endpoints.push(Self::of_mirror(mirror, config)?);
        }
        if endpoints.is_empty() || config.mirror_fallback {
            endpoints.push(Self::of_registry(registry, config));
        }
        Ok(endpoints)
    }

    /// The repository's name on this server.
    pub(crate) fn repository(&self, repository: &str) -> String {
        format!("{}{repository}", self.prefix)
    }

    /// `…/v2/REPOSITORY/REST`; the repository as this server names it, `rest` may hold a query.
    pub(crate) fn url(&self, repository: &str, rest: &str) -> Result<Url> {
        let url = format!("{}/v2/{repository}/{rest}", self.origin());
        Url::parse(&url).map_err(|error| Error::config(url, error.to_string()))
    }

    /// `scheme://host[:port]`.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.plain_http { "http" } else { "https" };
        format!("{scheme}://{}", self.authority)
    }

    /// Whether `url` is on this very server, so that it may see its credentials.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        Url::parse(&self.origin()).is_ok_and(|own| own.origin() == url.origin())
    }
}

/// One name for Docker Hub's several ones.
pub(crate) fn canonical(registry: &str) -> &str {
    match registry {
        "index.docker.io" | HUB_HOST => HUB,
        other => other,
    }
}

/// `localhost`, `127.0.0.0/8`, `[::1]`, each with any port.
fn is_loopback(authority: &str) -> bool {
    let host = if let Some(rest) = authority.strip_prefix('[') {
        rest.split_once(']').map_or(rest, |(host, _)| host)
    } else {
        authority.rsplit_once(':').map_or(authority, |(host, _)| host)
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RegistryOptions;

    fn url(registry: &str, config: &Config) -> String {
        Endpoint::of_registry(registry, config).url("a/b", "manifests/x").unwrap().to_string()
    }

    #[test]
    fn registries() {
        let cases = [
            ("docker.io", "https://registry-1.docker.io/v2/a/b/manifests/x"),
            ("index.docker.io", "https://registry-1.docker.io/v2/a/b/manifests/x"),
            ("ghcr.io", "https://ghcr.io/v2/a/b/manifests/x"),
            ("r.example:5000", "https://r.example:5000/v2/a/b/manifests/x"),
            ("localhost:5000", "http://localhost:5000/v2/a/b/manifests/x"),
            ("localhost", "http://localhost/v2/a/b/manifests/x"),
            ("127.9.0.1:5000", "http://127.9.0.1:5000/v2/a/b/manifests/x"),
            ("[::1]:5000", "http://[::1]:5000/v2/a/b/manifests/x"),
            ("[2001:db8::1]", "https://[2001:db8::1]/v2/a/b/manifests/x"),
            ("localhost.example", "https://localhost.example/v2/a/b/manifests/x"),
            ("128.0.0.1:80", "https://128.0.0.1:80/v2/a/b/manifests/x"),
        ];
        for (registry, expected) in cases {
            assert_eq!(url(registry, &Config::default()), expected);
        }
    }

    #[test]
    fn options_choose_the_scheme() {
        let plain = RegistryOptions { plain_http: Some(true), ..RegistryOptions::default() };
        let tls = RegistryOptions { skip_tls_verify: true, ..RegistryOptions::default() };
        let config = Config {
            registries: [("plain.example".into(), plain.clone()), ("localhost:1".into(), tls)]
                .into(),
            ..Config::default()
        };
        assert!(url("plain.example", &config).starts_with("http://"));
        assert!(url("localhost:1", &config).starts_with("https://"));
        assert!(url("localhost:2", &config).starts_with("http://"));
        assert!(url("other.example", &config).starts_with("https://"));
        let config = Config { default_registry: plain, ..Config::default() };
        assert!(url("other.example", &config).starts_with("http://"));
    }

    #[test]
    fn mirrors_come_first() {
        let mut config = Config {
            mirrors: [(
                "docker.io".to_owned(),
                vec!["http://m.example:81/hub/".to_owned(), "gcr.example".to_owned()],
            )]
            .into(),
            ..Config::default()
        };
        let urls = |config: &Config, registry: &str| {
            Endpoint::for_pull(registry, config)
                .unwrap()
                .iter()
                .map(|e| e.url(&e.repository("library/debian"), "tags/list").unwrap().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            urls(&config, "docker.io"),
            [
                "http://m.example:81/v2/hub/library/debian/tags/list",
                "https://gcr.example/v2/library/debian/tags/list",
                "https://registry-1.docker.io/v2/library/debian/tags/list",
            ]
        );
        assert_eq!(urls(&config, "quay.io").len(), 1);
        config.mirror_fallback = false;
        assert_eq!(urls(&config, "docker.io").len(), 2);
        assert_eq!(urls(&config, "quay.io").len(), 1);
        config.mirrors.insert("a".into(), vec!["ftp://x".into()]);
        assert!(Endpoint::for_pull("a", &config).is_err());
        config.mirrors.insert("a".into(), vec!["bad host".into()]);
        assert!(Endpoint::for_pull("a", &config).is_err());
    }

    #[test]
    fn ownership_is_the_origin() {
        let endpoint = Endpoint::of_registry("r.example", &Config::default());
        let cases = [
            ("https://r.example/x", true),
            ("https://r.example:443/x", true),
            ("http://r.example/x", false),
            ("https://r.example:444/x", false),
            ("https://s.example/x", false),
            ("https://r.example.evil/x", false),
        ];
        for (url, expected) in cases {
            assert_eq!(endpoint.owns(&url.parse().unwrap()), expected, "{url}");
        }
    }
}
