//! `echo` and `printf`.

use super::put;
use crate::state::{Done, Shell};
use kiln_sh_syntax::Dialect;

pub(super) fn echo(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    put(shell, "echo", &echoed(shell, words))
}

/// What `echo` writes.
pub(crate) fn echoed(shell: &Shell, words: &[Vec<u8>]) -> Vec<u8> {
    let mut rest = words.get(1..).unwrap_or_default();
    let mut newline = true;
    // dash interprets escapes always, the others on request.
    let mut escapes = shell.dialect == Dialect::Dash;
    if shell.dialect == Dialect::Dash {
        if rest.first().is_some_and(|word| word == b"-n") {
            newline = false;
            rest = &rest[1..];
        }
    } else {
        while let Some(option) = rest.first().filter(|word| {
            word.len() > 1 && word[0] == b'-' && word[1..].iter().all(|l| b"neE".contains(l))
        }) {
            for letter in &option[1..] {
                match letter {
                    b'n' => newline = false,
                    letter => escapes = *letter == b'e',
                }
            }
            rest = &rest[1..];
        }
    }
    let text = rest.join(&b' ');
    let mut out = Vec::new();
    if escapes {
        let bash = shell.dialect == Dialect::Bash;
        let octal = if bash { Octal::OnlyZero } else { Octal::WithZero };
        if unescape(&text, octal, shell.dialect, &mut out) {
            newline = false;
        }
    } else {
        out = text;
    }
    if newline {
        out.push(b'\n');
    }
    out
}

/// How an octal escape is spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Octal {
    /// `\0ddd`, in `echo` and `%b`; dash's `%b` also takes `\ddd`.
    WithZero,
    /// `\0ddd` and no other, in bash's `echo`.
    OnlyZero,
    /// `\ddd`, in `printf`'s format.
    Plain,
    /// The same in bash, which also knows `\"`, `\'` and `\?`.
    PlainQuote,
}

/// Replaces escapes; true when `\c` ended the output.
fn unescape(text: &[u8], octal: Octal, dialect: Dialect, out: &mut Vec<u8>) -> bool {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&escape) = text.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        if let Some(byte) = kiln_sh_syntax::escape_letter(escape) {
            out.push(byte);
            continue;
        }
        match escape {
            b'e' => out.push(27),
            b'\\' => out.push(b'\\'),
            b'E' if dialect == Dialect::Bash => out.push(27),
            b'u' | b'U' if dialect == Dialect::Bash => {
                kiln_guest_abi::process::needs_native("sh: \\u and \\U")
            }
            b'c' if matches!(octal, Octal::WithZero | Octal::OnlyZero) => return true,
            b'"' | b'\'' | b'?' if octal == Octal::PlainQuote => out.push(escape),
            b'1'..=b'7' if octal == Octal::OnlyZero => out.extend([b'\\', escape]),
            b'0'..=b'7' => {
                let (mut value, mut digits) = (u32::from(escape - b'0'), 1);
                let with_zero = matches!(octal, Octal::WithZero | Octal::OnlyZero);
                let most = if with_zero && escape == b'0' { 4 } else { 3 };
                while digits < most
                    && let Some(digit @ b'0'..=b'7') = text.get(at)
                {
                    value = value * 8 + u32::from(digit - b'0');
                    digits += 1;
                    at += 1;
                }
                out.push(value.to_le_bytes()[0]);
            }
            b'x' if dialect != Dialect::Dash => {
                let (mut value, mut digits) = (0, 0);
                while digits < 2
                    && let Some(digit) =
                        text.get(at).and_then(|byte| char::from(*byte).to_digit(16))
                {
                    value = value * 16 + digit;
                    digits += 1;
                    at += 1;
                }
                match digits {
                    0 => out.extend(b"\\x"),
                    _ => out.push(value.to_le_bytes()[0]),
                }
            }
            other => out.extend([b'\\', other]),
        }
    }
    false
}

pub(super) fn printf(shell: &mut Shell, words: &[Vec<u8>]) -> Done {
    let mut rest = &words[1..];
    if rest.first().is_some_and(|word| word == b"--") {
        rest = &rest[1..];
    }
    if rest.first().is_some_and(|word| word == b"-v") && shell.dialect == Dialect::Bash {
        shell.needs_native("printf -v");
    }
    let Some((format, args)) = rest.split_first() else {
        return shell.fatal("printf: usage: printf format [arg ...]");
    };
    let mut printer = Printer { shell, args, used: 0, out: Vec::new(), status: 0 };
    loop {
        let before = printer.used;
        let ended = printer.round(format);
        if ended || printer.used == before || printer.used >= args.len() {
            break;
        }
    }
    let (out, status) = (printer.out, printer.status);
    let written = put(shell, "printf", &out)?;
    Ok(if status == 0 { written } else { status })
}

