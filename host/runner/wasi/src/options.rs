//! What a step may use.

/// Bounds on what the guests of one step may use. A guest is a program of ours, but what it works on
/// is the image's and the Dockerfile's, and a `.wasm` program of the image is hostile.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of memory of one guest; a decompression bomb or a regular expression grows here.
    pub guest_memory: usize,
    /// Bytes of memory of all guests that live at a time; many guests of the largest size.
    pub total_memory: usize,
    /// Guests that live at a time; a fork bomb.
    pub processes: usize,
    /// Descriptors of one guest; it gets `EMFILE` beyond.
    pub descriptors: usize,
    /// Files of the host that all guests together hold open; they get `EMFILE` beyond.
    pub open_files: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            guest_memory: 512 << 20,
            total_memory: 1 << 30,
            processes: 256,
            descriptors: 256,
            open_files: 400,
        }
    }
}
