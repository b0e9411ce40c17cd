//! `wc`.

use std::io::{Read, Write};

use shim::{
    BLOCK, Context, Outcome, Stop,
    args::{self, Opt, Order, flag},
    locale, sys,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[
    flag('c', "bytes"),
    flag('l', "lines"),
    flag('L', "max-line-length"),
    flag('m', "chars"),
    flag('w', "words"),
];

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    chars: u64,
    bytes: u64,
    longest: u64,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let mut shows = [has("l"), has("w"), has("m"), has("c"), has("L")];
    if !shows.contains(&true) {
        shows = [true, true, false, true, false];
    }
    let utf8 = locale::is_utf8(&context.env);
    let mut rows: Vec<(Counts, Option<Vec<u8>>)> = Vec::new();
    let mut total = Counts::default();
    let named = !parsed.operands.is_empty();
    let all = each_input(context, &parsed.operands, |_, mut input, name| {
        let counts = count(&mut input, utf8)?;
        total.lines += counts.lines;
        total.words += counts.words;
        total.chars += counts.chars;
        total.bytes += counts.bytes;
        total.longest = total.longest.max(counts.longest);
        rows.push((counts, named.then(|| name.to_vec())));
        Ok(())
    })?;
    if parsed.operands.len() > 1 {
        rows.push((total, Some(b"total".to_vec())));
    }
    let width = width(&parsed.operands, shows, sys::is_busybox());
    for (counts, name) in rows {
        let values = [counts.lines, counts.words, counts.chars, counts.bytes, counts.longest];
        let cells = values.into_iter().zip(shows).filter(|(_, shown)| *shown);
        let cells: Vec<String> = cells.map(|(value, _)| format!("{value:width$}")).collect();
        context.out.write_all(cells.join(" ").as_bytes())?;
        if let Some(name) = name {
            context.out.write_all(b" ")?;
            context.out.write_all(&name)?;
        }
        context.out.write_all(b"\n")?;
    }
    Ok(u8::from(!all))
}

/// GNU's width: that of the sizes' sum, or 7 where a size is not known; one count of one file has 1.
fn width(operands: &[Vec<u8>], shows: [bool; 5], busybox: bool) -> usize {
    let single = shows.iter().filter(|shown| **shown).count() == 1;
    if busybox {
        return if single { 1 } else { 9 };
    }
    if single && operands.len() <= 1 {
        return 1;
    }
    let mut width = 1;
    let mut sum = 0;
    let standard = [b"-".to_vec()];
    for operand in if operands.is_empty() { &standard } else { operands } {
        let stat = if operand == b"-" { sys::fstat(0) } else { sys::stat(operand) };
        match stat {
            Ok(stat) if stat.is_file() => sum += stat.size,
            Ok(_) => width = 7,
            Err(_) => {}
        }
    }
    width.max(sum.to_string().len())
}

fn count(input: &mut dyn Read, utf8: bool) -> Result<Counts, Stop> {
    let mut counts = Counts::default();
    let mut block = vec![0; BLOCK];
    let (mut in_word, mut column) = (false, 0);
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            break;
        }
        counts.bytes += len as u64;
        for &byte in &block[..len] {
            let begins_char = !utf8 || byte & 0xc0 != 0x80;
            counts.chars += u64::from(begins_char);
            match byte {
                b'\n' | b'\r' | 12 => {
                    counts.lines += u64::from(byte == b'\n');
                    counts.longest = counts.longest.max(column);
                    column = 0;
                    in_word = false;
                }
                b'\t' => {
                    column = (column / 8 + 1) * 8;
                    in_word = false;
                }
                b' ' | 11 => {
                    column += u64::from(byte == b' ');
                    in_word = false;
                }
                _ => {
                    let printable = matches!(byte, 0x20..=0x7e) || byte >= 0x80 && utf8;
                    column += u64::from(printable && begins_char);
                    if !in_word && (printable || byte >= 0x80) {
                        in_word = true;
                        counts.words += 1;
                    }
                }
            }
        }
    }
    counts.longest = counts.longest.max(column);
    Ok(counts)
}
