//! Places in a Dockerfile: byte spans, line ranges, and the way from one to the other.

use crate::Diagnostic;

/// A half-open range of byte offsets into the Dockerfile's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset after the last byte.
    pub end: usize,
}

impl Span {
    /// The span from `start` up to, but not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// The text that the span covers; empty when it does not lie in `source`.
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        source.get(self.start..self.end).unwrap_or_default()
    }
}

/// The lines that an instruction takes up, 1-based, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct LineRange {
    /// The first line.
    pub start: usize,
    /// The last line.
    pub end: usize,
}

impl LineRange {
    /// The lines from `start` to `end`, both included.
    pub fn new(start: usize, end: usize) -> Self {
        LineRange { start, end: end.max(start) }
    }
}

/// A position, 1-based; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line number, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The position of the byte `offset`; past the end it is the end's.
pub fn position(source: &str, offset: usize) -> Position {
    let mut offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &source[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The span of the 1-based line `number` without its line ending.
pub fn line_span(source: &str, number: usize) -> Option<Span> {
    let mut start = 0;
    for (index, line) in source.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            let text = line.trim_end_matches(['\r', '\n']);
            return Some(Span::new(start, start + text.len()));
        }
        start += line.len();
    }
    None
}

/// Reads the bytes of a Dockerfile as UTF-8.
///
/// # Errors
/// A diagnostic at the first byte that is not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, Diagnostic> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        Diagnostic::new(
            "invalid UTF-8 in dockerfile",
            Span::new(at, at),
            LineRange::new(line, line),
        )
        .with_hint("save the file as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let source = "FROM a\nRUN é x\n";
        assert_eq!(position(source, 0), Position { line: 1, column: 1 });
        assert_eq!(position(source, 7), Position { line: 2, column: 1 });
        assert_eq!(position(source, source.find('x').unwrap()), Position { line: 2, column: 7 });
        assert_eq!(position(source, 12).column, 5, "inside é: its first byte counts");
        assert_eq!(position(source, 999), Position { line: 3, column: 1 });
    }

    #[test]
    fn lines_lose_their_ending() {
        let source = "a\r\nbc\n";
        assert_eq!(line_span(source, 1), Some(Span::new(0, 1)));
        assert_eq!(line_span(source, 2), Some(Span::new(3, 5)));
        assert_eq!(line_span(source, 3), None);
    }

    #[test]
    fn bad_bytes_are_located() {
        let error = decode(b"FROM a\nRUN \xff").unwrap_err();
        assert_eq!(error.lines.start, 2);
        assert_eq!(decode(b"FROM a").unwrap(), "FROM a");
    }
}
