//! `mount_setattr(2)`: the one way to add flags to a mount without clearing those that it has.
#![expect(unsafe_code, reason = "mount_setattr has no wrapper in rustix")]

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::last_errno;

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Adds `flags` to the mount whose root is `tree`, and to all mounts below it, and takes them out of
/// their peer groups.
///
/// A copy of a shared mount, as systemd makes all, is a peer of the original: without this, what is
/// mounted for a step would be mounted on the machine as well.
///
/// # Errors
/// `ENOSYS` before Linux 5.12; `EPERM` without `CAP_SYS_ADMIN`.
pub(crate) fn make_private_with(tree: impl AsFd, flags: MountAttrFlags) -> Result<(), Errno> {
    let attributes = MountAttr {
        attr_set: u64::from(flags.bits()),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: the path is a NUL-terminated constant, the structure lives across the call and its
    // size is passed; the kernel only reads both.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}
