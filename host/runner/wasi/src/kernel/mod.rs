//! The kernel of one step: processes, descriptors, pipes, and the end of it all.

mod budget;
mod crew;
mod descriptor;
mod packaged;
mod pipe;
mod process;
mod program;
mod run;
mod table;

pub(crate) use budget::Budget;
pub(crate) use crew::Crew;
pub(crate) use descriptor::{Descriptors, Object, ROOT, Ticket};
pub(crate) use packaged::Known;
pub(crate) use pipe::{Reader, Refused, Writer, buffer, pipe};
pub(crate) use process::{Beginning, End, Process};
pub(crate) use program::{Flavor, Program, Resolved, has_shell, resolve};
pub(crate) use run::{THREAD_STACK, fork, run, run_child, spawn};
pub(crate) use table::{Pid, Waited};

use crate::fs::Fs;
use crate::machine::Machine;
use crate::options::Options;
use kiln_runner::Stream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a step ends before its first process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Only a native run can do it.
    Native(String),
    /// A bound of [`Options`] was reached.
    Limit(String),
    /// Something on the host failed.
    Host(String),
    /// Its time is up.
    TimedOut,
    /// The build was cancelled.
    Cancelled,
    /// The first process has ended; what is left is killed.
    Finished,
}

/// What the threads of guests tell the thread that runs the step.
#[derive(Debug)]
pub(crate) enum Event {
    /// Output of the step.
    Output(Stream, Vec<u8>),
    /// A process has ended.
    Ended,
}

/// All that the processes of a step share.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The files.
    pub(crate) fs: Fs,
    /// The engine and the guests.
    pub(crate) machine: Arc<Machine>,
    /// Bounds.
    pub(crate) options: Options,
    /// `hostname(1)` of the step.
    pub(crate) hostname: String,
    /// Whether the image has a shell of its own; where not, every shim is there.
    pub(crate) has_shell: bool,
    /// Processes.
    pub(crate) table: table::Table,
    /// Files of the host held open.
    pub(crate) open_files: Arc<AtomicUsize>,
    /// Bytes of memory of all guests, and of what lies in their pipes.
    pub(crate) memory: Arc<Budget>,
    /// Bytes written to files.
    written: AtomicU64,
    events: SyncSender<Event>,
    stopping: AtomicBool,
    stop: Mutex<Option<Stop>>,
}

impl Kernel {
    /// A kernel without processes.
    pub(crate) fn new(
        fs: Fs,
        machine: Arc<Machine>,
        options: Options,
        hostname: String,
        events: SyncSender<Event>,
    ) -> Self {
        let has_shell = program::has_shell(&fs);
        Self {
            fs,
            machine,
            options,
            hostname,
            has_shell,
            table: table::Table::default(),
            open_files: Arc::default(),
            memory: Arc::new(Budget::new(options.total_memory)),
            written: AtomicU64::new(0),
            events,
            stopping: AtomicBool::new(false),
            stop: Mutex::new(None),
        }
    }

    /// Ends the step; the first reason counts.
    pub(crate) fn stop(&self, why: Stop) {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Whether every process is to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Why the step was ended.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts bytes that are about to be written to a file.
    ///
    /// # Errors
    /// Which bound they pass.
    pub(crate) fn count_written(&self, bytes: usize) -> Result<(), String> {
        let limit = self.options.written;
        let more = |so_far: u64| so_far.saturating_add(bytes as u64);
        let before = self
            .written
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |so_far| Some(more(so_far)));
        if before.is_ok_and(|before| more(before) > limit) {
            Err(format!("bytes written: more than {limit}"))
        } else {
            Ok(())
        }
    }

    /// Passes output on.
    pub(crate) fn output(&self, stream: Stream, bytes: &[u8]) {
        // The receiver lives until every process has ended.
        let _ = self.events.send(Event::Output(stream, bytes.to_vec()));
    }

    /// Notes the end of a process. Before the first process ends nobody needs to be told.
    fn ended(&self, pid: Pid, end: End) {
        self.table.ended(pid, end);
        if self.table.first_end().is_some() {
            let _ = self.events.send(Event::Ended);
        }
    }
}
