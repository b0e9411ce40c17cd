//! `head`.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Read, Write},
};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, Given, Opt, Order, flag, value},
    number,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[
    value('c', "bytes"),
    value('n', "lines"),
    flag('q', "quiet"),
    flag('\0', "silent"),
    flag('v', "verbose"),
    flag('z', "zero-terminated"),
];

/// How much is printed.
#[derive(Clone, Copy)]
enum Part {
    First(u64),
    AllBut(u64),
}

/// Expands `-5` to `-n 5`.
fn with_numbers(args: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let expand = |(at, arg): (usize, &Vec<u8>)| match arg.strip_prefix(b"-") {
        Some(digits) if at == 0 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            [b"-n", digits].concat()
        }
        _ => arg.clone(),
    };
    args.iter().enumerate().map(expand).collect()
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &with_numbers(&context.args), Order::Permute)?;
    let (mut part, mut bytes, mut end, mut titles) = (Part::First(10), false, b'\n', None);
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
    let all = each_input(context, &parsed.operands, |context, input, name| {
        if titles {
            title(context, name, &mut first)?;
        }
        match (part, bytes) {
            (Part::First(count), true) => {
                io::copy(&mut input.take(count), &mut context.out)?;
            }
            (Part::First(count), false) => first_lines(context, input, count, end)?,
            (Part::AllBut(count), true) => all_but_bytes(context, input, count)?,
            (Part::AllBut(count), false) => all_but_lines(context, input, count, end)?,
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}

/// The line above each of several files.
pub(crate) fn title(context: &mut Context, name: &[u8], first: &mut bool) -> io::Result<()> {
    let name = if name == b"-" { &b"standard input"[..] } else { name };
    let gap = if std::mem::take(first) { "" } else { "\n" };
    write!(context.out, "{gap}==> ")?;
    context.out.write_all(name)?;
    context.out.write_all(b" <==\n")
}

fn count(option: &Given) -> Result<Part, Stop> {
    let text = option.bytes();
    let (all_but, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix(b"+").unwrap_or(text)),
    };
    let number = number::size(digits).ok_or_else(|| {
        Stop::Fail(1, format!("invalid number '{}'", String::from_utf8_lossy(text)))
    })?;
    Ok(if all_but { Part::AllBut(number) } else { Part::First(number) })
}

fn first_lines(context: &mut Context, mut input: Input, count: u64, end: u8) -> io::Result<()> {
    let mut line = Vec::new();
    for _ in 0..count {
        line.clear();
        if input.read_until(end, &mut line)? == 0 {
            break;
        }
        context.out.write_all(&line)?;
    }
    Ok(())
}

fn all_but_lines(context: &mut Context, mut input: Input, count: u64, end: u8) -> io::Result<()> {
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    loop {
        let mut line = Vec::new();
        if input.read_until(end, &mut line)? == 0 {
            return Ok(());
        }
        kept.push_back(line);
        if kept.len() as u64 > count
            && let Some(line) = kept.pop_front()
        {
            context.out.write_all(&line)?;
        }
    }
}

fn all_but_bytes(context: &mut Context, mut input: Input, count: u64) -> io::Result<()> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut kept = Vec::new();
    let mut block = vec![0; shim::BLOCK];
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            return Ok(());
        }
        kept.extend_from_slice(&block[..len]);
        if kept.len() > count {
            let ready = kept.len() - count;
            context.out.write_all(&kept[..ready])?;
            kept.drain(..ready);
        }
    }
}
