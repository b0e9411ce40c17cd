//! The addresses where clouds hand out credentials to whoever asks.
//!
//! Nothing of a build lies there: neither a step nor what a registry or a Dockerfile leads to may
//! reach them, however the address is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const V4: [Ipv4Addr; 9] = [
    // All clouds.
    Ipv4Addr::new(169, 254, 169, 254),
    // GKE, where a node's own service listens.
    Ipv4Addr::new(169, 254, 169, 252),
    // AWS: ECS, EKS.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Alibaba.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure's WireServer.
    Ipv4Addr::new(168, 63, 129, 16),
    // Oracle, Tencent, Scaleway.
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
];
const V6: [Ipv6Addr; 8] = [
    // AWS, EKS.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    // Google.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    // OpenStack, Scaleway.
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    // Oracle, Akamai, Alibaba.
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200),
];

/// Whether a metadata service has this address.
#[must_use]
pub fn is_service(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => V4.contains(&address),
        IpAddr::V6(address) => {
            V6.contains(&address) || embedded(address).any(|address| V4.contains(&address))
        }
    }
}

/// The addresses of version 4 that a gateway may take one of version 6 for: the IPv4-compatible and
/// the translated form, the NAT64 prefixes, 6to4.
pub fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let [_, _, a, b, c, d, e, f, _, g, h, i, w, x, y, z] = address.octets();
    let last = Some(Ipv4Addr::new(w, x, y, z));
    let found = match address.segments() {
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [last, None, None, None],
        // RFC 6052: at the end, or around or after the reserved byte of a prefix of 48, 56, 64 bits.
        [0x64, 0xff9b, ..] => {
            let around = [[e, f, g, h], [f, g, h, i], [g, h, i, w]];
            let [long, longer, longest] = around.map(|bytes| Some(Ipv4Addr::from(bytes)));
            [last, long, longer, longest]
        }
        [0x2002, ..] => [Some(Ipv4Addr::new(a, b, c, d)), None, None, None],
        _ => [None, None, None, None],
    };
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_known_however_they_are_written() {
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "::ffff:0:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:12a9:fe:a9fe::",
            "64:ff9b:1:1234:a9:fea9:fe00:0",
            "fd00:c1::a9fe:a9fe",
            "fd00:a9fe:a9fe::1",
            "fd00:100::100:200",
            "169.254.169.252",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fe80::a9fe:a9fe",
        ] {
            assert!(is_service(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "169.254.20.10",
            "::1",
            "fd00:ec2::253",
            "10.0.0.1",
            "fe80::1",
            "2001:db8::1",
        ] {
            assert!(!is_service(ip.parse().unwrap()), "{ip}");
        }
    }
}
