//! Typed instructions: what each node means, with BuildKit's errors where it means nothing.
//!
//! Values are kept as written; variables in them are replaced by [`Instruction::expand`] once the
//! builder knows the environment at that point of the stage.

mod copy;
mod csv;
mod expansion;
mod flags;
mod healthcheck;
mod mount;
mod read;
mod run;
mod stage;

pub use copy::{Add, Copy, InlineFile, Paths};
pub use expansion::Word;
pub use healthcheck::{Healthcheck, Test};
pub use mount::{Mount, MountType, Sharing};
pub use run::{Device, Network, Run, Script, Security};
pub use stage::{Dockerfile, MAX_STAGES, Stage, parse_dockerfile, parse_trigger, stages};

use crate::diagnostic::Cause;
use crate::parse::Node;
use crate::{Diagnostic, LineRange, Span};

/// The names of all instructions.
pub const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The instruction's name as written, such as `RUN` or `run`.
    pub name: String,
    /// The whole instruction as written, continuations joined, without the content of heredocs.
    pub text: String,
    /// Where it is.
    pub span: Span,
    /// The lines it takes up.
    pub lines: LineRange,
    /// The comments directly above it.
    pub comments: Vec<String>,
    /// What it says.
    pub kind: Kind,
}

/// What an instruction says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Copies files, archives, remote files and git repositories.
    Add(Add),
    /// Declares build arguments.
    Arg(Vec<ArgPair>),
    /// The default command of the image.
    Cmd(CommandLine),
    /// Copies files.
    Copy(Copy),
    /// The program of the image.
    Entrypoint(CommandLine),
    /// Sets environment variables.
    Env(Vec<Pair>),
    /// Ports, as written; after expansion one word each. See [`crate::port`].
    Expose(Vec<String>),
    /// Opens a stage.
    From(From),
    /// How to see whether a container works.
    Healthcheck(Healthcheck),
    /// Metadata of the image.
    Label(Vec<Pair>),
    /// The author of the image.
    Maintainer(String),
    /// An instruction for the builds that use the image as base; the text is parsed there, by
    /// [`parse_trigger`].
    Onbuild(String),
    /// Runs a command.
    Run(Box<Run>),
    /// The shell that runs the shell forms.
    Shell(Vec<String>),
    /// The signal that stops a container.
    StopSignal(String),
    /// The user of what follows.
    User(String),
    /// Mount points.
    Volume(Vec<String>),
    /// The working directory of what follows.
    Workdir(String),
}

/// `FROM`: the arguments as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The image or stage.
    pub base: String,
    /// `--platform`.
    pub platform: Option<String>,
    /// The keyword `AS` as written.
    pub as_keyword: Option<String>,
    /// The stage's name as written.
    pub name: Option<String>,
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Text for the shell.
    Shell(String),
    /// Program and arguments, written as JSON.
    Exec(Vec<String>),
}

impl CommandLine {
    /// The arguments to run it with, where `shell` is for the shell form.
    pub fn argv(&self, shell: &[String]) -> Vec<String> {
        match self {
            CommandLine::Shell(text) => {
                shell.iter().cloned().chain(std::iter::once(text.clone())).collect()
            }
            CommandLine::Exec(argv) => argv.clone(),
        }
    }
}

/// One `name=value` of ENV and LABEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name; before expansion with its quotes.
    pub key: String,
    /// The value; before expansion with its quotes.
    pub value: String,
    /// It was written in the old way, `name value`.
    pub is_legacy: bool,
}

/// One `name` or `name=value` of ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgPair {
    /// The name.
    pub key: String,
    /// The default value; before expansion with its quotes.
    pub value: Option<String>,
    /// The description: the comment above of the form `# name description`.
    pub doc: Option<String>,
}

impl Instruction {
    /// Reads a node.
    ///
    /// # Errors
    /// What BuildKit reports: unknown instructions and flags, missing or wrong arguments.
    pub fn from_node(node: &Node) -> Result<Instruction, Diagnostic> {
        let kind =
            read::kind(node).map_err(|cause| Diagnostic::place(cause, node.span, node.lines))?;
        Ok(Instruction {
            name: node.name.clone(),
            text: node.text.trim().to_owned(),
            span: node.span,
            lines: node.lines,
            comments: node.comments.clone(),
            kind,
        })
    }

    /// An error at this instruction.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(message, self.span, self.lines)
    }

    pub(crate) fn place(&self, cause: Cause) -> Diagnostic {
        Diagnostic::place(cause, self.span, self.lines)
    }
}

/// The description that comments give of `name`.
fn doc(comments: &[String], name: &str) -> Option<String> {
    let prefixed = |line: &String| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    comments.iter().find_map(prefixed).filter(|_| !name.is_empty())
}

/// The one command of a shell form, or the words of a JSON form.
fn command_line(node: &Node) -> CommandLine {
    match node.args.json {
        true => CommandLine::Exec(node.args.values.clone()),
        false => CommandLine::Shell(node.args.values.join(" ")),
    }
}
