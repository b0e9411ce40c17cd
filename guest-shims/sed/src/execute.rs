//! Runs a script.

mod select;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
};

use shim::{BLOCK, Context, Outcome, Stop, native, regex::Regex, sys};

use self::select::initial;
use crate::{
    files::Files,
    options::Settings,
    parse::stop,
    replace::replace,
    script::{Action, Pattern, Script, Which},
};

/// What is printed at the end of a cycle, after the pattern space.
enum Queued {
    Text(Vec<u8>),
    File(Vec<u8>),
    Line(Vec<u8>),
}

/// How far a range has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Outside,
    /// It began at a line number and does not begin again.
    Closed,
    /// Up to this line.
    Until(u64),
    /// Up to the end's match.
    Open,
}

enum Output {
    File(File),
    Stdout,
    Stderr,
}

struct Machine<'a> {
    script: &'a Script,
    files: Files,
    pattern: Vec<u8>,
    hold: Vec<u8>,
    ranges: Vec<Range>,
    queue: Vec<Queued>,
    outputs: Vec<Output>,
    readers: HashMap<Vec<u8>, Option<BufReader<File>>>,
    last_regex: Option<&'a Regex>,
    replaced: bool,
    quit: Option<u8>,
    silent: bool,
    /// `D` left something: the next cycle starts without reading.
    keep: bool,
}

/// How a cycle ends.
enum Flow {
    /// With the pattern space printed.
    End,
    /// Without.
    Drop,
    /// The command stops at once.
    Exit,
}

pub(crate) fn run(
    context: &mut Context,
    settings: Settings,
    script: Script,
    operands: Vec<Vec<u8>>,
) -> Outcome {
    let mut outputs = Vec::new();
    for name in &script.files {
        outputs.push(match name.as_slice() {
            b"/dev/stdout" => Output::Stdout,
            b"/dev/stderr" => Output::Stderr,
            _ => Output::File(sys::create(name).map_err(|error| {
                let name = String::from_utf8_lossy(name);
                Stop::Fail(4, format!("couldn't open file {name}: {}", sys::reason(&error)))
            })?),
        });
    }
    let silent = settings.silent;
    let mut machine = Machine {
        script: &script,
        files: Files::new(settings, operands),
        pattern: Vec::new(),
        hold: Vec::new(),
        ranges: script.steps.iter().map(|step| initial(&step.which)).collect(),
        queue: Vec::new(),
        outputs,
        readers: HashMap::new(),
        last_regex: None,
        replaced: false,
        quit: None,
        silent,
        keep: false,
    };
    machine.cycles(context)?;
    machine.files.finish()?;
    Ok(machine.quit.unwrap_or(machine.files.status))
}

impl<'a> Machine<'a> {
    fn cycles(&mut self, context: &mut Context) -> Result<(), Stop> {
        loop {
            if !std::mem::take(&mut self.keep) {
                let mut line = Vec::new();
                if !self.files.next_line(context, &mut line)? {
                    return Ok(());
                }
                if self.files.began() {
                    self.ranges =
                        self.script.steps.iter().map(|step| initial(&step.which)).collect();
                }
                self.pattern = line;
                self.replaced = false;
            }
            match self.cycle(context)? {
                Flow::End => self.end_cycle(context)?,
                Flow::Drop => self.flush_queue(context)?,
                Flow::Exit => return Ok(()),
            }
            if self.quit.is_some() {
                return Ok(());
            }
        }
    }

    fn end_cycle(&mut self, context: &mut Context) -> Result<(), Stop> {
        if !self.silent {
            let pattern = std::mem::take(&mut self.pattern);
            self.files.print(context, &pattern)?;
            self.pattern = pattern;
        }
        self.flush_queue(context)
    }

