//! Output that is held back until it is sure that the step will not be run again.

use std::sync::{Mutex, PoisonError};

use kiln_runner::{OutputSink, Stream};

/// Bytes that are held back; a step that says more is not worth the memory.
const MAX_HELD: usize = 8 << 20;

/// Holds the output of a step that its runner may still give up: what was said by then is not said
/// again by the runner that takes over.
pub(super) struct HeldOutput<'a> {
    sink: &'a dyn OutputSink,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    pieces: Vec<(Stream, Vec<u8>)>,
    size: usize,
}

impl<'a> HeldOutput<'a> {
    pub(super) fn new(sink: &'a dyn OutputSink) -> Self {
        Self { sink, held: Mutex::default() }
    }

    /// Passes on what was held: the step has ended.
    pub(super) fn release(self) {
        let held = self.held.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (stream, bytes) in held.pieces {
            self.sink.write(stream, &bytes);
        }
    }
}

impl OutputSink for HeldOutput<'_> {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.size += bytes.len();
        match held.pieces.last_mut() {
            Some((last, text)) if *last == stream => text.extend_from_slice(bytes),
            _ => held.pieces.push((stream, bytes.to_vec())),
        }
    }

    fn refuses(&self) -> Option<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        (held.size > MAX_HELD).then(|| format!("more than {} MiB of output", MAX_HELD >> 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<(Stream, Vec<u8>)>>);

    impl OutputSink for Seen {
        fn write(&self, stream: Stream, bytes: &[u8]) {
            self.0.lock().unwrap().push((stream, bytes.to_vec()));
        }
    }

    #[test]
    fn output_is_passed_on_in_order_or_not_at_all() {
        let seen = Seen::default();
        drop(HeldOutput::new(&seen));
        let held = HeldOutput::new(&seen);
        held.write(Stream::Stdout, b"a");
        held.write(Stream::Stdout, b"b");
        held.write(Stream::Stderr, b"c");
        assert!(seen.0.lock().unwrap().is_empty() && held.refuses().is_none());
        held.write(Stream::Stdout, &vec![0; MAX_HELD]);
        assert!(held.refuses().is_some());
        held.release();
        let seen = seen.0.into_inner().unwrap();
        assert_eq!(seen[..2], [(Stream::Stdout, b"ab".to_vec()), (Stream::Stderr, b"c".to_vec())]);
    }
}
