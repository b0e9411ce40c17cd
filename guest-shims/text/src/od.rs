//! `od`.

use std::io::{self, BufRead, Read, Write};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, Opt, Order, flag, optional, value},
    native, number, sys,
};

const OPTIONS: &[Opt] = &[
    value('A', "address-radix"),
    value('j', "skip-bytes"),
    value('N', "read-bytes"),
    value('t', "format"),
    flag('v', "output-duplicates"),
    optional('w', "width"),
    flag('a', ""),
    flag('b', ""),
    flag('c', ""),
    flag('d', ""),
    flag('i', ""),
    flag('l', ""),
    flag('o', ""),
    flag('s', ""),
    flag('x', ""),
];

const NAMES: [&str; 33] = [
    "nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "ht", "nl", "vt", "ff", "cr",
    "so", "si", "dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc",
    "fs", "gs", "rs", "us", "sp",
];

/// The widest block, in bytes: a hostile `-w` must not take all memory.
const MAX_WIDTH: u64 = 1 << 16;

/// How a run of bytes is shown.
#[derive(Clone, Copy)]
struct Type {
    letter: u8,
    size: usize,
    /// The text behind the fields.
    text: bool,
}

impl Type {
    /// The widest value of this type, in characters.
    fn width(self) -> usize {
        let wide = |widths: [usize; 4]| widths[self.size.ilog2() as usize];
        match self.letter {
            b'o' => wide([3, 6, 11, 22]),
            b'x' => wide([2, 4, 8, 16]),
            b'd' => wide([4, 6, 11, 20]),
            b'u' => wide([3, 5, 10, 20]),
            _ => 3,
        }
    }

    fn show(self, bytes: &[u8]) -> String {
        let value = bytes.iter().rev().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        match self.letter {
            b'o' => format!("{value:0width$o}", width = self.width()),
            b'x' => format!("{value:0width$x}", width = self.width()),
            b'u' => value.to_string(),
            b'd' => {
                let unused = 64 - 8 * self.size;
                (value.cast_signed() << unused >> unused).to_string()
            }
            b'a' => match bytes[0] & 0x7f {
                127 => "del".to_owned(),
                low @ 0..33 => NAMES[usize::from(low)].to_owned(),
                low => char::from(low).to_string(),
            },
            _ => match bytes[0] {
                0 => "\\0".to_owned(),
                7 => "\\a".to_owned(),
                8 => "\\b".to_owned(),
                b'\t' => "\\t".to_owned(),
                b'\n' => "\\n".to_owned(),
                11 => "\\v".to_owned(),
                12 => "\\f".to_owned(),
                b'\r' => "\\r".to_owned(),
                byte @ 32..127 => char::from(byte).to_string(),
                byte => format!("{byte:03o}"),
            },
        }
    }
}

struct Od {
    types: Vec<Type>,
    /// What the addresses are counted in; none shows no addresses.
    radix: u8,
    width: usize,
    all: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut od = Od { types: Vec::new(), radix: b'o', width: 16, all: false };
    let (mut skip, mut limit) = (0, None);
    for option in &parsed.options {
        let count = || number::size(option.bytes()).ok_or_else(|| native("a count of this form"));
        let mut add = |letter: u8, size: usize| od.types.push(Type { letter, size, text: false });
        match option.name() {
            "A" => match option.bytes() {
                [radix @ (b'o' | b'd' | b'x' | b'n')] => od.radix = *radix,
                _ => return Err(native("an address radix of this form")),
            },
            "j" => skip = count()?,
            "N" => limit = Some(count()?),
            "t" => types(option.bytes(), &mut od.types)?,
            "v" => od.all = true,
            "w" => {
                let width = if option.value.is_some() { count()? } else { 32 };
                if width == 0 || width > MAX_WIDTH {
                    return Err(native("a width of this form"));
                }
                od.width = usize::try_from(width).unwrap_or(16);
            }
            "a" => add(b'a', 1),
            "b" => add(b'o', 1),
            "c" => add(b'c', 1),
            "d" => add(b'u', 2),
            "i" => add(b'd', 4),
            "l" => add(b'd', 8),
            "o" => add(b'o', 2),
            "s" => add(b'd', 2),
            _ => add(b'x', 2),
        }
    }
    if od.types.is_empty() {
        od.types.push(Type { letter: b'o', size: 2, text: false });
    }
    if sys::is_busybox() && (od.types.len() > 1 || od.width != 16) {
        return Err(native("several formats, or another width"));
    }
    if od.types.iter().any(|kind| !od.width.is_multiple_of(kind.size)) {
        return Err(native("a width that is no multiple of the values' sizes"));
    }
    let old_offset = |operand: &Vec<u8>| operand.starts_with(b"+");
    if parsed.operands.iter().any(old_offset) {
        return Err(native("an offset among the operands"));
    }
    od.run(context, &parsed.operands, skip, limit)
}

