//! Dockerfile text to instructions with source spans; expansion, .dockerignore, checks.
//!
//! Everything here is a function from text to values: no file is read, no clock, no environment.
//! The reference is BuildKit's Dockerfile frontend 1.26.
//!
//! A Dockerfile goes through these modules, in this order:
//! 1. [`mod@parse`] splits the text into nodes: directives, continuations, flags, heredocs.
//! 2. [`instruction`] turns each node into a typed [`Instruction`] and groups them by stage.
//! 3. [`args`] and [`expand`] replace variables, stage by stage, as the builder goes.
//! 4. [`lint`] runs the checks over the result, [`mod@outline`] says what a target takes.
//!
//! Beside them: [`ignore`] and [`glob`] (which paths), [`git_ref`] (which remote sources),
//! [`platform`], and the small value parsers [`chmod`], [`chown`], [`duration`], [`port`].

#![forbid(unsafe_code)]

pub mod args;
pub mod chmod;
pub mod chown;
pub mod diagnostic;
pub mod duration;
pub mod expand;
pub mod git_ref;
pub mod glob;
pub mod ignore;
pub mod instruction;
pub mod lint;
pub mod outline;
pub mod parse;
pub mod platform;
pub mod port;
mod quote;
mod reference;
mod size;
pub mod source;
pub mod suggest;

pub use diagnostic::Diagnostic;
pub use instruction::{Dockerfile, Instruction, Kind, Stage};
pub use parse::{Ast, parse};
pub use source::{LineRange, Span};
