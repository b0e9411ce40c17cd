//! What follows a command's letter: texts, labels, file names, `s` and `y`.

use shim::{Stop, escape, native, sys};

use super::{Parser, fail};
use crate::script::{Action, Case, Piece, Substitution};

impl Parser<'_> {
    /// A label ends at white space or a semicolon.
    pub(super) fn label(&mut self) -> Vec<u8> {
        let from = self.at;
        while self
            .peek()
            .is_some_and(|byte| !byte.is_ascii_whitespace() && byte != b';' && byte != b'}')
        {
            self.at += 1;
        }
        self.text[from..self.at].to_vec()
    }

    /// A file's name goes to the end of the line.
    pub(super) fn file_name(&mut self) -> Result<Vec<u8>, Stop> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        self.at += len;
        if len == 0 {
            return Err(fail("missing filename in r/R/w/W commands"));
        }
        Ok(rest[..len].to_vec())
    }

    pub(super) fn file(&mut self) -> Result<usize, Stop> {
        let name = self.file_name()?;
        let files = &mut self.script.files;
        Ok(files.iter().position(|known| *known == name).unwrap_or_else(|| {
            files.push(name);
            files.len() - 1
        }))
    }

    /// The text of `a`, `i` and `c`, with its newline at the end.
    pub(super) fn text_argument(&mut self) -> Result<Vec<u8>, Stop> {
        self.skip_blanks();
        if self.peek().is_none() {
            return Err(fail("expected \\ after `a', `c' or `i'"));
        }
        if self.peek() == Some(b'\\') {
            self.at += 1;
            let before = self.at;
            self.skip_blanks();
            if self.peek() == Some(b'\n') {
                self.at += 1;
            } else if self.peek().is_none() {
                // GNU's text is empty, and still ends a last line that lacks its newline.
                return Ok(if sys::is_busybox() { b"\n".to_vec() } else { Vec::new() });
            } else {
                // `a\  text`: the backslash keeps the white space.
                self.at = before;
            }
        }
        let mut text = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\n' => break,
                b'\\' => {
                    let Some(next) = self.peek() else { break };
                    if next == b'\n' {
                        self.at += 1;
                        text.push(b'\n');
                    } else {
                        text.push(self.text_escape(next)?);
                    }
                }
                _ => text.push(byte),
            }
        }
        text.push(b'\n');
        Ok(text)
    }

    /// The byte of an escape; `next` follows the backslash and is not taken yet.
    fn text_escape(&mut self, next: u8) -> Result<u8, Stop> {
        self.at += 1;
        let mut number = |radix, most| {
            let (value, taken) = escape::digits(&self.text[self.at..], radix, most);
            self.at += taken;
            if taken == 0 { next } else { value }
        };
        Ok(match next {
            b'a' => 7,
            b'f' => 12,
            b'n' => b'\n',
            b't' => b'\t',
            b'v' => 11,
            b'r' => b'\r',
            b'x' => number(16, 2),
            b'd' => number(10, 3),
            b'o' => number(8, 3),
            b'c' => return Err(native("\\c")),
            _ => next,
        })
    }

    /// Text up to a mark. In a pattern `\n` becomes a newline unless that is in the way.
    pub(super) fn delimited(&mut self, mark: u8, pattern: bool) -> Result<Vec<u8>, Stop> {
        if mark == b'\n' || mark == b'\\' {
            return Err(fail("delimiter character is not a single-byte character"));
        }
        let mut text = Vec::new();
        loop {
            let byte =
                self.peek().ok_or_else(|| fail("unterminated address regex or `s' command"))?;
            self.at += 1;
            if byte == b'\\' {
                let next = self.peek().ok_or_else(|| fail("unterminated `s' command"))?;
                self.at += 1;
                if next == mark && (pattern || mark != b'&') {
                    // An escaped mark that means something in a pattern is ambiguous.
                    if pattern && b"+?(){}|*.[]^$".contains(&mark) && mark != b'|' {
                        return Err(native("an escaped delimiter that is special"));
                    }
                    if pattern && mark == b'|' && self.regex.extended {
                        return Err(native("an escaped delimiter that is special"));
                    }
                    text.push(next);
                } else if next == b'n' && pattern {
                    text.push(b'\n');
                } else {
                    text.extend_from_slice(&[b'\\', next]);
                }
                continue;
            }
            if byte == mark {
                return Ok(text);
            }
            if byte == b'\n' && pattern {
                return Err(fail("unterminated address regex"));
            }
            text.push(byte);
        }
    }

    pub(super) fn substitution(&mut self) -> Result<Action, Stop> {
        let mark = self.peek().ok_or_else(|| fail("unterminated `s' command"))?;
        self.at += 1;
        let pattern = self.delimited(mark, true)?;
        let replacement = self.delimited(mark, false)?;
        let mut options = self.regex;
        let (mut global, mut print, mut number, mut file) = (false, false, 1, None);
        loop {
            match self.peek() {
                Some(b'g') => global = true,
                Some(b'p') => print = true,
                Some(b'i' | b'I') => options.ignore_case = true,
                Some(b'm' | b'M') => options.multiline = true,
                Some(b'e') => return Err(native("the e flag of s")),
                Some(b'0'..=b'9') => {
                    number = self
                        .number()
                        .filter(|&number| number > 0)
                        .ok_or_else(|| fail("number option to `s' command may not be zero"))?;
                    continue;
                }
                Some(b'w') => {
                    self.at += 1;
                    file = Some(self.file()?);
                    break;
                }
                _ => break,
            }
            self.at += 1;
        }
        let pattern = self.pattern(&pattern, options)?;
        let pieces = pieces(&replacement)?;
        if let Some(regex) = &pattern {
            let beyond = |piece: &Piece| matches!(piece, Piece::Group(group) if *group > regex.group_count());
            if pieces.iter().any(beyond) {
                return Err(fail("invalid reference on `s' command's RHS"));
            }
        }
        Ok(Action::Substitute(Box::new(Substitution {
            pattern,
            pieces,
            global,
            print,
            number,
            file,
        })))
    }

    pub(super) fn translation(&mut self) -> Result<Action, Stop> {
        let mark = self.peek().ok_or_else(|| fail("unterminated `y' command"))?;
        self.at += 1;
        let from = unescaped(&self.delimited(mark, false)?)?;
        let to = unescaped(&self.delimited(mark, false)?)?;
        if self.regex.utf8 && !(from.is_ascii() && to.is_ascii()) {
            return Err(native("y with characters beyond ASCII"));
        }
        if from.len() != to.len() {
            return Err(fail("strings for `y' command are different lengths"));
        }
        let mut table = [0; 256];
        for (byte, entry) in (0..=u8::MAX).zip(&mut table) {
            *entry = byte;
        }
        for (from, to) in from.iter().zip(to) {
            table[usize::from(*from)] = to;
        }
        Ok(Action::Translate(Box::new(table)))
    }
}

