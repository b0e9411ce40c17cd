//! Addresses: what the bytes say, and whether a step may go there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use rustix::net::AddressFamily;

use super::Rules;

/// The domain name system's port.
const DNS: u16 = 53;

/// Whether a step may send to this address.
pub(super) fn permit(address: SocketAddr, rules: &Rules) -> Result<(), Errno> {
    if !rules.network {
        return Err(Errno::NETUNREACH);
    }
    let ip = address.ip().to_canonical();
    // Some clouds have names and metadata under one address.
    let resolver = address.port() == DNS && rules.resolvers.contains(&ip);
    if kiln_metadata::is_service(ip) && !resolver { Err(Errno::ACCESS) } else { Ok(()) }
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
    fn metadata_is_refused_and_no_network_is_none() {
        let open = rules(true, &[]);
        for ip in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            assert_eq!(permitted(ip, 80, &open), Err(Errno::ACCESS), "{ip}");
        }
        assert_eq!(permitted("169.254.20.10", 80, &open), Ok(()));
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