struct Printer<'a> {
    shell: &'a Shell,
    args: &'a [Vec<u8>],
    used: usize,
    out: Vec<u8>,
    status: i32,
}

/// The flags, width and precision of a conversion.
#[derive(Default)]
struct Layout {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widths beyond this are an attempt to fill memory.
const MAX_WIDTH: usize = 1 << 20;

impl Printer<'_> {
    fn next(&mut self) -> Option<&Vec<u8>> {
        let arg = self.args.get(self.used);
        self.used += 1;
        arg
    }

    /// Goes through the format once; true when output ends here.
    fn round(&mut self, format: &[u8]) -> bool {
        let mut at = 0;
        while let Some(&byte) = format.get(at) {
            if byte == b'\\' {
                // One escape at a time: as long as it can be.
                let end = escape_end(format, at);
                let bash = self.shell.dialect == Dialect::Bash;
                let octal = if bash { Octal::PlainQuote } else { Octal::Plain };
                unescape(&format[at..end], octal, self.shell.dialect, &mut self.out);
                at = end;
                continue;
            }
            at += 1;
            if byte != b'%' {
                self.out.push(byte);
                continue;
            }
            if format.get(at) == Some(&b'%') {
                self.out.push(b'%');
                at += 1;
                continue;
            }
            let layout = self.layout(format, &mut at);
            while matches!(format.get(at), Some(b'l' | b'h' | b'L' | b'j' | b'z' | b't')) {
                at += 1;
            }
            let Some(&conversion) = format.get(at) else {
                self.shell.complain("printf: missing format character");
                self.status = 1;
                return true;
            };
            at += 1;
            if self.convert(conversion, &layout) {
                return true;
            }
        }
        false
    }

    fn layout(&mut self, format: &[u8], at: &mut usize) -> Layout {
        let mut layout = Layout::default();
        loop {
            match format.get(*at) {
                Some(b'-') => layout.left = true,
                Some(b'0') => layout.zero = true,
                Some(b'+') => layout.plus = true,
                Some(b' ') => layout.space = true,
                Some(b'#') => layout.alternate = true,
                _ => break,
            }
            *at += 1;
        }
        let width = self.size(format, at);
        layout.left |= width < 0;
        layout.width = usize::try_from(width.unsigned_abs()).unwrap_or(0).min(MAX_WIDTH);
        if format.get(*at) == Some(&b'.') {
            *at += 1;
            let precision = self.size(format, at);
            layout.precision = usize::try_from(precision).ok().map(|size| size.min(MAX_WIDTH));
        }
        layout
    }

    fn size(&mut self, format: &[u8], at: &mut usize) -> i64 {
        if format.get(*at) == Some(&b'*') {
            *at += 1;
            return self.integer();
        }
        let mut value = 0_i64;
        while let Some(digit) = format.get(*at).filter(|byte| byte.is_ascii_digit()) {
            value = value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
            *at += 1;
        }
        value
    }

