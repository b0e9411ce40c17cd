//! Input files one after the other, the output, and editing in place.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, BufRead, BufWriter, Write},
};

use shim::{Context, Input, Stop, paths, sys};

use crate::options::Settings;

/// A file under edit.
struct Edit {
    /// The name that gets the result.
    name: Vec<u8>,
    temporary: Vec<u8>,
    output: BufWriter<File>,
    /// The output ends in the middle of a line.
    lacks_end: bool,
}

/// Where lines come from and go to.
pub(crate) struct Files {
    settings: Settings,
    waiting: std::collections::VecDeque<Vec<u8>>,
    input: Option<Input>,
    edit: Option<Edit>,
    pub(crate) name: Vec<u8>,
    pub(crate) line_number: u64,
    /// The file's last line had no newline.
    missing_end: bool,
    /// Standard output ends in the middle of a line.
    lacks_end: bool,
    /// A file that counts by itself has begun.
    began: bool,
    pub(crate) status: u8,
}

impl Files {
    pub(crate) fn new(settings: Settings, mut operands: Vec<Vec<u8>>) -> Self {
        if operands.is_empty() {
            operands.push(b"-".to_vec());
        }
        Self {
            settings,
            waiting: operands.into(),
            input: None,
            edit: None,
            name: b"-".to_vec(),
            line_number: 0,
            missing_end: false,
            lacks_end: false,
            began: false,
            status: 0,
        }
    }

