//! Writing to descriptors without the standard library's buffers: a fork must not copy any.

use kiln_guest_abi::fd;
use std::io::Write;
use std::os::fd::IntoRawFd;

/// Writes all of it.
pub(crate) fn write(to: fd::Fd, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fd::into_file(to);
    let result = file.write_all(bytes);
    // The number stays open: the shell, not this file, owns it.
    let _ = file.into_raw_fd();
    result
}

/// Writes to standard error; where that fails there is nobody to tell.
pub(crate) fn error(bytes: &[u8]) {
    let _ = write(2, bytes);
}

/// Reads some bytes; 0 at the end.
pub(crate) fn read(from: fd::Fd, out: &mut [u8]) -> std::io::Result<usize> {
    use std::io::Read;
    let mut file = fd::into_file(from);
    let result = file.read(out);
    let _ = file.into_raw_fd();
    result
}

/// Reads to the end.
pub(crate) fn read_all(from: fd::Fd) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = read(from, &mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    text
}
