//! Processes: start, wait, identity, directory, umask.

use crate::error::check;
use crate::fd::Fd;
use crate::sys;
use crate::wire::{SpawnRequest, WAIT_NOHANG};
use std::io;

/// A process's number.
pub type Pid = i32;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code, 0 to 255.
    Exited(i32),
    /// It was ended by this signal.
    Signaled(i32),
}

impl Status {
    /// What a shell shows in `$?`: the code, or 128 + signal.
    #[must_use]
    pub const fn shell_code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(signal) => 128 + signal,
        }
    }

    /// As the host gives it: exit code and signal.
    const fn read(raw: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = raw;
        match i32::from_le_bytes([e, f, g, h]) {
            0 => Self::Exited(i32::from_le_bytes([a, b, c, d])),
            signal => Self::Signaled(signal),
        }
    }
}

/// Whose tools the image has: options, defaults and messages differ between the two families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// GNU and Debian: coreutils, dash, shadow, adduser of Debian.
    Gnu,
    /// BusyBox, as in Alpine.
    BusyBox,
    /// bash, when this process is a shell; other tools as [`Flavor::Gnu`].
    Bash,
}

/// Takes over the process's directory for relative paths in `std::fs`, and gives argv as bytes,
/// `argv[0]` first. To be called once, first thing in `main`.
#[must_use]
pub fn init() -> Vec<Vec<u8>> {
    if let Ok(cwd) = current_dir() {
        enter(&cwd);
    }
    std::env::args_os().map(std::ffi::OsString::into_encoded_bytes).collect()
}

#[cfg(target_os = "wasi")]
fn enter(path: &[u8]) {
    use std::os::wasi::ffi::OsStrExt;
    // The host resolves this crate's calls by its own notion of the directory; the C library's is
    // for `std::fs` alone and may fail for a directory that was removed meanwhile.
    let _ = std::env::set_current_dir(std::ffi::OsStr::from_bytes(path));
}

#[cfg(not(target_os = "wasi"))]
fn enter(_path: &[u8]) {}

/// The process's directory, an absolute path without symlinks.
///
/// # Errors
/// `ENOENT` when it was removed.
pub fn current_dir() -> io::Result<Vec<u8>> {
    let mut out = vec![0; 4096];
    let len = check(sys::getcwd(out.as_mut_ptr(), out.len()))?;
    out.truncate(len as usize);
    Ok(out)
}

/// `chdir(2)`, for this crate's calls, for children and for `std::fs`.
///
/// # Errors
/// As `chdir(2)`.
pub fn set_current_dir(path: &[u8]) -> io::Result<()> {
    check(sys::chdir(path.as_ptr(), path.len()))?;
    enter(&current_dir()?);
    Ok(())
}

/// `umask(2)`: sets and gives the one before.
#[must_use = "the old umask is needed to put it back"]
pub fn umask(mask: u32) -> u32 {
    check(sys::umask(mask)).unwrap_or(0o022)
}

/// A program to start; what is not set is inherited.
#[derive(Clone, Debug)]
pub struct Command(SpawnRequest);

impl Command {
    /// `program` is a path when it has a slash, else looked up in `PATH` of the environment given.
    #[must_use]
    pub fn new(program: &[u8], argv: Vec<Vec<u8>>, env: Vec<Vec<u8>>) -> Self {
        let program = program.to_vec();
        Self(SpawnRequest { program, argv, env, ..SpawnRequest::default() })
    }

    /// Like [`Command::new`] with this process's environment and `argv[0]` as the program.
    #[must_use]
    pub fn inherit(argv: Vec<Vec<u8>>) -> Self {
        let env = std::env::vars_os()
            .map(|(name, value)| {
                let mut entry = name.into_encoded_bytes();
                entry.push(b'=');
                entry.extend(value.into_encoded_bytes());
                entry
            })
            .collect();
        Self::new(&argv.first().cloned().unwrap_or_default(), argv, env)
    }

    /// The child's descriptor `child` (0, 1, 2 or [`crate::fd::posix`]) is our `ours`.
    #[must_use]
    pub fn fd(mut self, child: Fd, ours: Fd) -> Self {
        self.0.fds.push((child, ours));
        self
    }

    /// The child's directory.
    #[must_use]
    pub fn current_dir(mut self, path: &[u8]) -> Self {
        self.0.cwd = Some(path.to_vec());
        self
    }

    /// Starts it; standard output and error of this process are flushed first.
    ///
    /// # Errors
    /// `ENOENT` not found, `EACCES` not executable, `E2BIG`, `EAGAIN` at the limit of processes. A
    /// program that is neither a shim nor a script ends the whole step as
    /// [`needs_native`] does.
    pub fn spawn(&self) -> io::Result<Pid> {
        flush();
        let request = self.0.encode();
        check(sys::spawn(request.as_ptr(), request.len())).map(u32::cast_signed)
    }

    /// Starts it and waits for its end; costs less than doing the one after the other, since this
    /// process's thread can run the child.
    ///
    /// # Errors
    /// As [`Command::spawn`].
    pub fn status(&self) -> io::Result<Status> {
        flush();
        let request = self.0.encode();
        let mut raw = [0; 8];
        check(sys::run(request.as_ptr(), request.len(), raw.as_mut_ptr()))?;
        Ok(Status::read(raw))
    }
}

