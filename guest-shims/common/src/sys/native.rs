//! The host's kernel, for tests that run a command beside the real one.

use std::{
    fs, io,
    os::unix::{
        fs::OpenOptionsExt,
        process::{CommandExt, ExitStatusExt},
    },
    process,
};

use rustix::{
    fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid},
    process as rprocess,
};

use super::{Ended, Piped, SetTime, Stat, Time, path};
use crate::paths;

pub(super) const ENOTEMPTY: i32 = rustix::io::Errno::NOTEMPTY.raw_os_error();
pub(super) const EISDIR: i32 = rustix::io::Errno::ISDIR.raw_os_error();
pub(super) const ENOTDIR: i32 = rustix::io::Errno::NOTDIR.raw_os_error();
pub(super) const EXDEV: i32 = rustix::io::Errno::XDEV.raw_os_error();
pub(super) const ELOOP: i32 = rustix::io::Errno::LOOP.raw_os_error();

/// Nothing to take over: the kernel knows the working directory.
pub fn init() {}

/// Opens a file for reading.
///
/// # Errors
///
/// Whatever the kernel answers; so for all calls here.
pub fn open(file: &[u8]) -> io::Result<fs::File> {
    fs::File::open(path(file))
}

/// Creates a file for writing, or empties it: made with this mode less the umask.
///
/// # Errors
///
/// See [`stat`].
pub fn create_mode(file: &[u8], mode: u32) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path(file))
}

/// Creates a file for writing that must not be there, also as a dangling symlink.
///
/// # Errors
///
/// See [`stat`].
pub fn create_new(file: &[u8], mode: u32) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path(file))
}

/// Opens a file for writing as it is.
///
/// # Errors
///
/// See [`stat`].
pub fn open_write(file: &[u8]) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).open(path(file))
}

/// Opens a file for appending, made when missing.
///
/// # Errors
///
/// See [`stat`].
pub fn append(file: &[u8]) -> io::Result<fs::File> {
    fs::OpenOptions::new().append(true).create(true).open(path(file))
}

/// Removes a name that is not a directory's.
///
/// # Errors
///
/// See [`stat`].
pub fn unlink(file: &[u8]) -> io::Result<()> {
    fs::remove_file(path(file))
}

/// Removes an empty directory.
///
/// # Errors
///
/// See [`stat`].
pub fn rmdir(dir: &[u8]) -> io::Result<()> {
    fs::remove_dir(path(dir))
}

/// Renames, replacing what is there where the kernel allows it.
///
/// # Errors
///
/// See [`stat`].
pub fn rename(from: &[u8], to: &[u8]) -> io::Result<()> {
    fs::rename(path(from), path(to))
}

/// The target of a symlink.
///
/// # Errors
///
/// See [`stat`].
pub fn readlink(link: &[u8]) -> io::Result<Vec<u8>> {
    Ok(paths::from_os(fs::read_link(path(link))?.as_os_str()).to_vec())
}

/// The processors of the machine.
#[must_use]
pub fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1))
}

/// The host's name.
#[must_use]
pub fn hostname() -> Vec<u8> {
    fs::read("/proc/sys/kernel/hostname").unwrap_or_default().trim_ascii().to_vec()
}

/// Whether a test asks for BusyBox's behaviour, with `KILN_FLAVOR=busybox`.
#[must_use]
pub fn is_busybox() -> bool {
    std::env::vars_os().any(|(name, value)| name == "KILN_FLAVOR" && value == "busybox")
}

/// The reason of an error, in the words of the C library.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn time(secs: i64, nanos: i64) -> Time {
    Time { secs, nanos: u32::try_from(nanos).unwrap_or(0) }
}

fn stat_at(file: &[u8], flags: AtFlags) -> io::Result<Stat> {
    let stat = rustix::fs::statat(CWD, path(file), flags)?;
    let nanos = |value| i64::try_from(value).unwrap_or(0);
    Ok(Stat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        mode: stat.st_mode,
        nlink: stat.st_nlink,
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev: stat.st_rdev,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        atime: time(stat.st_atime, nanos(stat.st_atime_nsec)),
        mtime: time(stat.st_mtime, nanos(stat.st_mtime_nsec)),
        ctime: time(stat.st_ctime, nanos(stat.st_ctime_nsec)),
    })
}

