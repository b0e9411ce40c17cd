//! Runs a program.

mod evaluate;
mod functions;
mod input;
mod variables;

use std::{cell::RefCell, collections::HashMap, io::Write, rc::Rc};

use shim::{Context, Stop, native, sys};

use crate::{
    array::Array,
    ast::{Expr, Program, Rule, Stmt, Target},
    dialect::Dialect,
    random::Random,
    record::Record,
    regex::Pattern,
    separator::{Fields, Records},
    streams::{Streams, To},
    value::Value,
    variables as special,
};
use input::Input;
pub(crate) use input::assignment;

/// What a variable holds.
#[derive(Clone, Debug)]
enum Slot {
    Value(Value),
    Array(Rc<RefCell<Array>>),
}

/// Why the program does not go on.
#[derive(Debug)]
pub(crate) enum Halt {
    Stop(Stop),
    /// `exit`; the status is in the machine.
    Exit,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<std::io::Error> for Halt {
    fn from(error: std::io::Error) -> Self {
        Self::Stop(error.into())
    }
}

/// What follows a statement.
enum Flow {
    Go,
    Break,
    Continue,
    Next,
    NextFile,
    Return(Value),
}

pub(crate) struct Machine<'a> {
    program: &'a Program,
    dialect: &'a Dialect,
    context: &'a mut Context,
    globals: Vec<Slot>,
    frames: Vec<Vec<Slot>>,
    record: Record,
    fields: Fields,
    records: Records,
    /// `CONVFMT`.
    convert: Rc<[u8]>,
    input: Input,
    streams: Streams,
    patterns: HashMap<Rc<[u8]>, Rc<Pattern>>,
    ranges: Vec<bool>,
    random: Random,
    seed: Value,
    seeded: bool,
    status: u8,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        program: &'a Program,
        dialect: &'a Dialect,
        context: &'a mut Context,
        operands: &[Vec<u8>],
    ) -> Result<Self, Stop> {
        let slot = |is_array: &bool| match is_array {
            true => Slot::Array(Rc::new(RefCell::new(Array::new(dialect)))),
            false => Slot::Value(Value::Unset),
        };
        let now = sys::now();
        let seed = u32::try_from(now.secs & 0x7fff_ffff).unwrap_or(1);
        let mut machine = Self {
            program,
            dialect,
            globals: program.arrays.iter().map(slot).collect(),
            frames: Vec::new(),
            record: Record::new(),
            fields: Fields::Blanks,
            records: Records::Byte(b'\n'),
            convert: Rc::from(&b"%.6g"[..]),
            input: Input::default(),
            streams: Streams::default(),
            patterns: HashMap::new(),
            ranges: vec![false; program.ranges],
            random: Random::new(seed ^ now.nanos),
            seed: Value::Number(f64::from(seed)),
            seeded: false,
            status: 0,
            context,
        };
        for (index, text) in [
            (special::CONVFMT, &b"%.6g"[..]),
            (special::OFMT, b"%.6g"),
            (special::FS, b" "),
            (special::OFS, b" "),
            (special::ORS, b"\n"),
            (special::RS, b"\n"),
            (special::SUBSEP, b"\x1c"),
            (special::FILENAME, b""),
        ] {
            machine.globals[index] = Slot::Value(Value::text(text));
        }
        for index in [special::NR, special::FNR, special::RSTART] {
            machine.globals[index] = Slot::Value(Value::Number(0.0));
        }
        machine.globals[special::RLENGTH] = Slot::Value(Value::Number(-1.0));
        machine.set_up_arrays(operands);
        Ok(machine)
    }

    /// Assigns a variable from the command line; one that the program does not use is ignored.
    pub(crate) fn preset(&mut self, name: &[u8], value: &[u8]) -> Result<(), Stop> {
        let Some(index) = self.program.globals.iter().position(|global| global == name) else {
            return Ok(());
        };
        if self.program.arrays[index] {
            return Err(native("an assignment to an array on the command line"));
        }
        let value = Value::input(&crate::lex::unescape(value, self.dialect)?, self.dialect);
        self.set_global(index, value)
    }

    /// Runs the program to its end and gives its exit status.
    pub(crate) fn run(mut self) -> Result<u8, Stop> {
        let ended = self.run_rules();
        let closed = self.streams.close_all(self.context, self.dialect);
        match ended {
            Ok(()) | Err(Halt::Exit) => {}
            Err(Halt::Stop(stop)) => return Err(stop),
        }
        closed?;
        Ok(self.status)
    }

    fn run_rules(&mut self) -> Result<(), Halt> {
        let program = self.program;
        let begun = self.run_begin();
        let reads = program.rules.iter().any(|(rule, _)| !matches!(rule, Rule::Begin));
        match begun {
            Ok(()) if reads => match self.run_records() {
                Err(Halt::Exit) | Ok(()) => {}
                other => return other,
            },
            Ok(()) => return Ok(()),
            // What BEGIN ends still has its END.
            Err(Halt::Exit) => {}
            Err(stop) => return Err(stop),
        }
        for (rule, action) in &program.rules {
            if let (Rule::End, Some(action)) = (rule, action) {
                self.statement(action)?;
            }
        }
        Ok(())
    }

    fn run_begin(&mut self) -> Result<(), Halt> {
        let program = self.program;
        for (rule, action) in &program.rules {
            if let (Rule::Begin, Some(action)) = (rule, action) {
                self.statement(action)?;
            }
        }
        Ok(())
    }

    fn run_records(&mut self) -> Result<(), Halt> {
        let program = self.program;
        while self.next_record()? {
            for (rule, action) in &program.rules {
                if !self.applies(rule)? {
                    continue;
                }
                let flow = match action {
                    Some(action) => self.statement(action)?,
                    None => {
                        self.print(&[], &Target::Standard)?;
                        Flow::Go
                    }
                };
                match flow {
                    Flow::Next => break,
                    Flow::NextFile => {
                        self.input.skip_file();
                        break;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn applies(&mut self, rule: &'a Rule) -> Result<bool, Halt> {
        Ok(match rule {
            Rule::Begin | Rule::End => false,
            Rule::Always => true,
            Rule::When(when) => self.evaluate(when)?.is_true(),
            Rule::Range(from, to, index) => {
                if !self.ranges[*index] && !self.evaluate(from)?.is_true() {
                    return Ok(false);
                }
                self.ranges[*index] = !self.evaluate(to)?.is_true();
                true
            }
        })
    }

    fn is_true(&mut self, expr: &'a Expr) -> Result<bool, Halt> {
        Ok(self.evaluate(expr)?.is_true())
    }

    fn statement(&mut self, stmt: &'a Stmt) -> Result<Flow, Halt> {
        match stmt {
            Stmt::Expr(expr) => {
                self.evaluate(expr)?;
            }
            Stmt::Print(args, target) => self.print(args, target)?,
            Stmt::Printf(args, target) => {
                let text = self.formatted(args)?;
                self.output(target, &text)?;
            }
            Stmt::If(condition, then, other) => {
                return if self.is_true(condition)? {
                    self.statement(then)
                } else if let Some(other) = other {
                    self.statement(other)
                } else {
                    Ok(Flow::Go)
                };
            }
            Stmt::While(condition, body) => {
                while self.is_true(condition)? {
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::Go | Flow::Continue => {}
                        other => return Ok(other),
                    }
                }
            }
            Stmt::Do(body, condition) => loop {
                match self.statement(body)? {
                    Flow::Break => break,
                    Flow::Go | Flow::Continue => {}
                    other => return Ok(other),
                }
                if !self.is_true(condition)? {
                    break;
                }
            },
            Stmt::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.statement(first)?;
                }
                loop {
                    if let Some(condition) = condition
                        && !self.is_true(condition)?
                    {
                        break;
                    }
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::Go | Flow::Continue => {}
                        other => return Ok(other),
                    }
                    if let Some(step) = step {
                        self.statement(step)?;
                    }
                }
            }
            Stmt::ForIn(variable, array, body) => {
                let keys = self.array(*array)?.borrow_mut().keys()?;
                for key in keys {
                    self.assign(variable, Value::Text(key))?;
                    match self.statement(body)? {
                        Flow::Break => break,
                        Flow::Go | Flow::Continue => {}
                        other => return Ok(other),
                    }
                }
            }
            Stmt::Block(list) => {
                for stmt in list {
                    match self.statement(stmt)? {
                        Flow::Go => {}
                        other => return Ok(other),
                    }
                }
            }
            Stmt::Next => return Ok(Flow::Next),
            Stmt::NextFile => return Ok(Flow::NextFile),
            Stmt::Exit(status) => {
                if let Some(status) = status {
                    let status = self.number(status)?;
                    #[expect(clippy::cast_possible_truncation, reason = "as exit(2) takes it")]
                    let status = (status as i64) & 0xff;
                    self.status = u8::try_from(status).unwrap_or(0);
                }
                return Err(Halt::Exit);
            }
            Stmt::Return(value) => {
                let value = match value {
                    Some(value) => self.evaluate(value)?,
                    None => Value::Unset,
                };
                return Ok(Flow::Return(value));
            }
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
            Stmt::Delete(array, index) => {
                let array = self.array(*array)?;
                match index {
                    Some(index) => {
                        let key = self.key(index)?;
                        array.borrow_mut().remove(&key);
                    }
                    None => array.borrow_mut().clear(self.dialect),
                }
            }
        }
        Ok(Flow::Go)
    }

    fn print(&mut self, args: &'a [Expr], target: &'a Target) -> Result<(), Halt> {
        let mut text = Vec::new();
        if args.is_empty() {
            text.extend_from_slice(&self.record_text()?);
        }
        let between = self.global_text(special::OFS)?;
        let format = self.global_text(special::OFMT)?;
        for (at, arg) in args.iter().enumerate() {
            let value = self.evaluate(arg)?;
            if at > 0 {
                text.extend_from_slice(&between);
            }
            text.extend_from_slice(&value.bytes(&format, self.dialect)?);
        }
        text.extend_from_slice(&self.global_text(special::ORS)?);
        self.output(target, &text)
    }

    fn output(&mut self, target: &'a Target, text: &[u8]) -> Result<(), Halt> {
        let (to, name) = match target {
            Target::Standard => return Ok(self.context.out.write_all(text)?),
            Target::File(name) => (To::File, name),
            Target::Append(name) => (To::Append, name),
            Target::Command(name) => (To::Command, name),
        };
        let name = self.text(name)?;
        Ok(self.streams.write(self.context, to, &name, text, self.dialect)?)
    }
}
