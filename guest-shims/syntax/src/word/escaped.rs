//! `$'…'` of bash and ash.

use crate::Dialect;
use crate::error::{ErrorKind, Result};
use crate::lex::Lexer;

/// What the letters of escapes stand for that all shells read alike.
#[must_use]
pub const fn letter(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        _ => return None,
    })
}

impl Lexer<'_> {
    /// After `$`: the text between the quotes, its escapes replaced.
    pub(super) fn read_escaped(&mut self) -> Result<Vec<u8>> {
        self.bump();
        let mut text = Vec::new();
        loop {
            let byte = self.raw()?;
            match byte {
                b'\'' => return Ok(text),
                b'\\' => {
                    let escape = self.raw()?;
                    text.push(self.escape(escape)?);
                }
                byte => text.push(byte),
            }
        }
    }

    /// The next byte as it is: a backslash before a line end is none of the shell's.
    fn raw(&mut self) -> Result<u8> {
        let Some(&byte) = self.text.get(self.at) else {
            return Err(self.error(ErrorKind::Unterminated("quoted string")));
        };
        self.bump();
        Ok(byte)
    }

    /// What an escape stands for. Those on which the shells differ are left to them.
    fn escape(&mut self, escape: u8) -> Result<u8> {
        let bash = self.dialect == Dialect::Bash;
        if let Some(byte) = letter(escape) {
            return Ok(byte);
        }
        let byte = match escape {
            b'e' | b'E' if bash => 27,
            b'?' if bash => b'?',
            b'\\' | b'\'' | b'"' => escape,
            b'0'..=b'7' => self.digits(u32::from(escape - b'0'), 8, 2),
            b'x' => self.digits(0, 16, 2),
            _ => 0,
        };
        if byte == 0 {
            return Err(self.error(ErrorKind::Unsupported("an escape of $'…'")));
        }
        Ok(byte)
    }

    /// A number of so many more digits.
    fn digits(&mut self, start: u32, base: u32, most: u32) -> u8 {
        let mut value = start;
        for _ in 0..most {
            let next = self.text.get(self.at);
            let Some(digit) = next.and_then(|&byte| char::from(byte).to_digit(base)) else { break };
            value = value * base + digit;
            self.bump();
        }
        value.to_le_bytes()[0]
    }
}
