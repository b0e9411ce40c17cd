//! Bringing up the loopback interface of a new network namespace.
#![expect(unsafe_code, reason = "the interface ioctls have no wrapper in rustix")]

use std::os::fd::AsRawFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::last_errno;

/// `IFF_UP` of `linux/if.h`, in the type of the field that it is a bit of.
const IFF_UP: i16 = 1;

/// `struct ifreq` of netdevice(7), as the two flag requests use it.
#[repr(C)]
struct InterfaceFlags {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// Sets `IFF_UP` on `lo`; the kernel then gives it 127.0.0.1 and ::1 by itself.
///
/// # Errors
/// What `socket(2)` or the ioctls say; `EPERM` without `CAP_NET_ADMIN` over the namespace.
pub(crate) fn loopback_up() -> Result<(), Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut request = InterfaceFlags { name: [0; 16], flags: 0, rest: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: the request has the size of `struct ifreq`, lives across the call, and the kernel
    // fills in the flags alone.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) } < 0 {
        return Err(last_errno());
    }
    request.flags |= IFF_UP;
    // SAFETY: as above; this request is only read.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } < 0 {
        return Err(last_errno());
    }
    Ok(())
}
