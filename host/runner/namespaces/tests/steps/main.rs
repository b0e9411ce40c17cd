//! Steps run for real, in a root file system made of one static busybox.
//!
//! They need root and busybox (package busybox-static); without either each test says so and passes.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

mod bounds;
mod escapes;
mod isolation;
mod mounts;
mod program;
mod support;
mod traces;
