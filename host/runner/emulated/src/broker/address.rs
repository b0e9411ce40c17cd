//! Addresses: what the bytes say, and whether a step may go there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use rustix::net::AddressFamily;

use super::Rules;

/// Where clouds hand out credentials to whoever asks: never a build's business.
const METADATA_V4: [Ipv4Addr; 8] = [
    // All clouds.
    Ipv4Addr::new(169, 254, 169, 254),
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
const METADATA_V6: [Ipv6Addr; 5] = [
    // AWS, EKS.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    // Google.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    // OpenStack, Scaleway.
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];
/// The domain name system's port.
const DNS: u16 = 53;

/// Whether a step may send to this address.
pub(super) fn permit(address: SocketAddr, rules: &Rules) -> Result<(), Errno> {
    if !rules.network {
        return Err(Errno::NETUNREACH);
    }
    let ip = address.ip().to_canonical();
    let metadata = match ip {
        IpAddr::V4(ip) => METADATA_V4.contains(&ip),
        IpAddr::V6(ip) => METADATA_V6.contains(&ip) || embeds_metadata(ip),
    };
    // Some clouds have names and metadata under one address.
    let resolver = address.port() == DNS && rules.resolvers.contains(&ip);
    if metadata && !resolver { Err(Errno::ACCESS) } else { Ok(()) }
}

/// The name servers of a resolv.conf(5).
pub(crate) fn name_servers(text: &[u8]) -> Vec<IpAddr> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<IpAddr>().ok())
        .map(|ip| ip.to_canonical())
        .collect()
}

/// The ways to write an IPv4 address in an IPv6 one that a gateway may undo: the IPv4-compatible
/// and the translated form, the NAT64 prefixes, 6to4.
fn embeds_metadata(ip: Ipv6Addr) -> bool {
    let octets = ip.octets();
    let is_metadata = |octets: [u8; 4]| METADATA_V4.contains(&Ipv4Addr::from(octets));
    let v4 = |at: usize| {
        let octets = octets.get(at..at + 4).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        octets.is_some_and(is_metadata)
    };
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => v4(12),
        // RFC 6052: at the end, or around the reserved byte of a prefix of 48 bits.
        [0x64, 0xff9b, ..] => {
            let [_, _, _, _, _, _, a, b, _, c, d, ..] = octets;
            v4(12) || is_metadata([a, b, c, d])
        }
        [0x2002, ..] => v4(2),
        _ => false,
    }
}

/// `struct sockaddr_in`, `struct sockaddr_in6`
pub(super) fn parse_address(family: u16, bytes: &[u8]) -> Result<SocketAddr, Errno> {
    let port = bytes.get(2..4).ok_or(Errno::INVAL)?;
    let port = u16::from_be_bytes(port.try_into().map_err(|_| Errno::INVAL)?);
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).ok_or(Errno::INVAL)?;
        <[u8; 4]>::try_from(bytes).map_err(|_| Errno::INVAL)
    };
    if family == AddressFamily::INET.as_raw() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(word(4)?)), port));
    }
    if family == AddressFamily::INET6.as_raw() {
        let octets = bytes.get(8..24).ok_or(Errno::INVAL)?;
        let octets = <[u8; 16]>::try_from(octets).map_err(|_| Errno::INVAL)?;
        let scope = word(24).map_or(0, u32::from_ne_bytes);
        let flow = u32::from_be_bytes(word(4)?);
        let address = std::net::SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope);
        return Ok(SocketAddr::V6(address));
    }
    Err(Errno::AFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(network: bool, resolvers: &[&str]) -> Rules {
        let resolvers = resolvers.iter().map(|ip| ip.parse().unwrap()).collect();
        Rules { network, resolvers, ..Rules::default() }
    }

    fn permitted(ip: &str, port: u16, rules: &Rules) -> Result<(), Errno> {
        permit(SocketAddr::new(ip.parse().unwrap(), port), rules)
    }

    #[test]
    fn metadata_is_refused_however_it_is_written() {
        let open = rules(true, &[]);
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "::ffff:169.254.169.254",
            "::ffff:0:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fe80::a9fe:a9fe",
        ] {
            assert_eq!(permitted(ip, 80, &open), Err(Errno::ACCESS), "{ip}");
        }
        for ip in ["127.0.0.1", "169.254.20.10", "::1", "fd00:ec2::253", "10.0.0.1"] {
            assert_eq!(permitted(ip, 80, &open), Ok(()), "{ip}");
        }
        assert_eq!(permitted("127.0.0.1", 80, &rules(false, &[])), Err(Errno::NETUNREACH));
    }

    #[test]
    fn names_are_resolved_where_the_pod_resolves_them() {
        let text = b"# none\nsearch x\n nameserver 169.254.169.254\nnameserver ::1 # local\n";
        let resolvers = name_servers(text);
        assert_eq!(resolvers.len(), 2);
        let rules = Rules { network: true, resolvers, ..Rules::default() };
        assert_eq!(permitted("169.254.169.254", 53, &rules), Ok(()));
        assert_eq!(permitted("169.254.169.254", 80, &rules), Err(Errno::ACCESS));
        assert_eq!(permitted("169.254.170.2", 53, &rules), Err(Errno::ACCESS));
    }

    #[test]
    fn addresses_parse_as_the_kernel_reads_them() {
        let mut v4 = vec![2, 0, 0, 80, 10, 1, 2, 3];
        assert_eq!(parse_address(2, &v4).unwrap(), "10.1.2.3:80".parse().unwrap());
        v4.truncate(7);
        assert_eq!(parse_address(2, &v4), Err(Errno::INVAL));
        assert_eq!(parse_address(40, &[0; 16]), Err(Errno::AFNOSUPPORT));
        let mut v6 = vec![10, 0, 1, 187];
        v6.extend([0; 4]);
        v6.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        v6.extend([0; 4]);
        assert_eq!(parse_address(10, &v6).unwrap(), "[2001:db8::1]:443".parse().unwrap());
    }
}
