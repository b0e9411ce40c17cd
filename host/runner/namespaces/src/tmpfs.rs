//! A tmpfs on which no device node works, without saying so.
//!
//! Docker and BuildKit mount what `--shm-size` and `type=tmpfs` ask for without `nodev`, and rely on a
//! device cgroup; steps see the options in `/proc/mounts`. There is no such cgroup here. But a file
//! system of a user namespace other than the machine's first one never opens a device node (the
//! kernel's `SB_I_NODEV`), whatever flags its mount has. Where kiln is in such a namespace, all it
//! mounts is of that kind; where it is not, a child process makes the tmpfs in one of its own, whose
//! ids are the same as here, and gives it to kiln. Where neither can be had, the mount gets `nodev`.

use std::ffi::CStr;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
    fsopen,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    PidfdGetfdFlags, Signal, WaitId, WaitIdOptions, pidfd_getfd, pidfd_send_signal, waitid,
};

use crate::sys::process::{Side, clone, exit};
use crate::sys::signal::{self, Blocked};

/// The ids of a user namespace that has all of its parent's.
const ALL_IDS: &str = "0 0 4294967295";

/// Where the tmpfs comes from.
pub(crate) enum Deviceless {
    /// Made, as a detached mount.
    Made(OwnedFd),
    /// Any tmpfs that kiln mounts is one.
    Any,
    /// It cannot be had here.
    None,
}

/// A tmpfs of at most `size` bytes, the kernel's default without.
pub(crate) fn deviceless(size: Option<&CStr>) -> Deviceless {
    match std::fs::read_to_string("/proc/self/uid_map") {
        Ok(map) if map.split_whitespace().eq(ALL_IDS.split(' ')) => {
            made_by_child(size).map_or(Deviceless::None, Deviceless::Made)
        }
        Ok(_) => Deviceless::Any,
        Err(_) => Deviceless::None,
    }
}

/// A detached tmpfs with an owner, a mode and a size.
///
/// # Errors
/// What the kernel says.
pub(crate) fn detached(
    source: &CStr,
    flags: MountAttrFlags,
    mode: &CStr,
    size: Option<&CStr>,
) -> Result<OwnedFd, Errno> {
    let context = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, c"source", source)?;
    fsconfig_set_string(&context, c"mode", mode)?;
    if let Some(size) = size {
        fsconfig_set_string(&context, c"size", size)?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn made_by_child(size: Option<&CStr>) -> Option<OwnedFd> {
    let (held_reader, held) = pipe_with(PipeFlags::CLOEXEC).ok()?;
    let (result, result_writer) = pipe_with(PipeFlags::CLOEXEC).ok()?;
    let blocked = Blocked::all();
    let side = clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
    if let Ok(Side::Child) = side {
        signal::reset_dispositions();
        // The child's copy; the end of the pipe is what tells it that kiln is gone.
        drop(held);
        let mut mapped = [0];
        // One byte once the ids are there.
        if matches!(rustix::io::read(&held_reader, &mut mapped), Ok(1)) {
            let made = detached(c"tmpfs", MountAttrFlags::MOUNT_ATTR_NOSUID, c"1777", size);
            let number = made.as_ref().map_or(-1, AsRawFd::as_raw_fd);
            let _told = rustix::io::write(&result_writer, &number.to_le_bytes());
            // Kiln kills this process when it has the descriptor.
            let _until_killed = rustix::io::read(&held_reader, &mut mapped);
        }
        exit(0);
    }
    drop(blocked);
    drop((result_writer, held_reader));
    let Ok(Side::Parent { pidfd, pid }) = side else { return None };
    let taken = take(&pidfd, pid, &held, result);
    let _killed = pidfd_send_signal(&pidfd, Signal::KILL);
    let _reaped = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    taken
}

/// Gives the child its ids and takes the mount that it makes.
fn take(pidfd: &OwnedFd, pid: i32, held: &OwnedFd, result: OwnedFd) -> Option<OwnedFd> {
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{pid}/{map}"), ALL_IDS).ok()?;
    }
    rustix::io::write(held, &[1]).ok()?;
    let mut answer = [0; 4];
    std::fs::File::from(result).read_exact(&mut answer).ok()?;
    let number = i32::from_le_bytes(answer);
    if number < 0 {
        return None;
    }
    pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty()).ok()
}
