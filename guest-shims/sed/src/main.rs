//! `sed`.

mod execute;
mod files;
mod options;
mod parse;
mod replace;
mod script;

use shim::{Context, Outcome};

shim::commands! {
    "sed" => main_of,
}

fn main_of(context: &mut Context) -> Outcome {
    let (settings, script, operands) = options::read(context)?;
    execute::run(context, settings, script, operands)
}
