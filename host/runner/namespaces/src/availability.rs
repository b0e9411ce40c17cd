//! Whether the kernel lets this runner work, found by doing all of it once, on an empty root.

use std::io;

use kiln_runner::{Cancel, OutputSink, Stream, Unavailable, errno_name};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};

use crate::capabilities::NEEDED;
use crate::id_map::IdMap;
use crate::init::Purpose;
use crate::namespaces;
use crate::plan::Plan;
use crate::report::{Failure, Report, Stage};
use crate::supervise::{self, Bounds, End};

/// The kernel's last resort where a better remedy is not known.
const OTHER_RUNNER: &str = "use another runner: --runner=emulated or --runner=wasi";

/// What kiln lacks of the capabilities that this runner needs; empty in a user namespace of its own
/// and as real root with `SYS_ADMIN`.
pub(crate) fn missing_capabilities() -> CapabilitySet {
    capabilities(None).map_or(NEEDED, |sets| NEEDED - sets.effective)
}

/// Whether more than one user and group exists in this user namespace.
///
/// # Errors
/// The map that is too small.
pub(crate) fn id_maps() -> Result<(), Unavailable> {
    for (name, file) in [("uid_map", IdMap::of_users()), ("gid_map", IdMap::of_groups())] {
        let ids = file.map_err(|error| Unavailable {
            call: format!("reading /proc/self/{name}"),
            errno_name: error.to_string(),
            remedy: "mount /proc".into(),
        })?;
        if ids.size() <= 1 {
            return Err(Unavailable {
                call: format!("/proc/self/{name}"),
                errno_name: format!("{} id", ids.size()),
                remedy:
                    "this user namespace has a single id, so files could not be given to other \
                         users: start kiln outside of it, or map more ids (newuidmap)"
                        .into(),
            });
        }
    }
    Ok(())
}

/// Does the whole set-up in new namespaces, and nothing else.
///
/// # Errors
/// The call that was refused.
pub(crate) fn try_set_up(own_network: bool) -> Result<(), Unavailable> {
    let bounds = Bounds { timeout: None, cancel: &Cancel::default() };
    let plan = Plan::probe(own_network);
    let flags = namespaces(own_network);
    match supervise::run(&plan, flags, Purpose::Probe, &bounds, &Nowhere) {
        Ok(End { report: Some(Report::Ended { .. }), .. }) => Ok(()),
        Ok(End { report: Some(Report::SetUp(failure)), .. }) => Err(refused(failure)),
        Ok(_) => Err(Unavailable {
            call: "init of a trial step".into(),
            errno_name: "was killed".into(),
            remedy: "check the kernel log for an out-of-memory kill or a seccomp violation".into(),
        }),
        Err(error) => Err(clone_refused(&error)),
    }
}

/// A stage of the set-up that the kernel refused, with what helps.
pub(crate) fn refused(Failure { stage, errno, .. }: Failure) -> Unavailable {
    let remedy = match (stage, errno) {
        (_, Errno::NOSYS) => {
            "Linux 5.12 or later is needed, and a seccomp profile that allows the \
                              mount calls of that version"
        }
        (Stage::Proc, Errno::PERM) => {
            "parts of the /proc that kiln itself sees are masked: set procMount: Unmasked for the \
             container, or use another runner"
        }
        (Stage::Pivot, Errno::INVAL) => {
            "the root file system of this machine is the initial \
                                         ramdisk, which pivot_root cannot leave"
        }
        (_, Errno::PERM | Errno::ACCESS) => {
            "a security profile (seccomp, AppArmor, SELinux) forbids it: run kiln unconfined, or \
             use another runner"
        }
        _ => OTHER_RUNNER,
    };
    Unavailable {
        call: stage.call().to_owned(),
        errno_name: errno_name(errno),
        remedy: remedy.to_owned(),
    }
}

fn clone_refused(error: &io::Error) -> Unavailable {
    let errno = Errno::from_io_error(error);
    let remedy = match errno {
        Some(Errno::NOSPC) => "raise the limits in /proc/sys/user/max_*_namespaces",
        Some(Errno::INVAL) => "the kernel is built without one of these namespaces",
        _ => OTHER_RUNNER,
    };
    Unavailable {
        call: "clone(CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWIPC|CLONE_NEWUTS)".into(),
        errno_name: errno.map_or_else(|| error.to_string(), errno_name),
        remedy: remedy.into(),
    }
}

/// A trial step writes nothing.
struct Nowhere;

impl OutputSink for Nowhere {
    fn write(&self, _: Stream, _: &[u8]) {}
}
