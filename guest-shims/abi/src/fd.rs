//! Descriptors: pipes, duplicates, and the numbers that POSIX gives them.

use crate::error::check;
use crate::sys;
use crate::wire::POSIX_FD_BASE;
use std::io;

/// A descriptor's number in this guest.
pub type Fd = u32;

/// The number here of what POSIX calls descriptor `n`: preview 1 takes 3 for the root directory, so
/// inherited descriptors from 3 on are moved up.
#[must_use]
pub const fn posix(n: u32) -> Fd {
    if n < 3 { n } else { POSIX_FD_BASE.saturating_add(n) }
}

/// A new pipe: (read end, write end).
///
/// # Errors
/// `EMFILE` at the limit of descriptors.
pub fn pipe() -> io::Result<(Fd, Fd)> {
    let mut out = [0; 8];
    check(sys::pipe(out.as_mut_ptr()))?;
    Ok(ends(out))
}

/// A pipe that takes all that is written to it without waiting for a reader, up to the limit of a
/// guest's memory, beyond which the step ends: for the output of a program that this process waits
/// for.
///
/// # Errors
/// `EMFILE` at the limit of descriptors.
pub fn buffer() -> io::Result<(Fd, Fd)> {
    let mut out = [0; 8];
    check(sys::buffer(out.as_mut_ptr()))?;
    Ok(ends(out))
}

const fn ends([a, b, c, d, e, f, g, h]: [u8; 8]) -> (Fd, Fd) {
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// `dup(2)`: another number, from 4 on and below 1000, for the same open file; children do not
/// inherit it.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn dup(fd: Fd) -> io::Result<Fd> {
    check(sys::dup(fd))
}

/// `dup2(2)`: makes `to` the same open file as `fd`. Children inherit 0, 1, 2 and the numbers of
/// [`posix`].
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn dup2(fd: Fd, to: Fd) -> io::Result<Fd> {
    check(sys::dup2(fd, to))
}

/// `close(2)`.
///
/// # Errors
/// `EBADF`.
pub fn close(fd: Fd) -> io::Result<()> {
    check(sys::close(fd)).map(drop)
}

/// A `File` over the descriptor, which it closes when dropped.
#[must_use]
#[expect(unsafe_code, reason = "the standard library marks ownership of a number unsafe")]
pub fn into_file(fd: Fd) -> std::fs::File {
    use std::os::fd::FromRawFd;
    // SAFETY: a descriptor is a number in the host's table for this guest; a wrong or shared one
    // gives EBADF or another of the guest's own files, never memory unsafety.
    unsafe { std::fs::File::from_raw_fd(fd.cast_signed()) }
}
