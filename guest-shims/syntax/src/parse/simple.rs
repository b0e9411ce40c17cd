//! Simple commands and functions (XCU 2.9.1, 2.9.5).

use super::{brace, unexpected};
use crate::Dialect;
use crate::ast::{Command, Part, Simple, Word};
use crate::error::{ErrorKind, Result};
use crate::lex::{Lexer, Token};
use crate::word::is_name;
use std::rc::Rc;

/// Special builtins, whose names dash gives to no function.
const SPECIAL: [&[u8]; 16] = [
    b".",
    b":",
    b"break",
    b"continue",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"local",
    b"readonly",
    b"return",
    b"set",
    b"shift",
    b"times",
    b"trap",
    b"unset",
];

impl Lexer<'_> {
    pub(super) fn simple(&mut self, line: u32) -> Result<Command> {
        let mut simple = Simple { line, ..Simple::default() };
        loop {
            if let Some(redirect) = self.redirect()? {
                simple.redirects.push(redirect);
                continue;
            }
            let Token::Word(_) = self.peek()? else { break };
            let Token::Word(word) = self.next()? else { break };
            if simple.words.is_empty()
                && let Some((name, value)) = split_assignment(&word)
            {
                self.check_array(&word)?;
                simple.assignments.push((name, value));
                continue;
            }
            simple.words.extend(self.bash_words(word)?);
            let alone = simple.words.len() == 1
                && simple.assignments.is_empty()
                && simple.redirects.is_empty();
            if alone && self.eat_op("(")? {
                return self.function(&simple.words[0]);
            }
        }
        if simple.words.is_empty() && simple.assignments.is_empty() && simple.redirects.is_empty() {
            let token = self.next()?;
            return Err(unexpected(self, &token));
        }
        Ok(Command::Simple(simple))
    }

    pub(super) fn function(&mut self, name: &Word) -> Result<Command> {
        self.expect_op(")")?;
        let bare = name
            .as_bare()
            .filter(|name| is_name(name) || self.dialect != Dialect::Dash && !name.contains(&b'='));
        let Some(name) = bare.map(<[u8]>::to_vec) else {
            return Err(self.error(ErrorKind::BadFunction));
        };
        if self.dialect == Dialect::Dash && SPECIAL.contains(&&name[..]) {
            return Err(self.error(ErrorKind::BadFunction));
        }
        self.skip_newlines()?;
        let body = Rc::new(self.command()?);
        Ok(Command::Function { name, body })
    }

    /// `function name` of bash, with or without parentheses.
    pub(super) fn function_word(&mut self) -> Result<Command> {
        self.next()?;
        let name = match self.next()? {
            Token::Word(name) => name,
            other => return Err(unexpected(self, &other)),
        };
        if self.eat_op("(")? {
            return self.function(&name);
        }
        let Some(name) = name.as_bare().map(<[u8]>::to_vec) else {
            return Err(self.error(ErrorKind::BadFunction));
        };
        self.skip_newlines()?;
        match self.command()? {
            body @ Command::Compound { .. } => Ok(Command::Function { name, body: Rc::new(body) }),
            _ => Err(self.error(ErrorKind::BadFunction)),
        }
    }

    /// `name=(…)` of bash.
    pub(super) fn check_array(&mut self, word: &Word) -> Result<()> {
        let bare_end = matches!(word.0.last(), Some(Part::Literal(text)) if text.ends_with(b"="));
        if bare_end && self.dialect != Dialect::Dash && self.byte() == Some(b'(') {
            return Err(self.error(ErrorKind::Unsupported("arrays")));
        }
        Ok(())
    }

    /// What bash makes of a word of a command before anything else is expanded.
    pub(super) fn bash_words(&mut self, word: Word) -> Result<Vec<Word>> {
        if self.dialect != Dialect::Bash {
            return Ok(vec![word]);
        }
        if word.as_bare().is_some_and(|text| text.starts_with(b"{") && text.ends_with(b"}"))
            && matches!(self.byte(), Some(b'<' | b'>'))
        {
            return Err(self.error(ErrorKind::Unsupported("{name}>")));
        }
        if let Some(Part::Literal(text)) = word.0.first() {
            let name =
                text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
            let (name, rest) = text.split_at(name.count());
            if is_name(name) && rest.starts_with(b"+=") {
                return Err(self.error(ErrorKind::Unsupported("+=")));
            }
            if is_name(name) && rest.starts_with(b"[") && text.contains(&b'=') {
                return Err(self.error(ErrorKind::Unsupported("arrays")));
            }
        }
        let assigns = is_assignment(&word);
        match brace::expand(&word) {
            Ok(None) => Ok(vec![word]),
            Ok(Some(words)) if !assigns => Ok(words),
            _ => Err(self.error(ErrorKind::Unsupported("a brace expansion of this form"))),
        }
    }
}

/// Whether the word has the form `name=value`.
#[must_use]
pub fn is_assignment(word: &Word) -> bool {
    split_assignment(word).is_some()
}

/// `name=value`, when the word is that.
fn split_assignment(word: &Word) -> Option<(Vec<u8>, Word)> {
    let Some(Part::Literal(text)) = word.0.first() else { return None };
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let name = &text[..equals];
    if !is_name(name) {
        return None;
    }
    let mut value = word.0.clone();
    if equals + 1 == text.len() {
        value.remove(0);
    } else {
        value[0] = Part::Literal(text[equals + 1..].to_vec());
    }
    Some((name.to_vec(), Word(value)))
}
