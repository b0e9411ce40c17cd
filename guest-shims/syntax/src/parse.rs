//! Commands (XCU 2.9, 2.10).

mod brace;
mod compound;
mod redirect;
mod simple;

pub use simple::is_assignment;

use crate::Dialect;
use crate::ast::{AndOr, Command, Compound, Connector, Item, List, Pipeline, Redirect};
use crate::error::{ErrorKind, Result};
use crate::lex::{Lexer, Token};

/// Words that end a list when a command could start.
const CLOSERS: [&[u8]; 9] =
    [b"then", b"else", b"elif", b"fi", b"do", b"done", b"esac", b"}", b"in"];

/// Reads a script command by command.
#[derive(Debug)]
pub struct Parser<'a>(Lexer<'a>);

impl<'a> Parser<'a> {
    /// A parser at the start of the text.
    #[must_use]
    pub const fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self(Lexer::new(text, dialect))
    }

    /// The commands up to the end of the next complete line; `None` at the end of the text.
    ///
    /// # Errors
    /// The text from here on is no script.
    pub fn next_line(&mut self) -> Result<Option<List>> {
        loop {
            match self.0.peek()? {
                Token::End => return Ok(None),
                Token::Newline => {
                    self.0.next()?;
                }
                _ => break,
            }
        }
        let list = self.0.list(false)?;
        match self.0.next()? {
            Token::Newline => {}
            Token::End => self.0.peeked = Some(Token::End),
            other => return Err(unexpected(&self.0, &other)),
        }
        Ok(Some(list))
    }

    /// The line that is read next, from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.0.line
    }
}

/// The whole text.
pub(crate) fn parse_all(lexer: &mut Lexer<'_>) -> Result<List> {
    let list = lexer.list(true)?;
    match lexer.next()? {
        Token::End => Ok(list),
        other => Err(unexpected(lexer, &other)),
    }
}

/// What comes up to a `)`, which is taken.
pub(crate) fn parse_nested(lexer: &mut Lexer<'_>) -> Result<List> {
    let list = lexer.list(true)?;
    match lexer.next()? {
        Token::Op(")") => Ok(list),
        other => Err(unexpected(lexer, &other)),
    }
}

fn unexpected(lexer: &Lexer<'_>, token: &Token) -> crate::Error {
    let text = match token {
        Token::End => return lexer.error(ErrorKind::EndOfFile),
        Token::Newline => "newline".to_owned(),
        Token::Op(operator) => format!("\"{operator}\""),
        Token::Number(number) => format!("\"{number}\""),
        Token::Word(word) => match word.as_literal() {
            Some(text) => format!("\"{}\"", String::from_utf8_lossy(&text)),
            None => "word".to_owned(),
        },
    };
    lexer.error(ErrorKind::Unexpected(text))
}

