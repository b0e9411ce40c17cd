//! The last lines of a step's output, bounded in number and length.

use std::collections::VecDeque;

/// A step that prints one endless line must not fill our memory: longer lines are cut here.
const MAX_LINE: usize = 4096;

/// Cuts a stream of bytes into lines and keeps the last ones.
#[derive(Debug)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    partial: Vec<u8>,
    keep: usize,
}

impl Tail {
    /// Keeps `keep` lines.
    pub(crate) fn new(keep: usize) -> Self {
        Self { lines: VecDeque::new(), partial: Vec::new(), keep }
    }

    /// Takes some bytes and hands every line that they complete to `line`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = MAX_LINE.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.end_line(&mut line);
            }
        }
    }

    /// Ends the stream: what has no line end yet becomes a line.
    pub(crate) fn finish(&mut self, mut line: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            self.end_line(&mut line);
        }
    }

    /// The lines kept, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    fn end_line(&mut self, line: &mut impl FnMut(&str)) {
        let text = printable(&self.partial);
        self.partial.clear();
        line(&text);
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        if self.keep > 0 {
            self.lines.push_back(text);
        }
    }
}

/// What a terminal may show of a line: the last rewrite of it (`\r`), without control characters,
/// so that a step cannot move the cursor, set the title or hide what it printed.
fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let shown = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line);
    let text = String::from_utf8_lossy(shown);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            skip_escape(&mut chars);
        } else if c == '\t' || !c.is_control() {
            out.push(c);
        }
    }
    out
}

/// Skips what follows ESC: a CSI or OSC sequence, or one character (ECMA-48 5.4).
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => {
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        }
        Some(']') => {
            for c in chars.by_ref() {
                if c == '\u{7}' || c == '\\' {
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(tail: &mut Tail, bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        tail.push(bytes, |line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn lines_are_put_together_across_pieces() {
        let mut tail = Tail::new(2);
        assert_eq!(collect(&mut tail, b"a\nb"), ["a"]);
        assert_eq!(collect(&mut tail, b"c\nd\ne\n"), ["bc", "d", "e"]);
        assert_eq!(tail.lines().collect::<Vec<_>>(), ["d", "e"]);
        assert_eq!(collect(&mut tail, b"end"), [""; 0]);
        let mut last = None;
        tail.finish(|line| last = Some(line.to_owned()));
        assert_eq!(last.as_deref(), Some("end"));
    }

    #[test]
    fn terminal_controls_do_not_get_through() {
        let mut tail = Tail::new(1);
        assert_eq!(collect(&mut tail, b"\x1b[31mred\x1b[0m\x07\n"), ["red"]);
        assert_eq!(collect(&mut tail, b"\x1b]0;title\x07text\n"), ["text"]);
        assert_eq!(collect(&mut tail, b"10%\r50%\r100%\r\n"), ["100%"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut tail = Tail::new(1);
        for _ in 0..100 {
            tail.push(&[b'x'; 1000], |_| {});
        }
        assert_eq!(collect(&mut tail, b"\n")[0].len(), MAX_LINE);
    }
}
