//! `clone`, `execve`, and what a child does with its descriptors.
#![expect(unsafe_code, reason = "these calls replace or copy the process, or its descriptors")]

use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::last_errno;

/// Which side of a [`clone`] one is on.
pub(crate) enum Side {
    /// The new process. It may only do what is safe in a signal handler, and must end with
    /// [`exit`] or [`execve`].
    Child,
    /// The caller; `pidfd` is the new process.
    Parent {
        /// The child as a descriptor (`pidfd_open(2)`).
        pidfd: OwnedFd,
        /// The child's process id as the parent sees it.
        pid: i32,
    },
}

/// Copies the process, with new namespaces as `flags` (`CLONE_NEW*`) say.
///
/// Call it with all signals blocked ([`super::signal::Blocked`]).
///
/// # Errors
/// What clone(2) says.
pub(crate) fn clone(flags: libc::c_int) -> Result<Side, Errno> {
    let mut pidfd: libc::c_int = -1;
    let flags = flags | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with no stack given this is fork: the child goes on with a copy
    // of this stack. The third argument receives the descriptor; the last two are unused.
    let result = unsafe {
        libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0_usize, &raw mut pidfd, 0, 0)
    };
    match result {
        0 => Ok(Side::Child),
        pid if pid > 0 => {
            // SAFETY: the kernel has just made this descriptor for us, close-on-exec.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Side::Parent { pidfd, pid: i32::try_from(pid).unwrap_or(i32::MAX) })
        }
        _ => Err(last_errno()),
    }
}

/// Puts the process, which must have one thread, into a new user and a new mount namespace.
///
/// # Errors
/// What unshare(2) says; `EINVAL` with more than one thread.
pub(crate) fn enter_user_namespace() -> Result<(), Errno> {
    // SAFETY: it changes no memory, and no descriptor: `CLONE_FILES` is not among the flags.
    let result = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Ends the process at once: no destructor, no exit handler, no flushed buffer.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: it does not return and touches no memory.
    unsafe { libc::_exit(code) }
}

/// A NULL-terminated array of strings, as `execve` wants it.
pub(crate) struct StringArray {
    /// Owns what the pointers point to.
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl StringArray {
    /// Prepares the array; `execve` itself may not allocate.
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers =
            strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect();
        Self { _strings: strings, pointers }
    }
}

/// Replaces the program; returns only the error.
pub(crate) fn execve(path: &CStr, argv: &StringArray, env: &StringArray) -> Errno {
    // SAFETY: all three are NUL-terminated, the arrays NULL-terminated, and owned by the caller.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), env.pointers.as_ptr()) };
    last_errno()
}

/// Whether the process may execute `path`, by its effective ids (`access(2)` asks the real ones).
pub(crate) fn may_execute(path: &CStr) -> Result<(), Errno> {
    rustix::fs::accessat(
        rustix::fs::CWD,
        path,
        rustix::fs::Access::EXEC_OK,
        rustix::fs::AtFlags::EACCESS,
    )
}

/// Makes `fd` also be number `target`, which stays open across `execve`, and returns that.
///
/// # Errors
/// What dup3(2) says.
pub(crate) fn duplicate_as(fd: BorrowedFd<'_>, target: i32) -> Result<BorrowedFd<'static>, Errno> {
    // SAFETY: only called in a child that does not use what `target` was before, and that ends or
    // executes a program without dropping a value that stood for it.
    let result = unsafe { libc::dup3(fd.as_raw_fd(), target, 0) };
    if result < 0 {
        return Err(last_errno());
    }
    // SAFETY: it is open, and nothing in this process closes it: nobody owns it.
    Ok(unsafe { BorrowedFd::borrow_raw(target) })
}

/// Marks every descriptor from `first` on close-on-exec.
///
/// # Errors
/// What close_range(2) says; Linux 5.11.
pub(crate) fn close_from_on_exec(first: u32) -> Result<(), Errno> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor from `first` on, whoever owns it: for a child that will use none.
///
/// # Errors
/// What close_range(2) says; Linux 5.9.
pub(crate) fn close_from(first: u32) -> Result<(), Errno> {
    close_range(first, 0)
}

fn close_range(first: u32, flags: u32) -> Result<(), Errno> {
    // SAFETY: only called in a child that ends or executes without using what is closed here.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Where the kernel finds the process's command line for `/proc/PID/cmdline`.
#[derive(Clone, Copy)]
pub(crate) struct CommandLine {
    start: usize,
    len: usize,
}

impl CommandLine {
    /// Reads the place from the text of `/proc/self/stat` (fields 48 and 49, proc_pid_stat(5)).
    pub(crate) fn parse(stat: &str) -> Option<Self> {
        // The name in field 2 may hold anything, also parentheses and spaces.
        let after_name = stat.rsplit_once(')')?.1;
        let mut fields = after_name.split_ascii_whitespace().skip(45);
        let start: usize = fields.next()?.parse().ok()?;
        let end: usize = fields.next()?.parse().ok()?;
        (start != 0 && end > start).then(|| Self { start, len: end - start })
    }

    /// Overwrites it with `name` in this process.
    ///
    /// The init of a step is a copy of kiln: without this every step could read kiln's arguments,
    /// other stages' build arguments among them, from `/proc/1/cmdline`.
    pub(crate) fn replace(self, name: &[u8]) {
        let shown = name.len().min(self.len.saturating_sub(1));
        let start = std::ptr::with_exposed_provenance_mut::<u8>(self.start);
        // SAFETY: the kernel put the argument strings of this process there, writable, at `execve`,
        // and reported the range; the copy after `clone` has them at the same place. Only a child
        // that never looks at its arguments again calls this.
        unsafe {
            start.write_bytes(0, self.len);
            start.copy_from_nonoverlapping(name.as_ptr(), shown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CommandLine;

    #[test]
    fn the_command_line_is_found_behind_a_hostile_name() {
        let zeros = "0 ".repeat(45);
        let line = CommandLine::parse(&format!("7 (a) (b c) {zeros}4096 5000 0 0")).unwrap();
        assert_eq!((line.start, line.len), (4096, 904));
        for bad in ["", "7 (a", "7 (a) S 1", &format!("7 (a) {zeros}0 0"), "7 (a) x y z"] {
            assert!(CommandLine::parse(bad).is_none(), "{bad}");
        }
    }
}
