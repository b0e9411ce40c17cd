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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::process::{Side, clone, exit};

    /// Makes each call, with arguments that the kernel itself would answer in another way.
    fn answers() -> [libc::c_long; 10] {
        let call = |number: libc::c_long, argument: libc::c_long| {
            // SAFETY: none of these calls writes to memory with these arguments: the filter answers
            // them, or the kernel finds a null pointer or a bad number.
            if unsafe { libc::syscall(number, argument, 0, 0, 0, 0) } < 0 {
                libc::c_long::from(last_errno().raw_os_error())
            } else {
                0
            }
        };
        [
            call(libc::SYS_getpid, 0),
            call(libc::SYS_keyctl, 0),
            call(libc::SYS_bpf, -1),
            call(libc::SYS_unshare, 0),
            call(libc::SYS_clone3, 0),
            call(libc::SYS_io_uring_setup, 0),
            call(libc::SYS_clone, libc::c_long::from(libc::CLONE_NEWNS)),
            call(libc::SYS_socket, libc::c_long::from(libc::AF_VSOCK)),
            call(libc::SYS_personality, 0x40_0000),
            call(libc::SYS_personality, 0xFFFF_FFFF),
        ]
    }

    #[test]
    fn the_kernel_answers_as_the_list_says() {
        let program = crate::deny::program();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        if let Side::Child = clone(0).unwrap() {
            let installed = install(&program);
            let answers = if installed.is_ok() {
                answers().map(|answer| answer.to_le_bytes()[0])
            } else {
                [0xFF; 10]
            };
            let _written = rustix::io::write(writer.as_fd(), &answers);
            exit(0);
        }
        drop(writer);
        let mut answers = [0; 10];
        assert_eq!(rustix::io::read(&reader, &mut answers).unwrap(), 10);
        if answers == [0xFF; 10] {
            return crate::skipped("without CAP_SYS_ADMIN no filter can be installed");
        }
        let (eperm, enosys, family) = (1, 38, 97);
        assert_eq!(answers, [0, eperm, eperm, eperm, enosys, enosys, eperm, family, eperm, 0]);
    }
}
