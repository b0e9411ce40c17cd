//! Patterns, as each awk reads them.

use shim::{
    Stop, native,
    regex::{Options, Regex},
};

use crate::dialect::Dialect;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn new(text: &[u8], dialect: &Dialect) -> Result<Self, Stop> {
        let text = prepare(text, dialect)?;
        let options =
            Options { extended: true, escapes: true, bracket_escapes: true, ..Options::default() };
        // What is broken for us may be fine for the image's awk, and its message is its own.
        Regex::new(&text, options).map(Self).map_err(|error| native(error.to_string()))
    }

    /// A pattern that comes as a text, whose escapes BusyBox does not read.
    pub(crate) fn of_text(text: &[u8], dialect: &Dialect) -> Result<Self, Stop> {
        let escapes = text.windows(2).any(|two| two[0] == b'\\' && two[1].is_ascii_alphanumeric());
        if dialect.is_busybox() && escapes {
            return Err(native("an escape in a text that is a pattern"));
        }
        Self::new(text, dialect)
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> Result<bool, Stop> {
        self.0.is_match(text).map_err(|error| native(error.to_string()))
    }

    /// Where the first match from `start` on lies.
    pub(crate) fn find(&self, text: &[u8], start: usize) -> Result<Option<(usize, usize)>, Stop> {
        self.0.find_span(text, start).map_err(|error| native(error.to_string()))
    }
}

/// Octal escapes become their characters; what the awks read differently is left to them.
fn prepare(text: &[u8], dialect: &Dialect) -> Result<Vec<u8>, Stop> {
    let mut ready = Vec::with_capacity(text.len());
    let mut at = 0;
    let mut bracket = false;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                let Some(&letter) = text.get(at) else {
                    // A backslash at the end is itself.
                    ready.extend_from_slice(b"\\\\");
                    break;
                };
                at += 1;
                match letter {
                    b'0'..=b'7' => {
                        let (value, taken) = shim::escape::digits(&text[at - 1..], 8, 3);
                        at += taken - 1;
                        ready.push(b'\\');
                        if value.is_ascii_alphanumeric() || value == b'\n' {
                            ready.pop();
                        }
                        ready.push(value);
                    }
                    _ if letter.is_ascii_alphanumeric() && !b"ntrfva".contains(&letter) => {
                        return Err(native(format!("\\{} in a pattern", char::from(letter))));
                    }
                    b'<' | b'>' | b'`' | b'\'' => {
                        return Err(native(format!("\\{} in a pattern", char::from(letter))));
                    }
                    _ => ready.extend_from_slice(&[b'\\', letter]),
                }
            }
            b'[' if !bracket => {
                bracket = true;
                ready.push(byte);
                // A bracket right behind the opening one is a member.
                for first in [b'^', b']'] {
                    if text.get(at) == Some(&first) {
                        ready.push(first);
                        at += 1;
                    }
                }
            }
            b'[' if matches!(text.get(at), Some(b':' | b'.' | b'=')) => {
                let end =
                    text[at..].windows(2).position(|two| two[1] == b']' && two[0] == text[at]);
                let end = end.map_or(at, |end| at + end + 2);
                ready.extend_from_slice(&text[at - 1..end]);
                at = end;
            }
            b']' => {
                bracket = false;
                ready.push(byte);
            }
            b'{' if !bracket && dialect.is_mawk() && is_interval(&text[at..]) => {
                dialect.require_old_mawk("an interval in a pattern")?;
                // It does not know them.
                ready.extend_from_slice(b"\\{");
            }
            _ => ready.push(byte),
        }
    }
    Ok(ready)
}

/// Whether `2}`, `2,}` or `2,3}` stands here.
fn is_interval(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|&byte| byte == b'}') else { return false };
    text[..end].iter().any(u8::is_ascii_digit)
        && text[..end].iter().all(|byte| byte.is_ascii_digit() || *byte == b',')
}
