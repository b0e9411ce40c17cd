//! The lexer itself: one pass over the characters of a word.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use super::pattern::{self, Greed};
use super::words::Words;
use super::{ExpandError, Expanded, Lexer, Lookup};

/// How deep `${a:-${b:-...}}` may nest: each level is a call, and a file could ask for a million.
pub const MAX_DEPTH: usize = 128;

/// Longest result in bytes: twenty lines of `ENV a=$a$a` would otherwise ask for a gigabyte.
pub const MAX_EXPANDED: usize = 16 << 20;

pub(super) fn expand(
    lexer: &Lexer,
    word: &str,
    lookup: &Lookup<'_>,
) -> Result<Expanded, ExpandError> {
    // The scanner of the reference drops a byte order mark in front.
    let text = word.strip_prefix('\u{feff}').unwrap_or(word);
    let mut scan = Scan {
        lexer,
        lookup,
        chars: text.chars().peekable(),
        raw_escapes: lexer.raw_escapes,
        depth: 0,
        matched: BTreeSet::new(),
        unmatched: BTreeSet::new(),
    };
    let (text, words) = scan.until(None)?;
    Ok(Expanded { text, words, matched: scan.matched, unmatched: scan.unmatched })
}

struct Scan<'a> {
    lexer: &'a Lexer,
    lookup: &'a Lookup<'a>,
    chars: Peekable<Chars<'a>>,
    raw_escapes: bool,
    depth: usize,
    matched: BTreeSet<String>,
    unmatched: BTreeSet<String>,
}

