//! `cmp` and `comm`.

use std::{
    cmp::Ordering,
    io::{BufRead, Read, Write},
};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, Opt, Order, flag},
    locale, sys,
};

const CMP: &[Opt] = &[flag('s', "quiet"), flag('\0', "silent"), flag('l', "verbose")];

pub(crate) fn cmp(context: &mut Context) -> Outcome {
    let parsed = args::parse(CMP, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let (silent, verbose) = (has("s") || has("silent"), has("l"));
    let (left, right) = match parsed.operands.as_slice() {
        [left] => (left.clone(), b"-".to_vec()),
        [left, right] => (left.clone(), right.clone()),
        _ => return Err(Stop::Fail(2, "needs one or two files".into())),
    };
    let open = |name: &[u8]| {
        context.input(name).map_err(|error| {
            let message = format!("{}: {}", String::from_utf8_lossy(name), sys::reason(&error));
            Stop::Fail(2, if silent { String::new() } else { message })
        })
    };
    let (mut a, mut b) = (open(&left)?.bytes(), open(&right)?.bytes());
    let (mut position, mut line, mut differs) = (1_u64, 1_u64, false);
    loop {
        match (a.next().transpose()?, b.next().transpose()?) {
            (None, None) => return Ok(u8::from(differs)),
            (Some(a), Some(b)) => {
                if a != b {
                    differs = true;
                    if verbose {
                        writeln!(context.out, "{position} {a:o} {b:o}")?;
                    } else {
                        if !silent {
                            let (left, right) =
                                (String::from_utf8_lossy(&left), String::from_utf8_lossy(&right));
                            let unit = if locale::is_utf8(&context.env) { "byte" } else { "char" };
                            writeln!(
                                context.out,
                                "{left} {right} differ: {unit} {position}, line {line}"
                            )?;
                        }
                        return Ok(1);
                    }
                }
                line += u64::from(a == b'\n');
            }
            (a, _) => {
                if !silent {
                    let short = String::from_utf8_lossy(if a.is_none() { &left } else { &right })
                        .into_owned();
                    context.warn(format_args!("EOF on {short} after byte {}", position - 1));
                }
                return Ok(1);
            }
        }
        position += 1;
    }
}

const COMM: &[Opt] = &[flag('1', ""), flag('2', ""), flag('3', ""), flag('z', "zero-terminated")];

pub(crate) fn comm(context: &mut Context) -> Outcome {
    let parsed = args::parse(COMM, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let hidden = [has("1"), has("2"), has("3")];
    let end = if has("z") { 0 } else { b'\n' };
    let [left, right] = parsed.operands.as_slice() else {
        context.warn("needs two files");
        return Ok(1);
    };
    let open = |name: &[u8]| {
        context.input(name).map_err(|error| {
            Stop::Fail(1, format!("{}: {}", String::from_utf8_lossy(name), sys::reason(&error)))
        })
    };
    let (mut left, mut right) = (open(left)?, open(right)?);
    let next = |input: &mut Input| -> Result<Option<Vec<u8>>, Stop> {
        let mut line = Vec::new();
        let len = input.read_until(end, &mut line)?;
        line.pop_if(|last| *last == end);
        Ok((len > 0).then_some(line))
    };
    let (mut a, mut b) = (next(&mut left)?, next(&mut right)?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(0),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.cmp(b),
        };
        let (column, line) = match order {
            Ordering::Less => (0, a.clone()),
            Ordering::Greater => (1, b.clone()),
            Ordering::Equal => (2, a.clone()),
        };
        if !hidden[column] {
            let tabs = hidden[..column].iter().filter(|hidden| !**hidden).count();
            context.out.write_all(&b"\t".repeat(tabs))?;
            context.out.write_all(&line.unwrap_or_default())?;
            context.out.write_all(&[end])?;
        }
        if order != Ordering::Greater {
            a = next(&mut left)?;
        }
        if order != Ordering::Less {
            b = next(&mut right)?;
        }
    }
}
