//! `tail`, without following.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Read, Write},
};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, Given, Opt, Order, flag, value},
    number,
};

use crate::{cat::each_input, head::title};

const OPTIONS: &[Opt] = &[
    value('c', "bytes"),
    value('n', "lines"),
    flag('q', "quiet"),
    flag('\0', "silent"),
    flag('v', "verbose"),
    flag('z', "zero-terminated"),
];

#[derive(Clone, Copy)]
enum Part {
    Last(u64),
    /// From this line or byte on, counted from 1.
    From(u64),
}

fn with_numbers(args: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let expand = |(at, arg): (usize, &Vec<u8>)| {
        let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        match arg.split_first() {
            Some((b'-', rest)) if at == 0 && digits(rest) => [b"-n", rest].concat(),
            Some((b'+', rest)) if at == 0 && digits(rest) => [b"-n+", rest].concat(),
            _ => arg.clone(),
        }
    };
    args.iter().enumerate().map(expand).collect()
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &with_numbers(&context.args), Order::Permute)?;
    let (mut part, mut bytes, mut end, mut titles) = (Part::Last(10), false, b'\n', None);
    for option in &parsed.options {
        match option.name() {
            "c" | "n" => {
                bytes = option.name() == "c";
                part = count(option)?;
            }
            "v" => titles = Some(true),
            "z" => end = 0,
            _ => titles = Some(false),
        }
    }
    let titles = titles.unwrap_or(parsed.operands.len() > 1);
    let mut first = true;
    let all = each_input(context, &parsed.operands, |context, mut input, name| {
        if titles {
            title(context, name, &mut first)?;
        }
        match (part, bytes) {
            (Part::From(from), true) => {
                io::copy(&mut (&mut input).take(from.saturating_sub(1)), &mut io::sink())?;
                io::copy(&mut input, &mut context.out)?;
            }
            (Part::From(from), false) => {
                let mut skipped = Vec::new();
                for _ in 1..from {
                    skipped.clear();
                    if input.read_until(end, &mut skipped)? == 0 {
                        break;
                    }
                }
                io::copy(&mut input, &mut context.out)?;
            }
            (Part::Last(count), true) => last_bytes(context, input, count)?,
            (Part::Last(count), false) => last_lines(context, input, count, end)?,
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}

fn count(option: &Given) -> Result<Part, Stop> {
    let text = option.bytes();
    let (from, digits) = match text.split_first() {
        Some((b'+', digits)) => (true, digits),
        Some((b'-', digits)) => (false, digits),
        _ => (false, text),
    };
    let number = number::size(digits).ok_or_else(|| {
        Stop::Fail(1, format!("invalid number '{}'", String::from_utf8_lossy(text)))
    })?;
    Ok(if from { Part::From(number) } else { Part::Last(number) })
}

fn last_lines(context: &mut Context, mut input: Input, count: u64, end: u8) -> io::Result<()> {
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(end, &mut line)? == 0 {
            break;
        }
        kept.push_back(line);
        if kept.len() as u64 > count {
            kept.pop_front();
        }
    }
    for line in kept {
        context.out.write_all(&line)?;
    }
    Ok(())
}

fn last_bytes(context: &mut Context, mut input: Input, count: u64) -> io::Result<()> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut kept = Vec::new();
    let mut block = vec![0; shim::BLOCK];
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            return context.out.write_all(&kept);
        }
        kept.extend_from_slice(&block[..len]);
        if kept.len() > count {
            kept.drain(..kept.len() - count);
        }
    }
}
