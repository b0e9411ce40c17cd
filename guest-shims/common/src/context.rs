//! What a command gets to work with, and how it ends.

use std::{
    ffi::OsString,
    fmt,
    io::{self, BufRead, Write},
    process::ExitCode,
};

use crate::{paths, sys};

/// A command of a multi-call program.
pub type Command = fn(&mut Context) -> Outcome;

/// How a command ends: its exit status, or a reason to stop.
pub type Outcome = Result<u8, Stop>;

/// Why a command stops before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The native tool must do this; the step runs again without WebAssembly.
    #[error("needs native: {0}")]
    Native(String),
    /// The command fails with this status and message.
    #[error("{1}")]
    Fail(u8, String),
    /// Reading standard input or writing standard output failed.
    #[error("{0}")]
    Stream(#[from] io::Error),
}

/// The signal that only the native tool can do `what`.
#[must_use]
pub fn native(what: impl Into<String>) -> Stop {
    Stop::Native(what.into())
}

/// A tool that names files as it walks names them in the order in which the file system has them,
/// which is not to be told from the names.
///
/// # Errors
///
/// [`Stop::Native`] where a directory of so many names is walked aloud.
pub fn walk_aloud(aloud: bool, names: &[Vec<u8>]) -> Result<(), Stop> {
    if aloud && names.len() > 1 { Err(native("the order of a directory's files")) } else { Ok(()) }
}

/// The environment, read once.
#[derive(Clone, Debug, Default)]
pub struct Env(Vec<(Vec<u8>, Vec<u8>)>);

impl Env {
    /// The environment of the process.
    #[must_use]
    pub fn read() -> Self {
        let bytes = |text: OsString| paths::from_os(&text).to_vec();
        Self(std::env::vars_os().map(|(key, value)| (bytes(key), bytes(value))).collect())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<&[u8]> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All variables, in order.
    #[must_use]
    pub fn all(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.0
    }
}

/// Standard output, buffered; flushed when the command ends.
pub type Output = io::BufWriter<io::Stdout>;

/// An input, by line or in blocks.
pub type Input = Box<dyn BufRead>;

/// What a command gets: its name, its arguments, the environment, standard output.
#[derive(Debug)]
pub struct Context {
    /// The name that the command was called by, without directories.
    pub name: String,
    /// The arguments after the name.
    pub args: Vec<Vec<u8>>,
    /// The environment.
    pub env: Env,
    /// Standard output.
    pub out: Output,
}

impl Context {
    /// Writes `name: message` to standard error.
    pub fn warn(&mut self, message: impl fmt::Display) {
        let line = format!("{}: {message}\n", self.name);
        // Nobody is left to tell when standard error is closed.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    /// Writes `name: what 'path': reason` to standard error.
    pub fn warn_path(&mut self, what: &str, path: &[u8], error: &io::Error) {
        let gap = if what.is_empty() { "" } else { " " };
        self.warn(format_args!("{what}{gap}{}: {}", paths::quoted(path), sys::reason(error)));
    }

    /// Opens an operand for reading; `-` is standard input.
    ///
    /// # Errors
    ///
    /// Whatever opening the file gives.
    pub fn input(&self, operand: &[u8]) -> io::Result<Input> {
        if operand == b"-" {
            return Ok(Box::new(io::stdin().lock()));
        }
        Ok(Box::new(io::BufReader::with_capacity(BLOCK, sys::open(operand)?)))
    }
}

/// How much is read and written at a time, in bytes.
pub const BLOCK: usize = 64 * 1024;

/// The status of a command whose reader went away, as a shell shows SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// Runs the command of `table` that the program was called by.
#[must_use]
pub fn run(table: &[(&str, Command)]) -> ExitCode {
    sys::init();
    let mut args = std::env::args_os().map(|arg| paths::from_os(&arg).to_vec());
    let called = args.next().unwrap_or_default();
    let name = String::from_utf8_lossy(paths::base_name(&called)).into_owned();
    let mut context = Context {
        name: name.trim_start_matches('-').to_owned(),
        args: args.collect(),
        env: Env::read(),
        out: io::BufWriter::with_capacity(BLOCK, io::stdout()),
    };
    let Some((_, command)) = table.iter().find(|(known, _)| *known == context.name) else {
        context.warn("no such command in this shim");
        return ExitCode::from(127);
    };
    let outcome =
        crate::busybox::check(&context.name, &context.args).and_then(|()| command(&mut context));
    let flushed = context.out.flush();
    let status = match (outcome, flushed) {
        (Err(Stop::Native(what)), _) => sys::needs_native(&format!("{}: {what}", context.name)),
        (Err(Stop::Fail(status, message)), _) => {
            if !message.is_empty() {
                context.warn(message);
            }
            status
        }
        (Err(Stop::Stream(error)), _) | (Ok(_), Err(error)) => {
            if error.kind() == io::ErrorKind::BrokenPipe {
                BROKEN_PIPE
            } else {
                context.warn(format_args!("input/output error: {}", sys::reason(&error)));
                1
            }
        }
        (Ok(status), Ok(())) => status,
    };
    ExitCode::from(status)
}
