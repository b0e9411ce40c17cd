//! `nl`.

use std::io::{BufRead, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, value},
    native, number,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[
    value('b', "body-numbering"),
    value('s', "number-separator"),
    value('v', "starting-line-number"),
    value('w', "number-width"),
];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let (mut all, mut separator, mut line_number, mut width) = (false, b"\t".to_vec(), 1, 6);
    for option in &parsed.options {
        let number = || {
            number::decimal(option.bytes()).ok_or_else(|| Stop::Fail(1, "invalid number".into()))
        };
        match option.name() {
            "b" => {
                all = match option.bytes() {
                    b"a" => true,
                    b"t" => false,
                    _ => return Err(native("this numbering style")),
                }
            }
            "s" => separator = option.bytes().to_vec(),
            "v" => line_number = number()?,
            _ => width = usize::try_from(number()?).unwrap_or(usize::MAX).min(1000),
        }
    }
    let read = each_input(context, &parsed.operands, |context, mut input, _| {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            line.pop_if(|last| *last == b'\n');
            if line.starts_with(b"\\:") {
                return Err(native("sections"));
            }
            if all || !line.is_empty() {
                write!(context.out, "{line_number:width$}")?;
                context.out.write_all(&separator)?;
                line_number += 1;
            } else {
                context.out.write_all(&b" ".repeat(width + separator.len()))?;
            }
            context.out.write_all(&line)?;
            context.out.write_all(b"\n")?;
            line.clear();
        }
        Ok(())
    })?;
    Ok(u8::from(!read))
}
