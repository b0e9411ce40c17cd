//! The tree.

use std::cell::OnceCell;
use std::rc::Rc;

/// Commands one after the other.
pub type List = Vec<Item>;

/// One command of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The command.
    pub command: AndOr,
    /// Whether `&` follows it.
    pub background: bool,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AndOr {
    /// The first.
    pub first: Pipeline,
    /// The others, each with what stands before it.
    pub rest: Vec<(Connector, Pipeline)>,
}

/// What joins two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connector {
    /// `&&`
    And,
    /// `||`
    Or,
}

/// Commands joined by `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// Whether `!` stands before it.
    pub negated: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Assignments, words and redirections.
    Simple(Simple),
    /// A compound command and the redirections after it.
    Compound {
        /// The command.
        body: Compound,
        /// Its redirections.
        redirects: Vec<Redirect>,
        /// The line on which it starts, from 1.
        line: u32,
    },
    /// `name() body`
    Function {
        /// The function's name.
        name: Vec<u8>,
        /// Shared, because a function can be redefined while it runs.
        body: Rc<Command>,
    },
}

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// `name=value` before the first word.
    pub assignments: Vec<(Vec<u8>, Word)>,
    /// Command and arguments.
    pub words: Vec<Word>,
    /// In the order of the text.
    pub redirects: Vec<Redirect>,
    /// The line on which it starts, from 1.
    pub line: u32,
}

/// A compound command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compound {
    /// `{ …; }`
    Brace(List),
    /// `( … )`
    Subshell(List),
    /// `for name in words; do …; done`
    For {
        /// The variable.
        name: Vec<u8>,
        /// `None`: the positional parameters.
        words: Option<Vec<Word>>,
        /// What is repeated.
        body: List,
    },
    /// `case word in … esac`
    Case {
        /// What is compared.
        word: Word,
        /// The alternatives, in order.
        arms: Vec<Arm>,
    },
    /// `if …; then …; elif …; else …; fi`
    If {
        /// Conditions and what each leads to.
        arms: Vec<(List, List)>,
        /// After `else`.
        otherwise: Option<List>,
    },
    /// `while …; do …; done`, `until …`
    While {
        /// Whether it is `until`.
        until: bool,
        /// The condition.
        condition: List,
        /// What is repeated.
        body: List,
    },
}

/// One alternative of a `case`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Any of these.
    pub patterns: Vec<Word>,
    /// What it leads to.
    pub body: List,
}

/// A redirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The descriptor, or the kind's default.
    pub fd: u32,
    /// What it becomes.
    pub kind: RedirectKind,
}

/// What a descriptor becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectKind {
    /// `<`
    Read(Word),
    /// `>`, `>|` when the second is set.
    Write(Word, bool),
    /// `>>`
    Append(Word),
    /// `<>`
    ReadWrite(Word),
    /// `<&`, `>&`: a number, or `-` to close.
    Dup(Word),
    /// `&>`, `&>>` (set) of bash and ash: both standard output and error.
    Both(Word, bool),
    /// `<<<` of bash: a word and a line end.
    HereString(Word),
    /// `<<`, `<<-`
    HereDoc(HereDoc),
}

/// The text of a here-document; it is read after the line that mentions it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HereDoc(pub(crate) Rc<OnceCell<Word>>);

impl HereDoc {
    /// The text, to be expanded as in double quotes; empty when the script ended before it.
    #[must_use]
    pub fn body(&self) -> &[Part] {
        self.0.get().map_or(&[], |word| &word.0)
    }
}

/// A word: parts side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Part>);

impl Word {
    /// The text when nothing in the word is expanded: quotes are taken away.
    #[must_use]
    pub fn as_literal(&self) -> Option<Vec<u8>> {
        fn collect(parts: &[Part], out: &mut Vec<u8>) -> bool {
            parts.iter().all(|part| match part {
                Part::Literal(text) | Part::Quoted(text) => {
                    out.extend_from_slice(text);
                    true
                }
                Part::Double(parts) => collect(parts, out),
                _ => false,
            })
        }
        let mut out = Vec::new();
        collect(&self.0, &mut out).then_some(out)
    }

    /// The text when the word is unquoted and nothing in it is expanded: what a reserved word is.
    #[must_use]
    pub fn as_bare(&self) -> Option<&[u8]> {
        match &self.0[..] {
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Unquoted text.
    Literal(Vec<u8>),
    /// Text in single quotes or after a backslash.
    Quoted(Vec<u8>),
    /// `"…"`
    Double(Vec<Part>),
    /// `$name`, `${name…}`
    Param {
        /// A name, digits, or one of `@*#?-$!`.
        name: Vec<u8>,
        /// What is done with it.
        op: ParamOp,
    },
    /// `$(…)`, `` `…` ``
    Command(Rc<List>),
    /// `$((…))`, its text to be expanded as in double quotes.
    Arithmetic(Vec<Part>),
}

/// What an expansion does with a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamOp {
    /// `${x}`
    Plain,
    /// `${#x}`
    Length,
    /// `${x-word}`; with a colon when set.
    Default(bool, Word),
    /// `${x=word}`
    Assign(bool, Word),
    /// `${x?word}`
    Error(bool, Word),
    /// `${x+word}`
    Alternative(bool, Word),
    /// `${x%word}` and its kin.
    Trim(Trim, Word),
    /// `${x/pattern/replacement}` of bash and ash; all matches with `//`.
    Replace {
        /// Whether every match is replaced.
        all: bool,
        /// What is looked for.
        pattern: Word,
        /// What it becomes.
        with: Word,
    },
    /// `${x:offset:length}` of bash and ash, arithmetic both.
    Slice {
        /// Where it starts.
        offset: Vec<Part>,
        /// How much, or to the end.
        length: Option<Vec<Part>>,
    },
    /// A form that is an error when it is expanded.
    Bad,
}

/// What is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// `#`: the shortest at the start.
    ShortestPrefix,
    /// `##`
    LongestPrefix,
    /// `%`: the shortest at the end.
    ShortestSuffix,
    /// `%%`
    LongestSuffix,
}
