//! The HTTP client of ADD and of contexts: redirects, proxies and certificates.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, NoProxy, Proxy, redirect, retry};

use super::metadata;
use crate::error::{BuildError, Context, ErrorKind, Result};

/// The most redirects that are followed, as in Go's client: a server can send us round for ever.
const MAX_REDIRECTS: usize = 10;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a server may send nothing: one that holds the line must not hold the build.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);
/// Hosts that no proxy can reach for us, as Go's tools have it.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// A client for `url` with the settings of `env`.
pub(super) fn new(url: &str, env: &BTreeMap<String, String>) -> Result<Client> {
    match build(env, true) {
        // Where there are no certificates, plain HTTP still works.
        Err(_) if url.starts_with("http://") => build(env, false),
        made => made,
    }
}

fn build(env: &BTreeMap<String, String>, tls: bool) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::custom(follow))
        .retry(retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .http1_only()
        .dns_resolver(metadata::Resolver(metadata::is_refused))
        // The environment counts only as far as it was handed to us.
        .no_proxy();
    for proxy in proxies(env)? {
        builder = builder.proxy(proxy);
    }
    if !tls {
        builder = builder.tls_certs_only([]);
    } else if let Some(certificates) = trusted(env)? {
        builder = builder.tls_certs_only(certificates);
    }
    builder
        .build()
        .context(ErrorKind::Environment, || "set up TLS".to_owned())
        .map_err(|error| error.with_hint("name a file of trusted CA certificates in SSL_CERT_FILE"))
}

fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(format!("stopped after {MAX_REDIRECTS} redirects"));
    }
    if let Err(refused) = metadata::check(attempt.url()) {
        return attempt.error(refused);
    }
    match attempt.url().scheme() {
        "http" | "https" => attempt.follow(),
        scheme => {
            let refused = format!("redirect to {scheme}:// refused");
            attempt.error(refused)
        }
    }
}

fn proxies(env: &BTreeMap<String, String>) -> Result<Vec<Proxy>> {
    let variable = |name: &str| {
        let value = env.get(name).or_else(|| env.get(&name.to_lowercase()));
        value.filter(|value| !value.is_empty())
    };
    let exceptions = format!("{NEVER_PROXIED},{}", variable("NO_PROXY").map_or("", String::as_str));
    let mut proxies = Vec::new();
    for (name, make) in [
        ("HTTP_PROXY", Proxy::http as fn(String) -> reqwest::Result<Proxy>),
        ("HTTPS_PROXY", Proxy::https),
    ] {
        let Some(address) = variable(name).or_else(|| variable("ALL_PROXY")) else { continue };
        let address = match address.contains("://") {
            true => address.clone(),
            false => format!("http://{address}"),
        };
        // The message must not repeat the value: it may hold a password.
        let wrong = || {
            BuildError::input(format!("{name} is not an HTTP proxy's URL"))
                .with_hint("write http://HOST:PORT")
        };
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return Err(wrong());
        }
        let proxy = make(address).map_err(|_| wrong())?;
        proxies.push(proxy.no_proxy(NoProxy::from_string(&exceptions)));
    }
    Ok(proxies)
}

/// The certificates of `SSL_CERT_FILE`, which replace the system's.
fn trusted(env: &BTreeMap<String, String>) -> Result<Option<Vec<Certificate>>> {
    let Some(file) = env.get("SSL_CERT_FILE").filter(|file| !file.is_empty()) else {
        return Ok(None);
    };
    let what = || format!("read the certificates of SSL_CERT_FILE {file}");
    let pem = std::fs::read(Path::new(file)).context(ErrorKind::Environment, what)?;
    Certificate::from_pem_bundle(&pem).context(ErrorKind::Environment, what).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_wrong_proxy_is_told_without_its_password() {
        for value in ["socks5://user:hunter2@h:1", "http://user:hunter2@[::"] {
            let error = proxies(&env("https_proxy", value)).unwrap_err();
            let text = error.chain();
            assert!(text.starts_with("HTTPS_PROXY ") && !text.contains("hunter2"), "{text}");
        }
        assert_eq!(proxies(&env("ALL_PROXY", "proxy:3128")).unwrap().len(), 2);
    }
}
