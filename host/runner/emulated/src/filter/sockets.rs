//! What happens to the calls about sockets, [`Action`](super::Action) by action.

use kiln_emulated_core::config::BROKER_FD;

use super::{ALLOW, AND, ANY_BIT, EPERM, EQUAL, ERRNO, LOAD, Program, RETURN, argument};

pub(super) const EPROTONOSUPPORT: u32 = 93;
pub(super) const ESOCKTNOSUPPORT: u32 = 94;
pub(super) const EOPNOTSUPP: u32 = 95;
pub(super) const EAFNOSUPPORT: u32 = 97;
pub(super) const ENETUNREACH: u32 = 101;

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
/// The default, ICMP, TCP, UDP, ICMPv6, UDP-Lite. Not those that connect by other calls than
/// connect(2).
const PROTOCOLS: [u32; 6] = [0, 1, 6, 17, 58, 136];
/// `SOCK_STREAM`, `SOCK_DGRAM`: the protocol 0 of other types is one that connects by other calls.
const TYPES: [u32; 2] = [1, 2];
const SOCK_RAW: u32 = 3;
/// `SOCK_TYPE_MASK`: the rest of the argument is flags.
const TYPE_MASK: u32 = 0xf;
/// Connects and sends in one.
const MSG_FASTOPEN: u32 = 0x2000_0000;
/// Levels and options of setsockopt(2) by which packets go somewhere else first than to whom the
/// builder connected: `IP_OPTIONS`, `IPV6_RTHDR`, and the older `IPV6_2292PKTOPTIONS`.
const ROUTES: [(u32, u32); 3] = [(0, 4), (41, 57), (41, 6)];

/// `SOL_SOCKET`, `SO_LINGER`: the builder's to set.
const SOCKET_LEVEL: u32 = 1;
const LINGER: u32 = 13;

impl Program {
    pub(super) fn getsockopt(&mut self) {
        // `SOL_SOCKET`, `SO_PEERCRED`
        self.emit(LOAD, argument(1).0);
        self.emit_test(EQUAL, 1, 1, 0);
        self.emit(RETURN, ALLOW);
        self.emit(LOAD, argument(2).0);
        self.emit_test(EQUAL, 17, 1, 0);
        self.emit(RETURN, ALLOW);
        self.emulate(ALLOW);
    }

    pub(super) fn socket(&mut self) {
        self.emit(LOAD, argument(0).0);
        self.emit_test(EQUAL, AF_UNIX, 0, 1);
        self.emit(RETURN, ALLOW);
        if self.no_network {
            self.emit(RETURN, ERRNO | ENETUNREACH);
            return;
        }
        // Of netlink only `NETLINK_ROUTE`, to look at interfaces: the kernel's audit and others are
        // not a build's, and libaudit takes the last errno here for "no audit here".
        self.emit_test(EQUAL, AF_NETLINK, 0, 4);
        self.emit(LOAD, argument(2).0);
        self.emit_test(EQUAL, 0, 0, 1);
        self.emit(RETURN, ALLOW);
        self.emit(RETURN, ERRNO | EPROTONOSUPPORT);
        self.emit_test(EQUAL, AF_INET, 2, 0);
        self.emit_test(EQUAL, AF_INET6, 1, 0);
        self.emit(RETURN, ERRNO | EAFNOSUPPORT);
        self.emit(LOAD, argument(1).0);
        self.emit(AND, TYPE_MASK);
        self.emit_test(EQUAL, TYPES[0], 4, 0);
        self.emit_test(EQUAL, TYPES[1], 3, 0);
        self.emit_test(EQUAL, SOCK_RAW, 0, 1);
        self.emit(RETURN, ERRNO | EPERM);
        self.emit(RETURN, ERRNO | ESOCKTNOSUPPORT);
        self.emit(LOAD, argument(2).0);
        for protocol in PROTOCOLS {
            self.emit_test(EQUAL, protocol, 0, 1);
            self.emit(RETURN, ALLOW);
        }
        self.emit(RETURN, ERRNO | EPROTONOSUPPORT);
    }

    /// Other families than Unix have no need of it, and could be had by it.
    pub(super) fn socket_pair(&mut self) {
        self.emit(LOAD, argument(0).0);
        self.emit_test(EQUAL, AF_UNIX, 0, 1);
        self.emit(RETURN, ALLOW);
        self.emit(RETURN, ERRNO | EAFNOSUPPORT);
    }

    pub(super) fn setsockopt(&mut self) {
        // To take a route away is no route.
        self.unless_null(3);
        self.emit(LOAD, argument(1).0);
        self.emit_test(EQUAL, SOCKET_LEVEL, 0, 8);
        self.emit(LOAD, argument(2).0);
        self.emit_test(EQUAL, LINGER, 0, 6);
        self.emulate(ERRNO | EPERM);
        for (level, option) in ROUTES {
            self.emit(LOAD, argument(1).0);
            self.emit_test(EQUAL, level, 0, 3);
            self.emit(LOAD, argument(2).0);
            self.emit_test(EQUAL, option, 0, 1);
            self.emit(RETURN, ERRNO | EPERM);
        }
        self.emit(RETURN, ALLOW);
    }

    pub(super) fn send_to(&mut self) {
        self.emit(LOAD, argument(3).0);
        self.emit_test(ANY_BIT, MSG_FASTOPEN, 0, 1);
        self.emit(RETURN, ERRNO | EOPNOTSUPP);
        self.unless_null(4);
        self.emulate(ERRNO | EPERM);
    }

    pub(super) fn send_message(&mut self) {
        self.emit(LOAD, argument(0).0);
        self.emit_test(EQUAL, BROKER_FD.cast_unsigned(), 0, 6);
        self.emulate(ALLOW);
        self.emulate(ERRNO | EPERM);
    }
}
