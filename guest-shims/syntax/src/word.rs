//! Words: quotes and expansions (XCU 2.2, 2.6).

mod braced;
mod escaped;

use crate::ast::{ParamOp, Part, Word};
use crate::error::{ErrorKind, Result};
use crate::lex::{Lexer, is_operator};
use crate::parse::parse_nested;
use crate::{Dialect, List};
use std::rc::Rc;

pub use escaped::letter as escape_letter;

/// Whether the text is a variable's name.
#[must_use]
pub fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|&byte| byte == b'_' || byte.is_ascii_alphabetic())
        && text.iter().all(|&byte| is_name_byte(byte))
}

const fn is_name_byte(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

/// Reads a text as the inside of double quotes, for `PS4` and what `eval` does not cover.
///
/// # Errors
/// A substitution in it is malformed.
pub fn parse_text(text: &[u8], dialect: Dialect) -> Result<Vec<Part>> {
    Lexer::new(text, dialect).read_here_text()
}

/// Where a sequence of parts ends and what its quotes mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// `"…"`
    Double,
    /// The word of `${x-word}` outside double quotes, and patterns anywhere.
    Braces,
    /// The word of `${x-word}` inside double quotes.
    BracesInDouble,
    /// A here-document.
    Here,
    /// `$((…))`
    Arithmetic,
    /// The offset or the pattern of bash's forms: ends at `/` or `:` too.
    Field(u8),
}

/// Collects parts, literal bytes joined.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn literal(&mut self, byte: u8) {
        if let Some(Part::Literal(text)) = self.0.last_mut() {
            text.push(byte);
        } else {
            self.0.push(Part::Literal(vec![byte]));
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        if let Some(Part::Quoted(text)) = self.0.last_mut() {
            text.extend_from_slice(bytes);
        } else {
            self.0.push(Part::Quoted(bytes.to_vec()));
        }
    }
}

