//! Kiln's own program, out of the reach of steps.
//!
//! The first process of a step is a copy of kiln, so an image can have it execute `/proc/self/exe`
//! (as the program, or behind `#!`): then kiln's file is the program of a process in the step, and
//! its other processes reach it as `/proc/PID/exe`. With the rights of the file's owner they could
//! change its mode or its content (CVE-2019-5736 of runc). So kiln runs from a mount that is read-only.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use kiln_runner::Unavailable;
use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags, fstat, fstatvfs, openat, readlinkat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::sys;

/// Whether nothing can be changed through `/proc/PID/exe` of this process.
///
/// # Errors
/// `/proc` is not there.
pub(crate) fn is_sealed() -> Result<bool, Unavailable> {
    let file =
        open_path(c"/proc/self/exe").map_err(|errno| refused("opening /proc/self/exe", errno))?;
    is_read_only(&file).map_err(|errno| refused("fstatvfs of /proc/self/exe", errno))
}

/// Kiln's program as a file.
pub(crate) struct Program {
    path: CString,
    identity: (u64, u64),
}

impl Program {
    /// Finds it. To be called before kiln enters another mount namespace: the mount that it was
    /// started from is none of that one's, and may be gone with the last process of the old one.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub(crate) fn find() -> Result<Self, Unavailable> {
        let at = |call| move |errno| refused(call, errno);
        let path =
            readlinkat(CWD, c"/proc/self/exe", Vec::new()).map_err(at("readlink of kiln"))?;
        let running =
            open_path(c"/proc/self/exe").and_then(identity).map_err(at("fstat of kiln"))?;
        Ok(Self { path, identity: running })
    }

    /// Executes it again, from a read-only mount, with the same arguments and environment. Needs
    /// `CAP_SYS_ADMIN`; returns only the error.
    pub(crate) fn execute(&self) -> Unavailable {
        let program = match self.read_only() {
            Ok(program) => program,
            Err(refusal) => return refusal,
        };
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| OsString::from("kiln"));
        let path = format!("/proc/self/fd/{}", program.as_raw_fd());
        let error = Command::new(path).arg0(name).args(arguments).exec();
        refused("execve of kiln", Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// A read-only mount of the file, attached nowhere.
    fn read_only(&self) -> Result<OwnedFd, Unavailable> {
        let at = |call| move |errno| refused(call, errno);
        let shown = self.path.to_string_lossy();
        let opening = |errno| refused(&format!("opening {shown}"), errno);
        let file = open_path(&*self.path).map_err(opening)?;
        if identity(&file) != Ok(self.identity) {
            return Err(opening(Errno::STALE));
        }
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let tree = open_tree(&file, c"", flags).map_err(at("open_tree of kiln"))?;
        sys::mount::make_private_with(&tree, MountAttrFlags::MOUNT_ATTR_RDONLY)
            .map_err(at("mount_setattr(MOUNT_ATTR_RDONLY) of kiln"))?;
        match is_read_only(&tree) {
            Ok(true) => Ok(tree),
            // Kiln would start itself again for ever.
            Ok(false) => Err(refused("mount_setattr(MOUNT_ATTR_RDONLY) of kiln", Errno::NOTSUP)),
            Err(errno) => Err(refused("fstatvfs of kiln", errno)),
        }
    }
}

fn identity(file: impl AsFd) -> Result<(u64, u64), Errno> {
    let stat = fstat(file)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn open_path(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

fn is_read_only(file: impl AsFd) -> Result<bool, Errno> {
    Ok(fstatvfs(file)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn refused(call: &str, errno: Errno) -> Unavailable {
    Unavailable {
        call: call.to_owned(),
        errno_name: kiln_runner::errno_name(errno),
        remedy:
            "kiln must run from a read-only mount, so that no step can change its program, and \
                 cannot make one: mount its directory read-only, or use another runner"
                .into(),
    }
}
