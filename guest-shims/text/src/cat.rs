//! `cat`, `tac` and `rev`.

use std::io::{self, BufRead, Write};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, Opt, Order, flag},
    native, sys,
};

const OPTIONS: &[Opt] = &[
    flag('A', "show-all"),
    flag('b', "number-nonblank"),
    flag('e', ""),
    flag('E', "show-ends"),
    flag('n', "number"),
    flag('s', "squeeze-blank"),
    flag('t', ""),
    flag('T', "show-tabs"),
    flag('u', ""),
    flag('v', "show-nonprinting"),
];

#[derive(Default)]
struct Style {
    number: bool,
    number_filled: bool,
    ends: bool,
    tabs: bool,
    squeeze: bool,
    visible: bool,
}

/// Opens each operand, and tells of those that cannot be read.
pub(crate) fn each_input(
    context: &mut Context,
    operands: &[Vec<u8>],
    mut act: impl FnMut(&mut Context, Input, &[u8]) -> Result<(), Stop>,
) -> Result<bool, Stop> {
    let standard = [b"-".to_vec()];
    let operands = if operands.is_empty() { &standard } else { operands };
    let mut all = true;
    for operand in operands {
        let opened = context.input(operand).and_then(|mut input| {
            // A directory shows only when it is read.
            input.fill_buf()?;
            Ok(input)
        });
        match opened {
            Ok(input) => act(context, input, operand)?,
            Err(error) => {
                let shown = String::from_utf8_lossy(operand).into_owned();
                context.warn(format_args!("{shown}: {}", sys::reason(&error)));
                all = false;
            }
        }
    }
    Ok(all)
}

pub(crate) fn cat(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut style = Style::default();
    for option in &parsed.options {
        match option.name() {
            "A" => (style.visible, style.ends, style.tabs) = (true, true, true),
            "b" => (style.number, style.number_filled) = (true, true),
            "e" => (style.visible, style.ends) = (true, true),
            "E" => style.ends = true,
            "n" => style.number = true,
            "s" => style.squeeze = true,
            "t" => (style.visible, style.tabs) = (true, true),
            "T" => style.tabs = true,
            "v" => style.visible = true,
            _ => {}
        }
    }
    let plain = !(style.number || style.ends || style.tabs || style.squeeze || style.visible);
    let mut state = State { line: 0, blank: false, at_start: true };
    let all = each_input(context, &parsed.operands, |context, mut input, _| {
        if plain {
            io::copy(&mut input, &mut context.out)?;
            return Ok(());
        }
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            show(context, &style, &mut state, &line)?;
            line.clear();
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}

struct State {
    line: u64,
    blank: bool,
    at_start: bool,
}

fn show(context: &mut Context, style: &Style, state: &mut State, line: &[u8]) -> io::Result<()> {
    let blank = line == b"\n" && state.at_start;
    if blank && state.blank && style.squeeze {
        return Ok(());
    }
    state.blank = blank;
    if style.number && state.at_start && !(style.number_filled && blank) {
        state.line += 1;
        write!(context.out, "{:6}\t", state.line)?;
    }
    let mut shown = Vec::new();
    for &byte in line {
        match byte {
            b'\n' if style.ends => shown.extend_from_slice(b"$\n"),
            b'\t' if style.tabs => shown.extend_from_slice(b"^I"),
            b'\n' | b'\t' => shown.push(byte),
            _ if style.visible => visible(byte, &mut shown),
            _ => shown.push(byte),
        }
    }
    state.at_start = line.last() == Some(&b'\n');
    context.out.write_all(&shown)
}

fn visible(byte: u8, shown: &mut Vec<u8>) {
    let low = if byte >= 128 {
        shown.extend_from_slice(b"M-");
        byte - 128
    } else {
        byte
    };
    match low {
        0..32 => shown.extend_from_slice(&[b'^', low + 64]),
        127 => shown.extend_from_slice(b"^?"),
        _ => shown.push(low),
    }
}

pub(crate) fn tac(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::Permute)?;
    let all = each_input(context, &parsed.operands, |context, mut input, _| {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            lines.push(line);
        }
        for line in lines.iter().rev() {
            context.out.write_all(line)?;
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}

pub(crate) fn rev(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::Permute)?;
    let all = each_input(context, &parsed.operands, |context, mut input, _| {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            let end = line.pop_if(|last| *last == b'\n');
            if !line.is_ascii() {
                return Err(native("rev of characters beyond ASCII"));
            }
            line.reverse();
            line.extend(end);
            context.out.write_all(&line)?;
            line.clear();
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}