fn flush() {
    use std::io::Write;
    // An error here is the writer's to see at its next write.
    let _ = io::stdout().flush();
    let _ = io::stderr().flush();
}

/// Starts a copy of this process, as `fork(2)` does, that runs `child` and exits with its result.
/// The caller goes on at once.
///
/// # Errors
/// `EAGAIN` at the limit of processes.
#[cfg(feature = "fork")]
pub fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    flush();
    let mut child = Some(child);
    let mut run = || {
        let code = child.take().map_or(127, |child| child());
        flush();
        code
    };
    check(sys::fork(&mut run)).map(u32::cast_signed)
}

/// Waits for the end of a child.
///
/// # Errors
/// `ECHILD` when it is no child of ours, or was waited for.
pub fn wait(pid: Pid) -> io::Result<Status> {
    wait_with(pid, 0).map(|(_, status)| status)
}

/// Like [`wait`], but `None` at once when it has not ended.
///
/// # Errors
/// As [`wait`].
pub fn try_wait(pid: Pid) -> io::Result<Option<Status>> {
    wait_with(pid, WAIT_NOHANG).map(|(ended, status)| (ended != 0).then_some(status))
}

/// Waits for the end of whichever child ends next.
///
/// # Errors
/// `ECHILD` when there is no child.
pub fn wait_any() -> io::Result<(Pid, Status)> {
    wait_with(-1, 0)
}

/// Like [`wait_any`], but `None` at once when none has ended.
///
/// # Errors
/// `ECHILD` when there is no child.
pub fn try_wait_any() -> io::Result<Option<(Pid, Status)>> {
    wait_with(-1, WAIT_NOHANG).map(|(pid, status)| (pid != 0).then_some((pid, status)))
}

fn wait_with(pid: Pid, flags: u32) -> io::Result<(Pid, Status)> {
    let mut raw = [0; 8];
    let pid = check(sys::wait(pid, flags, raw.as_mut_ptr()))?.cast_signed();
    Ok((pid, Status::read(raw)))
}

/// `kill(2)` of a process of this step; `signal` 0 only asks whether it exists.
///
/// # Errors
/// `ESRCH`, `EPERM`, `EINVAL`.
pub fn kill(pid: Pid, signal: u32) -> io::Result<()> {
    check(sys::kill(pid, signal)).map(drop)
}

/// This process's number.
#[must_use]
pub fn id() -> Pid {
    sys::getpid()
}

/// The parent's number.
#[must_use]
pub fn parent_id() -> Pid {
    sys::getppid()
}

/// Where `name` is found in `path` (the value of `PATH`): what a shell's `command -v` and `which`
/// print, and what [`Command::spawn`] would run.
///
/// # Errors
/// `ENOENT`, or `EACCES` when all that was found is not executable.
pub fn find_program(name: &[u8], path: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = vec![0; 4096];
    let len = check(sys::find_program(
        name.as_ptr(),
        name.len(),
        path.as_ptr(),
        path.len(),
        out.as_mut_ptr(),
        out.len(),
    ))?;
    out.truncate(len as usize);
    Ok(out)
}

/// Real and effective ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
}

/// `getuid(2)` and its kin.
#[must_use]
pub fn ids() -> Ids {
    let mut raw = [0; 16];
    let _ = sys::getids(raw.as_mut_ptr());
    let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    Ids { uid: word(0), euid: word(4), gid: word(8), egid: word(12) }
}

/// Sets all user ids and all group ids of this process (as `setresgid` and then `setresuid`); `None`
/// leaves them.
///
/// # Errors
/// `EPERM` when not root and not already so.
pub fn set_ids(uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    check(sys::setids(uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX))).map(drop)
}

/// `getgroups(2)`: the supplementary groups.
#[must_use]
pub fn groups() -> Vec<u32> {
    // NGROUPS_MAX of Linux, four bytes each.
    let mut out = vec![0; 65_536 * 4];
    let len = check(sys::getgroups(out.as_mut_ptr(), out.len())).unwrap_or(0);
    out[..len as usize]
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .collect()
}

/// `setgroups(2)`.
///
/// # Errors
/// `EPERM` when not root.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    let raw: Vec<u8> = groups.iter().flat_map(|group| group.to_le_bytes()).collect();
    check(sys::setgroups(raw.as_ptr(), raw.len())).map(drop)
}

/// Ends the whole step: the host drops its changes and runs it natively, or reports `reason` where
/// that is not allowed. `reason` names the tool and what it lacks: "sed: option --debug".
pub fn needs_native(reason: &str) -> ! {
    let _ = sys::needs_native(reason.as_ptr(), reason.len());
    // The host does not return from that call.
    std::process::abort()
}

/// Whose tool this process replaces.
#[must_use]
pub fn flavor() -> Flavor {
    match sys::flavor() {
        1 => Flavor::BusyBox,
        2 => Flavor::Bash,
        _ => Flavor::Gnu,
    }
}

/// `gethostname(2)` in the step.
#[must_use]
pub fn hostname() -> Vec<u8> {
    let mut out = vec![0; 256];
    let len = check(sys::hostname(out.as_mut_ptr(), out.len())).unwrap_or(0);
    out.truncate(len as usize);
    out
}

/// Processors that a native process of the step could use, for `nproc`.
#[must_use]
pub fn available_parallelism() -> u32 {
    check(sys::nproc()).unwrap_or(1)
}
