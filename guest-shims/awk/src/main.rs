//! `awk`: the language of POSIX, as mawk, gawk or BusyBox runs it.

mod array;
mod ast;
mod dialect;
mod lex;
mod parse;
mod printf;
mod random;
mod record;
mod regex;
mod run;
mod separator;
mod streams;
mod value;
mod variables;

use std::io::Read;

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, value as with_value},
    native, sys,
};

use dialect::Dialect;
use run::{Machine, assignment};

shim::commands! {
    "awk" => main_of,
    "gawk" => main_of,
    "mawk" => main_of,
}

const OPTIONS: &[Opt] =
    &[with_value('F', "field-separator"), with_value('f', "file"), with_value('v', "assign")];

fn main_of(context: &mut Context) -> Outcome {
    let dialect = Dialect::of_image(context)?;
    let parsed = args::parse(OPTIONS, &context.args, Order::OperandEnds)?;
    if !dialect.is_gawk() && context.args.iter().any(|arg| arg.len() > 2 && arg.starts_with(b"--"))
    {
        return Err(native("a long option"));
    }
    let (mut separator, mut source, mut presets) = (None, None::<Vec<u8>>, Vec::new());
    for option in &parsed.options {
        match option.name() {
            "F" => separator = Some(option.bytes().to_vec()),
            "f" => {
                let text = read(context, option.bytes())?;
                let source = source.get_or_insert_default();
                source.extend_from_slice(&text);
                source.push(b'\n');
            }
            _ => {
                let (name, value) =
                    assignment(option.bytes()).ok_or_else(|| native("-v without an assignment"))?;
                presets.push((name.to_vec(), value.to_vec()));
            }
        }
    }
    let mut operands = parsed.operands;
    let source = match source {
        Some(source) => source,
        None if operands.is_empty() => return Err(native("awk without a program")),
        None => operands.remove(0),
    };
    let program = parse::parse(&source, &dialect)?.finish()?;
    let mut machine = Machine::new(&program, &dialect, context, &operands)?;
    if let Some(separator) = separator {
        let separator =
            if dialect.is_gawk() && separator == b"t" { b"\t".to_vec() } else { separator };
        machine.preset(b"FS", &separator)?;
    }
    for (name, value) in &presets {
        machine.preset(name, value)?;
    }
    machine.run()
}

/// The text of a program's file.
fn read(context: &Context, name: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut text = Vec::new();
    let name_or_input = if name == b"/dev/stdin" { b"-" } else { name };
    context
        .input(name_or_input)
        .and_then(|input| input.take(sys::SMALL_FILE).read_to_end(&mut text))
        .map_err(|error| {
            native(format!("{}: {}", String::from_utf8_lossy(name), sys::reason(&error)))
        })?;
    Ok(text)
}
