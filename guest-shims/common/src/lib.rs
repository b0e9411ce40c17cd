//! What the commands of the guest shims share.
//!
//! A shim is a WASI program that stands in for a tool of the image. It must leave the same files
//! behind as the tool would have, so nothing here guesses: what is not implemented ends the program
//! with the *needs native* signal ([`Stop::Native`]) and the step runs again with the real tool.
//!
//! The crate also compiles for the host, over the host's own file system. Tests then run a command
//! beside the real one on the same input.

pub mod args;
mod busybox;
mod context;
pub mod escape;
pub mod float;
pub mod glob;
pub mod locale;
pub mod mode;
pub mod number;
pub mod paths;
pub mod program;
pub mod regex;
pub mod sys;
pub mod time;
pub mod users;

pub use context::{
    BLOCK, Command, Context, Env, Input, Outcome, Output, Stop, native, run, walk_aloud,
};