/// The status of a file.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn stat(file: &[u8]) -> io::Result<Stat> {
    stat_at(file, AtFlags::empty())
}

/// The status of a file, of a symlink itself.
///
/// # Errors
///
/// See [`stat`].
pub fn lstat(file: &[u8]) -> io::Result<Stat> {
    stat_at(file, AtFlags::SYMLINK_NOFOLLOW)
}

/// The status of an open file.
///
/// # Errors
///
/// See [`stat`].
pub fn fstat(fd: u32) -> io::Result<Stat> {
    stat(format!("/proc/self/fd/{fd}").as_bytes())
}

/// Sets the permission bits.
///
/// # Errors
///
/// See [`stat`].
pub fn chmod(file: &[u8], mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmodat(CWD, path(file), Mode::from_raw_mode(mode), AtFlags::empty())?)
}

fn chown_at(file: &[u8], uid: Option<u32>, gid: Option<u32>, flags: AtFlags) -> io::Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    Ok(rustix::fs::chownat(CWD, path(file), uid, gid, flags)?)
}

/// Sets owner and group.
///
/// # Errors
///
/// See [`stat`].
pub fn chown(file: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    chown_at(file, uid, gid, AtFlags::empty())
}

/// Sets owner and group, of a symlink itself.
///
/// # Errors
///
/// See [`stat`].
pub fn lchown(file: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    chown_at(file, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
}

/// Makes a directory with this mode less the umask.
///
/// # Errors
///
/// See [`stat`].
pub fn mkdir(dir: &[u8], mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(CWD, path(dir), Mode::from_raw_mode(mode))?)
}

/// Makes a fifo, a device node or an empty file with this type and mode less the umask.
///
/// # Errors
///
/// See [`stat`].
pub fn mknod(file: &[u8], mode: u32, dev: u64) -> io::Result<()> {
    let kind = rustix::fs::FileType::from_raw_mode(mode);
    Ok(rustix::fs::mknodat(CWD, path(file), kind, Mode::from_raw_mode(mode & 0o7777), dev)?)
}

/// Makes a symlink.
///
/// # Errors
///
/// See [`stat`].
pub fn symlink(target: &[u8], link: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(path(target), CWD, path(link))?)
}

/// Makes a hard link; a symlink is followed when asked.
///
/// # Errors
///
/// See [`stat`].
pub fn link(from: &[u8], to: &[u8], follow: bool) -> io::Result<()> {
    let flags = if follow { AtFlags::SYMLINK_FOLLOW } else { AtFlags::empty() };
    Ok(rustix::fs::linkat(CWD, path(from), CWD, path(to), flags)?)
}

/// Sets the times of access and modification, of a symlink itself when it is not followed.
///
/// # Errors
///
/// See [`stat`].
pub fn utimens(file: &[u8], access: SetTime, modify: SetTime, follow: bool) -> io::Result<()> {
    let spec = |set| match set {
        SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        SetTime::Now => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
        SetTime::To(time) => Timespec { tv_sec: time.secs, tv_nsec: i64::from(time.nanos) },
    };
    let times = Timestamps { last_access: spec(access), last_modification: spec(modify) };
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    Ok(rustix::fs::utimensat(CWD, path(file), &times, flags)?)
}

/// The extended attributes of a file, of a symlink itself: names with values.
///
/// # Errors
///
/// See [`stat`].
pub fn xattrs(file: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0_u8; 65_536];
    let len = rustix::fs::llistxattr(path(file), &mut names)?;
    let mut found = Vec::new();
    for name in names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 65_536];
        let len = rustix::fs::lgetxattr(path(file), path(name), &mut value)?;
        found.push((name.to_vec(), value[..len].to_vec()));
    }
    Ok(found)
}

/// Sets an extended attribute, of a symlink itself.
///
/// # Errors
///
/// See [`stat`].
pub fn set_xattr(file: &[u8], name: &[u8], value: &[u8]) -> io::Result<()> {
    let flags = rustix::fs::XattrFlags::empty();
    Ok(rustix::fs::lsetxattr(path(file), path(name), value, flags)?)
}

/// Sets the umask and gives the former one.
#[must_use]
pub fn set_umask(mask: u32) -> u32 {
    rprocess::umask(Mode::from_raw_mode(mask)).as_raw_mode()
}

