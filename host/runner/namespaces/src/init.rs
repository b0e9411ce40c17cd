//! Process 1 of a step's pid namespace, and the step's first process.
//!
//! Both are copies of kiln and run no code that allocates. When init ends, the kernel kills all that
//! is left in the namespace, and only then does kiln see the end of init.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fchown, open};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Signal, WaitOptions, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::plan::{Plan, Program};
use crate::report::{At, Failure, Report, Stage};
use crate::sys::process::{Side, clone, duplicate_as, execve, exit, may_execute};
use crate::sys::{self, signal};
use crate::{capabilities, view};

/// The child's ends of the pipes.
pub(crate) struct Ends {
    /// Gives one byte when kiln is ready; ends when kiln is gone.
    pub(crate) go: OwnedFd,
    pub(crate) report: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// What init does after setting up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Starts the step.
    Run,
    /// Reports an end without having started anything.
    Probe,
}

/// Is init: sets up, starts the step, reaps, reports.
pub(crate) fn run(plan: &Plan, ends: &Ends, purpose: Purpose) -> ! {
    signal::reset_dispositions();
    let step = become_init(plan, ends).and_then(|()| match purpose {
        Purpose::Run => clone(0).at(Stage::Fork),
        Purpose::Probe => {
            restrict(plan)?;
            Report::Ended { status: 0 }.send(ends.report.as_fd());
            exit(0)
        }
    });
    match step {
        Ok(Side::Child) => start(plan, ends),
        Ok(Side::Parent { pid, .. }) => reap(pid, ends),
        Err(failure) => {
            Report::SetUp(failure).send(ends.report.as_fd());
            exit(1)
        }
    }
}

fn become_init(plan: &Plan, ends: &Ends) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).at(Stage::Init)?;
    // Kiln may have died before that call: then this pipe has ended.
    let mut go = [0];
    if rustix::io::retry_on_intr(|| rustix::io::read(&ends.go, &mut go)).at(Stage::Init)? == 0 {
        exit(1);
    }
    // The step may see that init is there, not its memory, descriptors or executable
    // (/proc/1/mem, fd, exe): those are kiln's.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Stage::Init)?;
    rustix::thread::set_name(c"kiln-init").at(Stage::Init)?;
    if let Some(command_line) = plan.command_line {
        command_line.replace(b"kiln-init");
    }
    if plan.view.own_network {
        sys::network::loopback_up().at(Stage::Loopback)?;
    }
    view::set_up(&plan.view)?;
    rustix::system::sethostname(&plan.view.hostname).at(Stage::HostName)?;
    // Kiln's own, such as the host's, if the kernel has set one.
    rustix::system::setdomainname(b"(none)").at(Stage::HostName)
}

/// Waits for every child until the step's first process has ended.
fn reap(step: i32, ends: &Ends) -> ! {
    // The pipes of the step and all of kiln's descriptors are nothing that init needs, and they must
    // not stay open here: others wait for their ends.
    let report = match duplicate_as(ends.report.as_fd(), 0) {
        Ok(report) => report,
        Err(errno) => give_up(ends.report.as_fd(), errno),
    };
    if let Err(errno) = sys::process::close_from(1) {
        give_up(report, errno);
    }
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == step => {
                Report::Ended { status: status.as_raw() }.send(report);
                exit(0)
            }
            Ok(_) | Err(Errno::INTR) => {}
            // No child at all: the step's process was reaped without being seen, which cannot be.
            Err(_) => exit(1),
        }
    }
}

fn give_up(report: BorrowedFd<'_>, errno: Errno) -> ! {
    Report::SetUp(Failure { stage: Stage::Descriptors, index: 0, errno }).send(report);
    exit(1)
}

/// Is the step's first process until it executes the program.
fn start(plan: &Plan, ends: &Ends) -> ! {
    let (report, pipe) = match prepare(plan, ends) {
        Ok(pipe) => (execute(&plan.program), pipe),
        Err((failure, pipe)) => (Report::SetUp(failure), pipe),
    };
    report.send(pipe);
    exit(127)
}

/// The descriptor that stays open until the program is executed: the pipe for the report. Those below
/// are the step's own.
pub(crate) const REPORT: i32 = 3;

/// What could not be done, and the pipe that still works.
type Unprepared<'a> = (Failure, BorrowedFd<'a>);

