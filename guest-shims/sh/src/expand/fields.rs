//! Splitting into fields (XCU 2.6.5).

use crate::pattern::Marked;
use crate::state::Shell;

/// Collects fields.
pub(super) struct Fields {
    pub(super) done: Vec<Marked>,
    pub(super) current: Option<Marked>,
    /// A field was ended by a blank: a separator right after it is part of the same separation.
    after_blank: bool,
    /// Whether unquoted expansions are split.
    pub(super) splits: bool,
    separators: Vec<u8>,
}

impl Fields {
    pub(super) fn new(shell: &Shell, splits: bool) -> Self {
        let separators = shell.get(b"IFS").unwrap_or_else(|| b" \t\n".to_vec());
        Self { done: Vec::new(), current: None, after_blank: false, splits, separators }
    }

    pub(super) fn push(&mut self, bytes: &[u8], quoted: bool) {
        self.current.get_or_insert_default().push(bytes, quoted);
        self.after_blank = false;
    }

    pub(super) fn end(&mut self) {
        if let Some(field) = self.current.take() {
            self.done.push(field);
        }
    }

    /// The result of an expansion outside quotes.
    pub(super) fn push_split(&mut self, bytes: &[u8]) {
        if !self.splits {
            if !bytes.is_empty() {
                self.push(bytes, false);
            }
            return;
        }
        for &byte in bytes {
            if !self.separators.contains(&byte) {
                self.push(&[byte], false);
            } else if matches!(byte, b' ' | b'\t' | b'\n') {
                if self.current.is_some() {
                    self.end();
                    self.after_blank = true;
                }
            } else if self.current.is_some() {
                self.end();
                self.after_blank = false;
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                self.done.push(Marked::default());
            }
        }
    }

    pub(super) fn finish(mut self) -> Vec<Marked> {
        self.end();
        self.done
    }
}
