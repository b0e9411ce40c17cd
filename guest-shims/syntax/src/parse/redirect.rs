//! Redirections (XCU 2.7).

use super::unexpected;
use crate::Dialect;
use crate::ast::{HereDoc, Redirect, RedirectKind, Word};
use crate::error::{ErrorKind, Result};
use crate::lex::{Lexer, Pending, Token};

impl Lexer<'_> {
    pub(super) fn redirect(&mut self) -> Result<Option<Redirect>> {
        if self.dialect != Dialect::Dash
            && *self.peek()? == Token::Op("&")
            && self.byte() == Some(b'>')
        {
            return self.redirect_both().map(Some);
        }
        let number = match self.peek()? {
            Token::Number(number) => Some(*number),
            Token::Op("<" | ">" | ">>" | "<&" | ">&" | "<>" | ">|" | "<<" | "<<-" | "<<<") => None,
            _ => return Ok(None),
        };
        if number.is_some() {
            self.next()?;
        }
        let Token::Op(operator) = self.next()? else {
            return Err(self.error(ErrorKind::Unexpected("redirection".to_owned())));
        };
        self.plain = matches!(operator, "<<" | "<<-");
        let next = self.next();
        self.plain = false;
        let word = match next? {
            Token::Word(word) => word,
            other => return Err(unexpected(self, &other)),
        };
        let is_input = operator.starts_with('<');
        let fd = number.unwrap_or(u32::from(!is_input));
        let kind = match operator {
            "<" => RedirectKind::Read(word),
            ">" => RedirectKind::Write(word, false),
            ">|" => RedirectKind::Write(word, true),
            ">>" => RedirectKind::Append(word),
            "<>" => RedirectKind::ReadWrite(word),
            "<&" | ">&" => {
                let target = word.as_bare().unwrap_or_default();
                let plain = target == b"-" || target.iter().all(u8::is_ascii_digit);
                if self.dialect != Dialect::Dash && !plain {
                    return Err(self.error(ErrorKind::Unsupported(">& with a file")));
                }
                RedirectKind::Dup(word)
            }
            "<<<" => RedirectKind::HereString(word),
            _ => RedirectKind::HereDoc(self.here_document(&word, operator == "<<-")?),
        };
        Ok(Some(Redirect { fd, kind }))
    }

    pub(super) fn redirect_both(&mut self) -> Result<Redirect> {
        self.next()?;
        self.bump();
        let appends = self.eat(b'>');
        match self.next()? {
            Token::Word(word) => Ok(Redirect { fd: 1, kind: RedirectKind::Both(word, appends) }),
            other => Err(unexpected(self, &other)),
        }
    }

    pub(super) fn here_document(&mut self, word: &Word, strip_tabs: bool) -> Result<HereDoc> {
        let Some(delimiter) = word.as_literal() else {
            return Err(self.error(ErrorKind::Unsupported("an expansion as delimiter of <<")));
        };
        let body = HereDoc::default();
        let quoted = word.as_bare().is_none();
        self.pending.push(Pending { delimiter, strip_tabs, quoted, body: body.clone() });
        Ok(body)
    }
}
