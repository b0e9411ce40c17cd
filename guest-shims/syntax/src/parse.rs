//! Commands (XCU 2.9, 2.10).

use crate::Dialect;
use crate::ast::{
    AndOr, Arm, Command, Compound, Connector, HereDoc, Item, List, Part, Pipeline, Redirect,
    RedirectKind, Simple, Word,
};
use crate::error::{ErrorKind, Result};
use crate::lex::{Lexer, Pending, Token};
use crate::word::is_name;
use std::rc::Rc;

/// Words that end a list when a command could start.
const CLOSERS: [&[u8]; 9] =
    [b"then", b"else", b"elif", b"fi", b"do", b"done", b"esac", b"}", b"in"];

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

    fn do_group(&mut self) -> Result<List> {
        self.expect_reserved(b"do")?;
        let body = self.body()?;
        self.expect_reserved(b"done")?;
        Ok(body)
    }

    fn if_clause(&mut self) -> Result<Compound> {
        self.next()?;
        let mut arms = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect_reserved(b"then")?;
            arms.push((condition, self.body()?));
            if !self.eat_reserved(b"elif")? {
                break;
            }
        }
        let otherwise = if self.eat_reserved(b"else")? { Some(self.body()?) } else { None };
        self.expect_reserved(b"fi")?;
        Ok(Compound::If { arms, otherwise })
    }

    fn for_clause(&mut self) -> Result<Compound> {
        self.next()?;
        let name = match self.next()? {
            Token::Word(word) if word.as_bare().is_some_and(is_name) => {
                word.as_bare().unwrap_or_default().to_vec()
            }
            Token::Op("(") if self.dialect == Dialect::Bash => {
                return Err(self.error(ErrorKind::Unsupported("for ((…))")));
            }
            other => return Err(unexpected(self, &other)),
        };
        self.skip_newlines()?;
        let words = if self.eat_reserved(b"in")? {
            let mut words = Vec::new();
            while let Token::Word(_) = self.peek()? {
                let Token::Word(word) = self.next()? else { break };
                self.check_bash_word(&word)?;
                words.push(word);
            }
            if *self.peek()? != Token::Newline {
                self.expect_op(";")?;
            }
            Some(words)
        } else {
            self.eat_op(";")?;
            None
        };
        self.skip_newlines()?;
        Ok(Compound::For { name, words, body: self.do_group()? })
    }

    fn case_clause(&mut self) -> Result<Compound> {
        self.next()?;
        let word = match self.next()? {
            Token::Word(word) => word,
            other => return Err(unexpected(self, &other)),
        };
        self.skip_newlines()?;
        self.expect_reserved(b"in")?;
        self.skip_newlines()?;
        let mut arms = Vec::new();
        while !self.eat_reserved(b"esac")? {
            self.eat_op("(")?;
            let mut patterns = Vec::new();
            loop {
                match self.next()? {
                    Token::Word(pattern) => patterns.push(pattern),
                    other => return Err(unexpected(self, &other)),
                }
                if !self.eat_op("|")? {
                    break;
                }
            }
            self.expect_op(")")?;
            let body = self.list(true)?;
            arms.push(Arm { patterns, body });
            if self.eat_op(";;")? {
                self.skip_newlines()?;
            } else {
                self.expect_reserved(b"esac")?;
                break;
            }
        }
        Ok(Compound::Case { word, arms })
    }

    fn simple(&mut self, line: u32) -> Result<Command> {
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
            self.check_bash_word(&word)?;
            simple.words.push(word);
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

    fn function(&mut self, name: &Word) -> Result<Command> {
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

    fn redirect(&mut self) -> Result<Option<Redirect>> {
        if self.dialect != Dialect::Dash
            && *self.peek()? == Token::Op("&")
            && self.byte() == Some(b'>')
        {
            return self.redirect_both().map(Some);
        }
        let number = match self.peek()? {
            Token::Number(number) => Some(*number),
            Token::Op("<" | ">" | ">>" | "<&" | ">&" | "<>" | ">|" | "<<" | "<<-") => None,
            _ => return Ok(None),
        };
        if number.is_some() {
            self.next()?;
        }
        let Token::Op(operator) = self.next()? else {
            return Err(self.error(ErrorKind::Unexpected("redirection".to_owned())));
        };
        self.plain = operator.starts_with("<<");
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
            _ => RedirectKind::HereDoc(self.here_document(&word, operator == "<<-")?),
        };
        Ok(Some(Redirect { fd, kind }))
    }

    fn redirect_both(&mut self) -> Result<Redirect> {
        self.next()?;
        self.bump();
        let appends = self.eat(b'>');
        match self.next()? {
            Token::Word(word) => Ok(Redirect { fd: 1, kind: RedirectKind::Both(word, appends) }),
            other => Err(unexpected(self, &other)),
        }
    }

    fn here_document(&mut self, word: &Word, strip_tabs: bool) -> Result<HereDoc> {
        let Some(delimiter) = word.as_literal() else {
            return Err(self.error(ErrorKind::Unsupported("an expansion as delimiter of <<")));
        };
        let body = HereDoc::default();
        let quoted = word.as_bare().is_none();
        self.pending.push(Pending { delimiter, strip_tabs, quoted, body: body.clone() });
        Ok(body)
    }

    /// `name=(…)` of bash.
    fn check_array(&mut self, word: &Word) -> Result<()> {
        let bare_end = matches!(word.0.last(), Some(Part::Literal(text)) if text.ends_with(b"="));
        if bare_end && self.dialect != Dialect::Dash && self.byte() == Some(b'(') {
            return Err(self.error(ErrorKind::Unsupported("arrays")));
        }
        Ok(())
    }

    /// Words that bash would expand or assign in ways that we do not.
    fn check_bash_word(&self, word: &Word) -> Result<()> {
        if self.dialect != Dialect::Bash {
            return Ok(());
        }
        let text: Vec<u8> = word
            .0
            .iter()
            .flat_map(|part| match part {
                Part::Literal(text) => &text[..],
                _ => b"x",
            })
            .copied()
            .collect();
        let open = text.iter().position(|&byte| byte == b'{');
        let braces = open.is_some_and(|open| {
            let inside = &text[open..];
            inside.contains(&b',') || inside.windows(2).any(|pair| pair == b"..")
        });
        if braces {
            return Err(self.error(ErrorKind::Unsupported("brace expansion")));
        }
        if let Some(Part::Literal(text)) = word.0.first()
            && let Some(equals) = text.iter().position(|&byte| byte == b'=')
            && let Some(name) = text[..equals].strip_suffix(b"+")
            && is_name(name)
        {
            return Err(self.error(ErrorKind::Unsupported("+=")));
        }
        Ok(())
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