fn unescaped(text: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut read = Vec::new();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        read.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b'r') => b'\r',
                Some(b'\\') | None => b'\\',
                Some(&other) if other.is_ascii_punctuation() => other,
                Some(_) => return Err(native("an escape in y")),
            },
            _ => byte,
        });
    }
    Ok(read)
}

/// Takes a replacement apart.
fn pieces(text: &[u8]) -> Result<Vec<Piece>, Stop> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    let flush = |literal: &mut Vec<u8>, pieces: &mut Vec<Piece>| {
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(literal)));
        }
    };
    while at < text.len() {
        let byte = text[at];
        at += 1;
        let piece = match byte {
            b'&' => Piece::Group(0),
            b'\\' => {
                let Some(&next) = text.get(at) else {
                    literal.push(b'\\');
                    break;
                };
                at += 1;
                let mut number = |radix, most| {
                    let (value, taken) = escape::digits(&text[at..], radix, most);
                    at += taken;
                    if taken == 0 { next } else { value }
                };
                match next {
                    b'0'..=b'9' => Piece::Group(usize::from(next - b'0')),
                    b'U' => Piece::Case(Case::Upper),
                    b'L' => Piece::Case(Case::Lower),
                    b'u' => Piece::Case(Case::NextUpper),
                    b'l' => Piece::Case(Case::NextLower),
                    b'E' => Piece::Case(Case::End),
                    b'c' => return Err(native("\\c")),
                    _ => {
                        literal.push(match next {
                            b'n' => b'\n',
                            b't' => b'\t',
                            b'r' => b'\r',
                            b'a' => 7,
                            b'f' => 12,
                            b'v' => 11,
                            b'x' => number(16, 2),
                            b'd' => number(10, 3),
                            b'o' => number(8, 3),
                            _ => next,
                        });
                        continue;
                    }
                }
            }
            _ => {
                literal.push(byte);
                continue;
            }
        };
        flush(&mut literal, &mut pieces);
        pieces.push(piece);
    }
    flush(&mut literal, &mut pieces);
    Ok(pieces)
}
