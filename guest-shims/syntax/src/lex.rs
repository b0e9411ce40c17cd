//! Bytes and tokens.

use crate::ast::{HereDoc, Word};
use crate::error::{Error, ErrorKind, Result};
use crate::{Dialect, Part};

/// Compounds and substitutions inside each other; a script of nothing but `(` must not end the
/// parser's stack.
const MAX_DEPTH: u32 = 200;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word.
    Word(Word),
    /// A number right before `<` or `>`.
    Number(u32),
    /// An operator.
    Op(&'static str),
    /// The end of a line.
    Newline,
    /// The end of the text.
    End,
}

/// Operators, the longest first.
const OPERATORS: [&str; 16] =
    ["<<-", "&&", "||", ";;", "<<", ">>", "<&", ">&", "<>", ">|", "&", "|", ";", "<", ">", "("];

/// A here-document whose text comes after the line.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) delimiter: Vec<u8>,
    pub(crate) strip_tabs: bool,
    pub(crate) quoted: bool,
    pub(crate) body: HereDoc,
}

/// Reads tokens from a text.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) at: usize,
    pub(crate) line: u32,
    pub(crate) dialect: Dialect,
    pub(crate) pending: Vec<Pending>,
    pub(crate) peeked: Option<Token>,
    pub(crate) depth: u32,
    /// Expansions are plain text: the delimiter of a here-document is being read.
    pub(crate) plain: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) const fn new(text: &'a [u8], dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
            dialect,
            pending: Vec::new(),
            peeked: None,
            depth: 0,
            plain: false,
        }
    }

    pub(crate) const fn error(&self, kind: ErrorKind) -> Error {
        Error { line: self.line, kind }
    }

    /// Runs `work` one level deeper.
    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error(ErrorKind::TooDeep));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }

    /// The next byte, line continuations skipped.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        while self.text[self.at..].starts_with(b"\\\n") {
            self.at += 2;
            self.line += 1;
        }
        self.text.get(self.at).copied()
    }

    /// The byte after the next one.
    pub(crate) fn second(&self) -> Option<u8> {
        self.text.get(self.at + 1).copied()
    }

    /// Takes the next byte.
    pub(crate) fn bump(&mut self) {
        if self.text.get(self.at) == Some(&b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// Takes the next byte if it is this one.
    pub(crate) fn eat(&mut self, wanted: u8) -> bool {
        let there = self.byte() == Some(wanted);
        if there {
            self.bump();
        }
        there
    }

    pub(crate) fn peek(&mut self) -> Result<&Token> {
        let token = match self.peeked.take() {
            Some(token) => token,
            None => self.read_token()?,
        };
        Ok(self.peeked.insert(token))
    }

    pub(crate) fn next(&mut self) -> Result<Token> {
        match self.peeked.take() {
            Some(token) => Ok(token),
            None => self.read_token(),
        }
    }

    fn read_token(&mut self) -> Result<Token> {
        while let Some(b' ' | b'\t') = self.byte() {
            self.bump();
        }
        match self.byte() {
            None => return Ok(Token::End),
            Some(b'#') => {
                while self.text.get(self.at).is_some_and(|&byte| byte != b'\n') {
                    self.at += 1;
                }
                return self.read_token();
            }
            Some(b'\n') => {
                self.bump();
                self.read_here_documents()?;
                return Ok(Token::Newline);
            }
            Some(byte) if is_operator(byte) => return self.read_operator(),
            Some(_) => {}
        }
        let word = self.read_word()?;
        if let [Part::Literal(digits)] = &word.0[..]
            && matches!(self.byte(), Some(b'<' | b'>'))
            && digits.iter().all(u8::is_ascii_digit)
            && (digits.len() == 1 || self.dialect != Dialect::Dash)
            && let Some(number) =
                std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok())
        {
            return Ok(Token::Number(number));
        }
        Ok(Token::Word(word))
    }

    fn read_operator(&mut self) -> Result<Token> {
        if self.eat(b')') {
            return Ok(Token::Op(")"));
        }
        // Operators may be split by line continuations: byte by byte.
        let start = (self.at, self.line);
        for operator in OPERATORS {
            if operator.bytes().all(|byte| self.eat(byte)) {
                if operator == "<<" && self.dialect == Dialect::Bash && self.eat(b'<') {
                    return Ok(Token::Op("<<<"));
                }
                self.check_dialect(operator)?;
                return Ok(Token::Op(operator));
            }
            (self.at, self.line) = start;
        }
        Err(self.error(ErrorKind::Unexpected("operator".to_owned())))
    }

    /// What follows an operator can make it one of bash's.
    fn check_dialect(&mut self, operator: &str) -> Result<()> {
        if self.dialect == Dialect::Dash {
            return Ok(());
        }
        let next = self.byte();
        let what = match (operator, next) {
            ("<<", Some(b'<')) => "<<<",
            ("<" | ">", Some(b'(')) => "process substitution",
            ("|", Some(b'&')) => "|&",
            (";;", Some(b'&')) => ";;&",
            (";", Some(b'&')) => ";&",
            _ => return Ok(()),
        };
        Err(self.error(ErrorKind::Unsupported(what)))
    }

    /// Reads the here-documents that the line just ended mentions.
    fn read_here_documents(&mut self) -> Result<()> {
        for pending in std::mem::take(&mut self.pending) {
            let (line, mut text) = (self.line, Vec::new());
            loop {
                let rest = &self.text[self.at..];
                let mut end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                let mut full = rest[..end].to_vec();
                // A line that ends in a backslash goes on, unless quoted; what results is no
                // delimiter.
                let mut goes_on = false;
                while !pending.quoted && odd_backslashes(&full) && end < rest.len() {
                    goes_on = true;
                    full.pop();
                    let next = &rest[end + 1..];
                    let length = next.iter().position(|&byte| byte == b'\n').unwrap_or(next.len());
                    full.extend_from_slice(&next[..length]);
                    end += 1 + length;
                    self.line += 1;
                }
                let at_end = end >= rest.len();
                let content = if pending.strip_tabs {
                    let tabs = full.iter().take_while(|&&byte| byte == b'\t').count();
                    &full[tabs..]
                } else {
                    &full[..]
                };
                self.at += end + usize::from(!at_end);
                self.line += u32::from(!at_end);
                if content == pending.delimiter && !goes_on {
                    break;
                }
                text.extend_from_slice(content);
                if at_end {
                    // dash takes what there is.
                    break;
                }
                text.push(b'\n');
            }
            let parts = if pending.quoted {
                vec![Part::Quoted(text)]
            } else {
                let mut inner = Lexer::new(&text, self.dialect);
                inner.line = line;
                inner.depth = self.depth;
                inner.deeper(Lexer::read_here_text)?
            };
            // Each is set once: it leaves the list of those pending here.
            let _ = pending.body.0.set(Word(parts));
        }
        Ok(())
    }
}

fn odd_backslashes(line: &[u8]) -> bool {
    line.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

pub(crate) const fn is_operator(byte: u8) -> bool {
    matches!(byte, b'&' | b'|' | b';' | b'<' | b'>' | b'(' | b')')
}
