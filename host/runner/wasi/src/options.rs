//! What a step may use.

use std::time::Duration;

/// Bounds on what the guests of one step may use. A guest is a program of ours, but what it works on
/// is the image's and the Dockerfile's, and a `.wasm` program of the image is hostile.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of memory of one guest; a decompression bomb or a regular expression grows here.
    pub guest_memory: usize,
    /// Bytes of memory of all guests that live at a time, and of what lies in their pipes; many
    /// guests of the largest size, many full buffers.
    pub total_memory: usize,
    /// Guests that live at a time; a fork bomb.
    pub processes: usize,
    /// Descriptors of one guest; it gets `EMFILE` beyond.
    pub descriptors: usize,
    /// Files of the host that all guests together hold open; they get `EMFILE` beyond.
    pub open_files: usize,
    /// Bytes that all guests write to files, whatever is removed again; a full disk.
    pub written: u64,
    /// Names that all guests make; a disk without inodes, and memory for the way back.
    pub created: usize,
    /// Wall-clock time of the step; an endless loop.
    pub time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            guest_memory: 512 << 20,
            total_memory: 1 << 30,
            processes: 256,
            descriptors: 256,
            open_files: 400,
            written: 16 << 30,
            created: 2 << 20,
            time: Duration::from_secs(3600),
        }
    }
}