/// Gives the pipe that is left for the report: no other descriptor of kiln's is open any more when
/// the first path of the image's choice is followed. `/proc/self/fd/7` would lead out of the root,
/// as the working directory or the program (CVE-2024-21626 of runc).
fn prepare<'a>(plan: &Plan, ends: &'a Ends) -> Result<BorrowedFd<'a>, Unprepared<'a>> {
    stdio(&plan.program, ends).map_err(|failure| (failure, ends.report.as_fd()))?;
    let report = duplicate_as(ends.report.as_fd(), REPORT)
        .at(Stage::Descriptors)
        .map_err(|failure| (failure, ends.report.as_fd()))?;
    let prepared = sys::process::close_from(REPORT.cast_unsigned() + 1)
        .and_then(|()| sys::process::close_from_on_exec(REPORT.cast_unsigned()))
        .at(Stage::Descriptors)
        .and_then(|()| {
            view::enter(&plan.program.cwd).at(Stage::WorkingDirectory)?;
            set_ulimits(&plan.program)?;
            restrict(plan)
        });
    signal::unblock_all();
    prepared.map(|()| report).map_err(|failure| (failure, report))
}

fn stdio(program: &Program, ends: &Ends) -> Result<(), Failure> {
    let null =
        open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).at(Stage::Stdio)?;
    // So that the step's user can open /dev/stdout, which leads to the pipe.
    for pipe in [&ends.stdout, &ends.stderr] {
        fchown(pipe, Some(program.uid), Some(program.gid)).at(Stage::Stdio)?;
    }
    for (fd, number) in [(&null, 0), (&ends.stdout, 1), (&ends.stderr, 2)] {
        duplicate_as(fd.as_fd(), number).at(Stage::Stdio)?;
    }
    rustix::process::setsid().at(Stage::Stdio)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(())
}

fn set_ulimits(program: &Program) -> Result<(), Failure> {
    for (index, ulimit) in program.ulimits.iter().enumerate() {
        ulimit.set().map_err(|errno| Failure {
            stage: Stage::Ulimits,
            index: u8::try_from(index).unwrap_or(u8::MAX),
            errno,
        })?;
    }
    Ok(())
}

/// Takes on the step's filter, user and capabilities, in the one order that works: the filter needs
/// `SYS_ADMIN`, the bounding set needs `SETPCAP`, the groups need `SETGID`.
fn restrict(plan: &Plan) -> Result<(), Failure> {
    let program = &plan.program;
    sys::seccomp::install(&plan.filter).at(Stage::Seccomp)?;
    capabilities::bound().at(Stage::Bounding)?;
    set_thread_groups(&program.groups).at(Stage::Groups)?;
    set_thread_res_gid(program.gid, program.gid, program.gid).at(Stage::Gid)?;
    set_thread_res_uid(program.uid, program.uid, program.uid).at(Stage::Uid)?;
    capabilities::apply(program.uid.is_root()).at(Stage::Capabilities)
}

/// Executes the first candidate that is there, as execvp(3) does, but for `ENOEXEC`, which it hands
/// to a shell and OCI runtimes do not.
fn execute(program: &Program) -> Report {
    let mut last = Report::Exec { candidate: 0, present: false, errno: Errno::NOENT };
    for (candidate, path) in program.candidates.iter().enumerate() {
        let candidate = u8::try_from(candidate).unwrap_or(u8::MAX);
        let errno = patiently(path, program);
        let present = may_execute(path).is_ok();
        last = Report::Exec { candidate, present, errno };
        let absent = matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::ACCESS);
        if !absent || (present && errno == Errno::NOENT) {
            return last;
        }
    }
    last
}

/// How long a program that is open for writing is waited for, in tries and in nanoseconds each.
const BUSY_TRIES: u32 = 100;
const BUSY_WAIT: i64 = 20_000_000;

/// Executes a program. Kiln has closed it, but a copy of kiln that is to start another step may
/// still have it open for writing (`ETXTBSY`), until that executes a program itself.
fn patiently(path: &CStr, program: &Program) -> Errno {
    for _ in 0..BUSY_TRIES {
        match execve(path, &program.argv, &program.env) {
            Errno::TXTBSY => {
                let wait = rustix::thread::Timespec { tv_sec: 0, tv_nsec: BUSY_WAIT };
                let _waited = rustix::thread::nanosleep(&wait);
            }
            errno => return errno,
        }
    }
    Errno::TXTBSY
}
