//! The main input: the files of `ARGV`, or standard input; and `getline`.

use shim::{Stop, native, sys};

use super::{Halt, Machine, Slot};
use crate::{
    array::Key,
    ast::{Expr, Source},
    separator::Reader,
    value::Value,
    variables as special,
};

/// The file that is read, and where in `ARGV` it stands.
#[derive(Default)]
pub(super) struct Input {
    reader: Option<Reader>,
    at: i32,
    any: bool,
    ended: bool,
}

impl Input {
    pub(super) fn skip_file(&mut self) {
        self.reader = None;
    }
}

/// A variable's name and value, when an operand is an assignment.
pub(crate) fn assignment(operand: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = operand.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&operand[..at], &operand[at + 1..]);
    let good = !name.is_empty()
        && !name[0].is_ascii_digit()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    good.then_some((name, value))
}

impl<'a> Machine<'a> {
    /// Opens the next file; false when there is none.
    fn open_next(&mut self) -> Result<bool, Stop> {
        loop {
            let count = self.global(special::ARGC)?.number(self.dialect);
            self.input.at += 1;
            if f64::from(self.input.at) >= count {
                if self.input.any {
                    return Ok(false);
                }
                return self.open(b"-").map(|()| true);
            }
            let key = Key::Whole(self.input.at);
            let Slot::Array(array) = self.globals[special::ARGV].clone() else {
                return Ok(false);
            };
            if !array.borrow_mut().contains(&key) {
                continue;
            }
            let operand = array.borrow_mut().element(&key).clone();
            let operand = operand.bytes(&self.convert, self.dialect)?;
            if operand.is_empty() {
                continue;
            }
            if let Some((name, value)) = assignment(&operand) {
                self.preset(name, value)?;
                continue;
            }
            self.open(&operand)?;
            if self.input.reader.is_some() {
                return Ok(true);
            }
        }
    }

    fn open(&mut self, name: &[u8]) -> Result<(), Stop> {
        self.input.any = true;
        let opened = self.context.input(if name == b"/dev/stdin" { b"-" } else { name });
        match opened.and_then(|mut input| {
            // A directory shows only when it is read.
            input.fill_buf()?;
            Ok(input)
        }) {
            Ok(input) => self.input.reader = Some(Reader::new(input)),
            Err(error) if sys::is_directory_error(&error) => {
                return Err(native("a directory as input"));
            }
            Err(error) => {
                let message = format!(
                    "cannot open {} ({})",
                    String::from_utf8_lossy(name),
                    sys::reason(&error)
                );
                if self.dialect.is_gawk() {
                    self.context.warn(message);
                    self.status = 2;
                    return Ok(());
                }
                return Err(Stop::Fail(if self.dialect.is_mawk() { 2 } else { 1 }, message));
            }
        }
        let shown = if name == b"-" && self.dialect.is_gawk() { b"" } else { name };
        self.set_global(special::FILENAME, Value::text(shown))?;
        self.set_global(special::FNR, Value::Number(0.0))
    }

    /// The next record's text of the main input.
    fn read_main(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        while !self.input.ended {
            if self.input.reader.is_none() && !self.open_next()? {
                self.input.ended = true;
                break;
            }
            let Some(reader) = &mut self.input.reader else { continue };
            if let Some(record) = reader.next(&self.records)? {
                for index in [special::NR, special::FNR] {
                    let number = self.global(index)?.number(self.dialect);
                    self.set_global(index, Value::Number(number + 1.0))?;
                }
                return Ok(Some(record));
            }
            self.input.reader = None;
        }
        Ok(None)
    }

    /// Makes the next record of the main input the current one; false at the end.
    pub(super) fn next_record(&mut self) -> Result<bool, Stop> {
        let Some(record) = self.read_main()? else { return Ok(false) };
        self.set_record(&record);
        Ok(true)
    }

    /// `getline`: 1 for a record, 0 at the end, -1 where nothing can be read.
    pub(super) fn getline(
        &mut self,
        source: &'a Source,
        target: Option<&'a Expr>,
    ) -> Result<Value, Halt> {
        let record = match source {
            Source::Main if self.input.ended && self.dialect.is_busybox() => {
                return Ok(Value::Number(-1.0));
            }
            Source::Main => self.read_main()?,
            Source::File(name) => {
                let name = self.text(name)?;
                match self.streams.read_file(self.context, &name, &self.records)? {
                    Ok(record) => record,
                    Err(()) => return Ok(Value::Number(-1.0)),
                }
            }
            Source::Command(command) => {
                let command = self.text(command)?;
                let record = self.streams.read_command(self.context, &command, &self.records)?;
                if record.is_some() && self.dialect.is_gawk() {
                    let number = self.global(special::NR)?.number(self.dialect);
                    self.set_global(special::NR, Value::Number(number + 1.0))?;
                }
                record
            }
        };
        let Some(record) = record else { return Ok(Value::Number(0.0)) };
        match target {
            Some(target) => {
                let value = Value::input(&record, self.dialect);
                self.assign(target, value)?;
            }
            None => self.set_record(&record),
        }
        Ok(Value::Number(1.0))
    }
}