    fn flush_queue(&mut self, context: &mut Context) -> Result<(), Stop> {
        for queued in std::mem::take(&mut self.queue) {
            match queued {
                Queued::Text(text) => self.files.print_raw(context, &text)?,
                Queued::Line(line) => self.files.print_whole(context, &line)?,
                Queued::File(name) => {
                    if name == b"/dev/stdin" {
                        return Err(native("reading /dev/stdin with r"));
                    }
                    let Ok(mut file) = sys::open(&name) else { continue };
                    let mut block = vec![0; BLOCK];
                    while let Ok(len @ 1..) = file.read(&mut block) {
                        self.files.print_raw(context, &block[..len])?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The regex of a pattern: its own, or the one that was used last.
    fn regex(&mut self, pattern: &'a Pattern) -> Result<&'a Regex, Stop> {
        if let Some(regex) = pattern {
            self.last_regex = Some(regex);
        }
        self.last_regex.ok_or_else(|| Stop::Fail(1, "no previous regular expression".into()))
    }

    fn cycle(&mut self, context: &mut Context) -> Result<Flow, Stop> {
        let script = self.script;
        let mut next = 0;
        while let Some(step) = script.steps.get(next) {
            let number = next;
            next += 1;
            if !self.selects(context, number)? {
                if let Action::Block(end) = &step.action {
                    next = *end;
                }
                continue;
            }
            match &step.action {
                Action::Branch(to) => match to {
                    Some(to) => next = *to,
                    None => return Ok(Flow::End),
                },
                Action::BranchIf(to) | Action::BranchUnless(to) => {
                    let wanted = matches!(step.action, Action::BranchIf(_));
                    if std::mem::take(&mut self.replaced) == wanted {
                        match to {
                            Some(to) => next = *to,
                            None => return Ok(Flow::End),
                        }
                    }
                }
                Action::Change(text) => {
                    let in_range = matches!(step.which, Which::Range(..)) && !step.negated;
                    if !in_range || matches!(self.ranges[number], Range::Outside | Range::Closed) {
                        self.files.print_raw(context, text)?;
                    }
                    return Ok(Flow::Drop);
                }
                action => {
                    if let Some(flow) = self.act(context, action)? {
                        return Ok(flow);
                    }
                }
            }
        }
        Ok(Flow::End)
    }

    /// Does what a command says; gives how the cycle ends, if it does.
    fn act(&mut self, context: &mut Context, action: &'a Action) -> Result<Option<Flow>, Stop> {
        match action {
            Action::Append(text) => self.queue.push(Queued::Text(text.clone())),
            Action::Insert(text) => self.files.print_raw(context, text)?,
            Action::Delete => return Ok(Some(Flow::Drop)),
            Action::DeleteFirst => {
                if let Some(at) = self.pattern.iter().position(|&byte| byte == b'\n') {
                    self.pattern.drain(..=at);
                    self.keep = true;
                }
                return Ok(Some(Flow::Drop));
            }
            Action::FileName => {
                let name = self.files.name.clone();
                self.files.print_whole(context, &name)?;
            }
            Action::Get => self.pattern.clone_from(&self.hold),
            Action::GetAppend => {
                self.pattern.push(b'\n');
                self.pattern.extend_from_slice(&self.hold);
            }
            Action::Hold => self.hold.clone_from(&self.pattern),
            Action::HoldAppend => {
                self.hold.push(b'\n');
                self.hold.extend_from_slice(&self.pattern);
            }
            Action::Exchange => std::mem::swap(&mut self.pattern, &mut self.hold),
            Action::List(width) => {
                let width = width.unwrap_or(self.files.settings().line_length);
                let shown = listed(&self.pattern, width);
                self.files.print_raw(context, &shown)?;
            }
            Action::Next | Action::NextAppend => return self.read_more(context, action),
            Action::Print => {
                let pattern = self.pattern.clone();
                self.files.print(context, &pattern)?;
            }
            Action::PrintFirst => {
                let line = first_line(&self.pattern).to_vec();
                self.files.print_whole(context, &line)?;
            }
            Action::Quit(status) => {
                self.quit = Some(*status);
                return Ok(Some(Flow::End));
            }
            Action::QuitSilently(status) => {
                self.quit = Some(*status);
                return Ok(Some(Flow::Exit));
            }
            Action::ReadFile(name) => self.queue.push(Queued::File(name.clone())),
            Action::ReadLine(name) => self.queue_line(name),
            Action::Substitute(substitution) => {
                let regex = self.regex(&substitution.pattern)?;
                if let Some(result) = replace(substitution, regex, &self.pattern).map_err(stop)? {
                    self.pattern = result;
                    self.replaced = true;
                    if substitution.print {
                        let pattern = self.pattern.clone();
                        self.files.print(context, &pattern)?;
                    }
                    if let Some(file) = substitution.file {
                        let pattern = self.pattern.clone();
                        self.write(context, file, &pattern)?;
                    }
                }
            }
            Action::Write(file) => {
                let pattern = self.pattern.clone();
                self.write(context, *file, &pattern)?;
            }
            Action::WriteFirst(file) => {
                let line = first_line(&self.pattern).to_vec();
                self.write(context, *file, &line)?;
            }
            Action::Translate(table) => {
                for byte in &mut self.pattern {
                    *byte = table[usize::from(*byte)];
                }
            }
            Action::LineNumber => {
                let number = format!("{}\n", self.files.line_number);
                self.files.print_raw(context, number.as_bytes())?;
            }
            Action::Zap => self.pattern.clear(),
            _ => {}
        }
        Ok(None)
    }

    /// `n` and `N`.
    fn read_more(&mut self, context: &mut Context, action: &Action) -> Result<Option<Flow>, Stop> {
        let appends = matches!(action, Action::NextAppend);
        if !self.files.has_more(context)? {
            // Without another line, the pattern space is printed and the script ends.
            self.quit = Some(self.files.status);
            return Ok(Some(Flow::End));
        }
        if !appends && !self.silent {
            let pattern = self.pattern.clone();
            self.files.print(context, &pattern)?;
        }
        self.flush_queue(context)?;
        let mut line = Vec::new();
        if !self.files.next_line(context, &mut line)? {
            self.quit = Some(self.files.status);
            return Ok(Some(if appends { Flow::End } else { Flow::Exit }));
        }
        if appends {
            self.pattern.push(b'\n');
            self.pattern.extend_from_slice(&line);
        } else {
            self.pattern = line;
        }
        Ok(None)
    }

    fn queue_line(&mut self, name: &[u8]) {
        let reader = self
            .readers
            .entry(name.to_vec())
            .or_insert_with(|| sys::open(name).ok().map(BufReader::new));
        let Some(reader) = reader else { return };
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            self.queue.push(Queued::Line(line));
        }
    }

    fn write(&mut self, context: &mut Context, file: usize, line: &[u8]) -> Result<(), Stop> {
        let lacks_end = self.files.line_lacks_end();
        let end: &[u8] = if lacks_end { b"" } else { b"\n" };
        match &mut self.outputs[file] {
            Output::File(file) => {
                file.write_all(line)?;
                file.write_all(end)?;
            }
            Output::Stdout if self.files.settings().in_place.is_some() => {
                context.out.write_all(line)?;
                context.out.write_all(end)?;
            }
            Output::Stdout => self.files.print(context, line)?,
            Output::Stderr => {
                io::stderr().write_all(&[line, end].concat())?;
            }
        }
        Ok(())
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// A line as `l` shows it, folded at a width.
fn listed(text: &[u8], width: u64) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    let mut shown = Vec::new();
    let mut column = 0;
    for &byte in text {
        let piece = match byte {
            b'\\' => b"\\\\".to_vec(),
            7 => b"\\a".to_vec(),
            8 => b"\\b".to_vec(),
            12 => b"\\f".to_vec(),
            b'\n' => b"\\n".to_vec(),
            b'\r' => b"\\r".to_vec(),
            b'\t' => b"\\t".to_vec(),
            11 => b"\\v".to_vec(),
            0x20..=0x7e => vec![byte],
            _ => format!("\\{byte:03o}").into_bytes(),
        };
        if width > 1 && column + piece.len() > width - 1 {
            shown.extend_from_slice(b"\\\n");
            column = 0;
        }
        column += piece.len();
        shown.extend_from_slice(&piece);
    }
    shown.extend_from_slice(b"$\n");
    shown
}
