//! `tail`, without following.

use std::{
    collections::VecDeque,
    io::{self, BufRead, Read, Write},
};

use shim::{Context, Input, Outcome};

use crate::{
    cat::each_input,
    part::{Part, title},
};

pub(crate) fn main(context: &mut Context) -> Outcome {
    let part = Part::read(context, b"+-")?;
    let (count, end) = (part.amount.number, part.end);
    // From this line or byte on, counted from 1.
    let from = part.amount.sign == Some(b'+');
    let mut first = true;
    let all = each_input(context, &part.operands, |context, mut input, name| {
        if part.titles {
            title(context, name, &mut first)?;
        }
        match (from, part.bytes) {
            (true, true) => {
                io::copy(&mut (&mut input).take(count.saturating_sub(1)), &mut io::sink())?;
                io::copy(&mut input, &mut context.out)?;
            }
            (true, false) => {
                let mut skipped = Vec::new();
                for _ in 1..count {
                    skipped.clear();
                    if input.read_until(end, &mut skipped)? == 0 {
                        break;
                    }
                }
                io::copy(&mut input, &mut context.out)?;
            }
            (false, true) => last_bytes(context, input, count)?,
            (false, false) => last_lines(context, input, count, end)?,
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
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