/// The effective user.
#[must_use]
pub fn effective_uid() -> u32 {
    rprocess::geteuid().as_raw()
}

/// The effective group.
#[must_use]
pub fn effective_gid() -> u32 {
    rprocess::getegid().as_raw()
}

/// The real user.
#[must_use]
pub fn real_uid() -> u32 {
    rprocess::getuid().as_raw()
}

/// The real group.
#[must_use]
pub fn real_gid() -> u32 {
    rprocess::getgid().as_raw()
}

/// The supplementary groups.
#[must_use]
pub fn groups() -> Vec<u32> {
    rprocess::getgroups().unwrap_or_default().into_iter().map(Gid::as_raw).collect()
}

/// The working directory.
///
/// # Errors
///
/// See [`stat`].
pub fn current_dir() -> io::Result<Vec<u8>> {
    Ok(paths::from_os(std::env::current_dir()?.as_os_str()).to_vec())
}

/// Changes the working directory.
///
/// # Errors
///
/// See [`stat`].
pub fn change_dir(dir: &[u8]) -> io::Result<()> {
    std::env::set_current_dir(path(dir))
}

/// Runs a program, found by PATH, and waits for it; gives its exit status, or 128 and its signal.
///
/// # Errors
///
/// `NotFound` where there is no such program, `PermissionDenied` where it cannot be run.
pub fn spawn(argv: &[Vec<u8>], launch: &super::Launch) -> io::Result<u8> {
    let Some((name, args)) = argv.split_first() else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let mut command = process::Command::new(paths::to_os(name));
    command.arg0(paths::to_os(name)).args(args.iter().map(|arg| paths::to_os(arg)));
    if let Some(env) = &launch.env {
        command.env_clear();
        command.envs(env.iter().map(|(key, value)| (paths::to_os(key), paths::to_os(value))));
    }
    if let Some(dir) = &launch.dir {
        command.current_dir(path(dir));
    }
    if launch.empty_input {
        command.stdin(process::Stdio::null());
    }
    let status = command.status()?;
    let signal = || 128 + status.signal().unwrap_or(0);
    Ok(u8::try_from(status.code().unwrap_or_else(signal)).unwrap_or(u8::MAX))
}

/// A program that was started.
#[derive(Debug)]
pub struct Child(process::Child);

/// Starts a program with a pipe to or from it.
///
/// # Errors
///
/// See [`spawn`].
pub fn start(argv: &[Vec<u8>], piped: Piped) -> io::Result<(Child, Option<fs::File>)> {
    let Some((name, args)) = argv.split_first() else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    let mut command = process::Command::new(paths::to_os(name));
    command.args(args.iter().map(|arg| paths::to_os(arg)));
    match piped {
        Piped::Nothing => {}
        Piped::Input => drop(command.stdin(process::Stdio::piped())),
        Piped::Output => drop(command.stdout(process::Stdio::piped())),
    }
    let mut child = command.spawn()?;
    let input = child.stdin.take().map(|pipe| fs::File::from(std::os::fd::OwnedFd::from(pipe)));
    let output = child.stdout.take().map(|pipe| fs::File::from(std::os::fd::OwnedFd::from(pipe)));
    Ok((Child(child), input.or(output)))
}

fn ended(status: process::ExitStatus) -> Ended {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match status.code() {
        Some(code) => Ended::Exited(byte(code)),
        None => Ended::Signaled(byte(status.signal().unwrap_or(0))),
    }
}

impl Child {
    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// See [`stat`].
    pub fn wait(mut self) -> io::Result<Ended> {
        self.0.wait().map(ended)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// See [`stat`].
    pub fn try_wait(&mut self) -> io::Result<Option<Ended>> {
        Ok(self.0.try_wait()?.map(ended))
    }
}

/// The exit status that says *needs native* in a native test build.
pub const NEEDS_NATIVE: u8 = 250;

/// Says that only the native tool can do this; a test sees [`NEEDS_NATIVE`].
#[must_use]
pub fn needs_native(what: &str) -> u8 {
    use io::Write;
    let _ = io::stderr().write_all(format!("needs native: {what}\n").as_bytes());
    NEEDS_NATIVE
}
