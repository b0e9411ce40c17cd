//! `basename` and `dirname`.

use std::io::Write;

use shim::{
    Context, Outcome,
    args::{self, Opt, Order, flag, value},
    paths,
};

const BASENAME: &[Opt] = &[flag('a', "multiple"), value('s', "suffix"), flag('z', "zero")];

pub(crate) fn basename(context: &mut Context) -> Outcome {
    let parsed = args::parse(BASENAME, &context.args, Order::OperandEnds)?;
    let (mut several, mut suffix, mut end) = (false, Vec::new(), b'\n');
    for option in &parsed.options {
        match option.name() {
            "a" => several = true,
            "s" => (several, suffix) = (true, option.bytes().to_vec()),
            _ => end = 0,
        }
    }
    let mut operands = parsed.operands;
    if operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    if !several && operands.len() == 2 {
        suffix = operands.pop().unwrap_or_default();
    } else if !several && operands.len() > 2 {
        context.warn("extra operand");
        return Ok(1);
    }
    for path in &operands {
        let name = paths::base_name(path);
        let cut =
            name.strip_suffix(suffix.as_slice()).filter(|cut| !cut.is_empty()).unwrap_or(name);
        context.out.write_all(cut)?;
        context.out.write_all(&[end])?;
    }
    Ok(0)
}

const DIRNAME: &[Opt] = &[flag('z', "zero")];

pub(crate) fn dirname(context: &mut Context) -> Outcome {
    let parsed = args::parse(DIRNAME, &context.args, Order::OperandEnds)?;
    let end = if parsed.options.is_empty() { b'\n' } else { 0 };
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    for path in &parsed.operands {
        context.out.write_all(paths::dir_name(path))?;
        context.out.write_all(&[end])?;
    }
    Ok(0)
}
