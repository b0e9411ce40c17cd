//! Whether the runner works here, measured.

use std::os::fd::OwnedFd;
use std::path::Path;

use kiln_runner::{Check, RunError, Unavailable, errno_name};
use rustix::io::Errno;

use crate::config::sealed;
use crate::landlock::{self, MINIMUM_ABI, SCOPING_ABI};
use crate::trial;

/// The loader's program, built with this crate.
static LOADER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/loader"));

/// The loader as a sealed memory file: one for each step, which can take the file's mode away.
pub(crate) fn loader() -> Result<OwnedFd, RunError> {
    sealed("kiln", LOADER).map_err(|errno| RunError::Io {
        what: "keep the loader in memory (memfd_create)".to_owned(),
        source: errno.into(),
    })
}

fn unavailable(call: &str, errno: Errno, remedy: &str) -> Unavailable {
    Unavailable { call: call.to_owned(), errno_name: errno_name(errno), remedy: remedy.to_owned() }
}

fn check_landlock() -> Result<i32, Unavailable> {
    let call = "landlock_create_ruleset(LANDLOCK_CREATE_RULESET_VERSION)";
    let abi = landlock::abi().map_err(|errno| {
        unavailable(
            call,
            errno,
            "boot a kernel of at least 6.2 with `landlock` in its lsm= list, or let the pod's \
             seccomp profile be RuntimeDefault",
        )
    })?;
    if abi < MINIMUM_ABI {
        return Err(Unavailable {
            call: call.to_owned(),
            errno_name: format!("ABI {abi}"),
            remedy: format!("a kernel of at least 6.2 (Landlock ABI {MINIMUM_ABI})"),
        });
    }
    Ok(abi)
}

fn check_seccomp() -> Result<String, Unavailable> {
    let call = "seccomp(SECCOMP_GET_ACTION_AVAIL, SECCOMP_RET_TRAP)";
    landlock::seccomp_trap_available().map(|()| "RET_TRAP".to_owned()).map_err(|errno| {
        unavailable(call, errno, "a kernel with CONFIG_SECCOMP_FILTER; gVisor has none")
    })
}

fn check_openat2() -> Result<String, Unavailable> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::IN_ROOT)
        .map(|_| "RESOLVE_IN_ROOT".to_owned())
        .map_err(|errno| unavailable("openat2(RESOLVE_IN_ROOT)", errno, "a kernel of at least 5.6"))
}

fn check_loader() -> Result<String, Unavailable> {
    loader().map(|_| "sealed".to_owned()).map_err(|error| Unavailable {
        call: "memfd_create(MFD_ALLOW_SEALING)".to_owned(),
        errno_name: error.to_string(),
        remedy: "a kernel with memfd, and vm.memfd_noexec below 2".to_owned(),
    })
}

/// The first thing that is missing, if any.
pub(crate) fn available() -> Result<(), Unavailable> {
    check_landlock()?;
    check_seccomp()?;
    check_openat2()?;
    check_loader()?;
    Ok(())
}

/// Everything, for `kiln doctor`; the last one needs a directory to write to.
pub(crate) fn checks(work_dir: &Path) -> Vec<Check> {
    let row = |what: &str, result| Check { what: what.to_owned(), result, required: true };
    let landlock = check_landlock();
    let guards = landlock.clone().map(|abi| {
        if abi >= SCOPING_ABI {
            format!("ABI {abi}: files, processes, signals and sockets of the pod are guarded")
        } else {
            format!(
                "ABI {abi}: files and memory of the pod are guarded; signals to its processes and \
                 abstract sockets are not before Linux 6.12 (ABI {SCOPING_ABI})"
            )
        }
    });
    let mut checks = vec![
        row("landlock", guards),
        row("seccomp", check_seccomp()),
        row("openat2", check_openat2()),
        row("memfd_create", check_loader()),
    ];
    if checks.iter().all(|check| check.result.is_ok()) {
        checks.push(row("a step", trial::run(work_dir)));
    }
    checks
}
