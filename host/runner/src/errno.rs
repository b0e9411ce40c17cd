//! The names of error numbers, for what is said to users.

use rustix::io::Errno;

/// The name, such as `EPERM`; the number where a name is of no help.
#[must_use]
pub fn errno_name(errno: Errno) -> String {
    let name = match errno {
        Errno::ACCESS => "EACCES",
        Errno::AGAIN => "EAGAIN",
        Errno::BUSY => "EBUSY",
        Errno::CHILD => "ECHILD",
        Errno::EXIST => "EEXIST",
        Errno::INVAL => "EINVAL",
        Errno::IO => "EIO",
        Errno::LOOP => "ELOOP",
        Errno::MFILE => "EMFILE",
        Errno::NODEV => "ENODEV",
        Errno::NOENT => "ENOENT",
        Errno::NOMEM => "ENOMEM",
        Errno::NOSPC => "ENOSPC",
        Errno::NOSYS => "ENOSYS",
        Errno::NOTDIR => "ENOTDIR",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::PERM => "EPERM",
        Errno::ROFS => "EROFS",
        Errno::USERS => "EUSERS",
        other => return format!("errno {}", other.raw_os_error()),
    };
    name.to_owned()
}
