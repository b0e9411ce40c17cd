//! Tests of the whole program: the real binary, a real registry, real bases.
//!
//! `tests/setup.sh` (run by `make test`) installs the programs and makes the bases. What is missing
//! is skipped with a printed line.

#![expect(
    unreachable_pub,
    clippy::print_stdout,
    reason = "one binary: nothing is exported; a skipped test owes a line"
)]

mod support;

mod basics;
mod checks;
mod contexts;
mod copying;
mod credentials;
mod diagnostics;
mod differential;
mod errors;
mod fidelity;
mod git;
mod kaniko_faults;
mod memory;
mod multi_stage;
mod planning;
mod registry;
mod remote;
mod reproducible;
mod restricted;
mod running;
mod wasi;
