//! Why a runner does not work here, and why a run did not come to its end.

use std::time::Duration;

/// Why a runner cannot work on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {errno_name} ({remedy})")]
pub struct Unavailable {
    /// The system call, with the flags that matter, that was refused.
    pub call: String,
    /// The errno's name, such as `EPERM`; or the measured value that is too small.
    pub errno_name: String,
    /// What the user can do about it.
    pub remedy: String,
}

/// One thing that a runner needs, or profits from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was tried: a system call, a program, a file.
    pub what: String,
    /// What came of it; the refusal and the remedy if nothing did.
    pub result: Result<String, Unavailable>,
    /// Whether the runner works without it.
    pub required: bool,
}

/// Why a run ended without an exit status.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The step needs a native runner; nothing of it remains in the rootfs.
    #[error("needs native: {0}")]
    NeedsNative(String),
    /// The runner does not work here.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The step's first program could not be started; the code is what a shell would report
    /// (126 not executable, 127 not found).
    #[error("{program}: {reason}")]
    CannotStart {
        /// The program as the step named it.
        program: String,
        /// Why not.
        reason: String,
        /// 126 or 127.
        code: i32,
    },
    /// The step ran longer than its limit; its process tree was killed.
    #[error("the step ran longer than {0:?} and was stopped")]
    TimedOut(Duration),
    /// The build was cancelled; the step's process tree was killed.
    #[error("cancelled")]
    Cancelled,
    /// A limit of the runner was reached.
    #[error("limit reached: {0}")]
    Limit(String),
    /// A system call of the runner's own failed.
    #[error("{what}: {source}")]
    Io {
        /// What the runner was doing.
        what: String,
        /// The error.
        source: std::io::Error,
    },
}
