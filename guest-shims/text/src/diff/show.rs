//! Differences as text: the normal and the unified form.

use std::io::{self, Write};

use super::changes::Change;

/// Two files, taken apart.
pub(super) struct Pair<'a> {
    pub(super) left: Vec<&'a [u8]>,
    pub(super) right: Vec<&'a [u8]>,
}

fn line(out: &mut dyn Write, mark: &[u8], text: &[u8]) -> io::Result<()> {
    out.write_all(mark)?;
    out.write_all(text)?;
    if !text.ends_with(b"\n") {
        out.write_all(b"\n\\ No newline at end of file\n")?;
    }
    Ok(())
}

/// Lines as `3` or `3,5`; none are said by the line before.
fn span(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => range.start.to_string(),
        1 => range.end.to_string(),
        _ => format!("{},{}", range.start + 1, range.end),
    }
}

pub(super) fn normal(out: &mut dyn Write, pair: &Pair, changes: &[Change]) -> io::Result<()> {
    for Change { left, right } in changes {
        let letter = match (left.is_empty(), right.is_empty()) {
            (true, _) => 'a',
            (_, true) => 'd',
            _ => 'c',
        };
        writeln!(out, "{}{letter}{}", span(left), span(right))?;
        for text in &pair.left[left.clone()] {
            line(out, b"< ", text)?;
        }
        if letter == 'c' {
            out.write_all(b"---\n")?;
        }
        for text in &pair.right[right.clone()] {
            line(out, b"> ", text)?;
        }
    }
    Ok(())
}

/// Begin and length as a head of a hunk has them.
fn extent(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => (range.start + 1).to_string(),
        count => format!("{},{count}", range.start + 1),
    }
}

pub(super) fn unified(
    out: &mut dyn Write,
    pair: &Pair,
    changes: &[Change],
    context: usize,
) -> io::Result<()> {
    let mut rest = changes;
    while let Some(first) = rest.first() {
        // Changes that are close share a hunk.
        let mut count = 1;
        while rest.get(count).is_some_and(|next| {
            next.left.start - rest[count - 1].left.end <= context.saturating_mul(2)
        }) {
            count += 1;
        }
        let (hunk, after) = rest.split_at(count);
        rest = after;
        let before = context.min(first.left.start);
        let last = &hunk[count - 1];
        let behind = context.min(pair.left.len() - last.left.end);
        let left = first.left.start - before..last.left.end + behind;
        let right = first.right.start - before..last.right.end + behind;
        writeln!(out, "@@ -{} +{} @@", extent(&left), extent(&right))?;
        let mut at = left.start;
        for change in hunk {
            for text in &pair.left[at..change.left.start] {
                line(out, b" ", text)?;
            }
            for text in &pair.left[change.left.clone()] {
                line(out, b"-", text)?;
            }
            for text in &pair.right[change.right.clone()] {
                line(out, b"+", text)?;
            }
            at = change.left.end;
        }
        for text in &pair.left[at..left.end] {
            line(out, b" ", text)?;
        }
    }
    Ok(())
}