/// Reads types such as `x1z` or `d4u2`.
fn types(text: &[u8], types: &mut Vec<Type>) -> Result<(), Stop> {
    let unknown = || native("a format of this form");
    let mut rest = text;
    while let Some((&letter, after)) = rest.split_first() {
        rest = after;
        let mut size = 1;
        match letter {
            b'a' | b'c' => {}
            b'd' | b'o' | b'u' | b'x' => {
                size = 4;
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let by_letter = match rest.first() {
                    Some(b'C') => Some(1),
                    Some(b'S') => Some(2),
                    Some(b'I') => Some(4),
                    Some(b'L') => Some(8),
                    _ => None,
                };
                if let Some(named) = by_letter {
                    size = named;
                    rest = &rest[1..];
                } else if digits > 0 {
                    let number = number::decimal(&rest[..digits]).ok_or_else(unknown)?;
                    size = usize::try_from(number).unwrap_or(0);
                    rest = &rest[digits..];
                }
            }
            _ => return Err(unknown()),
        }
        if !matches!(size, 1 | 2 | 4 | 8) {
            return Err(unknown());
        }
        let text = rest.first() == Some(&b'z');
        rest = &rest[usize::from(text)..];
        types.push(Type { letter, size, text });
    }
    if types.is_empty() { Err(unknown()) } else { Ok(()) }
}

impl Od {
    fn run(
        &self,
        context: &mut Context,
        operands: &[Vec<u8>],
        skip: u64,
        limit: Option<u64>,
    ) -> Outcome {
        let (mut status, mut any) = (0, false);
        let mut whole: Input = Box::new(io::empty());
        let standard = [b"-".to_vec()];
        for operand in if operands.is_empty() { &standard[..] } else { operands } {
            match context.input(operand).and_then(|mut input| {
                // A directory shows only when it is read.
                input.fill_buf()?;
                Ok(input)
            }) {
                Ok(input) => {
                    any = true;
                    whole = Box::new(whole.chain(input));
                }
                Err(error) => {
                    let shown = String::from_utf8_lossy(operand).into_owned();
                    context.warn(format_args!("{shown}: {}", sys::reason(&error)));
                    status = 1;
                }
            }
        }
        if !any {
            return Ok(status);
        }
        if io::copy(&mut (&mut whole).take(skip), &mut io::sink())? < skip {
            return Err(Stop::Fail(1, "cannot skip past end of combined input".into()));
        }
        let mut input = whole.take(limit.unwrap_or(u64::MAX));
        let (mut at, mut before, mut starred) = (skip, None::<Vec<u8>>, false);
        loop {
            let mut block = Vec::new();
            let width = u64::try_from(self.width).unwrap_or(16);
            (&mut input).take(width).read_to_end(&mut block)?;
            if block.is_empty() {
                break;
            }
            let full = block.len() == self.width;
            if full && !self.all && before.as_ref() == Some(&block) {
                if !starred {
                    context.out.write_all(b"*\n")?;
                }
                starred = true;
            } else {
                self.lines(context, at, &block)?;
                starred = false;
            }
            at += u64::try_from(block.len()).unwrap_or(0);
            before = Some(block);
        }
        if self.radix != b'n' {
            writeln!(context.out, "{}", self.address(at))?;
        }
        Ok(status)
    }

    fn address(&self, at: u64) -> String {
        match self.radix {
            b'o' => format!("{at:07o}"),
            b'd' => format!("{at:07}"),
            b'x' => format!("{at:06x}"),
            _ => String::new(),
        }
    }

    fn lines(&self, context: &mut Context, at: u64, block: &[u8]) -> io::Result<()> {
        let address = self.address(at);
        let columns = |kind: &Type| (kind.width() + 1) * (self.width / kind.size);
        let widest = self.types.iter().map(columns).max().unwrap_or(0);
        for (index, kind) in self.types.iter().enumerate() {
            let mut line = if index == 0 { address.clone() } else { " ".repeat(address.len()) };
            // What this type needs less than the widest is spread over its fields.
            let fields = self.width / kind.size;
            let spare = widest - columns(kind);
            let mut left = spare;
            for place in 0..fields {
                let next = spare * (fields - 1 - place) / fields;
                let width = kind.width() + 1 + left - next;
                left = next;
                let begin = place * kind.size;
                if begin < block.len() {
                    let mut bytes = [0; 8];
                    let end = (begin + kind.size).min(block.len());
                    bytes[..end - begin].copy_from_slice(&block[begin..end]);
                    line += &format!("{:>width$}", kind.show(&bytes[..kind.size]));
                } else if kind.text {
                    line += &" ".repeat(width);
                }
            }
            if kind.text {
                let shown =
                    |&byte: &u8| if (32..127).contains(&byte) { char::from(byte) } else { '.' };
                let text: String = block.iter().map(shown).collect();
                line += &format!("  >{text}<");
            }
            writeln!(context.out, "{line}")?;
        }
        Ok(())
    }
}