    /// Whether the current line is the first of a file that counts by itself.
    pub(crate) fn began(&mut self) -> bool {
        std::mem::take(&mut self.began)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens the next file that can be read; false when there is none.
    fn open_next(&mut self, context: &mut Context) -> Result<bool, Stop> {
        while let Some(name) = self.waiting.pop_front() {
            if self.settings.in_place.is_some() && name != b"-" {
                if !self.begin_edit(context, &name)? {
                    continue;
                }
            } else {
                match context.input(&name) {
                    Ok(input) => self.input = Some(input),
                    Err(error) => {
                        let shown = String::from_utf8_lossy(&name).into_owned();
                        context.warn(format_args!("can't read {shown}: {}", sys::reason(&error)));
                        self.status = missing();
                        continue;
                    }
                }
            }
            self.name = name;
            if self.settings.separate {
                self.line_number = 0;
                self.began = true;
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn begin_edit(&mut self, context: &mut Context, operand: &[u8]) -> Result<bool, Stop> {
        let mut name = operand.to_vec();
        if self.settings.follow {
            // No more hops than Linux allows.
            for _ in 0..40 {
                let Ok(target) = sys::readlink(&name) else { break };
                name = if target.first() == Some(&b'/') {
                    target
                } else {
                    paths::join(paths::dir_name(&name), &target)
                };
            }
        }
        let stat = match sys::stat(&name) {
            Ok(stat) => stat,
            Err(error) => {
                let shown = String::from_utf8_lossy(operand).into_owned();
                context.warn(format_args!("can't read {shown}: {}", sys::reason(&error)));
                self.status = missing();
                return Ok(false);
            }
        };
        let shown = String::from_utf8_lossy(operand).into_owned();
        if !stat.is_file() {
            context.warn(format_args!("couldn't edit {shown}: not a regular file"));
            self.status = if sys::is_busybox() { 1 } else { 4 };
            return Ok(false);
        }
        let fail = |error: io::Error| {
            Stop::Fail(4, format!("couldn't edit {shown}: {}", sys::reason(&error)))
        };
        let input = sys::open(&name).map_err(fail)?;
        let unique = format!("sed{:012x}", RandomState::new().hash_one(&name) & 0xffff_ffff_ffff);
        let temporary = paths::join(paths::dir_name(&name), unique.as_bytes());
        let output = sys::create_new(&temporary, 0o600).map_err(fail)?;
        sys::chown(&temporary, Some(stat.uid), Some(stat.gid))
            .or_else(|_| sys::chown(&temporary, None, Some(stat.gid)))
            .or(Ok(()))
            .map_err(fail)?;
        sys::chmod(&temporary, stat.permissions()).map_err(fail)?;
        self.input = Some(Box::new(io::BufReader::with_capacity(shim::BLOCK, input)));
        let output = BufWriter::with_capacity(shim::BLOCK, output);
        self.edit = Some(Edit { name, temporary, output, lacks_end: false });
        Ok(true)
    }

    /// Puts the edited file in its place.
    fn end_edit(&mut self) -> Result<(), Stop> {
        let Some(mut edit) = self.edit.take() else { return Ok(()) };
        let fail =
            |error: io::Error| Stop::Fail(4, format!("cannot rename: {}", sys::reason(&error)));
        edit.output.flush().map_err(fail)?;
        if let Some(suffix) = self.settings.in_place.as_ref().filter(|suffix| !suffix.is_empty()) {
            sys::rename(&edit.name, &backup_name(&edit.name, suffix)).map_err(fail)?;
        }
        sys::rename(&edit.temporary, &edit.name).map_err(fail)
    }

    /// Reads the next line without its end; false at the end of all input.
    pub(crate) fn next_line(
        &mut self,
        context: &mut Context,
        line: &mut Vec<u8>,
    ) -> Result<bool, Stop> {
        loop {
            if let Some(input) = &mut self.input {
                let mut read = Vec::new();
                let len = input.read_until(self.settings.end, &mut read).map_err(|error| {
                    let name = String::from_utf8_lossy(&self.name).into_owned();
                    Stop::Fail(4, format!("read error on {name}: {}", sys::reason(&error)))
                })?;
                if len > 0 {
                    self.missing_end = read.last() != Some(&self.settings.end);
                    if !self.missing_end {
                        read.pop();
                    }
                    *line = read;
                    self.line_number += 1;
                    return Ok(true);
                }
                self.input = None;
                self.end_edit()?;
            }
            if !self.open_next(context)? {
                return Ok(false);
            }
        }
    }

    /// Whether the current line is the last: of the file when files are separate, else of all.
    pub(crate) fn is_last(&mut self, context: &mut Context) -> Result<bool, Stop> {
        if let Some(input) = &mut self.input
            && !input.fill_buf().map_err(Stop::Stream)?.is_empty()
        {
            return Ok(false);
        }
        if self.settings.separate {
            return Ok(true);
        }
        // A later file counts only when it has something to read.
        while let Some(name) = self.waiting.front().cloned() {
            let has_text = match context.input(&name) {
                Ok(_) if name == b"-" => true,
                Ok(mut input) => input.fill_buf().is_ok_and(|text| !text.is_empty()),
                Err(_) => {
                    // It is reported when its turn comes.
                    if self.waiting.len() == 1 {
                        return Ok(true);
                    }
                    false
                }
            };
            if has_text {
                return Ok(false);
            }
            if sys::stat(&name).is_err() {
                let shown = String::from_utf8_lossy(&name).into_owned();
                context.warn(format_args!("can't read {shown}: No such file or directory"));
                self.status = missing();
            }
            self.waiting.pop_front();
        }
        Ok(true)
    }

    /// Whether there is another line to read, in this file or a later one.
    pub(crate) fn has_more(&mut self, context: &mut Context) -> Result<bool, Stop> {
        if let Some(input) = &mut self.input
            && !input.fill_buf().map_err(Stop::Stream)?.is_empty()
        {
            return Ok(true);
        }
        if self.settings.separate {
            return Ok(!self.waiting.is_empty());
        }
        Ok(!self.is_last(context)?)
    }

    /// Writes a line of the pattern space; the end is left out where the input lacked it.
    pub(crate) fn print(&mut self, context: &mut Context, line: &[u8]) -> io::Result<()> {
        let end = (!self.missing_end).then_some(self.settings.end);
        self.write(context, line, end)
    }

    /// Writes a line with its end.
    pub(crate) fn print_whole(&mut self, context: &mut Context, line: &[u8]) -> io::Result<()> {
        let end = Some(self.settings.end);
        self.write(context, line, end)
    }

    /// Writes text as it is.
    pub(crate) fn print_raw(&mut self, context: &mut Context, text: &[u8]) -> io::Result<()> {
        self.write(context, text, None)?;
        // Text that is appended has its own end, or lacks it like the file that it came from.
        let lacks = text.last().is_some_and(|&byte| byte != self.settings.end);
        match &mut self.edit {
            Some(edit) => edit.lacks_end = lacks,
            None => self.lacks_end = lacks,
        }
        Ok(())
    }

    fn write(&mut self, context: &mut Context, line: &[u8], end: Option<u8>) -> io::Result<()> {
        let mark = self.settings.end;
        let (output, lacks_end): (&mut dyn Write, &mut bool) = match &mut self.edit {
            Some(edit) => (&mut edit.output, &mut edit.lacks_end),
            None => (&mut context.out, &mut self.lacks_end),
        };
        if *lacks_end {
            output.write_all(&[mark])?;
        }
        output.write_all(line)?;
        *lacks_end = end.is_none();
        if let Some(end) = end {
            output.write_all(&[end])?;
        }
        Ok(())
    }

    /// Whether the line being processed lacks its end.
    pub(crate) fn line_lacks_end(&self) -> bool {
        self.missing_end
    }

    /// Copies what is left of the edited file, and ends it.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        if let (Some(edit), Some(input)) = (&mut self.edit, &mut self.input) {
            let mut rest = Vec::new();
            loop {
                rest.clear();
                if input.read_until(self.settings.end, &mut rest).map_err(Stop::Stream)? == 0 {
                    break;
                }
                if edit.lacks_end {
                    edit.output.write_all(&[self.settings.end])?;
                    edit.lacks_end = false;
                }
                edit.output.write_all(&rest)?;
            }
        }
        self.input = None;
        self.end_edit()
    }
}

/// The exit status that a file which cannot be read leads to.
fn missing() -> u8 {
    if sys::is_busybox() { 1 } else { 2 }
}

/// Where the original goes: a star in the suffix stands for the name.
fn backup_name(name: &[u8], suffix: &[u8]) -> Vec<u8> {
    let (dir, base) = (paths::dir_name(name), paths::base_name(name));
    let backup = if suffix.contains(&b'*') {
        let parts: Vec<&[u8]> = suffix.split(|&byte| byte == b'*').collect();
        parts.join(base)
    } else {
        [base, suffix].concat()
    };
    if backup.contains(&b'/') { backup } else { paths::join(dir, &backup) }
}