impl Lexer<'_> {
    /// An unquoted word, up to a blank or an operator.
    pub(crate) fn read_word(&mut self) -> Result<Word> {
        let mut parts = Parts::default();
        while let Some(byte) = self.byte() {
            if matches!(byte, b' ' | b'\t' | b'\n') || is_operator(byte) {
                break;
            }
            self.read_unquoted(byte, &mut parts)?;
        }
        Ok(Word(parts.0))
    }

    /// One piece of unquoted text.
    fn read_unquoted(&mut self, byte: u8, parts: &mut Parts) -> Result<()> {
        match byte {
            b'\\' => {
                self.bump();
                match self.text.get(self.at).copied() {
                    Some(next) => {
                        parts.quoted(&[next]);
                        self.bump();
                    }
                    None => parts.quoted(b"\\"),
                }
            }
            b'\'' => {
                let text = self.read_single()?;
                parts.quoted(&text);
            }
            b'"' => {
                self.bump();
                let inner = self.deeper(|lexer| lexer.read_parts(Within::Double))?;
                parts.0.push(Part::Double(inner));
            }
            b'$' if !self.plain => self.read_dollar(parts, false)?,
            b'`' if !self.plain => self.read_backquoted(parts, false)?,
            _ => {
                parts.literal(byte);
                self.bump();
            }
        }
        Ok(())
    }

    fn read_single(&mut self) -> Result<Vec<u8>> {
        self.bump();
        let rest = &self.text[self.at..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\'') else {
            return Err(self.error(ErrorKind::Unterminated("quoted string")));
        };
        let text = rest[..end].to_vec();
        self.line += lines(&text);
        self.at += end + 1;
        Ok(text)
    }

    /// The whole text of a here-document.
    pub(crate) fn read_here_text(&mut self) -> Result<Vec<Part>> {
        self.read_parts(Within::Here)
    }

    fn read_parts(&mut self, within: Within) -> Result<Vec<Part>> {
        let mut parts = Parts::default();
        let mut open = 0_u32;
        // Inside "${x-…}", inner double quotes turn quoting off and on again.
        let mut inner_quotes = false;
        loop {
            let Some(byte) = self.byte() else {
                return match within {
                    Within::Here => Ok(parts.0),
                    Within::Double => Err(self.error(ErrorKind::Unterminated("quoted string"))),
                    Within::Arithmetic => {
                        Err(self.error(ErrorKind::Unexpected("end of $((".into())))
                    }
                    _ => Err(self.error(ErrorKind::Unterminated("substitution"))),
                };
            };
            match (within, byte) {
                (Within::Double, b'"') => {
                    self.bump();
                    return Ok(parts.0);
                }
                (Within::Braces | Within::BracesInDouble, b'}') => {
                    self.bump();
                    return Ok(parts.0);
                }
                (Within::Field(stop), byte) if byte == b'}' || byte == stop => {
                    return Ok(parts.0);
                }
                (Within::Arithmetic, b'(') => {
                    open += 1;
                    parts.literal(byte);
                    self.bump();
                }
                (Within::Arithmetic, b')') if open > 0 => {
                    open -= 1;
                    parts.literal(byte);
                    self.bump();
                }
                (Within::Arithmetic, b')') => {
                    self.bump();
                    if self.eat(b')') {
                        return Ok(parts.0);
                    }
                    return Err(self.error(ErrorKind::Unexpected("\")\"".into())));
                }
                (Within::Braces | Within::Field(_), _) => self.read_unquoted(byte, &mut parts)?,
                (Within::BracesInDouble, b'"') => {
                    inner_quotes = !inner_quotes;
                    self.bump();
                }
                (_, b'\\') => {
                    self.bump();
                    let escapes = |next: u8| match within {
                        Within::Here => matches!(next, b'$' | b'`' | b'\\'),
                        Within::Arithmetic | Within::Double => {
                            matches!(next, b'$' | b'`' | b'"' | b'\\')
                        }
                        _ => matches!(next, b'$' | b'`' | b'"' | b'\\' | b'}'),
                    };
                    match self.text.get(self.at).copied() {
                        Some(next) if escapes(next) => {
                            parts.quoted(&[next]);
                            self.bump();
                        }
                        _ => parts.quoted(b"\\"),
                    }
                }
                (_, b'$') if !self.plain => self.read_dollar(&mut parts, true)?,
                (_, b'`') if !self.plain => self.read_backquoted(&mut parts, true)?,
                (Within::Arithmetic, b'"') => self.bump(),
                _ => {
                    parts.literal(byte);
                    self.bump();
                }
            }
        }
    }

    fn read_dollar(&mut self, parts: &mut Parts, in_double: bool) -> Result<()> {
        self.bump();
        let Some(byte) = self.byte() else {
            parts.literal(b'$');
            return Ok(());
        };
        match byte {
            b'(' => {
                let part = self.deeper(Self::read_parenthesized)?;
                parts.0.push(part);
            }
            b'{' => {
                let part = self.deeper(|lexer| lexer.read_braced(in_double))?;
                parts.0.push(part);
            }
            b'\'' if !in_double && self.dialect != Dialect::Dash => {
                let text = self.read_escaped()?;
                parts.quoted(&text);
            }
            b'"' if !in_double && self.dialect == Dialect::Bash => {
                return Err(self.error(ErrorKind::Unsupported("$\"…\"")));
            }
            b'[' if self.dialect == Dialect::Bash => {
                return Err(self.error(ErrorKind::Unsupported("$[…]")));
            }
            byte if is_special(byte) || byte.is_ascii_digit() => {
                self.bump();
                parts.0.push(Part::Param { name: vec![byte], op: ParamOp::Plain });
            }
            byte if is_name_byte(byte) => {
                let name = self.read_name();
                parts.0.push(Part::Param { name, op: ParamOp::Plain });
            }
            _ => parts.literal(b'$'),
        }
        Ok(())
    }

    fn read_name(&mut self) -> Vec<u8> {
        let mut name = Vec::new();
        while let Some(byte) = self.byte().filter(|&byte| is_name_byte(byte)) {
            name.push(byte);
            self.bump();
        }
        name
    }

    /// After `$`: a command or an arithmetic expansion.
    fn read_parenthesized(&mut self) -> Result<Part> {
        self.bump();
        if self.byte() == Some(b'(') {
            let start = (self.at, self.line);
            self.bump();
            match self.read_parts(Within::Arithmetic) {
                Ok(inner) => return Ok(Part::Arithmetic(inner)),
                // dash takes it for nothing else.
                Err(error) if self.dialect == Dialect::Dash => return Err(error),
                Err(_) => {}
            }
            // `$( (…) )` without the blank.
            (self.at, self.line) = start;
        }
        Ok(Part::Command(Rc::new(self.read_substitution()?)))
    }

    /// The commands of `$(`, up to and with its `)`.
    fn read_substitution(&mut self) -> Result<List> {
        let pending = std::mem::take(&mut self.pending);
        let list = parse_nested(self)?;
        self.pending = pending;
        Ok(list)
    }

    fn read_backquoted(&mut self, parts: &mut Parts, in_double: bool) -> Result<()> {
        let line = self.line;
        self.bump();
        let mut inner = Vec::new();
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err(self.error(ErrorKind::Unterminated("backquote substitution")));
            };
            self.bump();
            match byte {
                b'`' => break,
                b'\\' => match self.text.get(self.at).copied() {
                    Some(next @ (b'$' | b'`' | b'\\')) => {
                        inner.push(next);
                        self.bump();
                    }
                    Some(b'"') if in_double => {
                        inner.push(b'"');
                        self.bump();
                    }
                    _ => inner.push(b'\\'),
                },
                byte => inner.push(byte),
            }
        }
        let mut lexer = Lexer::new(&inner, self.dialect);
        lexer.line = line;
        lexer.depth = self.depth;
        let list = lexer.deeper(crate::parse::parse_all)?;
        parts.0.push(Part::Command(Rc::new(list)));
        Ok(())
    }
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!')
}

fn lines(text: &[u8]) -> u32 {
    u32::try_from(text.iter().filter(|&&byte| byte == b'\n').count()).unwrap_or(u32::MAX)
}
