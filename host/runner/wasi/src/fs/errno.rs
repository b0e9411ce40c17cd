//! Linux's errno numbers as preview 1's.

use kiln_guest_abi::wire::errno;
use rustix::io::Errno;

/// What a guest gets for an error of the kernel's.
pub(crate) fn wasi_errno(error: Errno) -> i32 {
    match error {
        Errno::TOOBIG => errno::E2BIG,
        Errno::ACCESS => errno::EACCES,
        Errno::AGAIN => errno::EAGAIN,
        Errno::BADF => errno::EBADF,
        Errno::BUSY => errno::EBUSY,
        Errno::DQUOT => errno::EDQUOT,
        Errno::EXIST => errno::EEXIST,
        Errno::FBIG => errno::EFBIG,
        Errno::INTR => errno::EINTR,
        Errno::INVAL => errno::EINVAL,
        Errno::ISDIR => errno::EISDIR,
        Errno::LOOP => errno::ELOOP,
        Errno::MFILE | Errno::NFILE => errno::EMFILE,
        Errno::MLINK => errno::EMLINK,
        Errno::NAMETOOLONG => errno::ENAMETOOLONG,
        Errno::NODATA => errno::ENODATA,
        Errno::NODEV => errno::ENODEV,
        Errno::NOENT => errno::ENOENT,
        Errno::NOMEM => errno::ENOMEM,
        Errno::NOSPC => errno::ENOSPC,
        Errno::NOSYS => errno::ENOSYS,
        Errno::NOTDIR => errno::ENOTDIR,
        Errno::NOTEMPTY => errno::ENOTEMPTY,
        Errno::NOTSUP => errno::ENOTSUP,
        Errno::NXIO => errno::ENXIO,
        Errno::OVERFLOW => errno::EOVERFLOW,
        Errno::PERM => errno::EPERM,
        Errno::PIPE => errno::EPIPE,
        Errno::RANGE => errno::ERANGE,
        Errno::ROFS => errno::EROFS,
        Errno::SPIPE => errno::ESPIPE,
        Errno::TXTBSY => errno::ETXTBSY,
        Errno::XDEV => errno::EXDEV,
        _ => errno::EIO,
    }
}
