//! How much memory of the host's a step's guests use together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A count of bytes, and its bound.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
}

impl Budget {
    /// Nothing is used.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    /// Counts bytes; whether they are within the bound. They count in any case.
    #[must_use]
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::SeqCst);
        before.saturating_add(bytes) <= self.limit
    }

    /// They are free again.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
    }

    /// What is said when the bound is passed.
    pub(crate) fn passed(&self) -> String {
        format!("memory of all guests: more than {} MiB", self.limit >> 20)
    }
}
