//! The commands that keep a distribution's own files in order.

mod alternatives;
mod certificate;
mod der;
mod ldconfig;
mod rehash;
mod run_parts;

use shim::{
    Context, Outcome, native,
    sys::{self, Launch},
};

shim::commands! {
    "ldconfig" => ldconfig::main,
    "openssl" => rehash::main,
    "run-parts" => run_parts::main,
    "update-alternatives" => alternatives::main,
    "update-ca-certificates" => update_ca_certificates,
}

/// Debian's is a script over other commands: the image's own version of it is run.
fn update_ca_certificates(context: &mut Context) -> Outcome {
    const SCRIPT: &[u8] = b"/usr/sbin/update-ca-certificates";
    let text = sys::read_small(SCRIPT).map_err(|error| native(sys::reason(&error)))?;
    if !text.starts_with(b"#!/bin/sh") {
        return Err(native("an update-ca-certificates that is no script of the shell"));
    }
    // Its first line may have options of the shell, such as -e.
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let options = text[b"#!/bin/sh".len()..end].trim_ascii();
    let mut argv = vec![b"/bin/sh".to_vec()];
    if !options.is_empty() {
        argv.push(options.to_vec());
    }
    argv.push(SCRIPT.to_vec());
    argv.extend(context.args.iter().cloned());
    sys::spawn(&argv, &Launch::default()).map_err(|error| native(sys::reason(&error)))
}
