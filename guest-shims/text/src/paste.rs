//! `paste`.

use std::io::{BufRead, Write};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    escape::{self, Style},
    native, sys,
};

const OPTIONS: &[Opt] =
    &[value('d', "delimiters"), flag('s', "serial"), flag('z', "zero-terminated")];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let (mut delimiters, mut serial, mut end) = (b"\t".to_vec(), false, b'\n');
    for option in &parsed.options {
        match option.name() {
            "d" => delimiters = escape::unescape(option.bytes(), Style::Printf).0,
            "s" => serial = true,
            _ => end = 0,
        }
    }
    if delimiters.is_empty() || delimiters.contains(&0) {
        return Err(native("an empty delimiter"));
    }
    let operands = if parsed.operands.is_empty() { vec![b"-".to_vec()] } else { parsed.operands };
    if operands.iter().filter(|operand| *operand == b"-").count() > 1 {
        return Err(native("standard input more than once"));
    }
    let mut inputs: Vec<Option<Input>> = Vec::new();
    for operand in &operands {
        let input = context.input(operand).map_err(|error| {
            Stop::Fail(1, format!("{}: {}", String::from_utf8_lossy(operand), sys::reason(&error)))
        })?;
        inputs.push(Some(input));
    }
    if serial {
        for input in inputs.iter_mut().flatten() {
            let mut count = 0;
            while let Some(line) = next(input, end)? {
                if count > 0 {
                    context.out.write_all(&[delimiters[(count - 1) % delimiters.len()]])?;
                }
                context.out.write_all(&line)?;
                count += 1;
            }
            context.out.write_all(&[end])?;
        }
        return Ok(0);
    }
    loop {
        let mut cells = Vec::new();
        let mut any = false;
        for input in &mut inputs {
            let line = match input {
                Some(reader) => next(reader, end)?,
                None => None,
            };
            any |= line.is_some();
            if line.is_none() {
                *input = None;
            }
            cells.push(line.unwrap_or_default());
        }
        if !any {
            return Ok(0);
        }
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                context.out.write_all(&[delimiters[(at - 1) % delimiters.len()]])?;
            }
            context.out.write_all(cell)?;
        }
        context.out.write_all(&[end])?;
    }
}

fn next(input: &mut Input, end: u8) -> Result<Option<Vec<u8>>, Stop> {
    let mut line = Vec::new();
    let len = input.read_until(end, &mut line)?;
    line.pop_if(|last| *last == end);
    Ok((len > 0).then_some(line))
}
