//! One input: which lines match.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Write},
};

use shim::{Context, Input, Stop};

use crate::{
    options::{Binary, Grep, stop},
    report,
};

/// A line with its place in the input.
pub(crate) struct Line {
    pub(crate) text: Vec<u8>,
    pub(crate) number: u64,
    pub(crate) offset: u64,
}

/// Scans one input and reports it; says whether a line was selected.
pub(crate) fn scan(
    context: &mut Context,
    grep: &Grep,
    name: &[u8],
    mut input: Input,
) -> Result<io::Result<bool>, Stop> {
    let binary = match input.fill_buf() {
        Ok(begin) => grep.binary != Binary::Text && grep.end != 0 && begin.contains(&0),
        Err(error) => return Ok(Err(error)),
    };
    if binary && grep.binary == Binary::Skip {
        return finish(context, grep, name, 0);
    }
    let listing = grep.quiet || grep.with_matches || grep.without_match;
    let mut selected = 0;
    let mut pending = 0;
    let mut before: VecDeque<Line> = VecDeque::new();
    let mut last_printed: Option<u64> = None;
    let mut line = Line { text: Vec::new(), number: 0, offset: 0 };
    if grep.max == Some(0) {
        return finish(context, grep, name, 0);
    }
    loop {
        line.text.clear();
        match input.read_until(grep.end, &mut line.text) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
        let len = line.text.len() as u64;
        if line.text.last() == Some(&grep.end) {
            line.text.pop();
        }
        line.number += 1;
        if selects(grep, &line.text)? {
            selected += 1;
            if listing {
                break;
            }
            if binary && !grep.count {
                let name = String::from_utf8_lossy(name).into_owned();
                context.warn(format_args!("{name}: binary file matches"));
                return Ok(Ok(true));
            }
            if !grep.count {
                let first = before.front().map_or(line.number, |line| line.number);
                let gap = match last_printed {
                    Some(last) => last + 1 < first,
                    None => grep.printed.get(),
                };
                if gap && (grep.after > 0 || grep.before > 0) && !grep.only {
                    context.out.write_all(b"--\n")?;
                }
                for earlier in before.drain(..) {
                    report::line(context, grep, name, &earlier, b'-')?;
                }
                report::line(context, grep, name, &line, b':')?;
                last_printed = Some(line.number);
                grep.printed.set(true);
                pending = grep.after;
            }
            if grep.max.is_some_and(|max| selected >= max) {
                trail(context, grep, name, &mut input, &mut line, len, pending)?;
                break;
            }
        } else if pending > 0 && !grep.count {
            pending -= 1;
            report::line(context, grep, name, &line, b'-')?;
            last_printed = Some(line.number);
        } else if grep.before > 0 && !grep.count && !listing {
            if before.len() == grep.before {
                before.pop_front();
            }
            before.push_back(Line { text: line.text.clone(), ..line });
        }
        line.offset += len;
    }
    finish(context, grep, name, selected)
}

/// After the last match that -m allows, its trailing context still follows.
fn trail(
    context: &mut Context,
    grep: &Grep,
    name: &[u8],
    input: &mut Input,
    line: &mut Line,
    len: u64,
    pending: u64,
) -> Result<(), Stop> {
    line.offset += len;
    for _ in 0..pending {
        line.text.clear();
        let len = input.read_until(grep.end, &mut line.text)?;
        if len == 0 {
            break;
        }
        if line.text.last() == Some(&grep.end) {
            line.text.pop();
        }
        line.number += 1;
        if selects(grep, &line.text)? {
            break;
        }
        report::line(context, grep, name, line, b'-')?;
        line.offset += len as u64;
    }
    Ok(())
}

fn selects(grep: &Grep, text: &[u8]) -> Result<bool, Stop> {
    for pattern in &grep.patterns {
        if pattern.is_match(text).map_err(stop)? {
            return Ok(!grep.invert);
        }
    }
    Ok(grep.invert)
}

fn finish(
    context: &mut Context,
    grep: &Grep,
    name: &[u8],
    selected: u64,
) -> Result<io::Result<bool>, Stop> {
    if !grep.quiet {
        if grep.with_matches || grep.without_match {
            if grep.with_matches == (selected > 0) {
                context.out.write_all(name)?;
                context.out.write_all(&[grep.name_end.unwrap_or(b'\n')])?;
            }
        } else if grep.count {
            report::name(context, grep, name, b':')?;
            writeln!(context.out, "{selected}")?;
        }
    }
    Ok(Ok(selected > 0))
}
