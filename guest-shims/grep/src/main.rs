//! `grep`, `egrep` and `fgrep`.

mod options;
mod report;
mod scan;
mod walk;

use shim::{Context, Outcome};

shim::commands! {
    "egrep" => main_of,
    "fgrep" => main_of,
    "grep" => main_of,
}

fn main_of(context: &mut Context) -> Outcome {
    let mut grep = options::read(context)?;
    let operands = std::mem::take(&mut grep.operands);
    walk::run(context, &mut grep, operands)
}
