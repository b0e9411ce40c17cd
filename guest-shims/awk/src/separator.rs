//! How text is taken apart: records by `RS`, fields by `FS` and by `split`.

use std::{
    io::{self, BufRead, Read},
    rc::Rc,
};

use shim::{Stop, native};

use crate::{
    dialect::{Dialect, Kind},
    regex::Pattern,
};

/// What is between fields.
#[derive(Clone, Debug)]
pub(crate) enum Fields {
    /// Blanks, also around.
    Blanks,
    Byte(u8),
    Pattern(Rc<Pattern>),
    /// Nothing: every character is a field.
    Each,
}

impl Fields {
    pub(crate) fn new(text: &[u8], dialect: &Dialect) -> Result<Self, Stop> {
        match text {
            b" " => Ok(Self::Blanks),
            b"" => Ok(Self::Each),
            [b'\\'] if !dialect.is_mawk() => Err(native("a backslash that separates fields")),
            [byte] => Ok(Self::Byte(*byte)),
            _ => Pattern::of_text(text, dialect).map(|pattern| Self::Pattern(Rc::new(pattern))),
        }
    }

    /// The fields of a text; in `paragraphs` a newline separates them as well.
    pub(crate) fn split<'t>(
        &self,
        text: &'t [u8],
        paragraphs: bool,
    ) -> Result<Vec<&'t [u8]>, Stop> {
        let mut fields = Vec::new();
        if text.is_empty() {
            return Ok(fields);
        }
        match self {
            Self::Blanks => {
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
                fields.extend(text.split(blank).filter(|field| !field.is_empty()));
            }
            Self::Byte(separator) => {
                fields.extend(text.split(|byte| byte == separator || paragraphs && *byte == b'\n'));
            }
            Self::Pattern(pattern) => {
                let (mut begin, mut from) = (0, 0);
                while from < text.len() {
                    let mut found = pattern.find(text, from)?;
                    if paragraphs
                        && let Some(newline) =
                            text[from..].iter().position(|&byte| byte == b'\n').map(|at| at + from)
                        && found.is_none_or(|(at, _)| newline < at)
                    {
                        found = Some((newline, newline + 1));
                    }
                    match found {
                        Some((at, end)) if end > at => {
                            fields.push(&text[begin..at]);
                            (begin, from) = (end, end);
                        }
                        // An empty match separates nothing.
                        Some((at, _)) => from = at + 1,
                        None => break,
                    }
                }
                fields.push(&text[begin..]);
            }
            Self::Each => {
                if !text.is_ascii() {
                    return Err(native("a split of characters beyond ASCII"));
                }
                fields.extend(text.chunks(1));
            }
        }
        Ok(fields)
    }
}

/// What is between records.
#[derive(Clone, Debug)]
pub(crate) enum Records {
    Byte(u8),
    /// Empty lines; whether the last record keeps the newline at its end.
    Paragraphs(bool),
    Pattern(Rc<Pattern>),
}

impl Records {
    pub(crate) fn new(text: &[u8], dialect: &Dialect) -> Result<Self, Stop> {
        match text {
            b"" => Ok(Self::Paragraphs(dialect.is_busybox())),
            [byte] => Ok(Self::Byte(*byte)),
            _ if dialect.kind == Kind::BusyBox && text.starts_with(b"^") => {
                Err(native("records that begin with a match"))
            }
            _ => Pattern::of_text(text, dialect).map(|pattern| Self::Pattern(Rc::new(pattern))),
        }
    }
}

/// An input whose records are read one by one.
pub(crate) struct Reader {
    input: Box<dyn BufRead>,
    /// What was read to find the end of a record by a pattern.
    ahead: Vec<u8>,
    ended: bool,
    ended_with_newline: bool,
}

/// How much more is read at a time to look for a separator, in bytes.
const STEP: usize = 4096;

impl Reader {
    pub(crate) fn new(input: Box<dyn BufRead>) -> Self {
        Self { input, ahead: Vec::new(), ended: false, ended_with_newline: false }
    }

    pub(crate) fn next(&mut self, separator: &Records) -> Result<Option<Vec<u8>>, Stop> {
        match separator {
            Records::Byte(byte) => Ok(self.until(*byte)?),
            Records::Paragraphs(keeps) => Ok(self.paragraph(*keeps)?),
            Records::Pattern(pattern) => self.until_match(pattern),
        }
    }

    fn until(&mut self, end: u8) -> io::Result<Option<Vec<u8>>> {
        let mut record = std::mem::take(&mut self.ahead);
        if let Some(at) = record.iter().position(|&byte| byte == end) {
            self.ahead = record.split_off(at + 1);
            record.pop();
            return Ok(Some(record));
        }
        let before = record.len();
        if self.input.read_until(end, &mut record)? == 0 && before == 0 {
            return Ok(None);
        }
        self.ended_with_newline = record.pop_if(|last| *last == end).is_some();
        Ok(Some(record))
    }

    fn paragraph(&mut self, keeps: bool) -> io::Result<Option<Vec<u8>>> {
        let mut record = loop {
            match self.until(b'\n')? {
                Some(line) if line.is_empty() => {}
                Some(line) => break line,
                None => return Ok(None),
            }
        };
        while let Some(line) = self.until(b'\n')? {
            if line.is_empty() {
                self.skip_newlines()?;
                return Ok(Some(record));
            }
            record.push(b'\n');
            record.extend_from_slice(&line);
        }
        if keeps && self.ended_with_newline {
            record.push(b'\n');
        }
        Ok(Some(record))
    }

    /// All empty lines behind a paragraph belong to its separator.
    fn skip_newlines(&mut self) -> io::Result<()> {
        while self.ahead.is_empty() {
            let buffer = self.input.fill_buf()?;
            let count = buffer.iter().take_while(|&&byte| byte == b'\n').count();
            let more = count > 0 && count == buffer.len();
            self.input.consume(count);
            if !more {
                return Ok(());
            }
        }
        let count = self.ahead.iter().take_while(|&&byte| byte == b'\n').count();
        self.ahead.drain(..count);
        Ok(())
    }

    fn until_match(&mut self, pattern: &Pattern) -> Result<Option<Vec<u8>>, Stop> {
        let mut step = STEP;
        loop {
            let mut from = 0;
            while let Some((at, end)) = pattern.find(&self.ahead, from)? {
                if end == at {
                    from = at + 1;
                    if from > self.ahead.len() {
                        break;
                    }
                    continue;
                }
                // A match at the end of what was read may go on.
                if end == self.ahead.len() && !self.ended {
                    break;
                }
                let rest = self.ahead.split_off(end);
                let mut record = std::mem::replace(&mut self.ahead, rest);
                record.truncate(at);
                return Ok(Some(record));
            }
            if self.ended {
                if self.ahead.is_empty() {
                    return Ok(None);
                }
                return Ok(Some(std::mem::take(&mut self.ahead)));
            }
            let limit = u64::try_from(step).unwrap_or(u64::MAX);
            let read = (&mut self.input).take(limit).read_to_end(&mut self.ahead)?;
            self.ended = read < step;
            step *= 2;
        }
    }
}
