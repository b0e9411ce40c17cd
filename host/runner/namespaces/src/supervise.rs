//! Kiln's side of a running step: starts init, passes the output on, stops what must be stopped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use kiln_runner::{Cancel, OutputSink, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::init::{self, Ends, Purpose};
use crate::plan::Plan;
use crate::report::{LEN, Report};
use crate::sys::process::{Side, clone};
use crate::sys::signal::Blocked;

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// How late a cancellation may be noticed.
const TICK: Duration = Duration::from_millis(50);

/// Bytes of a dead step's output that are still read from one pipe: what the largest pipe can hold
/// (`pipe-max-size`), so that somebody who was sent the pipe's end cannot keep kiln reading.
const MAX_LEFT_OVER: usize = 1024 * 1024;

/// What came of it.
#[derive(Debug)]
pub(crate) struct End {
    /// What was reported, `None` when it was killed before it could send one.
    pub(crate) report: Option<Report>,
    /// Why kiln killed it.
    pub(crate) stopped: Option<Stopped>,
}

/// Why kiln stopped a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Its time was up.
    TimedOut(Duration),
    /// The build was cancelled.
    Cancelled,
}

/// What bounds a run from outside.
pub(crate) struct Bounds<'a> {
    pub(crate) timeout: Option<Duration>,
    pub(crate) cancel: &'a Cancel,
}

/// Runs `plan` in new namespaces to its end; every process of it is dead when this returns.
///
/// # Errors
/// What the calls of kiln's own side say: `clone`, pipes, `poll`.
pub(crate) fn run(
    plan: &Plan,
    namespaces: i32,
    purpose: Purpose,
    bounds: &Bounds<'_>,
    output: &dyn OutputSink,
) -> io::Result<End> {
    let (go_reader, go) = pipe()?;
    let (reports, report_writer) = pipe()?;
    let (stdout, stdout_writer) = pipe()?;
    let (stderr, stderr_writer) = pipe()?;
    for reader in [&reports, &stdout, &stderr] {
        rustix::io::ioctl_fionbio(reader, true)?;
    }
    let ends =
        Ends { go: go_reader, report: report_writer, stdout: stdout_writer, stderr: stderr_writer };
    let blocked = Blocked::all();
    let init = match clone(namespaces)? {
        Side::Child => {
            // Its copy: the pipe must end with kiln.
            drop(go);
            init::run(plan, &ends, purpose)
        }
        Side::Parent { pidfd, .. } => Init(pidfd),
    };
    drop(blocked);
    drop(ends);
    // Refused only when init is dead already, which poll then says.
    let _init_died = rustix::io::write(&go, &[1]);

    let mut streams = [Pipe::new(Stream::Stdout, stdout), Pipe::new(Stream::Stderr, stderr)];
    let mut buffer = vec![0; BUFFER];
    let deadline = bounds.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut stopped = None;
    loop {
        if stopped.is_none() {
            stopped = stop_reason(bounds, deadline);
            if stopped.is_some() {
                init.kill()?;
            }
        }
        if wait(&init, &mut streams, deadline.filter(|_| stopped.is_none()))? {
            break;
        }
        for stream in &mut streams {
            if stream.ready {
                stream.pass_on(&mut buffer, output)?;
            }
        }
    }
    for stream in &mut streams {
        let mut rest = MAX_LEFT_OVER;
        while rest > 0 && stream.open {
            match stream.pass_on(&mut buffer, output)? {
                0 => break,
                read => rest = rest.saturating_sub(read),
            }
        }
    }
    init.reap()?;
    Ok(End { report: first_report(&reports)?, stopped })
}

fn stop_reason(bounds: &Bounds<'_>, deadline: Option<Instant>) -> Option<Stopped> {
    if bounds.cancel.is_cancelled() {
        return Some(Stopped::Cancelled);
    }
    let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
    bounds.timeout.filter(|_| passed).map(Stopped::TimedOut)
}

/// Waits for output, the deadline or a tick; says whether init has ended, and with it everything in
/// its pid namespace.
fn wait(init: &Init, streams: &mut [Pipe; 2], deadline: Option<Instant>) -> io::Result<bool> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let timeout = left.map_or(TICK, |left| left.min(TICK));
    let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
    let wanted = |pipe: &Pipe| if pipe.open { PollFlags::IN } else { PollFlags::empty() };
    let mut polled = [
        PollFd::from_borrowed_fd(init.0.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(streams[0].polled(&init.0), wanted(&streams[0])),
        PollFd::from_borrowed_fd(streams[1].polled(&init.0), wanted(&streams[1])),
    ];
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(false),
        Err(errno) => return Err(errno.into()),
    }
    let [ended, stdout, stderr] = polled.map(|fd| !fd.revents().is_empty());
    streams[0].ready = stdout && streams[0].open;
    streams[1].ready = stderr && streams[1].open;
    Ok(ended)
}

/// Init, killed and waited for however the run ends.
struct Init(OwnedFd);

impl Init {
    fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.0, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits for init. Not an error: somebody else in the process reaped it (`ECHILD`).
    fn reap(&self) -> io::Result<()> {
        let id = WaitId::PidFd(self.0.as_fd());
        match rustix::io::retry_on_intr(|| waitid(id.clone(), WaitIdOptions::EXITED)) {
            Ok(_) | Err(Errno::CHILD) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // After a normal end both say that there is nothing left to do.
        let _gone = self.kill();
        let _reaped = self.reap();
    }
}

/// Kiln's end of one of the output pipes.
struct Pipe {
    stream: Stream,
    fd: OwnedFd,
    open: bool,
    ready: bool,
}

impl Pipe {
    fn new(stream: Stream, fd: OwnedFd) -> Self {
        Self { stream, fd, open: true, ready: false }
    }

    /// What to poll: a pipe that has ended would wake the poll at once, for ever.
    fn polled<'a>(&'a self, otherwise: &'a OwnedFd) -> BorrowedFd<'a> {
        if self.open { self.fd.as_fd() } else { otherwise.as_fd() }
    }

    /// Reads once; 0 when there is nothing now.
    fn pass_on(&mut self, buffer: &mut [u8], output: &dyn OutputSink) -> io::Result<usize> {
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.fd, &mut *buffer)) {
            Ok(0) => {
                self.open = false;
                Ok(0)
            }
            Ok(read) => {
                output.write(self.stream, buffer.get(..read).unwrap_or_default());
                Ok(read)
            }
            Err(Errno::AGAIN) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// A failure of the step's first process is followed by the end of that process: the first message
/// is the one that says more.
fn first_report(reports: &OwnedFd) -> io::Result<Option<Report>> {
    let mut bytes = [0; LEN];
    match rustix::io::retry_on_intr(|| rustix::io::read(reports, &mut bytes)) {
        Ok(LEN) => Ok(Report::parse(bytes)),
        Ok(_) | Err(Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// A pipe whose ends no other program inherits, and which are none of those that the step's first
/// process puts its own at.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((above_reserved(reader)?, above_reserved(writer)?))
}

fn above_reserved(fd: OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    if fd.as_raw_fd() > init::REPORT {
        return Ok(fd);
    }
    let moved = rustix::io::fcntl_dupfd_cloexec(&fd, init::REPORT + 1)?;
    Ok(moved)
}
