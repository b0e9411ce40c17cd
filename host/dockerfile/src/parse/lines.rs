//! The lines of the source with their numbers and offsets.

use super::MAX_LINE;
use crate::Diagnostic;
use crate::source::{LineRange, Span};

/// One line of the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    /// The line without its ending.
    pub(super) text: &'a str,
    /// The line with its ending, as a heredoc keeps it.
    pub(super) raw: &'a str,
    /// 1-based number.
    pub(super) number: usize,
    /// Offset of `text` in the source.
    pub(super) start: usize,
}

/// Reads lines one by one.
pub(super) struct Lines<'a> {
    rest: &'a str,
    offset: usize,
    number: usize,
    end: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let rest = source.strip_prefix('\u{feff}').unwrap_or(source);
        Lines { rest, offset: source.len() - rest.len(), number: 0, end: 0 }
    }

    /// The number of the last line read.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The offset behind the text of the last line read.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    pub(super) fn next(&mut self) -> Result<Option<Line<'a>>, Diagnostic> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let length = self.rest.find('\n').map_or(self.rest.len(), |newline| newline + 1);
        let (raw, rest) = self.rest.split_at(length);
        let text = raw.trim_end_matches(['\r', '\n']);
        let start = self.offset;
        self.rest = rest;
        self.offset += length;
        self.number += 1;
        self.end = start + text.len();
        if raw.trim_end_matches('\n').len() > MAX_LINE {
            return Err(Diagnostic::new(
                format!("dockerfile line greater than max allowed size of {MAX_LINE}"),
                Span::new(start, start),
                LineRange::new(self.number, self.number),
            )
            .with_hint("continue it on further lines, or put the text into a file"));
        }
        Ok(Some(Line { text, raw, number: self.number, start }))
    }
}