impl Lexer<'_> {
    fn skip_newlines(&mut self) -> Result<()> {
        while *self.peek()? == Token::Newline {
            self.next()?;
        }
        Ok(())
    }

    /// The next token as a reserved word.
    fn reserved(&mut self) -> Result<Option<&[u8]>> {
        Ok(match self.peek()? {
            Token::Word(word) => word.as_bare(),
            _ => None,
        })
    }

    fn eat_reserved(&mut self, wanted: &[u8]) -> Result<bool> {
        let there = self.reserved()? == Some(wanted);
        if there {
            self.next()?;
        }
        Ok(there)
    }

    fn expect_reserved(&mut self, wanted: &[u8]) -> Result<()> {
        if self.eat_reserved(wanted)? {
            return Ok(());
        }
        let token = self.next()?;
        Err(unexpected(self, &token))
    }

    fn eat_op(&mut self, wanted: &str) -> Result<bool> {
        let there = matches!(self.peek()?, Token::Op(operator) if *operator == wanted);
        if there {
            self.next()?;
        }
        Ok(there)
    }

    /// Whether no command can start here.
    fn at_end_of_list(&mut self) -> Result<bool> {
        Ok(match self.peek()? {
            Token::End | Token::Newline | Token::Op(")" | ";;" | ";" | "&" | "|" | "&&" | "||") => {
                true
            }
            Token::Word(word) => word.as_bare().is_some_and(|text| CLOSERS[..8].contains(&text)),
            _ => false,
        })
    }

    /// Commands; over line ends too if `lines`.
    fn list(&mut self, lines: bool) -> Result<List> {
        let mut items = List::new();
        if lines {
            self.skip_newlines()?;
        }
        while !self.at_end_of_list()? {
            let command = self.and_or()?;
            let background = self.eat_op("&")?;
            let separated = background || self.eat_op(";")?;
            items.push(Item { command, background });
            let newline = *self.peek()? == Token::Newline;
            if newline && lines {
                self.skip_newlines()?;
            } else if !separated {
                break;
            }
        }
        Ok(items)
    }

    /// A list that must hold a command.
    fn body(&mut self) -> Result<List> {
        let list = self.list(true)?;
        if list.is_empty() {
            let token = self.next()?;
            return Err(unexpected(self, &token));
        }
        Ok(list)
    }

    fn and_or(&mut self) -> Result<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let connector = if self.eat_op("&&")? {
                Connector::And
            } else if self.eat_op("||")? {
                Connector::Or
            } else {
                return Ok(AndOr { first, rest });
            };
            self.skip_newlines()?;
            rest.push((connector, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline> {
        let negated = self.eat_reserved(b"!")?;
        let mut commands = vec![self.command()?];
        while self.eat_op("|")? {
            self.skip_newlines()?;
            commands.push(self.command()?);
        }
        Ok(Pipeline { negated, commands })
    }

    fn command(&mut self) -> Result<Command> {
        self.deeper(Self::command_here)
    }

    fn command_here(&mut self) -> Result<Command> {
        self.peek()?;
        let line = self.line;
        let body = if self.eat_op("(")? {
            if self.dialect != Dialect::Dash && self.byte() == Some(b'(') {
                return Err(self.error(ErrorKind::Unsupported("((…))")));
            }
            let list = self.body()?;
            self.expect_op(")")?;
            Compound::Subshell(list)
        } else {
            match self.reserved()?.map(<[u8]>::to_vec).as_deref() {
                Some(b"{") => {
                    self.next()?;
                    let list = self.body()?;
                    self.expect_reserved(b"}")?;
                    Compound::Brace(list)
                }
                Some(b"if") => self.if_clause()?,
                Some(b"for") => self.for_clause()?,
                Some(b"case") => self.case_clause()?,
                Some(word @ (b"while" | b"until")) => {
                    let until = word == b"until";
                    self.next()?;
                    let condition = self.body()?;
                    Compound::While { until, condition, body: self.do_group()? }
                }
                Some(word) if CLOSERS.contains(&word) && word != b"in" => {
                    let token = self.next()?;
                    return Err(unexpected(self, &token));
                }
                Some(b"[[") if self.dialect != Dialect::Dash => {
                    return Err(self.error(ErrorKind::Unsupported("[[ … ]]")));
                }
                Some(b"function") if self.dialect == Dialect::Bash => {
                    return self.function_word();
                }
                Some(b"time") if self.dialect == Dialect::Bash => {
                    return Err(self.error(ErrorKind::Unsupported("a reserved word of bash")));
                }
                Some(b"function" | b"select" | b"coproc") if self.dialect != Dialect::Dash => {
                    return Err(self.error(ErrorKind::Unsupported("a reserved word of bash")));
                }
                _ => return self.simple(line),
            }
        };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        if self.dialect == Dialect::Dash && !redirects.is_empty() {
            return Ok(redirect_last(body, redirects, line));
        }
        Ok(Command::Compound { body, redirects, line })
    }

    fn expect_op(&mut self, wanted: &str) -> Result<()> {
        if self.eat_op(wanted)? {
            return Ok(());
        }
        let token = self.next()?;
        Err(unexpected(self, &token))
    }
}

/// A compound with redirections as dash makes it: those of braces around nothing but a subshell take
/// the place of the subshell's own.
fn redirect_last(body: Compound, redirects: Vec<Redirect>, line: u32) -> Command {
    let subshell = match &body {
        Compound::Brace(list) => match &list[..] {
            [Item { command: AndOr { first, rest }, background: false }]
                if rest.is_empty() && !first.negated =>
            {
                match &first.commands[..] {
                    [Command::Compound { body: inner @ Compound::Subshell(_), .. }] => {
                        Some(inner.clone())
                    }
                    _ => None,
                }
            }
            _ => None,
        },
        _ => None,
    };
    Command::Compound { body: subshell.unwrap_or(body), redirects, line }
}
