//! Messages that go to an address, or that carry descriptors.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use kiln_emulated_core::broker::{FILES_MAX, Request};
use rustix::io::Errno;
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg, sendmsg_addr,
};

use super::address::permit;
use super::{Destination, Rules};

/// Sends a guest's message; never waits.
pub(super) fn send(
    request: &Request,
    data: &[u8],
    files: &[OwnedFd],
    rules: &Rules,
) -> Result<usize, Errno> {
    let (socket, files) = files.split_first().ok_or(Errno::INVAL)?;
    let (target, files) = match files.split_first() {
        Some((target, files)) if request.target => (Some(target), files),
        _ => (None, files),
    };
    let passed: Vec<BorrowedFd<'_>> = files.iter().map(OwnedFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !passed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&passed)) {
        return Err(Errno::INVAL);
    }
    let flags = SendFlags::from_bits_retain(request.flags) & ALLOWED
        | SendFlags::NOSIGNAL
        | SendFlags::DONTWAIT;
    let data = [IoSlice::new(data)];
    if let Some(target) = target {
        let path = super::socket_path(target, rules)?;
        return sendmsg_addr(socket, &SocketAddrUnix::new(path)?, &data, &mut control, flags);
    }
    match super::destination(request.used(), rules)? {
        Destination::Connected => sendmsg(socket, &data, &mut control, flags),
        Destination::Internet(address) => {
            permit(address, rules)?;
            sendmsg_addr(socket, &address, &data, &mut control, flags)
        }
        Destination::Abstract(address) => {
            sendmsg_addr(socket, &address, &data, &mut control, flags)
        }
    }
}

/// `MSG_FASTOPEN` is none of them: it connects.
const ALLOWED: SendFlags = SendFlags::OOB
    .union(SendFlags::DONTROUTE)
    .union(SendFlags::EOR)
    .union(SendFlags::MORE)
    .union(SendFlags::CONFIRM);