    fn convert(&mut self, conversion: u8, layout: &Layout) -> bool {
        match conversion {
            b's' => {
                let text = self.next().cloned().unwrap_or_default();
                self.put_text(&text, layout);
            }
            b'b' => {
                let text = self.next().cloned().unwrap_or_default();
                let mut plain = Vec::new();
                let ended = unescape(&text, Octal::WithZero, self.shell.dialect, &mut plain);
                self.put_text(&plain, layout);
                return ended;
            }
            b'c' => {
                let text = self.next().cloned().unwrap_or_default();
                self.put_text(text.get(..1).unwrap_or_default(), layout);
            }
            b'd' | b'i' => {
                let value = self.integer();
                let sign = match (value < 0, layout.plus, layout.space) {
                    (true, ..) => "-",
                    (_, true, _) => "+",
                    (_, _, true) => " ",
                    _ => "",
                };
                self.put_number(sign, value.unsigned_abs().to_string(), layout);
            }
            b'u' => {
                let value = self.integer().cast_unsigned();
                self.put_number("", value.to_string(), layout);
            }
            b'o' | b'x' | b'X' => {
                let value = self.integer().cast_unsigned();
                let (prefix, digits) = match conversion {
                    b'o' => ("0", format!("{value:o}")),
                    b'x' => ("0x", format!("{value:x}")),
                    _ => ("0X", format!("{value:X}")),
                };
                let prefix = if layout.alternate && value != 0 { prefix } else { "" };
                self.put_number(prefix, digits, layout);
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => self.float(conversion, layout),
            other if self.shell.dialect == Dialect::Bash => {
                self.shell.needs_native(&format!("printf %{}", char::from(other)))
            }
            other => {
                let shown = char::from(other);
                self.shell.complain(&format!("printf: %{shown}: invalid directive"));
                self.status = 2;
                return true;
            }
        }
        false
    }

    fn put_text(&mut self, text: &[u8], layout: &Layout) {
        let text = &text[..layout.precision.map_or(text.len(), |most| most.min(text.len()))];
        let padding = layout.width.saturating_sub(text.len());
        if !layout.left {
            self.out.resize(self.out.len() + padding, b' ');
        }
        self.out.extend_from_slice(text);
        if layout.left {
            self.out.resize(self.out.len() + padding, b' ');
        }
    }

    fn put_number(&mut self, prefix: &str, digits: String, layout: &Layout) {
        let least = match layout.precision {
            Some(least) => least,
            None if layout.zero && !layout.left => layout.width.saturating_sub(prefix.len()),
            None => 1,
        };
        let digits = if layout.precision == Some(0) && digits == "0" { "" } else { &digits };
        let zeros = "0".repeat(least.saturating_sub(digits.len()));
        let text = format!("{prefix}{zeros}{digits}");
        let plain = Layout { left: layout.left, width: layout.width, ..Layout::default() };
        self.put_text(text.as_bytes(), &plain);
    }

    fn float(&mut self, conversion: u8, layout: &Layout) {
        let text = self.next().cloned().unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let value: f64 = if text.is_empty() {
            0.0
        } else {
            match text.trim().parse() {
                Ok(value) => value,
                Err(_) => {
                    self.shell.complain(&format!("printf: {text}: expected numeric value"));
                    self.status = 1;
                    0.0
                }
            }
        };
        if !matches!(conversion, b'f' | b'F') || !value.is_finite() {
            self.shell.needs_native("printf of a number with an exponent");
        }
        let digits = format!("{:.*}", layout.precision.unwrap_or(6), value.abs());
        let sign = match (value.is_sign_negative(), layout.plus, layout.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        let whole = Layout { precision: None, ..*layout };
        self.put_number(sign, digits, &whole);
    }

    fn integer(&mut self) -> i64 {
        let Some(arg) = self.next().cloned() else { return 0 };
        if let [b'\'' | b'"', rest @ ..] = &arg[..] {
            return rest.first().map_or(0, |&byte| i64::from(byte));
        }
        let text = String::from_utf8_lossy(&arg).into_owned();
        let trimmed = text.trim_start();
        let (negative, digits) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let (radix, digits) = match digits {
            hex if hex.starts_with("0x") || hex.starts_with("0X") => (16, &hex[2..]),
            octal if octal.len() > 1 && octal.starts_with('0') => (8, &octal[1..]),
            decimal => (10, decimal),
        };
        let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let mut value = 0_i64;
        for digit in digits[..end].chars().filter_map(|c| c.to_digit(radix)) {
            value = value.saturating_mul(radix.into()).saturating_add(digit.into());
        }
        let nothing = text.is_empty() && self.shell.dialect == Dialect::Dash;
        let complete = nothing || end == digits.len() && (end > 0 || radix == 8);
        if !complete {
            let why = if end == 0 { "expected numeric value" } else { "not completely converted" };
            self.shell.complain(&format!("printf: {text}: {why}"));
            self.status = 1;
        }
        if negative { -value } else { value }
    }
}

/// Where the escape that starts at `at` ends.
fn escape_end(text: &[u8], at: usize) -> usize {
    let mut end = (at + 2).min(text.len());
    if text.get(at + 1).is_some_and(|byte| (b'0'..=b'7').contains(byte)) {
        while end < at + 4 && text.get(end).is_some_and(|byte| (b'0'..=b'7').contains(byte)) {
            end += 1;
        }
    }
    end
}
