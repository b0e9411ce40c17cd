//! Addresses where clouds hand out credentials to whoever asks: no file of a build lies there, and
//! ADD, unlike a user's own program, is sent by whoever wrote the Dockerfile.

use std::net::{IpAddr, ToSocketAddrs};

use kiln_metadata::{embedded, is_service};
pub(super) use kiln_registry::metadata::Resolver;
use kiln_registry::metadata::{REFUSED, figures};
use reqwest::Url;

/// Refuses a URL whose host is such an address, in figures; names are looked at by [`Resolver`].
pub(super) fn check(url: &Url) -> Result<(), &'static str> {
    match figures(url) {
        Some(address) if is_refused(address) => Err(REFUSED),
        _ => Ok(()),
    }
}

/// The same of a repository, also for what its host's name leads to. git looks the name up again,
/// so a name server that answers otherwise then gets by; what is there is no repository, and git
/// shows little of it.
pub(super) fn check_repository(remote: &str) -> Result<(), &'static str> {
    // What is no URL is of the form `user@host:path`.
    let Ok(url) = Url::parse(remote) else { return Ok(()) };
    check(&url)?;
    let host = url.host_str().unwrap_or_default();
    // A name that does not resolve is git's to complain of.
    let found = (host, 0).to_socket_addrs().ok().into_iter().flatten();
    match found.map(|address| address.ip()).any(is_refused) {
        true => Err(REFUSED),
        false => Ok(()),
    }
}

/// What is to be said of a request that led to such an address.
pub(super) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.to_string() == REFUSED {
            return Some(REFUSED);
        }
        next = error.source();
    }
    None
}

/// A metadata service's address, or another link-local one.
pub(super) fn is_refused(address: IpAddr) -> bool {
    let is_link_local = match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || embedded(address).any(|address| address.is_link_local())
        }
    };
    is_link_local || is_service(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_refused() {
        for (host, allowed) in [
            ("169.254.169.254", false),
            ("2852039166", false),
            ("0xa9fea9fe", false),
            ("169.254.170.2", false),
            ("100.100.100.200", false),
            ("[::ffff:169.254.169.254]", false),
            ("[64:ff9b::169.254.169.254]", false),
            ("[fe80::1]", false),
            ("[fd00:ec2::254]", false),
            ("127.0.0.1", true),
            ("10.0.0.1", true),
            ("[::1]", true),
            ("[2001:db8::1]", true),
            ("example.org", true),
        ] {
            let url = Url::parse(&format!("http://{host}/x")).unwrap();
            assert_eq!(check(&url).is_ok(), allowed, "{host}");
        }
    }

    #[test]
    fn no_repository_lies_there() {
        for (remote, allowed) in [
            ("http://169.254.169.254/latest.git", false),
            ("https://user:word@2852039166/x.git", false),
            ("git://169.254.169.254/x", false),
            ("ssh://git@[fd00:ec2::254]/x", false),
            ("http://127.0.0.1:1/x.git", true),
            ("git@host.invalid:x.git", true),
        ] {
            assert_eq!(check_repository(remote).is_ok(), allowed, "{remote}");
        }
    }
}
