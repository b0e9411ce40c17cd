//! What a script is made of.

use shim::regex::Regex;

/// A pattern; an empty one stands for the last that was used.
pub(crate) type Pattern = Option<Regex>;

/// A place in the input.
pub(crate) enum Address {
    Line(u64),
    /// `FIRST~STEP`.
    Step(u64, u64),
    Last,
    Match(Pattern),
}

/// The end of a range.
pub(crate) enum End {
    Address(Address),
    /// `ADDR,+N`.
    Count(u64),
    /// `ADDR,~N`.
    Multiple(u64),
}

/// Which lines a command is for.
pub(crate) enum Which {
    All,
    One(Address),
    Range(Address, End),
}

/// A piece of a replacement.
pub(crate) enum Piece {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

/// A change of case in a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Upper,
    Lower,
    NextUpper,
    NextLower,
    End,
}

/// The `s` command.
pub(crate) struct Substitution {
    pub(crate) pattern: Pattern,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) global: bool,
    pub(crate) print: bool,
    /// The first match that is replaced, from 1.
    pub(crate) number: u64,
    /// The number of the file that gets the result.
    pub(crate) file: Option<usize>,
}

/// What a command does. Jumps hold the number of the command that is next.
pub(crate) enum Action {
    /// `{`: the number of the command after its `}`.
    Block(usize),
    BlockEnd,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    /// A jump; without a target, to the end.
    Branch(Option<usize>),
    BranchIf(Option<usize>),
    BranchUnless(Option<usize>),
    Delete,
    DeleteFirst,
    FileName,
    Get,
    GetAppend,
    Hold,
    HoldAppend,
    Exchange,
    List(Option<u64>),
    Next,
    NextAppend,
    Print,
    PrintFirst,
    Quit(u8),
    QuitSilently(u8),
    ReadFile(Vec<u8>),
    ReadLine(Vec<u8>),
    Substitute(Box<Substitution>),
    Write(usize),
    WriteFirst(usize),
    Translate(Box<[u8; 256]>),
    LineNumber,
    Zap,
    Nothing,
}

/// A command with its address.
pub(crate) struct Step {
    pub(crate) which: Which,
    pub(crate) negated: bool,
    pub(crate) action: Action,
}

/// A parsed script.
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    /// The names of the files that are written.
    pub(crate) files: Vec<Vec<u8>>,
    /// The first line was `#n`.
    pub(crate) silent: bool,
}
