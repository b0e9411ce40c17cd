//! `fold`.

use std::io::{BufRead, Write};

use shim::{
    Context, Outcome,
    args::{self, Opt, Order, flag, value},
    native,
    number::decimal,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[flag('b', "bytes"), flag('s', "spaces"), value('w', "width")];

/// Columns of a line where none are given.
const WIDTH: u64 = 80;

/// How lines are broken.
struct Style {
    bytes: bool,
    spaces: bool,
    width: u64,
}

impl Style {
    /// The column after a byte.
    fn after(&self, column: u64, byte: u8) -> u64 {
        match byte {
            _ if self.bytes => column + 1,
            b'\x08' => column.saturating_sub(1),
            b'\r' => 0,
            b'\t' => column + 8 - column % 8,
            _ => column + 1,
        }
    }

    /// Writes a line, without its end, in pieces.
    fn fold(&self, line: &[u8], out: &mut impl Write) -> std::io::Result<()> {
        let mut piece: Vec<u8> = Vec::new();
        let mut column = 0;
        for &byte in line {
            while self.after(column, byte) > self.width && !piece.is_empty() {
                let blank = piece.iter().rposition(|byte| b" \t".contains(byte));
                let end = blank.filter(|_| self.spaces).map_or(piece.len(), |blank| blank + 1);
                out.write_all(&piece[..end])?;
                out.write_all(b"\n")?;
                piece.drain(..end);
                column = piece.iter().fold(0, |column, &byte| self.after(column, byte));
            }
            column = self.after(column, byte);
            piece.push(byte);
        }
        out.write_all(&piece)
    }
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut style = Style { bytes: false, spaces: false, width: WIDTH };
    for option in &parsed.options {
        match option.name() {
            "b" => style.bytes = true,
            "s" => style.spaces = true,
            _ => {
                let width = decimal(option.bytes()).filter(|width| (1..1 << 32).contains(width));
                style.width = width.ok_or_else(|| native("fold of such a width"))?;
            }
        }
    }
    let all = each_input(context, &parsed.operands, |context, mut input, _| {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            if !(style.bytes || line.is_ascii()) {
                // By the version, a column is a byte or a character.
                return Err(native("fold of what is not ASCII"));
            }
            let end = line.pop_if(|last| *last == b'\n').is_some();
            style.fold(&line, &mut context.out)?;
            if end {
                context.out.write_all(b"\n")?;
            }
            line.clear();
        }
        Ok(())
    })?;
    Ok(u8::from(!all))
}
