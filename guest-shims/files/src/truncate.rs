//! `truncate`.

use shim::{
    Context, Outcome,
    args::{self, Opt, Order, flag, value},
    native, number, sys,
};

const OPTIONS: &[Opt] = &[flag('c', "no-create"), value('s', "size")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut create = true;
    let mut size = None;
    for option in &parsed.options {
        match option.name() {
            "c" => create = false,
            _ => size = number::size(option.bytes()),
        }
    }
    let Some(size) = size else { return Err(native("a size that is missing or relative")) };
    if parsed.operands.is_empty() {
        context.warn("missing file operand");
        return Ok(1);
    }
    let mut status = 0;
    for path in &parsed.operands {
        if !create && sys::stat(path).is_err() {
            continue;
        }
        let result = match sys::stat(path) {
            Ok(_) => sys::open_write(path),
            Err(_) => sys::create(path),
        };
        if let Err(error) = result.and_then(|file| file.set_len(size)) {
            context.warn_path("cannot open", path, &error);
            status = 1;
        }
    }
    Ok(status)
}
