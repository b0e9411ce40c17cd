//! `head`.

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
    let part = Part::read(context, b"-")?;
    let (count, end) = (part.amount.number, part.end);
    let all_but = part.amount.sign == Some(b'-');
    let mut first = true;
    let all = each_input(context, &part.operands, |context, input, name| {
        if part.titles {
            title(context, name, &mut first)?;
        }
        match (all_but, part.bytes) {
            (false, true) => {
                io::copy(&mut input.take(count), &mut context.out)?;
            }
            (false, false) => first_lines(context, input, count, end)?,
            (true, true) => all_but_bytes(context, input, count)?,
            (true, false) => all_but_lines(context, input, count, end)?,
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
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
