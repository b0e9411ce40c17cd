//! `sed`.

mod execute;
mod files;
mod options;
mod parse;
mod replace;
mod script;

use std::process::ExitCode;

use shim::{Command, Context, Outcome};

/// Every command of this program, with what runs it.
const COMMANDS: &[(&str, Command)] = &[("sed", main_of)];

fn main() -> ExitCode {
    shim::run(COMMANDS)
}

fn main_of(context: &mut Context) -> Outcome {
    let (settings, script, operands) = options::read(context)?;
    execute::run(context, settings, script, operands)
}
