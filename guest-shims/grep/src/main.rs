//! `grep`, `egrep` and `fgrep`.

mod options;
mod report;
mod scan;
mod walk;

use std::process::ExitCode;

use shim::{Command, Context, Outcome};

/// Every command of this program, with what runs it.
const COMMANDS: &[(&str, Command)] = &[("egrep", main_of), ("fgrep", main_of), ("grep", main_of)];

fn main() -> ExitCode {
    shim::run(COMMANDS)
}

fn main_of(context: &mut Context) -> Outcome {
    let mut grep = options::read(context)?;
    let operands = std::mem::take(&mut grep.operands);
    walk::run(context, &mut grep, operands)
}
