//! The commands that make, move, link and mark files.

mod chmod;
mod chown;
mod cp;
mod install;
mod ln;
mod ls;
mod mkdir;
mod mknod;
mod mktemp;
mod mv;
mod readlink;
mod rm;
mod rmdir;
mod setcap;
mod stat;
mod target;
mod touch;
mod truncate;

use std::process::ExitCode;

use shim::Command;

/// Every command of this program, with what runs it.
const COMMANDS: &[(&str, Command)] = &[
    ("chgrp", chown::chgrp),
    ("chmod", chmod::main),
    ("chown", chown::chown),
    ("cp", cp::main),
    ("install", install::main),
    ("link", ln::link),
    ("ln", ln::main),
    ("ls", ls::main),
    ("mkdir", mkdir::main),
    ("mkfifo", mknod::mkfifo),
    ("mknod", mknod::mknod),
    ("mktemp", mktemp::main),
    ("mv", mv::main),
    ("readlink", readlink::readlink),
    ("realpath", readlink::realpath),
    ("rm", rm::main),
    ("rmdir", rmdir::main),
    ("setcap", setcap::main),
    ("stat", stat::main),
    ("touch", touch::main),
    ("truncate", truncate::main),
    ("unlink", rm::unlink),
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
