//! `printf`.

use std::io::Write;

use shim::{
    Context, Outcome, Stop,
    escape::{self, Escaped, Style},
    native, number, paths,
};

struct Printf<'a> {
    args: std::slice::Iter<'a, Vec<u8>>,
    output: Vec<u8>,
    failed: bool,
    ended: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let mut args = context.args.clone();
    if args.first().is_some_and(|first| first == b"--") {
        args.remove(0);
    }
    let Some((format, rest)) = args.split_first() else {
        context.warn("missing operand");
        return Ok(1);
    };
    let mut printf = Printf { args: rest.iter(), output: Vec::new(), failed: false, ended: false };
    loop {
        let before = printf.args.len();
        printf.round(context, format)?;
        if printf.ended || printf.args.len() == 0 || printf.args.len() == before {
            break;
        }
    }
    context.out.write_all(&printf.output)?;
    Ok(u8::from(printf.failed))
}

/// A conversion's flags, width and precision.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// The widest field: a hostile width must not take all memory.
const MAX_WIDTH: usize = 1 << 20;

impl Printf<'_> {
    fn round(&mut self, context: &mut Context, format: &[u8]) -> Result<(), Stop> {
        let mut at = 0;
        while at < format.len() && !self.ended {
            let byte = format[at];
            at += 1;
            match byte {
                b'\\' => {
                    let (escaped, taken) = escape::escape(&format[at..], Style::Printf);
                    at += taken;
                    match escaped {
                        Escaped::Bytes(bytes) => self.output.extend_from_slice(&bytes),
                        Escaped::End => self.ended = true,
                    }
                }
                b'%' if format.get(at) == Some(&b'%') => {
                    self.output.push(b'%');
                    at += 1;
                }
                b'%' => at = self.convert(context, format, at)?,
                _ => self.output.push(byte),
            }
        }
        Ok(())
    }

    fn number(&mut self, format: &[u8], at: &mut usize) -> Result<Option<i64>, Stop> {
        if format.get(*at) == Some(&b'*') {
            *at += 1;
            let text = self.args.next().map_or(&b""[..], Vec::as_slice);
            let value =
                if text.is_empty() { 0 } else { integer(text).map_or(0, |(value, _)| value) };
            return i64::try_from(value).map(Some).map_err(|_| native("a field that wide"));
        }
        let digits = format[*at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = str::from_utf8(&format[*at..*at + digits]).unwrap_or_default();
        *at += digits;
        Ok(text.parse().ok())
    }

    fn convert(
        &mut self,
        context: &mut Context,
        format: &[u8],
        mut at: usize,
    ) -> Result<usize, Stop> {
        let mut spec = Spec::default();
        while let Some(flag) = format.get(at) {
            match flag {
                b'-' => spec.minus = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'0' => spec.zero = true,
                b'#' => spec.alternate = true,
                b'\'' => {}
                _ => break,
            }
            at += 1;
        }
        let width = self.number(format, &mut at)?.unwrap_or(0);
        spec.minus |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        if format.get(at) == Some(&b'.') {
            at += 1;
            let precision = self.number(format, &mut at)?.unwrap_or(0);
            spec.precision = usize::try_from(precision).ok();
        }
        if spec.width > MAX_WIDTH || spec.precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(native("a field that wide"));
        }
        while format.get(at).is_some_and(|byte| b"hlLjzt".contains(byte)) {
            at += 1;
        }
        let Some(&letter) = format.get(at) else {
            return Err(Stop::Fail(1, "missing conversion".into()));
        };
        let arg = self.args.next();
        let text = arg.map_or(&b""[..], Vec::as_slice);
        match letter {
            b's' => {
                let cut = spec.precision.unwrap_or(usize::MAX).min(text.len());
                self.pad(&spec, b"", &text[..cut], false);
            }
            b'b' => {
                let (read, ended) = escape::unescape(text, Style::Echo);
                let cut = spec.precision.unwrap_or(usize::MAX).min(read.len());
                self.pad(&spec, b"", &read[..cut], false);
                self.ended = ended;
            }
            b'q' => {
                if text
                    .iter()
                    .any(|byte| byte.is_ascii_control() || *byte >= 0x80 || *byte == b'\'')
                {
                    return Err(native("%q of such a text"));
                }
                let quoted = paths::shell_quoted(text);
                self.pad(&spec, b"", &quoted, false);
            }
            b'c' => self.pad(&spec, b"", &text[..text.len().min(1)], false),
            b'd' | b'i' | b'u' | b'o' | b'x' | b'X' => {
                let value = self.integer(context, text, arg.is_some());
                self.integer_field(&spec, letter, value);
            }
            b'f' | b'F' | b'e' | b'E' | b'g' | b'G' => {
                self.float(&spec, letter, text, arg.is_some())?
            }
            _ => {
                let shown = char::from(letter);
                return Err(Stop::Fail(1, format!("%{shown}: invalid conversion specification")));
            }
        }
        Ok(at + 1)
    }

    fn integer(&mut self, context: &mut Context, text: &[u8], given: bool) -> i128 {
        if !given {
            return 0;
        }
        if let [b'"' | b'\'', first, ..] = text {
            return i128::from(*first);
        }
        let (value, whole) = integer(text).unwrap_or((0, false));
        if !whole {
            context.warn(format_args!("{}: expected a numeric value", paths::quoted(text)));
            self.failed = true;
        }
        value
    }

    fn integer_field(&mut self, spec: &Spec, letter: u8, value: i128) {
        let signed = matches!(letter, b'd' | b'i');
        // Unsigned conversions show a negative number as its 64-bit pattern.
        let magnitude = if signed || value >= 0 {
            value.unsigned_abs()
        } else {
            (value + (1 << 64)).unsigned_abs()
        };
        let (prefix, digits) =
            number::unsigned_field(letter, magnitude, spec.precision, spec.alternate);
        let prefix = match letter {
            b'd' | b'i' if value < 0 => "-",
            b'd' | b'i' if spec.plus => "+",
            b'd' | b'i' if spec.space => " ",
            _ => prefix,
        };
        self.pad(spec, prefix.as_bytes(), digits.as_bytes(), spec.zero && spec.precision.is_none());
    }

    fn float(&mut self, spec: &Spec, letter: u8, text: &[u8], given: bool) -> Result<(), Stop> {
        let text = str::from_utf8(text).unwrap_or_default().trim();
        let value: f64 = if given && !text.is_empty() {
            text.parse().map_err(|_| native("a number of this form"))?
        } else {
            0.0
        };
        if !value.is_finite() || matches!(letter, b'g' | b'G' | b'e' | b'E') {
            return Err(native("a number of this form"));
        }
        let precision = spec.precision.unwrap_or(6);
        let digits = format!("{:.precision$}", value.abs());
        let prefix = match value.is_sign_negative() {
            true => "-",
            _ if spec.plus => "+",
            _ if spec.space => " ",
            _ => "",
        };
        self.pad(spec, prefix.as_bytes(), digits.as_bytes(), spec.zero);
        Ok(())
    }

    fn pad(&mut self, spec: &Spec, prefix: &[u8], text: &[u8], zeros: bool) {
        let missing = spec.width.saturating_sub(prefix.len() + text.len());
        let fill = |output: &mut Vec<u8>, byte: u8| output.resize(output.len() + missing, byte);
        if !spec.minus && !zeros {
            fill(&mut self.output, b' ');
        }
        self.output.extend_from_slice(prefix);
        if !spec.minus && zeros {
            fill(&mut self.output, b'0');
        }
        self.output.extend_from_slice(text);
        if spec.minus {
            fill(&mut self.output, b' ');
        }
    }
}

/// A C integer at the beginning of a text, and whether it is the whole text.
fn integer(text: &[u8]) -> Option<(i128, bool)> {
    let text = str::from_utf8(text).ok()?.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) =
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            (16, hex)
        } else if digits.len() > 1 && digits.starts_with('0') {
            (8, &digits[1..])
        } else {
            (10, digits)
        };
    let len = digits.find(|letter: char| !letter.is_digit(radix)).unwrap_or(digits.len());
    let limit = i128::from(u64::MAX);
    let value = if len == 0 {
        None
    } else {
        Some(i128::from_str_radix(&digits[..len], radix).unwrap_or(limit).min(limit))
    };
    let value = match value {
        Some(value) => value,
        None if radix == 8 => 0,
        None => return Some((0, false)),
    };
    Some((if negative { -value } else { value }, len == digits.len()))
}
