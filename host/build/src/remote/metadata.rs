//! Addresses where clouds hand out credentials to whoever asks: no file of a build lies there, and
//! ADD, unlike a user's own program, is sent by whoever wrote the Dockerfile.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Beside the link-local ones: Alibaba, Azure's WireServer, Oracle.
const OTHERS_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// AWS, EKS, Google, Scaleway.
const OTHERS_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];
/// What an error says of such an address.
const REFUSED: &str = "the address is one of a cloud's metadata service, or link-local";

/// Refuses a URL whose host is such an address, in figures; names are looked at by [`Resolver`].
pub(super) fn check(url: &Url) -> Result<(), &'static str> {
    let host = url.host_str().unwrap_or_default();
    let figures = host.trim_start_matches('[').trim_end_matches(']');
    match figures.parse() {
        Ok(address) if is_refused(address) => Err(REFUSED),
        _ => Ok(()),
    }
}

/// The same of a repository, also for what its host's name leads to. git looks the name up again,
/// and follows redirects, so this stops what a Dockerfile asks for outright, no more; what is there
/// is no repository, and git shows little of it.
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

/// Resolves names as the system does, and leaves such addresses out.
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
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

fn is_refused(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || OTHERS_V4.contains(&address),
        IpAddr::V6(address) => {
            // Network address translators take the last four bytes for a version 4 address.
            let [.., a, b, c, d] = address.octets();
            let embedded = matches!(address.segments(), [0x64, 0xff9b, ..] | [0, 0, 0, 0, ..]);
            address.is_unicast_link_local()
                || OTHERS_V6.contains(&address)
                || embedded && is_refused(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
    }
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

    #[test]
    fn names_do_not_lead_there() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let resolve = |name: &str| runtime.block_on(Resolver.resolve(name.parse().unwrap()));
        // The system's resolver gives figures back as they are.
        let error = resolve("169.254.169.254").err().unwrap();
        assert_eq!(error.to_string(), REFUSED);
        assert!(resolve("127.0.0.1").unwrap().all(|address| address.ip().is_loopback()));
    }
}
