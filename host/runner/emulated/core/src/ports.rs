//! Ports below 1024, which a container's root may bind and a pod's user may not.
//!
//! The kernel is asked first. What it refuses to a user who has the capability gets another port in
//! its place, out of a range of the step's own; whoever in the step connects to that port at a
//! loopback address is led there, and names of sockets tell the port that was asked for. A datagram
//! that comes from such a socket tells the other one.

use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::world::World;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// `CAP_NET_BIND_SERVICE`
const BIND_SERVICE: u64 = 1 << 10;
/// The ports that take a capability.
const LOW: core::ops::Range<u16> = 1..1024;
/// Where the ranges begin that take their place, and how many there are. All lie below the ports
/// that the kernel gives to who asks for none.
const FIRST: u16 = 10_240;
const RANGES: u16 = 20;
/// Longest internet address: `struct sockaddr_in6`.
const ADDRESS: usize = 28;

/// The port of a `struct sockaddr_in` or `struct sockaddr_in6`.
fn port_of(address: &[u8]) -> Option<u16> {
    let family = u16::from_ne_bytes(*address.first_chunk()?);
    let least = match family {
        AF_INET => 8,
        AF_INET6 => 24,
        _ => return None,
    };
    let port = address.get(2..4).filter(|_| address.len() >= least)?;
    Some(u16::from_be_bytes(port.try_into().ok()?))
}

fn set_port(address: &mut [u8], port: u16) {
    if let Some(place) = address.get_mut(2..4) {
        place.copy_from_slice(&port.to_be_bytes());
    }
}

/// Whether it is this machine's own address, or none, which is the same for connect(2).
fn is_local(address: &[u8]) -> bool {
    let mapped = |ip: &[u8]| ip.first() == Some(&127) || ip == [0; 4];
    match (address.get(4..8), address.get(8..24)) {
        (Some(ip), _) if address.first_chunk() == Some(&AF_INET.to_ne_bytes()) => mapped(ip),
        (_, Some(ip)) => {
            let (start, end) = ip.split_at(12);
            let loopback = start == [0; 12] && (end == [0, 0, 0, 1] || end == [0; 4]);
            loopback || (start == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] && mapped(end))
        }
        _ => false,
    }
}

impl<G: Guest> World<'_, G> {
    /// What to add to a port below 1024.
    fn range(&self) -> u16 {
        let sum = self
            .config
            .token
            .iter()
            .fold(0u16, |sum, &byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
        FIRST + LOW.end * (sum % RANGES)
    }

    /// bind(2) to a port below 1024; false when the address is another.
    ///
    /// # Errors
    /// The call's.
    pub(crate) fn bind_low_port(&self, socket: i32, address: usize, length: usize) -> Result<bool> {
        let mut bytes = [0; ADDRESS];
        let Some(bytes) = bytes.get_mut(..length).filter(|_| address != 0) else {
            return Ok(false);
        };
        self.guest.read(address, bytes)?;
        let Some(port) = port_of(bytes).filter(|port| LOW.contains(port)) else {
            return Ok(false);
        };
        match self.guest.bind(socket, bytes) {
            Err(Errno::ACCES) if self.cred.caps()[0] & BIND_SERVICE != 0 => {}
            other => return other.map(|()| true),
        }
        set_port(bytes, self.range() + port);
        self.guest.bind(socket, bytes)?;
        self.guest.note_low_port(port);
        Ok(true)
    }

    /// An address to connect or to send to.
    pub(crate) fn lead_to_low_port(&self, address: &mut [u8]) {
        if let Some(port) = port_of(address)
            && LOW.contains(&port)
            && is_local(address)
            && self.guest.has_low_port(port)
        {
            set_port(address, self.range() + port);
        }
    }

    /// An address that the kernel tells.
    pub(crate) fn tell_low_port(&self, address: &mut [u8]) {
        if let Some(port) = port_of(address)
            && let Some(low) = port.checked_sub(self.range())
            && LOW.contains(&low)
            && self.guest.has_low_port(low)
        {
            set_port(address, low);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(ip: [u8; 4], port: u16) -> [u8; 16] {
        let mut address = [0; 16];
        address[..2].copy_from_slice(&AF_INET.to_ne_bytes());
        address[2..4].copy_from_slice(&port.to_be_bytes());
        address[4..8].copy_from_slice(&ip);
        address
    }

    #[test]
    fn addresses_of_this_machine_are_known() {
        let v6 = |ip: [u8; 16]| {
            let mut address = [0; 28];
            address[..2].copy_from_slice(&AF_INET6.to_ne_bytes());
            address[8..24].copy_from_slice(&ip);
            address
        };
        assert!(is_local(&v4([127, 9, 0, 1], 1)) && is_local(&v4([0; 4], 1)));
        assert!(!is_local(&v4([10, 0, 0, 1], 1)));
        assert!(is_local(&v6(std::net::Ipv6Addr::LOCALHOST.octets())));
        assert!(is_local(&v6("::ffff:127.0.0.1".parse::<std::net::Ipv6Addr>().unwrap().octets())));
        assert!(!is_local(&v6("fd00::1".parse::<std::net::Ipv6Addr>().unwrap().octets())));
        assert_eq!(port_of(&v4([1; 4], 80)), Some(80));
        assert_eq!(port_of(&[1, 0, b'/', b'x']), None);
        assert_eq!(port_of(&[]), None);
    }

    #[test]
    fn no_range_reaches_the_ports_given_to_clients() {
        const { assert!(FIRST + LOW.end * RANGES < 32_768) };
    }
}
