//! The [`Runner`] itself: what a step needs, and what its end means.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;

use kiln_rootfs::{Ownership, Rootfs};
use kiln_runner::{
    ExitStatus, Kind, Network, Outcome, OutputSink, RunError, Runner, Step, Unavailable,
};
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use crate::id_map::IdMap;
use crate::init::Purpose;
use crate::plan::Plan;
use crate::report::{Failure, Report, Stage};
use crate::supervise::{self, Bounds, End, Stopped};
use crate::{availability, namespaces, user_namespace};

/// Executes steps natively in Linux namespaces.
#[derive(Debug, Default)]
pub struct Namespaces {
    path: Option<OsString>,
    available: OnceLock<Result<(), Unavailable>>,
}

impl Namespaces {
    /// A runner; `path` is kiln's own `PATH`, where `newuidmap` is looked for.
    #[must_use]
    pub fn new(path: Option<OsString>) -> Self {
        Self { path, available: OnceLock::new() }
    }

    /// A runner that cannot be used because [`crate::reexec_in_user_namespace`] was refused.
    #[must_use]
    pub fn refused(refusal: Unavailable) -> Self {
        Self { path: None, available: OnceLock::from(Err(refusal)) }
    }

    fn check(&self) -> Result<(), Unavailable> {
        let missing = availability::missing_capabilities();
        if !missing.is_empty() {
            user_namespace::probe(self.path.as_deref())?;
            return Err(Unavailable {
                call: "capget".into(),
                errno_name: user_namespace::capability_names(missing),
                remedy:
                    "a user namespace would work here, and the kiln command enters one when it \
                         starts: call reexec_in_user_namespace first"
                        .into(),
            });
        }
        availability::id_maps()?;
        availability::try_set_up(false)
    }
}

impl Runner for Namespaces {
    fn kind(&self) -> Kind {
        Kind::Namespaces
    }

    fn available(&self) -> Result<(), Unavailable> {
        self.available.get_or_init(|| self.check()).clone()
    }

    fn checks(&self, _work_dir: &std::path::Path) -> Vec<kiln_runner::Check> {
        crate::doctor::doctor(self.path.as_deref())
    }

    fn eligible(&self, rootfs: &Rootfs, step: &Step) -> Result<(), String> {
        if rootfs.ownership() != Ownership::Kernel {
            return Err("owners and modes of this rootfs are in its ledger, which a native step \
                        would not see"
                .into());
        }
        let mounted = rustix::fs::fstatvfs(rootfs.root_fd())
            .map_err(|errno| format!("fstatvfs of {}: {errno}", rootfs.host_path().display()))?;
        if mounted.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(format!(
                "{} is mounted noexec, so no program of the image could start: choose another \
                 --work-dir",
                rootfs.host_path().display()
            ));
        }
        let groups = step.user.groups.iter().chain([&step.user.gid]);
        missing_id("user", IdMap::of_users(), [&step.user.uid])?;
        missing_id("group", IdMap::of_groups(), groups)
    }

    fn run(
        &self,
        rootfs: &Rootfs,
        step: &Step,
        output: &dyn OutputSink,
    ) -> Result<Outcome, RunError> {
        self.available()?;
        let status = run_in(rootfs.root_fd(), step, output)?;
        Ok(Outcome { status, changes: None })
    }
}

fn missing_id<'a>(
    sort: &str,
    map: std::io::Result<IdMap>,
    ids: impl IntoIterator<Item = &'a u32>,
) -> Result<(), String> {
    let map = map.map_err(|error| format!("the {sort}s of this namespace: {error}"))?;
    match ids.into_iter().find(|&&id| !map.contains(id)) {
        Some(id) => Err(format!(
            "{sort} {id} does not exist in kiln's user namespace: give kiln's user a larger range \
             in /etc/subuid and /etc/subgid"
        )),
        None => Ok(()),
    }
}

