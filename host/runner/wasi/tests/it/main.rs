//! Steps run from end to end: a rootfs, a script, and what is there afterwards.

#![expect(clippy::print_stdout, reason = "a skipped test owes a line")]

mod dash_cases;
mod harness;
mod smoke;
