//! The runner's kernel, through the imports that guests share.

use std::{fs::File, io};

use kiln_guest_abi::{
    file::{self, UTIME_NOW, UTIME_OMIT},
    process,
    wire::{errno, open},
};

use super::{Ended, Piped, SetTime, Stat, Time, makedev};

pub(super) const ENOTEMPTY: i32 = errno::ENOTEMPTY;
pub(super) const EISDIR: i32 = errno::EISDIR;
pub(super) const ENOTDIR: i32 = errno::ENOTDIR;
pub(super) const EXDEV: i32 = errno::EXDEV;
pub(super) const ELOOP: i32 = errno::ELOOP;

fn time(time: kiln_guest_abi::wire::Time) -> Time {
    Time { secs: time.secs, nanos: time.nanos }
}

fn convert(stat: file::Stat) -> Stat {
    Stat {
        dev: stat.dev,
        ino: stat.ino,
        mode: stat.mode,
        nlink: u64::from(stat.nlink),
        uid: stat.uid,
        gid: stat.gid,
        rdev: makedev(stat.rdev_major, stat.rdev_minor),
        size: stat.size,
        blocks: stat.blocks,
        atime: time(stat.atime),
        mtime: time(stat.mtime),
        ctime: time(stat.ctime),
    }
}

/// Takes over the working directory; the first thing that a program does.
pub fn init() {
    let _ = process::init();
}

fn open_with(path: &[u8], flags: u32, mode: u32) -> io::Result<File> {
    file::open(path, flags, mode).map(kiln_guest_abi::fd::into_file)
}

/// Opens a file for reading.
///
/// # Errors
///
/// Whatever the kernel answers; so for all calls here.
pub fn open(file: &[u8]) -> io::Result<File> {
    open_with(file, open::READ, 0)
}

/// Creates a file for writing, or empties it: made with this mode less the umask.
///
/// # Errors
///
/// See [`stat`].
pub fn create_mode(file: &[u8], mode: u32) -> io::Result<File> {
    open_with(file, open::WRITE | open::CREATE | open::TRUNC, mode)
}

/// Creates a file for writing that must not be there, also as a dangling symlink.
///
/// # Errors
///
/// See [`stat`].
pub fn create_new(file: &[u8], mode: u32) -> io::Result<File> {
    open_with(file, open::WRITE | open::CREATE | open::EXCL, mode)
}

/// Opens a file for writing as it is.
///
/// # Errors
///
/// See [`stat`].
pub fn open_write(file: &[u8]) -> io::Result<File> {
    open_with(file, open::WRITE, 0)
}

/// Opens a file for appending, made when missing.
///
/// # Errors
///
/// See [`stat`].
pub fn append(file: &[u8]) -> io::Result<File> {
    open_with(file, open::WRITE | open::CREATE | open::APPEND, 0o666)
}

/// The status of a file.
///
/// # Errors
///
/// Whatever the kernel answers.
pub fn stat(file: &[u8]) -> io::Result<Stat> {
    file::stat(file).map(convert)
}

/// The status of a file, of a symlink itself.
///
/// # Errors
///
/// See [`stat`].
pub fn lstat(file: &[u8]) -> io::Result<Stat> {
    file::lstat(file).map(convert)
}

/// The status of an open file.
///
/// # Errors
///
/// See [`stat`].
pub fn fstat(fd: u32) -> io::Result<Stat> {
    file::fstat(fd).map(convert)
}

/// Sets the permission bits.
///
/// # Errors
///
/// See [`stat`].
pub fn chmod(file: &[u8], mode: u32) -> io::Result<()> {
    file::chmod(file, mode)
}

/// Sets owner and group.
///
/// # Errors
///
/// See [`stat`].
pub fn chown(file: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    file::chown(file, uid, gid)
}

/// Sets owner and group, of a symlink itself.
///
/// # Errors
///
/// See [`stat`].
pub fn lchown(file: &[u8], uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    file::lchown(file, uid, gid)
}

/// Makes a directory with this mode less the umask.
///
/// # Errors
///
/// See [`stat`].
pub fn mkdir(dir: &[u8], mode: u32) -> io::Result<()> {
    file::mkdir(dir, mode)
}

/// Makes a fifo, a device node or an empty file with this type and mode less the umask.
///
/// # Errors
///
/// See [`stat`].
pub fn mknod(file: &[u8], mode: u32, dev: u64) -> io::Result<()> {
    file::mknod(file, mode, super::major(dev), super::minor(dev))
}

/// Makes a symlink.
///
/// # Errors
///
/// See [`stat`].
pub fn symlink(target: &[u8], link: &[u8]) -> io::Result<()> {
    file::symlink(target, link)
}

/// The target of a symlink.
///
/// # Errors
///
/// See [`stat`].
pub fn readlink(link: &[u8]) -> io::Result<Vec<u8>> {
    file::readlink(link)
}

/// Makes a hard link; a symlink is followed when asked.
///
/// # Errors
///
/// See [`stat`].
pub fn link(from: &[u8], to: &[u8], follow: bool) -> io::Result<()> {
    file::link(from, to, follow)
}

/// Renames, replacing what is there where the kernel allows it.
///
/// # Errors
///
/// See [`stat`].
pub fn rename(from: &[u8], to: &[u8]) -> io::Result<()> {
    file::rename(from, to)
}

/// Removes a name that is not a directory's.
///
/// # Errors
///
/// See [`stat`].
pub fn unlink(file: &[u8]) -> io::Result<()> {
    file::unlink(file)
}

/// Removes an empty directory.
///
/// # Errors
///
/// See [`stat`].
pub fn rmdir(dir: &[u8]) -> io::Result<()> {
    file::rmdir(dir)
}

