//! The record and its fields, each made from the other when it is asked for.

use std::rc::Rc;

use shim::{Stop, native};

use crate::{dialect::Dialect, separator::Fields, value::Value};

/// The most fields of a record: a hostile `$n` must not take all memory.
const MAX_FIELDS: usize = 1 << 22;

#[derive(Debug)]
pub(crate) struct Record {
    text: Rc<[u8]>,
    whole: Value,
    fields: Vec<Value>,
    /// The fields are those of the text.
    is_split: bool,
    /// The text is that of the fields.
    is_joined: bool,
    separator: Fields,
    paragraphs: bool,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            text: Rc::from(&b""[..]),
            whole: Value::Unset,
            fields: Vec::new(),
            is_split: true,
            is_joined: true,
            separator: Fields::Blanks,
            paragraphs: false,
        }
    }

    pub(crate) fn set(
        &mut self,
        text: &[u8],
        separator: &Fields,
        paragraphs: bool,
        dialect: &Dialect,
    ) {
        self.text = Rc::from(text);
        self.whole = Value::input(text, dialect);
        (self.is_split, self.is_joined) = (false, true);
        self.separator = separator.clone();
        self.paragraphs = paragraphs;
    }

    /// What an assignment to `$0` gives is text, however it looks.
    pub(crate) fn set_is_text(&mut self) {
        self.whole = Value::Text(self.text.clone());
    }

    fn split(&mut self, dialect: &Dialect) -> Result<(), Stop> {
        if !std::mem::replace(&mut self.is_split, true) {
            let text = self.text.clone();
            // BusyBox and gawk take a newline in a paragraph for a separator; mawk does not.
            let paragraphs = self.paragraphs && !dialect.is_mawk();
            if paragraphs && dialect.is_busybox() && matches!(self.separator, Fields::Pattern(_)) {
                return Err(native("fields by a pattern in paragraphs"));
            }
            let parts = self.separator.split(&text, paragraphs)?;
            self.fields = parts.into_iter().map(|part| Value::input(part, dialect)).collect();
        }
        Ok(())
    }

    pub(crate) fn count(&mut self, dialect: &Dialect) -> Result<usize, Stop> {
        self.split(dialect)?;
        Ok(self.fields.len())
    }

    fn join(&mut self, format: &[u8], between: &[u8], dialect: &Dialect) -> Result<(), Stop> {
        if std::mem::replace(&mut self.is_joined, true) {
            return Ok(());
        }
        let mut text = Vec::new();
        for (at, field) in self.fields.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(between);
            }
            text.extend_from_slice(&field.bytes(format, dialect)?);
        }
        self.text = Rc::from(text);
        self.whole = Value::input(&self.text, dialect);
        Ok(())
    }

    /// The record; when it is made of its fields, with `between` between them.
    pub(crate) fn whole(
        &mut self,
        format: &[u8],
        between: &[u8],
        dialect: &Dialect,
    ) -> Result<Value, Stop> {
        self.join(format, between, dialect)?;
        Ok(self.whole.clone())
    }

    pub(crate) fn text(
        &mut self,
        format: &[u8],
        between: &[u8],
        dialect: &Dialect,
    ) -> Result<Rc<[u8]>, Stop> {
        self.join(format, between, dialect)?;
        Ok(self.text.clone())
    }

    /// A field, counted from 1.
    pub(crate) fn field(&mut self, index: usize, dialect: &Dialect) -> Result<Value, Stop> {
        self.split(dialect)?;
        Ok(self.fields.get(index - 1).cloned().unwrap_or_default())
    }

    pub(crate) fn set_field(
        &mut self,
        index: usize,
        value: Value,
        dialect: &Dialect,
    ) -> Result<(), Stop> {
        self.split(dialect)?;
        if index > self.fields.len() {
            self.resize(index)?;
        }
        self.fields[index - 1] = value;
        self.is_joined = false;
        Ok(())
    }

    fn resize(&mut self, count: usize) -> Result<(), Stop> {
        if count > MAX_FIELDS {
            return Err(native("that many fields"));
        }
        self.fields.resize(count, Value::Text(Rc::from(&b""[..])));
        Ok(())
    }

    /// Sets `NF`.
    pub(crate) fn set_count(&mut self, count: usize, dialect: &Dialect) -> Result<(), Stop> {
        self.split(dialect)?;
        self.resize(count)?;
        self.is_joined = false;
        Ok(())
    }
}
