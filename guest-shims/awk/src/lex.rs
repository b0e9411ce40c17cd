//! Text to tokens, one at a time: whether `/` divides or begins a pattern, the parser knows.

use shim::{Stop, escape, native};

use crate::{
    ast::Builtin,
    dialect::{Dialect, Kind},
    value,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Begin,
    Break,
    Continue,
    Delete,
    Do,
    Else,
    End,
    Exit,
    For,
    Function,
    Getline,
    If,
    In,
    Next,
    NextFile,
    Print,
    Printf,
    Return,
    While,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Text(Vec<u8>),
    Name(Vec<u8>),
    /// A name with a `(` right behind it: a call of the program's own function.
    Callee(Vec<u8>),
    Builtin(Builtin),
    Word(Word),
    Op(&'static str),
    Newline,
    End,
}

const WORDS: &[(&str, Word)] = &[
    ("BEGIN", Word::Begin),
    ("break", Word::Break),
    ("continue", Word::Continue),
    ("delete", Word::Delete),
    ("do", Word::Do),
    ("else", Word::Else),
    ("END", Word::End),
    ("exit", Word::Exit),
    ("for", Word::For),
    ("func", Word::Function),
    ("function", Word::Function),
    ("getline", Word::Getline),
    ("if", Word::If),
    ("in", Word::In),
    ("next", Word::Next),
    ("nextfile", Word::NextFile),
    ("print", Word::Print),
    ("printf", Word::Printf),
    ("return", Word::Return),
    ("while", Word::While),
];

const BUILTINS: &[(&str, Builtin)] = &[
    ("atan2", Builtin::Atan2),
    ("close", Builtin::Close),
    ("cos", Builtin::Cos),
    ("exp", Builtin::Exp),
    ("fflush", Builtin::Fflush),
    ("gsub", Builtin::Gsub),
    ("index", Builtin::Index),
    ("int", Builtin::Int),
    ("length", Builtin::Length),
    ("log", Builtin::Log),
    ("match", Builtin::Match),
    ("rand", Builtin::Rand),
    ("sin", Builtin::Sin),
    ("split", Builtin::Split),
    ("sprintf", Builtin::Sprintf),
    ("sqrt", Builtin::Sqrt),
    ("srand", Builtin::Srand),
    ("sub", Builtin::Sub),
    ("substr", Builtin::Substr),
    ("system", Builtin::System),
    ("systime", Builtin::Systime),
    ("tolower", Builtin::Tolower),
    ("toupper", Builtin::Toupper),
];

/// Functions that only some awks have; left to them.
const FOREIGN: &[&str] = &[
    "and",
    "asort",
    "asorti",
    "bindtextdomain",
    "compl",
    "dcgettext",
    "dcngettext",
    "gensub",
    "isarray",
    "lshift",
    "mkbool",
    "mktime",
    "or",
    "patsplit",
    "rshift",
    "strftime",
    "strtonum",
    "typeof",
    "xor",
];

/// Names of variables that mean something in one awk or another.
const FOREIGN_VARIABLES: &[&str] = &[
    "BINMODE",
    "ERRNO",
    "FIELDWIDTHS",
    "FPAT",
    "FUNCTAB",
    "IGNORECASE",
    "LINT",
    "PROCINFO",
    "RT",
    "SYMTAB",
    "TEXTDOMAIN",
];

/// The longest first.
const OPS: &[&str] = &[
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**", "==", "<=", ">=",
    "!=", "!~", ">>", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!",
    "<", ">", "|", "?", ":", "~", "$", "=",
];

#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    dialect: &'a Dialect,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8], dialect: &'a Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'\\' if self.text[self.at..].starts_with(b"\\\r\n") => self.at += 3,
                b'#' => {
                    while self.peek(0).is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    pub(crate) fn next(&mut self) -> Result<Token, Stop> {
        self.skip_blanks();
        let Some(byte) = self.peek(0) else { return Ok(Token::End) };
        match byte {
            b'\n' => {
                self.at += 1;
                Ok(Token::Newline)
            }
            b'"' => {
                self.at += 1;
                self.string().map(Token::Text)
            }
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.name(),
            _ => {
                let rest = &self.text[self.at..];
                let found = OPS.iter().find(|op| rest.starts_with(op.as_bytes()));
                let Some(op) = found else {
                    return Err(native(format!("the byte {byte:#x} in a program")));
                };
                self.at += op.len();
                Ok(Token::Op(op))
            }
        }
    }

    fn number(&mut self) -> Result<Token, Stop> {
        let rest = &self.text[self.at..];
        let hexadecimal = rest.len() > 2 && rest[0] == b'0' && matches!(rest[1], b'x' | b'X');
        if hexadecimal && self.dialect.is_gawk() {
            return Err(native("a hexadecimal number in a program"));
        }
        if self.dialect.is_busybox() {
            let (number, taken) = value::leading_number(rest, self.dialect);
            self.at += taken;
            return Ok(Token::Number(number));
        }
        let len = value::decimal_length(rest);
        self.at += len;
        let text = str::from_utf8(&rest[..len]).unwrap_or_default();
        text.parse().map(Token::Number).map_err(|_| native("a number of this form"))
    }

    fn name(&mut self) -> Result<Token, Stop> {
        let rest = &self.text[self.at..];
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let len = rest.iter().position(|byte| !word(byte)).unwrap_or(rest.len());
        let name = &rest[..len];
        self.at += len;
        let text = str::from_utf8(name).unwrap_or_default();
        if text == "func" && self.dialect.is_mawk() {
            return Err(native(text));
        }
        if let Some((_, word)) = WORDS.iter().find(|(known, _)| *known == text) {
            return Ok(Token::Word(*word));
        }
        if let Some((_, builtin)) = BUILTINS.iter().find(|(known, _)| *known == text) {
            return Ok(Token::Builtin(*builtin));
        }
        if FOREIGN.contains(&text) || FOREIGN_VARIABLES.contains(&text) {
            return Err(native(text));
        }
        Ok(if self.peek(0) == Some(b'(') {
            Token::Callee(name.to_vec())
        } else {
            Token::Name(name.to_vec())
        })
    }

    /// The rest of a string, behind its quote.
    fn string(&mut self) -> Result<Vec<u8>, Stop> {
        let begin = self.at;
        loop {
            match self.peek(0) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                None | Some(b'\n') => return Err(native("a string without an end")),
                _ => self.at += 1,
            }
        }
        let inner = &self.text[begin..self.at];
        self.at += 1;
        unescape(inner, self.dialect)
    }

    /// The rest of a pattern, behind a `/` that was taken for an operator of this length.
    pub(crate) fn pattern(&mut self, operator: usize) -> Result<Vec<u8>, Stop> {
        self.at -= operator - 1;
        let mut pattern = Vec::new();
        let mut bracket = false;
        loop {
            let Some(byte) = self.peek(0).filter(|&byte| byte != b'\n') else {
                return Err(native("a pattern without an end"));
            };
            self.at += 1;
            match byte {
                b'/' if bracket && self.dialect.is_busybox() => {
                    return Err(native("a slash within brackets"));
                }
                b'/' if !bracket => return Ok(pattern),
                b'\\' if self.peek(0) == Some(b'/') => {
                    self.at += 1;
                    pattern.push(b'/');
                }
                b'\\' => {
                    pattern.push(byte);
                    pattern.extend(self.peek(0));
                    self.at += 1;
                }
                b'[' if !bracket => {
                    bracket = true;
                    pattern.push(byte);
                    for first in [b'^', b']'] {
                        if self.peek(0) == Some(first) {
                            pattern.push(first);
                            self.at += 1;
                        }
                    }
                }
                b'[' if matches!(self.peek(0), Some(b':')) => {
                    let rest = &self.text[self.at - 1..];
                    let end = rest.windows(2).position(|two| two == b":]").unwrap_or(0) + 2;
                    pattern.extend_from_slice(&rest[..end]);
                    self.at += end - 1;
                }
                b']' => {
                    bracket = false;
                    pattern.push(byte);
                }
                _ => pattern.push(byte),
            }
        }
    }
}

/// The text that a string or an assignment on the command line stands for.
pub(crate) fn unescape(text: &[u8], dialect: &Dialect) -> Result<Vec<u8>, Stop> {
    let mut read = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            read.push(byte);
            continue;
        }
        let Some(&letter) = text.get(at) else {
            read.push(byte);
            break;
        };
        at += 1;
        if let Some(byte) = escape::letter(letter) {
            read.push(byte);
            continue;
        }
        match letter {
            b'\\' => read.push(b'\\'),
            b'"' => read.push(b'"'),
            b'\n' => {}
            b'0'..=b'7' => {
                let (value, taken) = escape::digits(&text[at - 1..], 8, 3);
                at += taken - 1;
                if value == 0 {
                    return Err(native("a zero byte in a string"));
                }
                read.push(value);
            }
            b'x' | b'u' => return Err(native(format!("\\{} in a string", char::from(letter)))),
            b'e' if dialect.is_busybox() => read.push(27),
            b'/' if dialect.kind != Kind::Mawk => read.push(b'/'),
            // An unknown escape is its letter, in mawk with the backslash.
            _ if dialect.is_mawk() => read.extend_from_slice(&[b'\\', letter]),
            _ => read.push(letter),
        }
    }
    Ok(read)
}
