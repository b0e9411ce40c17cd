//! Options as `getopt_long` reads them: clustered short options, long options with unique
//! abbreviations, options after operands unless the command stops at the first operand.

use crate::{Stop, native};

/// Whether an option takes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `-f`, `--force`.
    Nothing,
    /// `-m MODE`, `-mMODE`, `--mode=MODE`, `--mode MODE`.
    Value,
    /// `-i[SUFFIX]`, `--backup[=CONTROL]`: a value only when attached.
    Optional,
}

/// One option of a command: its short letter (or NUL), its long name (or nothing), its value.
#[derive(Clone, Copy, Debug)]
pub struct Opt(pub char, pub &'static str, pub Takes);

/// A flag with a short and a long form.
#[must_use]
pub const fn flag(short: char, long: &'static str) -> Opt {
    Opt(short, long, Takes::Nothing)
}

/// An option with a value, with a short and a long form.
#[must_use]
pub const fn value(short: char, long: &'static str) -> Opt {
    Opt(short, long, Takes::Value)
}

/// An option with an optional value, with a short and a long form.
#[must_use]
pub const fn optional(short: char, long: &'static str) -> Opt {
    Opt(short, long, Takes::Optional)
}

/// The short form of an option that has only a long one.
pub const NO: char = '\0';

/// Where options end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Options may follow operands, as with GNU's and BusyBox's tools.
    Permute,
    /// The first operand ends the options, as with `env` or `chroot`.
    OperandEnds,
}

/// An option as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The short letter, or NUL when the option has none.
    pub short: char,
    /// The long name, or nothing when the option has none.
    pub long: &'static str,
    /// The value, where the option takes one.
    pub value: Option<Vec<u8>>,
    /// How many operands came before.
    pub after: usize,
}

impl Given {
    /// The option's name for a `match`: the short letter where there is one, else the long name.
    #[must_use]
    pub fn name(&self) -> &str {
        const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        match LETTERS.find(self.short) {
            Some(at) if self.short != NO => &LETTERS[at..=at],
            _ => self.long,
        }
    }

    /// The value; empty where there is none.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }

    /// The value as text.
    ///
    /// # Errors
    ///
    /// Stops the command when the value is not UTF-8.
    pub fn text(&self) -> Result<&str, Stop> {
        str::from_utf8(self.bytes())
            .map_err(|_| native(format!("value of --{} is not UTF-8", self.long)))
    }
}

/// A command line, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The options, in order.
    pub options: Vec<Given>,
    /// The operands, in order.
    pub operands: Vec<Vec<u8>>,
}

/// Takes a command line (without the command's name) apart.
///
/// # Errors
///
/// An option that is not in `table`, or that lacks its value, needs the native tool: only that one
/// knows whether the option is an error or merely unknown here.
pub fn parse(table: &[Opt], args: &[Vec<u8>], order: Order) -> Result<Parsed, Stop> {
    let mut parsed = Parsed::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == b"--" {
            parsed.operands.extend(args.cloned());
            break;
        }
        if let Some(long) = arg.strip_prefix(b"--") {
            let after = parsed.operands.len();
            parsed.options.push(long_option(table, long, &mut args, after)?);
        } else if arg.len() > 1 && arg[0] == b'-' {
            short_options(table, &arg[1..], &mut args, &mut parsed)?;
        } else {
            parsed.operands.push(arg.clone());
            if order == Order::OperandEnds {
                parsed.operands.extend(args.cloned());
                break;
            }
        }
    }
    Ok(parsed)
}

