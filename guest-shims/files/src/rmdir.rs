//! `rmdir`.

use std::io::Write;

use shim::{
    Context, Outcome,
    args::{self, NO, Opt, Order, flag},
    paths, sys,
};

const OPTIONS: &[Opt] =
    &[flag('p', "parents"), flag('v', "verbose"), flag(NO, "ignore-fail-on-non-empty")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let (parents, verbose, ignore) = (has("p"), has("v"), has("ignore-fail-on-non-empty"));
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    let mut status = 0;
    for operand in &parsed.operands {
        let mut dir = operand.as_slice();
        loop {
            if verbose {
                writeln!(context.out, "rmdir: removing directory, {}", paths::quoted(dir))?;
            }
            if let Err(error) = sys::rmdir(dir) {
                if !(ignore && sys::is_not_empty(&error)) {
                    context.warn_path("failed to remove", dir, &error);
                    status = 1;
                }
                break;
            }
            let trimmed = paths::trim_slashes(dir);
            match trimmed.iter().rposition(|&byte| byte == b'/') {
                Some(at) if parents && at > 0 => dir = paths::trim_slashes(&trimmed[..at]),
                _ => break,
            }
        }
    }
    Ok(status)
}
