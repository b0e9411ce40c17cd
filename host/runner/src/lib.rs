//! What executes a RUN step: the contract that every runner implements.
//!
//! A runner gets a stage's [`Rootfs`] and a [`Step`], runs the step's process tree to its end and
//! reports how it ended. It leaves nothing behind: no process, no mount, no file outside the rootfs.
//! It decides nothing about caching, layers or policy.

mod errno;
mod error;
mod output;
mod step;
mod ulimit;

pub mod etc_files;

pub use errno::errno_name;
pub use error::{Check, RunError, Unavailable};
pub use output::{OutputSink, Stream};
pub use step::{Cancel, Credentials, Limits, Mount, MountSource, Network, Step};
pub use ulimit::{Ulimit, UlimitError};

use kiln_rootfs::Rootfs;

/// The runners' names, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// WebAssembly guests; nothing of the image is executed natively.
    Wasi,
    /// Native execution in Linux namespaces.
    Namespaces,
    /// Native execution with the view emulated in the process.
    Emulated,
}

impl Kind {
    /// The name used on the command line, in logs and in the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wasi => "wasi",
            Self::Namespaces => "namespaces",
            Self::Emulated => "emulated",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How the step's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code (0 to 255).
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl ExitStatus {
    /// The status as a POSIX shell reports it: the code, or 128 + signal.
    #[must_use]
    pub const fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Whether the step succeeded.
    #[must_use]
    pub const fn success(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

/// What a finished run says besides its exit status.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the step ended.
    pub status: ExitStatus,
    /// The step's changes when the runner saw every write itself; `None` means: compare the rootfs
    /// with the index taken before.
    pub changes: Option<kiln_rootfs::changes::ChangeSet>,
}

/// One way to execute RUN steps.
pub trait Runner: Send + Sync {
    /// Which runner this is.
    fn kind(&self) -> Kind;

    /// Whether this runner works on this machine.
    ///
    /// # Errors
    /// [`Unavailable`] names the system call that was refused, its errno and the remedy.
    fn available(&self) -> Result<(), Unavailable>;

    /// Everything that this runner needs of the machine, one by one and tried, for `kiln doctor`.
    /// `work_dir` is a directory of kiln's that may be written to.
    fn checks(&self, work_dir: &std::path::Path) -> Vec<Check> {
        let _ = work_dir;
        Vec::new()
    }

    /// Whether this runner executes programs of another architecture (`GOARCH`) than this machine's.
    fn runs_foreign(&self, architecture: &str) -> bool {
        let _ = architecture;
        false
    }

    /// Whether this runner can take the step, decided without running anything of it.
    ///
    /// # Errors
    /// The reason why not, in one line, for `kiln plan` and the log.
    fn eligible(&self, rootfs: &Rootfs, step: &Step) -> Result<(), String>;

    /// Runs the step to its end; when this returns, every process of the step is dead.
    ///
    /// # Errors
    /// [`RunError::NeedsNative`] when the step met something that this runner cannot do; the rootfs
    /// is then as it was before. Other errors mean that the step did not run to its end.
    fn run(
        &self,
        rootfs: &Rootfs,
        step: &Step,
        output: &dyn OutputSink,
    ) -> Result<Outcome, RunError>;
}
