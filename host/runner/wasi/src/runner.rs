//! The runner: a step from its first process to its change set.

use crate::eligible::check;
use crate::embedded::GUESTS;
use crate::fs::{Fs, Identity};
use crate::imports::Fault;
use crate::kernel::{Beginning, End, Event, Kernel, Known, Stop, run};
use crate::launch::prepare;
use crate::machine::Machine;
use crate::options::Options;
use kiln_guest_abi::wire::errno;
use kiln_rootfs::Rootfs;
use kiln_runner::etc_files;
use kiln_runner::{ExitStatus, Kind, Outcome, OutputSink, RunError, Runner, Step, Unavailable};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Pieces of output on their way; a guest that writes faster waits.
const PIECES: usize = 64;

/// How often guests that compute are made to look whether they are to end.
const TICK: Duration = Duration::from_millis(10);

/// Runs steps as WebAssembly guests.
#[derive(Debug, Default)]
pub struct WasiRunner {
    options: Options,
    machine: OnceLock<Result<Arc<Machine>, String>>,
    known: Arc<Known>,
}

impl WasiRunner {
    /// A runner with these bounds; the engine is made at the first step.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, machine: OnceLock::new(), known: Arc::default() }
    }

    /// The commands that run as guests, sorted.
    #[must_use]
    pub fn commands() -> Vec<&'static str> {
        let mut commands: Vec<&str> =
            GUESTS.iter().flat_map(|guest| guest.commands).copied().collect();
        commands.sort_unstable();
        commands
    }

    fn machine(&self) -> Result<Arc<Machine>, Unavailable> {
        let made = self
            .machine
            .get_or_init(|| Machine::new().map(Arc::new).map_err(|error| format!("{error:#}")));
        made.clone().map_err(|error| Unavailable {
            call: "wasmtime engine".to_owned(),
            errno_name: error,
            remedy: "use another runner".to_owned(),
        })
    }

    fn start(
        &self,
        rootfs: &Rootfs,
        step: &Step,
    ) -> Result<(Arc<Kernel>, Receiver<Event>), RunError> {
        // The kernel's threads need a rootfs of their own; it is the same directory and ledger.
        let rootfs = rootfs.share().map_err(|error| io("open the rootfs", error))?;
        let mounted = mounted(step).map_err(RunError::NeedsNative)?;
        let (events, received) = sync_channel(PIECES);
        let kernel = Kernel::new(
            Fs::new(rootfs, mounted, Arc::clone(&self.known), self.options.created),
            self.machine()?,
            self.options,
            step.hostname.clone(),
            events,
        );
        Ok((Arc::new(kernel), received))
    }
}

impl Runner for WasiRunner {
    fn kind(&self) -> Kind {
        Kind::Wasi
    }

    fn available(&self) -> Result<(), Unavailable> {
        if GUESTS.is_empty() {
            return Err(Unavailable {
                call: "guests of the wasi runner".to_owned(),
                errno_name: "not in this binary".to_owned(),
                remedy: "run kiln-guest-pack before building kiln".to_owned(),
            });
        }
        self.machine().map(drop)
    }

    fn eligible(&self, rootfs: &Rootfs, step: &Step) -> Result<(), String> {
        if !step.limits.ulimits.is_empty() {
            return Err("--ulimit bounds native processes".to_owned());
        }
        self.available().map_err(|error| error.to_string())?;
        let machine = self.machine().map_err(|error| error.to_string())?;
        let rootfs = rootfs.share().map_err(|error| error.to_string())?;
        let fs = Fs::new(rootfs, mounted(step)?, Arc::clone(&self.known), 0);
        check(&fs, &|command| machine.has(command), step)
    }

    fn run(
        &self,
        rootfs: &Rootfs,
        step: &Step,
        output: &dyn OutputSink,
    ) -> Result<Outcome, RunError> {
        if !step.mounts.is_empty() {
            return Err(RunError::NeedsNative("the step has mounts".to_owned()));
        }
        let (kernel, events) = self.start(rootfs, step)?;
        if let Err(error) = launch(&kernel, step) {
            kernel.fs.roll_back().map_err(|error| io("take the step back", error))?;
            return Err(error);
        }
        attend(&kernel, step, output, &events);
        let end = kernel.table.first_end();
        match (kernel.stopped(), end) {
            (None | Some(Stop::Finished), Some(end)) => {
                let changes =
                    kernel.fs.commit().map_err(|error| io("collect the step's changes", error))?;
                let status = match end {
                    End::Exited(code) => ExitStatus::Code(code),
                    End::Signaled(signal) => ExitStatus::Signal(signal),
                    End::Stopped => ExitStatus::Signal(9),
                };
                Ok(Outcome { status, changes })
            }
            (why, _) => {
                kernel.fs.roll_back().map_err(|error| io("take the step back", error))?;
                Err(stopped(step, why))
            }
        }
    }
}

