//! What `head` and `tail` have in common.

use std::io::{self, Write};

use shim::{
    Context, Stop,
    args::{self, Opt, Order, flag, value},
    number,
};

const OPTIONS: &[Opt] = &[
    value('c', "bytes"),
    value('n', "lines"),
    flag('q', "quiet"),
    flag('\0', "silent"),
    flag('v', "verbose"),
    flag('z', "zero-terminated"),
];

/// How much of a file is asked for, as `-n` and `-c` say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount {
    /// `+` or `-` before the number.
    pub(crate) sign: Option<u8>,
    pub(crate) number: u64,
}

/// A command line of `head` or `tail`.
pub(crate) struct Part {
    pub(crate) amount: Amount,
    /// It counts bytes rather than lines.
    pub(crate) bytes: bool,
    /// What ends a line.
    pub(crate) end: u8,
    pub(crate) titles: bool,
    pub(crate) operands: Vec<Vec<u8>>,
}

impl Part {
    /// Reads the command line; an old number such as `-5` begins with one of `signs`.
    pub(crate) fn read(context: &Context, signs: &[u8]) -> Result<Self, Stop> {
        let mut args = context.args.clone();
        if let Some(first) = args.first_mut()
            && let Some((sign, digits)) = first.split_first()
            && signs.contains(sign)
            && !digits.is_empty()
            && digits.iter().all(u8::is_ascii_digit)
        {
            *first = match sign {
                b'+' => [b"-n+", digits].concat(),
                _ => [b"-n", digits].concat(),
            };
        }
        let parsed = args::parse(OPTIONS, &args, Order::Permute)?;
        let mut part = Self {
            amount: Amount { sign: None, number: 10 },
            bytes: false,
            end: b'\n',
            titles: parsed.operands.len() > 1,
            operands: parsed.operands,
        };
        for option in &parsed.options {
            match option.name() {
                "c" | "n" => {
                    part.bytes = option.name() == "c";
                    part.amount = amount(option.bytes())?;
                }
                "v" => part.titles = true,
                "z" => part.end = 0,
                _ => part.titles = false,
            }
        }
        Ok(part)
    }
}

fn amount(text: &[u8]) -> Result<Amount, Stop> {
    let (sign, digits) = match text.split_first() {
        Some((&sign @ (b'+' | b'-'), digits)) => (Some(sign), digits),
        _ => (None, text),
    };
    let number = number::size(digits).ok_or_else(|| {
        Stop::Fail(1, format!("invalid number '{}'", String::from_utf8_lossy(text)))
    })?;
    Ok(Amount { sign, number })
}

/// The line above each of several files.
pub(crate) fn title(context: &mut Context, name: &[u8], first: &mut bool) -> io::Result<()> {
    let name = if name == b"-" { &b"standard input"[..] } else { name };
    let gap = if std::mem::take(first) { "" } else { "\n" };
    write!(context.out, "{gap}==> ")?;
    context.out.write_all(name)?;
    context.out.write_all(b" <==\n")
}
