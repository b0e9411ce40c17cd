//! The commands that take archives and compressed files apart. What compresses is left to the native
//! tools: their output, byte for byte, cannot be had otherwise.

mod expand;
mod extract;
mod header;
mod open;
mod tar;

use std::process::ExitCode;

use shim::Command;

/// Every command of this program, with what runs it.
const COMMANDS: &[(&str, Command)] = &[
    ("bunzip2", expand::main),
    ("bzcat", expand::main),
    ("gunzip", expand::main),
    ("gzip", expand::main),
    ("tar", tar::main),
    ("unxz", expand::main),
    ("unzstd", expand::main),
    ("xz", expand::main),
    ("xzcat", expand::main),
    ("zcat", expand::main),
    ("zstdcat", expand::main),
];

fn main() -> ExitCode {
    shim::run(COMMANDS)
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
