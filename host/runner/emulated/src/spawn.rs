//! Starting a step's first process, and waiting for its end.
#![expect(unsafe_code, reason = "what happens between fork and exec cannot be told safely")]

use std::io::Read as _;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kiln_emulated_core::config::{END_FD, FIRST_FD, LOADER_FD};
use kiln_runner::{ExitStatus, OutputSink, RunError, Step, Stream, Ulimit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// How often the step's cancellation and time-out are looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long the first process may take to end a step before it is killed itself.
const GRACE: Duration = Duration::from_secs(10);
/// How much is read at most once the step is over, in buffers: two pipes hold less.
const LAST_READS: u32 = 64;
/// The soft limit of descriptors that a step needs at least: the runner's own lie below it.
const DESCRIPTORS: u64 = 1024;

/// Starts the first process with these descriptors under these numbers, and in this domain.
pub(crate) fn spawn(
    given: &[(BorrowedFd<'_>, i32)],
    scope: Option<&OwnedFd>,
    ulimits: &[Ulimit],
) -> Result<Child, RunError> {
    // A source whose number is in the runner's range could be overwritten before its turn.
    let mut moved: Vec<OwnedFd> = Vec::new();
    let mut descriptors: Vec<(RawFd, RawFd)> = Vec::new();
    for (source, target) in given {
        let mut number = source.as_raw_fd();
        if (FIRST_FD..END_FD).contains(&number) {
            let copy = rustix::io::fcntl_dupfd_cloexec(source, END_FD)
                .map_err(|errno| io("move a descriptor", errno))?;
            number = copy.as_raw_fd();
            moved.push(copy);
        }
        descriptors.push((number, *target));
    }
    let scope = scope.map(AsRawFd::as_raw_fd);
    let mut command = Command::new(format!("/proc/self/fd/{LOADER_FD}"));
    command.arg0("kiln-init").env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let wanted = ulimits.to_vec();
    let set_up = move || set_up_child(&descriptors, scope, &wanted);
    // SAFETY: the closure makes system calls only: no allocation, no lock, no other thread's state.
    unsafe { command.pre_exec(set_up) };
    let child = command.spawn().map_err(|source| {
        let what = match source.kind() {
            std::io::ErrorKind::PermissionDenied if !ulimits.is_empty() => {
                let limits: Vec<_> = ulimits.iter().map(ToString::to_string).collect();
                format!("set --ulimit {}, above the hard limit of kiln's own", limits.join(" "))
            }
            _ => "start the step's first process".to_owned(),
        };
        RunError::Io { what, source }
    });
    drop(moved);
    child
}

/// Between fork and exec.
fn set_up_child(
    descriptors: &[(RawFd, RawFd)],
    scope: Option<RawFd>,
    ulimits: &[Ulimit],
) -> std::io::Result<()> {
    // Whatever kiln or its parents hold open stays out of the step.
    for (first, last) in [(3, FIRST_FD - 1), (END_FD, i32::MAX)] {
        close_on_exec(first, last)?;
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        let wanted = rustix::process::Rlimit { current: Some(DESCRIPTORS), ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, wanted)?;
    }
    for &(source, target) in descriptors {
        // SAFETY: two numbers; the target lies in the range that is kept free for this.
        if unsafe { libc::dup3(source, target, 0) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    for ulimit in ulimits {
        ulimit.set()?;
    }
    rustix::thread::set_no_new_privs(true)?;
    if let Some(scope) = scope {
        crate::landlock::restrict_self(scope)?;
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

fn close_on_exec(first: RawFd, last: RawFd) -> std::io::Result<()> {
    // SAFETY: numbers only.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

fn io(what: &str, errno: Errno) -> RunError {
    RunError::Io { what: what.to_owned(), source: errno.into() }
}

/// What the first process reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Ended(u32),
    NoDirectory(i32),
    NoProgram(i32),
    NoFilter(i32),
    NoDomain(i32),
}

/// Passes the step's output on until it has ended, been cancelled or run too long.
pub(crate) fn supervise(
    mut child: Child,
    status: OwnedFd,
    step: &Step,
    output: &dyn OutputSink,
) -> Result<Vec<Report>, RunError> {
    let deadline = step.limits.timeout.map(|limit| Instant::now() + limit);
    let mut stopped: Option<(Instant, RunError)> = None;
    let mut streams: Vec<(OwnedFd, Stream)> = Vec::new();
    streams.extend(child.stdout.take().map(|pipe| (pipe.into(), Stream::Stdout)));
    streams.extend(child.stderr.take().map(|pipe| (pipe.into(), Stream::Stderr)));
    let mut buffer = vec![0; 64 * 1024];
    let waited =
        |source| RunError::Io { what: "wait for the step's first process".to_owned(), source };
    let exit = loop {
        if let Err(error) = forward(&mut streams, &mut buffer, output) {
            signal(&child, Signal::TERM);
            streams.clear();
            stopped.get_or_insert((Instant::now(), error));
        }
        // The first process itself holds them to its end.
        if streams.is_empty() && stopped.is_none() {
            break child.wait().map_err(waited)?;
        }
        // The last of the step's processes. Its output need not end with it: a guest can have
        // given a stream to somebody else to hold.
        if let Some(exit) = child.try_wait().map_err(waited)? {
            for _ in 0..LAST_READS {
                if streams.is_empty() || !forward(&mut streams, &mut buffer, output)? {
                    break;
                }
            }
            break exit;
        }
        match &stopped {
            None => {
                let error = if step.cancel.is_cancelled() {
                    Some(RunError::Cancelled)
                } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    Some(RunError::TimedOut(step.limits.timeout.unwrap_or_default()))
                } else {
                    None
                };
                if let Some(error) = error {
                    signal(&child, Signal::TERM);
                    stopped = Some((Instant::now(), error));
                }
            }
            Some((since, _)) if since.elapsed() > GRACE => signal(&child, Signal::KILL),
            Some(_) => {}
        }
    };
    if let Some((_, error)) = stopped {
        return Err(error);
    }
    let reports = read_reports(status)?;
    if reports.is_empty() {
        return Err(RunError::Limit(format!("the step's first process ended early: {exit}")));
    }
    Ok(reports)
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Not waited for yet, so the number is still its own.
        let _ = kill_process(pid, signal);
    }
}

/// Passes on what there is; whether there was anything.
fn forward(
    streams: &mut Vec<(OwnedFd, Stream)>,
    buffer: &mut [u8],
    output: &dyn OutputSink,
) -> Result<bool, RunError> {
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    let ready: Vec<bool> = {
        let mut fds: Vec<PollFd<'_>> =
            streams.iter().map(|(fd, _)| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&tick)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(io("wait for the step's output", errno)),
        }
        fds.iter().map(|fd| !fd.revents().is_empty()).collect()
    };
    let any = ready.contains(&true);
    let mut ready = ready.into_iter();
    streams.retain(|(fd, stream)| {
        if !ready.next().unwrap_or(false) {
            return true;
        }
        match rustix::io::read(fd, &mut *buffer) {
            Ok(0) => false,
            Ok(read) => {
                output.write(*stream, buffer.get(..read).unwrap_or(&[]));
                true
            }
            Err(Errno::INTR | Errno::AGAIN) => true,
            Err(_) => false,
        }
    });
    Ok(any)
}

fn read_reports(status: OwnedFd) -> Result<Vec<Report>, RunError> {
    /// The first process writes two at the most.
    const MOST: u64 = 64;
    let mut bytes = Vec::new();
    std::fs::File::from(status)
        .take(MOST)
        .read_to_end(&mut bytes)
        .map_err(|source| RunError::Io { what: "read the step's end".to_owned(), source })?;
    let reports = bytes.chunks_exact(8).filter_map(|bytes| {
        let (kind, value) = bytes.split_first_chunk::<4>()?;
        let value = u32::from_ne_bytes(value.try_into().ok()?);
        let errno = value.cast_signed();
        Some(match u32::from_ne_bytes(*kind) {
            0 => Report::Ended(value),
            1 => Report::NoDirectory(errno),
            2 => Report::NoProgram(errno),
            3 => Report::NoFilter(errno),
            _ => Report::NoDomain(errno),
        })
    });
    Ok(reports.collect())
}

/// A wait status as an exit status.
pub(crate) fn exit_status(status: u32) -> ExitStatus {
    let status = status.cast_signed();
    if libc::WIFSIGNALED(status) {
        ExitStatus::Signal(libc::WTERMSIG(status))
    } else {
        ExitStatus::Code(libc::WEXITSTATUS(status))
    }
}