impl Scan<'_> {
    /// Reads up to `stop`, which is consumed, or to the end.
    fn until(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), ExpandError> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(&c) = self.chars.peek() {
            if Some(c) == stop {
                self.chars.next();
                return Ok((text, words.finish()));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    words.push_split(&value);
                    text.push_str(&value);
                }
                '<' => {
                    let operator = self.heredoc_operator();
                    words.push_whole(&operator);
                    text.push_str(&operator);
                }
                '\'' | '"' if !self.lexer.ignore_quotes => {
                    let quoted =
                        if c == '"' { self.double_quoted()? } else { self.single_quoted()? };
                    words.push_whole(&quoted);
                    text.push_str(&quoted);
                }
                _ if c == self.lexer.escape => {
                    self.chars.next();
                    let escaped = self.chars.next();
                    let kept = self.raw_escapes.then_some(c);
                    for c in kept.into_iter().chain(escaped) {
                        words.push_whole(c.encode_utf8(&mut [0; 4]));
                        text.push(c);
                    }
                }
                _ => {
                    self.chars.next();
                    words.push(c);
                    text.push(c);
                }
            }
            if text.len() > MAX_EXPANDED {
                return Err(ExpandError::Size);
            }
        }
        match stop {
            Some(stop) => Err(ExpandError::Unterminated(stop.to_string())),
            None => Ok((text, words.finish())),
        }
    }

    /// As [`Scan::until`] inside `${}`, with escapes kept or not.
    fn inner(&mut self, stop: char, raw_escapes: bool) -> Result<String, ExpandError> {
        let missing = if stop == '/' { "'/' in ${}" } else { "'}'" };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpandError::Depth);
        }
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let result = self.until(Some(stop));
        self.raw_escapes = outer;
        self.depth -= 1;
        match result {
            Ok((text, _)) => Ok(text),
            Err(ExpandError::Depth) => Err(ExpandError::Depth),
            Err(_) if self.chars.peek().is_none() => Err(ExpandError::Missing(missing)),
            Err(error) => Err(error),
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpandError> {
        let mut out = String::new();
        self.quote(&mut out);
        loop {
            match self.chars.next() {
                None => return Err(ExpandError::Unterminated("single-quote".to_owned())),
                Some('\'') => break,
                Some(c) => out.push(c),
            }
        }
        if self.lexer.raw_quotes {
            out.push('\'');
        }
        Ok(out)
    }

    fn double_quoted(&mut self) -> Result<String, ExpandError> {
        let mut out = String::new();
        self.quote(&mut out);
        while let Some(&c) = self.chars.peek() {
            if c == '"' {
                self.quote(&mut out);
                return Ok(out);
            }
            if c == '$' {
                out.push_str(&self.dollar()?);
                if out.len() > MAX_EXPANDED {
                    return Err(ExpandError::Size);
                }
                continue;
            }
            self.chars.next();
            if c != self.lexer.escape {
                out.push(c);
                continue;
            }
            if self.raw_escapes {
                out.push(c);
            }
            match self.chars.peek() {
                None => {}
                // Only these can be escaped here; before others the escape stands for itself.
                Some(&next) if next == '"' || next == '$' || next == c => {
                    out.push(next);
                    self.chars.next();
                }
                Some(_) => out.push(c),
            }
        }
        Err(ExpandError::Unterminated("double-quote".to_owned()))
    }

    /// Takes a quote character, kept where the lexer keeps quotes.
    fn quote(&mut self, out: &mut String) {
        let quote = self.chars.next();
        if self.lexer.raw_quotes {
            out.extend(quote);
        }
    }

    fn dollar(&mut self) -> Result<String, ExpandError> {
        self.chars.next();
        if self.chars.next_if_eq(&'{').is_some() {
            return self.braced();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(match self.get(&name) {
            None if self.lexer.keep_unset => format!("${name}"),
            value => value.unwrap_or_default(),
        })
    }

    /// What follows `${`.
    fn braced(&mut self) -> Result<String, ExpandError> {
        match self.chars.peek() {
            None => return Err(ExpandError::Missing("'}'")),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.chars.next() {
            None => Err(ExpandError::Missing("'}'")),
            Some('}') => Ok(match self.get(&name) {
                None if self.lexer.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => match self.chars.next() {
                None => Err(ExpandError::Modifier(":".to_owned())),
                Some(modifier @ ('#' | '%')) => Err(ExpandError::Modifier(format!(":{modifier}"))),
                Some(modifier) => self.conditional(&name, modifier, true),
            },
            Some(modifier @ ('-' | '+' | '?')) => self.conditional(&name, modifier, false),
            Some(modifier @ ('#' | '%')) => self.trimmed(&name, modifier),
            Some('/') => self.replaced(&name),
            Some(other) => Err(ExpandError::Modifier(other.to_string())),
        }
    }

    /// `${name-word}`, `${name+word}`, `${name?word}`, where with `colon` empty counts as unset.
    fn conditional(
        &mut self,
        name: &str,
        modifier: char,
        colon: bool,
    ) -> Result<String, ExpandError> {
        let word = self.inner('}', false)?;
        let value = self.get(name);
        if value.is_none() && self.lexer.keep_unset {
            let colon = if colon { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let present = value.as_deref().is_some_and(|value| !(colon && value.is_empty()));
        match modifier {
            // Found out only here: a reference that is kept as written may have any modifier.
            other if !matches!(other, '-' | '+' | '?') => {
                Err(ExpandError::Modifier(format!("{}{other}", if colon { ":" } else { "" })))
            }
            '-' if !present => Ok(word),
            '+' if present => Ok(word),
            '+' => Ok(String::new()),
            '?' if !present => {
                let state = if value.is_none() { "unset" } else { "empty" };
                let message =
                    if word.is_empty() { format!("is not allowed to be {state}") } else { word };
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
            _ => Ok(value.unwrap_or_default()),
        }
    }

    /// `${name#pattern}` and its three relatives.
    fn trimmed(&mut self, name: &str, modifier: char) -> Result<String, ExpandError> {
        let word = self.inner('}', true)?;
        let value = self.get(name);
        if value.is_none() && self.lexer.keep_unset {
            return Ok(format!("${{{name}{modifier}{word}}}"));
        }
        let (greed, pattern) = match word.strip_prefix(modifier) {
            Some(pattern) => (Greed::Longest, pattern),
            None => (Greed::Shortest, word.as_str()),
        };
        let trim = if modifier == '%' { pattern::trim_suffix } else { pattern::trim_prefix };
        trim(pattern, &value.unwrap_or_default(), greed)
    }

    /// `${name/pattern/replacement}` and `${name//pattern/replacement}`.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let pattern = self.inner('/', true)?;
        let replacement = self.inner('}', true)?;
        match self.get(name) {
            None if self.lexer.keep_unset => Ok(format!("${{{name}/{pattern}/{replacement}}}")),
            value => {
                let value = value.unwrap_or_default();
                pattern::replace(&pattern, &value, &replacement, all, MAX_EXPANDED)
            }
        }
    }

    /// A variable's name: letters, digits, `_`; or a number; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.chars.peek() {
            Some(c) if c.is_ascii_digit() => {
                while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
                    name.push(digit);
                }
                return name;
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => name.extend(self.chars.next()),
            _ => {
                while let Some(c) = self.chars.next_if(|&c| is_name(c)) {
                    name.push(c);
                }
            }
        }
        name
    }

    /// `<`, or `<<` with the blanks behind it, which do not end the word: `<< EOF` is one word.
    fn heredoc_operator(&mut self) -> String {
        self.chars.next();
        let mut out = String::from("<");
        if self.chars.next_if_eq(&'<').is_some() {
            out.push('<');
            while let Some(blank) = self.chars.next_if(|c| matches!(c, '\t' | '\r' | ' ')) {
                out.push(blank);
            }
        }
        out
    }

    fn get(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        let seen = if value.is_some() { &mut self.matched } else { &mut self.unmatched };
        seen.insert(name.to_owned());
        value
    }
}

fn is_name(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit() || c == '_'
}
