//! `find` and `xargs`.

mod evaluate;
mod expression;
mod walk;
mod xargs;

use std::process::ExitCode;

use shim::{Command, Context, Outcome};

/// Every command of this program, with what runs it.
const COMMANDS: &[(&str, Command)] = &[("find", find), ("xargs", xargs::main)];

fn main() -> ExitCode {
    shim::run(COMMANDS)
}

fn find(context: &mut Context) -> Outcome {
    let args = context.args.clone();
    let find = expression::parse(&args)?;
    walk::run(context, find)
}
