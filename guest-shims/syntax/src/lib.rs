//! The grammar of the POSIX shell: text to tree (XCU 2, as dash reads it).
//!
//! The shell guest executes the tree, and the host looks in it for commands before a step runs.
//! Nothing is expanded here. [`Parser`] gives one complete command at a time, as a shell reads: what
//! comes before a syntax error is executed.
//!
//! What only bash or BusyBox's ash understands is an error of its own kind in their dialects
//! ([`ErrorKind::Unsupported`]), and what dash makes of it in dash's.

mod ast;
mod commands;
mod error;
mod lex;
mod parse;
mod word;

pub use ast::{
    AndOr, Arm, Command, Compound, Connector, HereDoc, Item, List, ParamOp, Part, Pipeline,
    Redirect, RedirectKind, Simple, Trim, Word,
};
pub use commands::{Commands, commands};
pub use error::{Error, ErrorKind, Result};
pub use parse::{Parser, is_assignment};
pub use word::{escape_letter, is_name, parse_text};

/// Whose grammar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// dash, Debian's `sh`.
    Dash,
    /// BusyBox's `ash`.
    Ash,
    /// bash.
    Bash,
}
