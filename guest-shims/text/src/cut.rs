//! `cut`.

use std::io::{self, BufRead, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native,
    number::decimal,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[
    value('b', "bytes"),
    value('c', "characters"),
    value('d', "delimiter"),
    value('f', "fields"),
    flag('n', ""),
    flag('s', "only-delimited"),
    flag('z', "zero-terminated"),
    flag('\0', "complement"),
    value('\0', "output-delimiter"),
];

/// Ranges of positions, counted from 1.
struct List(Vec<(u64, u64)>);

impl List {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut ranges = Vec::new();
        for part in text.split(|byte| b", ".contains(byte)) {
            let range = match part.iter().position(|&byte| byte == b'-') {
                None => (decimal(part)?, decimal(part)?),
                Some(at) => {
                    let (from, to) = (&part[..at], &part[at + 1..]);
                    if from.is_empty() && to.is_empty() {
                        return None;
                    }
                    let from = if from.is_empty() { 1 } else { decimal(from)? };
                    (from, if to.is_empty() { u64::MAX } else { decimal(to)? })
                }
            };
            if range.0 == 0 || range.1 < range.0 {
                return None;
            }
            ranges.push(range);
        }
        // Neighbours that overlap are one range; those that touch stay two, with a delimiter between.
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.0 <= last.1 => last.1 = last.1.max(range.1),
                _ => merged.push(range),
            }
        }
        Some(Self(merged))
    }

    fn has(&self, position: u64) -> bool {
        self.0.iter().any(|&(from, to)| (from..=to).contains(&position))
    }

    fn begins(&self, position: u64) -> bool {
        self.0.iter().any(|&(from, _)| from == position)
    }
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let (mut list, mut fields, mut delimiter, mut output) = (None, false, b'\t', None);
    let (mut only, mut complement, mut end) = (false, false, b'\n');
    for option in &parsed.options {
        match option.name() {
            "b" | "c" | "f" => {
                if list.is_some() {
                    return Err(Stop::Fail(1, "only one type of list may be specified".into()));
                }
                fields = option.name() == "f";
                let parsed = List::parse(option.bytes());
                list = Some(parsed.ok_or_else(|| Stop::Fail(1, "invalid list".into()))?);
            }
            "d" => {
                delimiter = match option.bytes() {
                    [] => 0,
                    [single] => *single,
                    _ => return Err(native("a delimiter of several bytes")),
                };
            }
            "s" => only = true,
            "z" => end = 0,
            "complement" => complement = true,
            "output-delimiter" => output = option.value.clone(),
            _ => {}
        }
    }
    let Some(list) = list else {
        context.warn("you must specify a list of bytes, characters, or fields");
        return Ok(1);
    };
    let output = output.or_else(|| fields.then(|| vec![delimiter]));
    let wanted = |position: u64| list.has(position) != complement;
    let all = each_input(context, &parsed.operands, |context, mut input, _| {
        let mut line = Vec::new();
        while input.read_until(end, &mut line)? > 0 {
            line.pop_if(|last| *last == end);
            if fields {
                cut_fields(context, &line, delimiter, output.as_deref(), only, end, &wanted)?;
            } else {
                cut_bytes(context, &line, output.as_deref(), &list, &wanted)?;
                context.out.write_all(&[end])?;
            }
            line.clear();
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}

fn cut_fields(
    context: &mut Context,
    line: &[u8],
    delimiter: u8,
    output: Option<&[u8]>,
    only: bool,
    end: u8,
    wanted: &dyn Fn(u64) -> bool,
) -> io::Result<()> {
    if !line.contains(&delimiter) {
        if !only {
            context.out.write_all(line)?;
            context.out.write_all(&[end])?;
        }
        return Ok(());
    }
    let mut first = true;
    for (field, position) in line.split(|&byte| byte == delimiter).zip(1..) {
        if wanted(position) {
            if !std::mem::take(&mut first) {
                context.out.write_all(output.unwrap_or_default())?;
            }
            context.out.write_all(field)?;
        }
    }
    context.out.write_all(&[end])
}

fn cut_bytes(
    context: &mut Context,
    line: &[u8],
    output: Option<&[u8]>,
    list: &List,
    wanted: &dyn Fn(u64) -> bool,
) -> io::Result<()> {
    let (mut any, mut last) = (false, false);
    for (byte, position) in line.iter().zip(1..) {
        let takes = wanted(position);
        if takes {
            if any && (!last || list.begins(position)) {
                context.out.write_all(output.unwrap_or_default())?;
            }
            context.out.write_all(&[*byte])?;
            any = true;
        }
        last = takes;
    }
    Ok(())
}