/// Runs `step` with the directory `root` as its file system.
///
/// # Errors
/// As [`Runner::run`].
fn run_in(
    root: BorrowedFd<'_>,
    step: &Step,
    output: &dyn OutputSink,
) -> Result<ExitStatus, RunError> {
    if step.cancel.is_cancelled() {
        return Err(RunError::Cancelled);
    }
    let (plan, placeholders) = Plan::new(root, step)?;
    let flags = namespaces(step.network == Network::None);
    let bounds = Bounds { timeout: step.limits.timeout, cancel: &step.cancel };
    let end = supervise::run(&plan, flags, Purpose::Run, &bounds, output);
    let removed = placeholders.remove();
    let status = end
        .map_err(|source| io("running the step", source))
        .and_then(|end| meaning(step, &plan, end))?;
    removed.map_err(|errno| io("removing the step's mountpoints", errno.into()))?;
    Ok(status)
}

fn meaning(step: &Step, plan: &Plan, end: End) -> Result<ExitStatus, RunError> {
    match end {
        End { report: Some(Report::Ended { status }), stopped: None } => Ok(exit_status(status)),
        End { stopped: Some(Stopped::TimedOut(limit)), .. } => Err(RunError::TimedOut(limit)),
        End { stopped: Some(Stopped::Cancelled), .. } => Err(RunError::Cancelled),
        End { report: Some(Report::SetUp(failure)), .. } => Err(set_up_error(step, failure)),
        End { report: Some(Report::Exec { candidate, present, errno }), .. } => {
            Err(cannot_start(step, plan, usize::from(candidate), present, errno))
        }
        End { report: None, .. } => Err(io(
            "waiting for the step",
            std::io::Error::other(
                "its init process was killed from outside, perhaps for lack of memory",
            ),
        )),
    }
}

/// What `waitpid` means by `status` (wait(2)).
fn exit_status(status: i32) -> ExitStatus {
    if libc::WIFSIGNALED(status) {
        ExitStatus::Signal(libc::WTERMSIG(status))
    } else {
        ExitStatus::Code(libc::WEXITSTATUS(status))
    }
}

fn set_up_error(step: &Step, Failure { stage, index, errno }: Failure) -> RunError {
    let what = match stage {
        Stage::StepMount => {
            let target = step.mounts.get(usize::from(index)).map(|mount| &mount.target[..]);
            format!("mounting on {}", target.unwrap_or_default().escape_ascii())
        }
        Stage::WorkingDirectory => format!("changing to {}", step.cwd.escape_ascii()),
        Stage::Uid => format!("becoming user {}", step.user.uid),
        Stage::Gid => format!("becoming group {}", step.user.gid),
        Stage::Ulimits => match step.limits.ulimits.get(usize::from(index)) {
            Some(ulimit) if errno == Errno::PERM => {
                format!("--ulimit {ulimit} is above the hard limit that kiln itself has")
            }
            Some(ulimit) => format!("--ulimit {ulimit}"),
            None => stage.call().to_owned(),
        },
        other => format!("setting up the step: {}", other.call()),
    };
    io(what, errno.into())
}

/// What the OCI runtimes say of a program that cannot be started, in their words.
fn cannot_start(
    step: &Step,
    plan: &Plan,
    candidate: usize,
    present: bool,
    errno: Errno,
) -> RunError {
    let name = step.argv.first().map(|name| name.escape_ascii().to_string()).unwrap_or_default();
    let path = plan.program.candidates.get(candidate).map(|path| path.as_bytes().escape_ascii());
    let path = path.map(|path| path.to_string()).unwrap_or_default();
    let absent = matches!(errno, Errno::NOENT | Errno::NOTDIR);
    let (reason, code) = match errno {
        // The program's interpreter is what is missing.
        Errno::NOENT if present => (format!("exec {path}: no such file or directory"), 127),
        // A file that may not be executed is none, for a search in PATH.
        _ if plan.program.searched && !present && (absent || errno == Errno::ACCESS) => {
            (format!("exec: \"{name}\": executable file not found in $PATH"), 127)
        }
        Errno::NOENT => (format!("exec: \"{name}\": stat {name}: no such file or directory"), 127),
        Errno::NOTDIR => (format!("exec: \"{name}\": stat {name}: not a directory"), 127),
        Errno::ACCESS => (format!("exec: \"{name}\": permission denied"), 126),
        Errno::NOEXEC => (format!("exec {path}: exec format error"), 126),
        other => (format!("exec {path}: {}", std::io::Error::from(other)), 126),
    };
    RunError::CannotStart { program: name, reason, code }
}

fn io(what: impl Into<String>, source: std::io::Error) -> RunError {
    RunError::Io { what: what.into(), source }
}
