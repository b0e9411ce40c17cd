//! A process: what its guest's store holds.

use super::{Descriptors, Flavor, Kernel, Pid, Program, Stop};
use crate::fs::Identity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use wasmtime::{Memory, ResourceLimiter};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum End {
    /// With an exit code, 0 to 255.
    #[error("exited with {0}")]
    Exited(i32),
    /// By a signal.
    #[error("ended by signal {0}")]
    Signaled(i32),
    /// Because the step ended.
    #[error("stopped with the step")]
    Stopped,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    /// The step's kernel.
    pub(crate) kernel: Arc<Kernel>,
    /// Its number.
    pub(crate) pid: Pid,
    /// Its parent's.
    pub(crate) parent: Pid,
    /// A signal sent to it, 0 for none.
    pub(crate) signal: Arc<AtomicU32>,
    /// What it runs.
    pub(crate) program: Program,
    /// Whose tool it replaces.
    pub(crate) flavor: Flavor,
    /// `argv`.
    pub(crate) args: Vec<Vec<u8>>,
    /// The environment, `NAME=value` each.
    pub(crate) env: Vec<Vec<u8>>,
    /// Its ids.
    pub(crate) who: Identity,
    /// Its directory, canonical.
    pub(crate) cwd: Vec<u8>,
    /// Bits that new files do not get.
    pub(crate) umask: u32,
    /// Its descriptors.
    pub(crate) fds: Descriptors,
    /// Signals of the processes that wait for it on its own thread, outermost first.
    pub(crate) callers: Vec<Arc<AtomicU32>>,
    /// Its memory, once instantiated.
    pub(crate) memory: Option<Memory>,
    /// Bytes of memory accounted for.
    pub(crate) memory_size: usize,
}

/// What a process begins with.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// What it runs.
    pub(crate) program: Program,
    /// Whose tool it replaces.
    pub(crate) flavor: Flavor,
    /// `argv`.
    pub(crate) args: Vec<Vec<u8>>,
    /// The environment.
    pub(crate) env: Vec<Vec<u8>>,
    /// Its ids.
    pub(crate) who: Identity,
    /// Its directory, canonical.
    pub(crate) cwd: Vec<u8>,
}

impl Process {
    /// A process that is in no table yet.
    pub(crate) fn new(
        kernel: Arc<Kernel>,
        beginning: Beginning,
        fds: Descriptors,
        umask: u32,
    ) -> Self {
        let Beginning { program, flavor, args, env, who, cwd } = beginning;
        Self {
            kernel,
            pid: 0,
            parent: 0,
            signal: Arc::default(),
            program,
            flavor,
            args,
            env,
            who,
            cwd,
            umask,
            fds,
            callers: Vec::new(),
            memory: None,
            memory_size: 0,
        }
    }

    /// Fails when the process is to end: it, or one that waits for it on its thread and could not
    /// end before it.
    pub(crate) fn alive(&self) -> Result<(), End> {
        if self.kernel.is_stopping() {
            return Err(End::Stopped);
        }
        for signal in self.callers.iter().chain([&self.signal]) {
            match signal.load(Ordering::Relaxed) {
                0 => {}
                signal => return Err(End::Signaled(signal.cast_signed())),
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kernel.memory.give_back(self.memory_size);
    }
}

impl ResourceLimiter for Process {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let options = &self.kernel.options;
        if desired > options.guest_memory {
            let limit = options.guest_memory >> 20;
            self.kernel.stop(Stop::Limit(format!("a guest's memory: more than {limit} MiB")));
            return Err(End::Stopped.into());
        }
        let more = desired.saturating_sub(current);
        self.memory_size += more;
        if !self.kernel.memory.take(more) {
            self.kernel.stop(Stop::Limit(self.kernel.memory.passed()));
            return Err(End::Stopped.into());
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        /// Functions in a guest's table; each costs the host eight bytes.
        const MAX_TABLE: usize = 1 << 20;
        Ok(desired <= MAX_TABLE)
    }
}