fn long_option<'a>(
    table: &[Opt],
    long: &[u8],
    rest: &mut impl Iterator<Item = &'a Vec<u8>>,
    after: usize,
) -> Result<Given, Stop> {
    let (name, mut value) = match long.iter().position(|&byte| byte == b'=') {
        Some(at) => (&long[..at], Some(long[at + 1..].to_vec())),
        None => (long, None),
    };
    let shown = String::from_utf8_lossy(name).into_owned();
    let found = table.iter().find(|opt| opt.1.as_bytes() == name).or_else(|| {
        let mut close =
            table.iter().filter(|opt| !name.is_empty() && opt.1.as_bytes().starts_with(name));
        close.next().filter(|_| close.next().is_none())
    });
    let Some(&Opt(short, long, takes)) = found else {
        return Err(native(format!("option --{shown}")));
    };
    match takes {
        Takes::Nothing if value.is_some() => {
            return Err(native(format!("option --{shown} with a value")));
        }
        Takes::Value if value.is_none() => {
            let next =
                rest.next().ok_or_else(|| native(format!("option --{shown} has no value")))?;
            value = Some(next.clone());
        }
        _ => {}
    }
    Ok(Given { short, long, value, after })
}

fn short_options<'a>(
    table: &[Opt],
    cluster: &[u8],
    rest: &mut impl Iterator<Item = &'a Vec<u8>>,
    parsed: &mut Parsed,
) -> Result<(), Stop> {
    let after = parsed.operands.len();
    for (at, &letter) in cluster.iter().enumerate() {
        let letter = char::from(letter);
        let Some(&Opt(short, long, takes)) =
            table.iter().find(|opt| opt.0 == letter && opt.0 != NO)
        else {
            return Err(native(format!("option -{letter}")));
        };
        let attached = &cluster[at + 1..];
        let value = match takes {
            Takes::Nothing => None,
            _ if !attached.is_empty() => Some(attached.to_vec()),
            Takes::Optional => None,
            Takes::Value => Some(
                rest.next()
                    .ok_or_else(|| native(format!("option -{letter} has no value")))?
                    .clone(),
            ),
        };
        parsed.options.push(Given { short, long, value, after });
        if takes != Takes::Nothing {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Opt] = &[
        flag('r', "recursive"),
        flag('f', "force"),
        value('m', "mode"),
        optional('i', "in-place"),
        value(NO, "strip-components"),
    ];

    fn show(line: &str, order: Order) -> String {
        let args: Vec<Vec<u8>> =
            line.split_whitespace().map(|arg| arg.as_bytes().to_vec()).collect();
        match parse(TABLE, &args, order) {
            Ok(parsed) => {
                let mut shown = String::new();
                for option in &parsed.options {
                    shown += option.name();
                    if let Some(value) = &option.value {
                        shown += &format!("={}", String::from_utf8_lossy(value));
                    }
                    shown += " ";
                }
                shown += "|";
                for operand in &parsed.operands {
                    shown += &format!(" {}", String::from_utf8_lossy(operand));
                }
                shown
            }
            Err(stop) => format!("{stop}"),
        }
    }

    #[test]
    fn reads_options_as_getopt_long_does() {
        for (line, expected) in [
            ("-rf a b", "r f | a b"),
            ("a -r b", "r | a b"),
            ("-m755 a", "m=755 | a"),
            ("-m 755 a", "m=755 | a"),
            ("-rm 755 a", "r m=755 | a"),
            ("--mode=755 a", "m=755 | a"),
            ("--mode 755 a", "m=755 | a"),
            ("--rec a", "r | a"),
            ("--strip=1 a", "strip-components=1 | a"),
            ("-i a", "i | a"),
            ("-i.bak a", "i=.bak | a"),
            ("-ri.bak a", "r i=.bak | a"),
            ("-- -r a", "| -r a"),
            ("- -r", "r | -"),
        ] {
            assert_eq!(show(line, Order::Permute), expected, "{line}");
        }
        assert_eq!(show("-r a -f", Order::OperandEnds), "r | a -f");
    }

    #[test]
    fn an_unknown_option_needs_the_native_tool() {
        for line in ["-x a", "--xyz", "--force=1", "-m", "--mode"] {
            assert!(show(line, Order::Permute).starts_with("needs native"), "{line}");
        }
    }
}
