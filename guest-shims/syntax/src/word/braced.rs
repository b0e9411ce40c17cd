//! `${…}`

use super::{Within, is_special};
use crate::Dialect;
use crate::ast::{ParamOp, Part, Trim, Word};
use crate::error::{ErrorKind, Result};
use crate::lex::Lexer;

impl Lexer<'_> {
    /// After `$`: `{…}`.
    pub(super) fn read_braced(&mut self, in_double: bool) -> Result<Part> {
        self.bump();
        let name = match self.byte() {
            Some(b'#') => {
                // `${#}`, `${#-word}`, `${##word}` are about `$#`; `${#x}` is a length.
                self.bump();
                let next = self.byte();
                let after = self.second();
                let of_count = match next {
                    Some(b'}') | None => true,
                    Some(b':' | b'=' | b'+' | b'%') if after == Some(b'}') => false,
                    Some(b'#' | b'?' | b'-') if after == Some(b'}') => false,
                    Some(b':' | b'-' | b'=' | b'?' | b'+' | b'%' | b'#') => true,
                    Some(_) => false,
                };
                if !of_count {
                    let name = self.read_parameter();
                    if name.is_empty() || !self.eat(b'}') {
                        return self.bad_substitution(in_double);
                    }
                    return Ok(Part::Param { name, op: ParamOp::Length });
                }
                b"#".to_vec()
            }
            _ => self.read_parameter(),
        };
        if name.is_empty() {
            return self.bad_substitution(in_double);
        }
        let op = self.read_operation(in_double)?;
        match op {
            Some(op) => Ok(Part::Param { name, op }),
            None => self.bad_substitution(in_double),
        }
    }

    pub(super) fn read_parameter(&mut self) -> Vec<u8> {
        match self.byte() {
            Some(byte) if is_special(byte) => {
                self.bump();
                vec![byte]
            }
            Some(byte) if byte.is_ascii_digit() => {
                let mut digits = Vec::new();
                while let Some(byte) = self.byte().filter(u8::is_ascii_digit) {
                    digits.push(byte);
                    self.bump();
                }
                digits
            }
            _ => self.read_name(),
        }
    }

    pub(super) fn read_operation(&mut self, in_double: bool) -> Result<Option<ParamOp>> {
        let word = if in_double { Within::BracesInDouble } else { Within::Braces };
        let Some(byte) = self.byte() else {
            return Err(self.error(ErrorKind::Unterminated("substitution")));
        };
        self.bump();
        let colon = byte == b':';
        let operator = if colon { self.byte() } else { Some(byte) };
        let text = |lexer: &mut Self, within| {
            if colon {
                lexer.bump();
            }
            lexer.read_parts(within).map(Word)
        };
        Ok(Some(match operator {
            Some(b'}') if !colon => ParamOp::Plain,
            Some(b'}') if self.dialect == Dialect::Dash => {
                // dash takes the brace for an operator and looks for another one.
                text(self, word)?;
                return Err(self.error(ErrorKind::Unsupported("${x:}")));
            }
            Some(b'-') => ParamOp::Default(colon, text(self, word)?),
            Some(b'=') => ParamOp::Assign(colon, text(self, word)?),
            Some(b'?') => ParamOp::Error(colon, text(self, word)?),
            Some(b'+') => ParamOp::Alternative(colon, text(self, word)?),
            Some(b'#') if !colon => {
                let longest = self.eat(b'#');
                let trim = if longest { Trim::LongestPrefix } else { Trim::ShortestPrefix };
                ParamOp::Trim(trim, text(self, Within::Braces)?)
            }
            Some(b'%') if !colon => {
                let longest = self.eat(b'%');
                let trim = if longest { Trim::LongestSuffix } else { Trim::ShortestSuffix };
                ParamOp::Trim(trim, text(self, Within::Braces)?)
            }
            Some(b'/') if !colon && self.dialect != Dialect::Dash => self.read_replace()?,
            Some(_) if colon && self.dialect != Dialect::Dash => self.read_slice()?,
            _ => return Ok(None),
        }))
    }

    pub(super) fn read_replace(&mut self) -> Result<ParamOp> {
        let all = self.eat(b'/');
        if matches!(self.byte(), Some(b'#' | b'%')) {
            return Err(self.error(ErrorKind::Unsupported("${x/#…} and ${x/%…}")));
        }
        let pattern = Word(self.read_parts(Within::Field(b'/'))?);
        let with = if self.eat(b'/') {
            Word(self.read_parts(Within::Braces)?)
        } else {
            self.bump();
            Word::default()
        };
        Ok(ParamOp::Replace { all, pattern, with })
    }

    pub(super) fn read_slice(&mut self) -> Result<ParamOp> {
        let offset = self.read_parts(Within::Field(b':'))?;
        let length = if self.eat(b':') {
            Some(self.read_parts(Within::Braces)?)
        } else {
            self.bump();
            None
        };
        Ok(ParamOp::Slice { offset, length })
    }

    /// dash notices a bad substitution when it expands it; others may know the form.
    pub(super) fn bad_substitution(&mut self, in_double: bool) -> Result<Part> {
        if self.dialect != Dialect::Dash {
            return Err(self.error(ErrorKind::Unsupported("a parameter expansion of this form")));
        }
        self.read_parts(if in_double { Within::BracesInDouble } else { Within::Braces })?;
        Ok(Part::Param { name: Vec::new(), op: ParamOp::Bad })
    }
}