/// Names and sizes of the files that a native step has in `/etc`.
fn mounted(step: &Step) -> Result<Vec<(Vec<u8>, u64)>, String> {
    let files = etc_files::files(&step.hostname, &step.extra_hosts)?;
    let sizes = files.map(|file| (file.name.into_bytes(), file.content.len() as u64));
    Ok(sizes.into())
}

/// Starts the step's first process.
fn launch(kernel: &Arc<Kernel>, step: &Step) -> Result<(), RunError> {
    let user = &step.user;
    let who = Identity { uid: user.uid, gid: user.gid, groups: user.groups.clone() };
    let env: Vec<Vec<u8>> =
        step.env.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
    let name = step.argv.first().cloned().unwrap_or_default();
    let started =
        kernel.fs.resolve(&who, b"", &step.cwd, true).map_err(Fault::from).and_then(|cwd| {
            let directory = cwd.existing()?;
            if !directory.is_dir() {
                // A native run tells it as it is: a fault of the build, not of the step.
                return Err(Fault::Native("the working directory is no directory".to_owned()));
            }
            let launch = prepare(kernel, &who, &cwd.path, &name, step.argv.clone(), &env)?;
            let beginning = Beginning {
                program: launch.program,
                flavor: launch.flavor,
                args: launch.args,
                env,
                who,
                cwd: cwd.path,
            };
            run(kernel, beginning)
        });
    started.map(drop).map_err(|fault| match fault {
        Fault::Native(why) => RunError::NeedsNative(why),
        Fault::Limit(what) => RunError::Limit(what),
        Fault::End(_) => stopped(step, kernel.stopped()),
        Fault::Errno(number) => RunError::CannotStart {
            program: String::from_utf8_lossy(&name).into_owned(),
            reason: kiln_guest_abi::error::text(&kiln_guest_abi::error::from_errno(number)),
            code: if number == errno::ENOENT { 127 } else { 126 },
        },
    })
}

/// Passes output on and keeps time until every process has ended.
fn attend(kernel: &Kernel, step: &Step, output: &dyn OutputSink, events: &Receiver<Event>) {
    let start = Instant::now();
    let mut ticked = start;
    loop {
        match events.recv_timeout(TICK) {
            Ok(Event::Output(stream, bytes)) => {
                output.write(stream, &bytes);
                if let Some(why) = output.refuses() {
                    kernel.stop(Stop::Native(why));
                }
            }
            Ok(Event::Ended) if !kernel.table.any_running() => break,
            Ok(Event::Ended) => {
                if kernel.table.first_end().is_some() {
                    kernel.stop(Stop::Finished);
                    kernel.machine.tick();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The kernel itself holds a sender.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if ticked.elapsed() >= TICK {
            ticked = Instant::now();
            if step.cancel.is_cancelled() {
                kernel.stop(Stop::Cancelled);
            }
            if step.limits.timeout.is_some_and(|limit| start.elapsed() > limit) {
                kernel.stop(Stop::TimedOut);
            }
            let limit = kernel.options.time;
            if start.elapsed() > limit {
                kernel.stop(Stop::Limit(format!("time: more than {limit:?}")));
            }
            kernel.machine.tick();
        }
    }
    while let Ok(event) = events.try_recv() {
        if let Event::Output(stream, bytes) = event {
            output.write(stream, &bytes);
        }
    }
}

fn stopped(step: &Step, why: Option<Stop>) -> RunError {
    match why {
        Some(Stop::Native(why)) => RunError::NeedsNative(why),
        Some(Stop::Limit(what)) => RunError::Limit(what),
        Some(Stop::TimedOut) => RunError::TimedOut(step.limits.timeout.unwrap_or_default()),
        Some(Stop::Cancelled) => RunError::Cancelled,
        Some(Stop::Host(what)) => {
            RunError::Io { what, source: std::io::Error::other("the wasi runner failed") }
        }
        Some(Stop::Finished) | None => RunError::Io {
            what: "run the step".to_owned(),
            source: std::io::Error::other("its first process was lost"),
        },
    }
}

fn io(what: &str, error: kiln_rootfs::RootfsError) -> RunError {
    RunError::Io { what: what.to_owned(), source: error.into() }
}
