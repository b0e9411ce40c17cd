//! Where the output of a step goes.

/// Which of a step's two output streams bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// Takes a running step's output, in the order in which it was read.
pub trait OutputSink: Send + Sync {
    /// Some bytes; not cut at line ends.
    fn write(&self, stream: Stream, bytes: &[u8]);

    /// Why the sink takes no more from a runner that can give a step up; such a runner then does.
    fn refuses(&self) -> Option<String> {
        None
    }
}