/// Sets the times of access and modification, of a symlink itself when it is not followed.
///
/// # Errors
///
/// See [`stat`].
pub fn utimens(file: &[u8], access: SetTime, modify: SetTime, follow: bool) -> io::Result<()> {
    let spec = |set| match set {
        SetTime::Keep => file::Time { secs: 0, nanos: UTIME_OMIT },
        SetTime::Now => file::Time { secs: 0, nanos: UTIME_NOW },
        SetTime::To(time) => file::Time { secs: time.secs, nanos: time.nanos },
    };
    file::set_times(file, spec(access), spec(modify), follow)
}

/// The extended attributes of a file, of a symlink itself: names with values.
///
/// # Errors
///
/// See [`stat`].
pub fn xattrs(file: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in file::list_xattrs(file, false)? {
        if let Some(value) = file::get_xattr(file, &name, false)? {
            found.push((name, value));
        }
    }
    Ok(found)
}

/// Sets an extended attribute, of a symlink itself.
///
/// # Errors
///
/// See [`stat`].
pub fn set_xattr(file: &[u8], name: &[u8], value: &[u8]) -> io::Result<()> {
    file::set_xattr(file, name, value, 0, false)
}

/// Sets the umask and gives the former one.
#[must_use]
pub fn set_umask(mask: u32) -> u32 {
    process::umask(mask)
}

/// The effective user.
#[must_use]
pub fn effective_uid() -> u32 {
    process::ids().euid
}

/// The effective group.
#[must_use]
pub fn effective_gid() -> u32 {
    process::ids().egid
}

/// The real user.
#[must_use]
pub fn real_uid() -> u32 {
    process::ids().uid
}

/// The real group.
#[must_use]
pub fn real_gid() -> u32 {
    process::ids().gid
}

/// The supplementary groups.
#[must_use]
pub fn groups() -> Vec<u32> {
    process::groups()
}

/// The working directory.
///
/// # Errors
///
/// See [`stat`].
pub fn current_dir() -> io::Result<Vec<u8>> {
    process::current_dir()
}

/// Changes the working directory.
///
/// # Errors
///
/// See [`stat`].
pub fn change_dir(dir: &[u8]) -> io::Result<()> {
    process::set_current_dir(dir)
}

/// Runs a program, found by PATH, and waits for it; gives its exit status, or 128 and its signal.
///
/// # Errors
///
/// `NotFound` where there is no such program, `PermissionDenied` where it cannot be run.
pub fn spawn(argv: &[Vec<u8>], launch: &super::Launch) -> io::Result<u8> {
    let mut command = match &launch.env {
        None => process::Command::inherit(argv.to_vec()),
        Some(env) => {
            let env = env.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
            process::Command::new(argv.first().map_or(&[], Vec::as_slice), argv.to_vec(), env)
        }
    };
    if let Some(dir) = &launch.dir {
        command = command.current_dir(dir);
    }
    let ended = if launch.empty_input {
        // The read end of a pipe that nobody writes to is as empty as /dev/null, and exists in
        // every image.
        let (read, write) = kiln_guest_abi::fd::pipe()?;
        kiln_guest_abi::fd::close(write)?;
        let ended = command.fd(0, read).status();
        kiln_guest_abi::fd::close(read)?;
        ended?
    } else {
        command.status()?
    };
    Ok(u8::try_from(ended.shell_code()).unwrap_or(u8::MAX))
}

/// A program that was started.
#[derive(Debug)]
pub struct Child(process::Pid);

/// Starts a program with a pipe to or from it.
///
/// # Errors
///
/// See [`spawn`].
pub fn start(argv: &[Vec<u8>], piped: Piped) -> io::Result<(Child, Option<File>)> {
    let command = process::Command::inherit(argv.to_vec());
    let number = match piped {
        Piped::Nothing => return Ok((Child(command.spawn()?), None)),
        Piped::Input => 0,
        Piped::Output => 1,
    };
    let (read, write) = kiln_guest_abi::fd::pipe()?;
    let (theirs, ours) = if piped == Piped::Input { (read, write) } else { (write, read) };
    let started = command.fd(number, theirs).spawn();
    kiln_guest_abi::fd::close(theirs)?;
    let ours = kiln_guest_abi::fd::into_file(ours);
    Ok((Child(started?), Some(ours)))
}

fn ended(status: process::Status) -> Ended {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match status {
        process::Status::Exited(code) => Ended::Exited(byte(code)),
        process::Status::Signaled(signal) => Ended::Signaled(byte(signal)),
    }
}

impl Child {
    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// See [`stat`].
    pub fn wait(self) -> io::Result<Ended> {
        process::wait(self.0).map(ended)
    }

    /// How it ended, if it has; not to be asked again then.
    ///
    /// # Errors
    ///
    /// See [`stat`].
    pub fn try_wait(&mut self) -> io::Result<Option<Ended>> {
        Ok(process::try_wait(self.0)?.map(ended))
    }
}

/// The processors that a native process of the step could use.
#[must_use]
pub fn processors() -> u32 {
    process::available_parallelism()
}

/// The host's name in the step.
#[must_use]
pub fn hostname() -> Vec<u8> {
    process::hostname()
}

/// Whether the image's tools are BusyBox's.
#[must_use]
pub fn is_busybox() -> bool {
    process::flavor() == process::Flavor::BusyBox
}

/// The reason of an error, in the words of the C library.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    kiln_guest_abi::error::text(error)
}

/// Ends the step: only the native tool can do this.
#[must_use]
pub fn needs_native(what: &str) -> u8 {
    process::needs_native(what)
}
