//! What a build tells while it runs; the command line draws it, logs it or writes it as JSON.

use std::time::Duration;

pub use kiln_runner::Stream;

/// Numbers a step within one build; ids grow in the order in which steps start.
pub type StepId = u64;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A step began.
    StepStarted {
        /// The step.
        id: StepId,
        /// What it does, such as `[build 2/5] RUN make`.
        name: &'a str,
    },
    /// A step has more to say about itself, such as the runner that it takes.
    StepNote {
        /// The step.
        id: StepId,
        /// One line.
        note: &'a str,
    },
    /// Output of a running step.
    StepOutput {
        /// The step.
        id: StepId,
        /// Which stream.
        stream: Stream,
        /// Some bytes, not cut at line ends.
        bytes: &'a [u8],
    },
    /// A step ended.
    StepFinished {
        /// The step.
        id: StepId,
        /// Wall-clock time.
        elapsed: Duration,
        /// How it ended.
        end: StepEnd,
    },
    /// Something that the user should know and that does not stop the build.
    Warning {
        /// One line.
        message: &'a str,
    },
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// It was executed.
    Done,
    /// Its result came from the cache.
    Cached,
    /// It failed.
    Failed,
}

/// Takes the events of a build, from any thread.
pub trait EventSink: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}
