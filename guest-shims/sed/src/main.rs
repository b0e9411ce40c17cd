//! `sed`.

mod execute;
mod files;
mod options;
mod parse;
mod replace;
mod script;

use shim::{Context, Outcome, Stop, sys};

shim::commands! {
    "sed" => main_of,
}

fn main_of(context: &mut Context) -> Outcome {
    let (settings, script, operands) = options::read(context)?;
    if settings.in_place.is_some() && operands.is_empty() {
        let status = if sys::is_busybox() { 1 } else { 4 };
        return Err(Stop::Fail(status, "no input files".to_owned()));
    }
    execute::run(context, settings, script, operands)
}
