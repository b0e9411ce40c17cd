//! The system calls that `rustix` has no safe function for, each behind a small safe one.
//!
//! Everything here may be called between `clone` and `execve` in a copy of a process that has
//! threads: it neither allocates nor takes a lock.

pub(crate) mod mount;
pub(crate) mod network;
pub(crate) mod process;
pub(crate) mod seccomp;
pub(crate) mod signal;

use rustix::io::Errno;

/// The error that the last libc call of this thread left behind.
fn last_errno() -> Errno {
    let number = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Errno::from_raw_os_error(number)
}
