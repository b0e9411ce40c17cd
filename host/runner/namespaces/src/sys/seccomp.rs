//! Installing a seccomp filter.
#![expect(unsafe_code, reason = "seccomp(2) has no wrapper in rustix")]

use rustix::io::Errno;

use super::last_errno;

/// Puts `program` on the calling thread, for good, for it and everything that it starts.
///
/// # Errors
/// `EACCES` without `CAP_SYS_ADMIN` (no_new_privs is not set here, see the crate's documentation);
/// `EINVAL` when the kernel has no seccomp filters; `EOVERFLOW` for a program that is too long.
pub(crate) fn install(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::OVERFLOW)?;
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the header and the instructions it points to live across the call; the kernel copies
    // them and writes to neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::c_ulong::from(0_u8),
            &raw const filter,
        )
    };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}
