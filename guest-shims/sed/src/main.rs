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

#[cfg(test)]
mod tests {
    use super::*;

    /// The host finds a command's program by the manifest.
    #[test]
    fn the_manifest_names_every_command() {
        let manifest = include_str!("../Cargo.toml");
        let list = manifest
            .split("commands = [")
            .nth(1)
            .and_then(|rest| rest.split("\n\n").next())
            .unwrap();
        let mut listed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        listed.sort_unstable();
        let mut known: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(listed, known);
    }
}
