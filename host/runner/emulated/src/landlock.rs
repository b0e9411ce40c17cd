//! Landlock rule sets (landlock(7)): the wall around a step.
#![expect(unsafe_code, reason = "rustix has no Landlock calls")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;
const RESOLVE_UNIX: u64 = 1 << 16;
/// The rights of ABI 1.
const ABI_1: u64 = (1 << 13) - 1;
/// The rights that a rule on a file may give.
const FOR_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL`
const SCOPES: u64 = 3;
/// The first ABI that scopes signals and abstract sockets.
pub(crate) const SCOPING_ABI: i32 = 6;
/// The first ABI that guards truncate(2): below it a step can empty kiln's files.
pub(crate) const MINIMUM_ABI: i32 = 3;

/// `LANDLOCK_CREATE_RULESET_VERSION`
const VERSION: libc::c_uint = 1;
/// `LANDLOCK_RULE_PATH_BENEATH`
const PATH_BENEATH: libc::c_int = 1;

/// What a step may do below a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything but executing and making devices.
    Full,
    /// Reading.
    Read,
    /// A device node: reading, writing, ioctl.
    Device,
    /// Nothing but its name: the builder opens what is behind it.
    Nothing,
}

/// The kernel's ABI version.
pub(crate) fn abi() -> Result<i32, Errno> {
    let none = std::ptr::null::<Attributes>();
    // SAFETY: with the version flag the call takes no attributes.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, VERSION) };
    match i32::try_from(version) {
        Ok(version) if version > 0 => Ok(version),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct Attributes {
    files: u64,
    network: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`, which is packed.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// A set of rules.
#[derive(Debug)]
pub(crate) struct Rules {
    fd: OwnedFd,
    handled: u64,
}

impl Rules {
    /// Rules that forbid every access to files that this kernel can guard, and the scopes.
    pub(crate) fn deny_all(abi: i32) -> Result<Self, Errno> {
        let mut handled = ABI_1;
        for (since, right) in [(2, REFER), (3, TRUNCATE), (5, IOCTL_DEV), (9, RESOLVE_UNIX)] {
            if abi >= since {
                handled |= right;
            }
        }
        let scoped = if abi >= SCOPING_ABI { SCOPES } else { 0 };
        match create(&Attributes { files: handled, network: 0, scoped }, abi) {
            Ok(fd) => Ok(Self { fd, handled }),
            // A kernel that was given the version but not the newest right.
            Err(Errno::INVAL) if handled & RESOLVE_UNIX != 0 => {
                handled &= !RESOLVE_UNIX;
                let fd = create(&Attributes { files: handled, network: 0, scoped }, abi)?;
                Ok(Self { fd, handled })
            }
            Err(errno) => Err(errno),
        }
    }

    /// Allows something below a directory, or on a file.
    pub(crate) fn allow(
        &self,
        path: BorrowedFd<'_>,
        is_dir: bool,
        access: Access,
    ) -> Result<(), Errno> {
        let wanted = match access {
            Access::Full => !(EXECUTE | MAKE_CHAR | MAKE_BLOCK),
            Access::Read => READ_FILE | READ_DIR,
            Access::Device => READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV,
            Access::Nothing => return Ok(()),
        };
        let allowed = wanted & self.handled & if is_dir { u64::MAX } else { FOR_FILES };
        let rule = Beneath { allowed, parent: path.as_raw_fd() };
        // SAFETY: the structure is the kernel's, and alive; the descriptor is borrowed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.fd.as_raw_fd(),
                PATH_BENEATH,
                &raw const rule,
                0,
            )
        };
        if result == 0 { Ok(()) } else { Err(last_error()) }
    }

    /// The descriptor, to be applied by the step's first process.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Rules that only scope signals and abstract sockets: the supervisor's own domain.
///
/// A domain forbids renames and links between directories unless it says otherwise, even one that
/// is about no files at all; so this one says otherwise, for the whole tree.
pub(crate) fn scope_only(abi: i32) -> Result<Option<OwnedFd>, Errno> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    if abi < SCOPING_ABI {
        return Ok(None);
    }
    let fd = create(&Attributes { files: REFER, network: 0, scoped: SCOPES }, abi)?;
    let rules = Rules { fd, handled: REFER };
    let root = openat(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    rules.allow(root.as_fd(), true, Access::Full)?;
    Ok(Some(rules.fd))
}

fn create(attributes: &Attributes, abi: i32) -> Result<OwnedFd, Errno> {
    // An old kernel refuses a longer structure than it knows, even of zeros only if they are not.
    let size = match abi {
        ..4 => 8,
        4..SCOPING_ABI => 16,
        _ => size_of::<Attributes>(),
    };
    // SAFETY: the structure is the kernel's, alive, and at least `size` bytes long.
    let fd = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const *attributes, size, 0)
    };
    match i32::try_from(fd) {
        // SAFETY: a fresh descriptor that nobody else owns.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(last_error()),
    }
}

/// Puts the calling thread into a domain. Async-signal-safe: for a child between fork and exec.
pub(crate) fn restrict_self(rules: i32) -> Result<(), std::io::Error> {
    // SAFETY: two numbers.
    if unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) } == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

/// Whether the kernel knows `SECCOMP_RET_TRAP`, and lets us ask.
pub(crate) fn seccomp_trap_available() -> Result<(), Errno> {
    let action: u32 = 0x0003_0000;
    /// `SECCOMP_GET_ACTION_AVAIL`
    const GET_ACTION_AVAIL: libc::c_uint = 2;
    // SAFETY: the action is read only.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const action) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}
