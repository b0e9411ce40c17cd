//! Errors as the tools of a distribution print them.

use crate::wire::errno;
use std::io;

/// Turns an import's result into a `Result`: negative values are errno numbers.
pub(crate) fn check(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(result.wrapping_neg()))
}

/// An error of the given [`errno`] number.
#[must_use]
pub fn from_errno(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

/// What `strerror(3)` of glibc says, without Rust's "(os error n)".
#[must_use]
pub fn text(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else { return error.to_string() };
    match number {
        errno::E2BIG => "Argument list too long",
        errno::EACCES => "Permission denied",
        errno::EAGAIN => "Resource temporarily unavailable",
        errno::EBADF => "Bad file descriptor",
        errno::EBUSY => "Device or resource busy",
        errno::ECHILD => "No child processes",
        errno::EDQUOT => "Disk quota exceeded",
        errno::EEXIST => "File exists",
        errno::EFAULT => "Bad address",
        errno::EFBIG => "File too large",
        errno::EINTR => "Interrupted system call",
        errno::EINVAL => "Invalid argument",
        errno::EIO => "Input/output error",
        errno::EISDIR => "Is a directory",
        errno::ELOOP => "Too many levels of symbolic links",
        errno::EMFILE => "Too many open files",
        errno::EMLINK => "Too many links",
        errno::ENAMETOOLONG => "File name too long",
        errno::ENODATA => "No data available",
        errno::ENODEV => "No such device",
        errno::ENOENT => "No such file or directory",
        errno::ENOEXEC => "Exec format error",
        errno::ENOMEM => "Cannot allocate memory",
        errno::ENOSPC => "No space left on device",
        errno::ENOSYS => "Function not implemented",
        errno::ENOTDIR => "Not a directory",
        errno::ENOTEMPTY => "Directory not empty",
        errno::ENOTSUP => "Operation not supported",
        errno::ENOTTY => "Inappropriate ioctl for device",
        errno::ENXIO => "No such device or address",
        errno::EOVERFLOW => "Value too large for defined data type",
        errno::EPERM => "Operation not permitted",
        errno::EPIPE => "Broken pipe",
        errno::ERANGE => "Numerical result out of range",
        errno::EROFS => "Read-only file system",
        errno::ESPIPE => "Illegal seek",
        errno::ESRCH => "No such process",
        errno::ETXTBSY => "Text file busy",
        errno::EXDEV => "Invalid cross-device link",
        _ => return format!("Unknown error {number}"),
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_the_c_library_prints_them() {
        assert_eq!(text(&from_errno(errno::ENOENT)), "No such file or directory");
        assert_eq!(text(&from_errno(9999)), "Unknown error 9999");
        assert_eq!(text(&io::Error::other("bad header")), "bad header");
        assert_eq!(check(7).ok(), Some(7));
        assert_eq!(check(-44).unwrap_err().raw_os_error(), Some(errno::ENOENT));
    }
}
