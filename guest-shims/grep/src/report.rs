//! How lines are printed.

use std::io::{self, Write};

use shim::{Context, Stop};

use crate::{
    options::{Grep, stop},
    scan::Line,
};

/// The file's name, where it is wanted.
pub(crate) fn name(context: &mut Context, grep: &Grep, name: &[u8], mark: u8) -> io::Result<()> {
    if grep.filename {
        context.out.write_all(name)?;
        context.out.write_all(&[grep.name_end.unwrap_or(mark)])?;
    }
    Ok(())
}

fn prefix(
    context: &mut Context,
    grep: &Grep,
    file: &[u8],
    line: &Line,
    offset: u64,
    mark: u8,
) -> io::Result<()> {
    name(context, grep, file, mark)?;
    let mark = char::from(mark);
    if grep.line_number {
        write!(context.out, "{}{mark}", line.number)?;
    }
    if grep.byte_offset {
        write!(context.out, "{offset}{mark}")?;
    }
    Ok(())
}

/// A line, or with -o its matches.
pub(crate) fn line(
    context: &mut Context,
    grep: &Grep,
    file: &[u8],
    line: &Line,
    mark: u8,
) -> Result<(), Stop> {
    if !grep.only {
        prefix(context, grep, file, line, line.offset, mark)?;
        context.out.write_all(&line.text)?;
        context.out.write_all(&[grep.end])?;
        return Ok(());
    }
    if grep.invert || mark == b'-' {
        return Ok(());
    }
    let mut at = 0;
    while at <= line.text.len() {
        let mut best: Option<(usize, usize)> = None;
        for pattern in &grep.patterns {
            if let Some((from, to)) = pattern.find_span(&line.text, at).map_err(stop)? {
                let better =
                    best.is_none_or(|(begin, end)| from < begin || from == begin && to > end);
                if better {
                    best = Some((from, to));
                }
            }
        }
        let Some((from, to)) = best else { break };
        if from == to {
            at = to + 1;
            continue;
        }
        prefix(context, grep, file, line, line.offset + from as u64, mark)?;
        context.out.write_all(&line.text[from..to])?;
        context.out.write_all(&[grep.end])?;
        at = to;
    }
    Ok(())
}
