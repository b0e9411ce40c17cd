//! Nobody whom a build listens to (a registry's redirects and token services, a Dockerfile's ADD)
//! leads kiln to a cloud's metadata service.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use kiln_metadata::is_service;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What an error says of such an address.
pub const REFUSED: &str = "the address is one of a cloud's metadata service, or link-local";

/// The address that a URL's host is, in figures.
#[must_use]
pub fn figures(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether a URL's host is a metadata service's address; names are looked at by [`Resolver`].
pub(crate) fn is_services(url: &Url) -> bool {
    figures(url).is_some_and(is_service)
}

/// Resolves names as the system does, and leaves the addresses out that this function names.
pub struct Resolver(pub fn(IpAddr) -> bool);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_refused = self.0;
        Box::pin(async move {
            let lookup = move || (name.as_str(), 0).to_socket_addrs();
            let found: Vec<SocketAddr> = tokio::task::spawn_blocking(lookup).await??.collect();
            let allowed: Vec<_> =
                found.iter().copied().filter(|address| !is_refused(address.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(REFUSED.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_urls_have_them() {
        for (host, expected) in [
            ("169.254.169.254", true),
            ("2852039166", true),
            ("[::ffff:169.254.169.254]", true),
            // A registry may well have an address of its link.
            ("169.254.7.7", false),
            ("[fe80::1]", false),
            ("example.org", false),
        ] {
            let url = Url::parse(&format!("http://{host}/x")).unwrap();
            assert_eq!(is_services(&url), expected, "{host}");
        }
    }

    #[test]
    fn names_do_not_lead_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let resolver = Resolver(is_service);
        let resolve = |name: &str| runtime.block_on(resolver.resolve(name.parse().unwrap()));
        // The system's resolver gives figures back as they are.
        let error = resolve("169.254.169.254").err().unwrap();
        assert_eq!(error.to_string(), REFUSED);
        assert!(resolve("127.0.0.1").unwrap().all(|address| address.ip().is_loopback()));
    }
}
