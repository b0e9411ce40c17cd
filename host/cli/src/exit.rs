//! Exit codes: what a script may rely on (README, "Exit codes").

use std::process::ExitCode;

use kiln_build::ErrorKind;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Everything that was asked for was done.
    Success,
    /// The build failed.
    Failed,
    /// The arguments, the Dockerfile or the context are wrong.
    Input,
    /// A policy denied it.
    Denied,
    /// A registry or the network failed.
    Registry,
    /// The machine lacks what the build needs.
    Environment,
}

impl From<ErrorKind> for ExitStatus {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Failed => Self::Failed,
            ErrorKind::Input => Self::Input,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Registry => Self::Registry,
            ErrorKind::Environment => Self::Environment,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Input => 2,
            ExitStatus::Denied => 3,
            ExitStatus::Registry => 4,
            ExitStatus::Environment => 5,
        })
    }
}
