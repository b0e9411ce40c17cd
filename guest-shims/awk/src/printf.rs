//! `printf` and `sprintf`.

use shim::{Stop, float, native, number};

use crate::{
    dialect::{Dialect, Kind},
    value::Value,
};

/// The widest field: a hostile width must not take all memory.
const MAX_WIDTH: usize = 1 << 24;

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

/// Values by a format; numbers become text by `convert`.
pub(crate) fn format(
    format: &[u8],
    values: &[Value],
    convert: &[u8],
    dialect: &Dialect,
) -> Result<Vec<u8>, Stop> {
    let mut output = Vec::with_capacity(format.len());
    let mut values = values.iter();
    let mut at = 0;
    while let Some(&byte) = format.get(at) {
        at += 1;
        if byte != b'%' {
            output.push(byte);
            continue;
        }
        if format.get(at) == Some(&b'%') {
            output.push(b'%');
            at += 1;
            continue;
        }
        let mut next = || match values.next() {
            Some(value) => Ok(value.clone()),
            // mawk fails, gawk shows the format itself, BusyBox nothing.
            None if dialect.is_busybox() => Ok(Value::Unset),
            None => Err(native("a format with too few values")),
        };
        let mut spec = Spec::default();
        while let Some(flag) = format.get(at) {
            match flag {
                b'-' => spec.minus = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'0' => spec.zero = true,
                b'#' => spec.alternate = true,
                _ => break,
            }
            at += 1;
        }
        let mut number = |at: &mut usize| -> Result<Option<i64>, Stop> {
            if format.get(*at) == Some(&b'*') {
                if dialect.is_busybox() {
                    return Err(native("a width from an argument"));
                }
                *at += 1;
                return Ok(Some(whole(next()?.number(dialect))));
            }
            let digits = format[*at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let text = str::from_utf8(&format[*at..*at + digits]).unwrap_or_default();
            *at += digits;
            Ok(text.parse().ok())
        };
        let width = number(&mut at)?.unwrap_or(0);
        spec.minus |= width < 0;
        spec.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        if format.get(at) == Some(&b'.') {
            at += 1;
            spec.precision = usize::try_from(number(&mut at)?.unwrap_or(0)).ok();
        }
        if spec.width > MAX_WIDTH || spec.precision.is_some_and(|precision| precision > MAX_WIDTH) {
            return Err(native("a field that wide"));
        }
        while format.get(at).is_some_and(|byte| b"hlLqjzt".contains(byte)) {
            at += 1;
        }
        let Some(&letter) = format.get(at) else { return Err(native("an unfinished format")) };
        at += 1;
        match letter {
            b's' => {
                let text = next()?.bytes(convert, dialect)?;
                if !text.is_ascii() && dialect.is_gawk() {
                    return Err(native("characters beyond ASCII in a format"));
                }
                let cut = spec.precision.unwrap_or(usize::MAX).min(text.len());
                pad(&mut output, &spec, b"", &text[..cut], false);
            }
            b'c' => character(&mut output, &spec, &next()?, dialect)?,
            b'd' | b'i' => signed(&mut output, &spec, next()?.number(dialect), dialect)?,
            b'o' | b'x' | b'X' | b'u' => {
                unsigned(&mut output, &spec, letter, next()?.number(dialect), dialect)?;
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                let value = next()?.number(dialect);
                if value.is_nan() {
                    return Err(native("a result that is not a number"));
                }
                let precision = spec.precision.unwrap_or(6);
                let digits = float::digits(value, letter, precision, spec.alternate);
                let sign = sign_of(value.is_sign_negative(), &spec);
                pad(&mut output, &spec, sign, digits.as_bytes(), spec.zero && value.is_finite());
            }
            _ => return Err(native(format!("%{} in a format", char::from(letter)))),
        }
    }
    Ok(output)
}

/// The whole part, within what 64 bits hold.
fn whole(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, as is meant")]
    let whole = number as i64;
    whole
}

fn sign_of(negative: bool, spec: &Spec) -> &'static [u8] {
    match negative {
        true => b"-",
        _ if spec.plus => b"+",
        _ if spec.space => b" ",
        _ => b"",
    }
}

fn signed(output: &mut Vec<u8>, spec: &Spec, number: f64, dialect: &Dialect) -> Result<(), Stop> {
    if number.is_nan() || number.is_infinite() {
        return Err(native("an integer of what is none"));
    }
    let limit = f64::from(i32::MAX);
    let (negative, mut digits) = match dialect.kind {
        Kind::Mawk if number.abs() > limit => {
            dialect.require_old_mawk("a big integer")?;
            (number < 0.0, i32::MAX.to_string())
        }
        // It shows integers of any size in full.
        Kind::Gawk => {
            let whole = number.trunc();
            (whole < 0.0, format!("{:.0}", whole.abs()))
        }
        _ => (whole(number) < 0, whole(number).unsigned_abs().to_string()),
    };
    if let Some(precision) = spec.precision {
        digits = if precision == 0 && digits == "0" {
            String::new()
        } else {
            format!("{digits:0>precision$}")
        };
    }
    let zeros = spec.zero && spec.precision.is_none();
    pad(output, spec, sign_of(negative, spec), digits.as_bytes(), zeros);
    Ok(())
}

fn unsigned(
    output: &mut Vec<u8>,
    spec: &Spec,
    letter: u8,
    number: f64,
    dialect: &Dialect,
) -> Result<(), Stop> {
    if !(0.0..=f64::from(i32::MAX)).contains(&number) {
        // Each awk has its own way with these.
        return Err(native("a number out of range in a format"));
    }
    let value = whole(number);
    let value = u128::from(value.unsigned_abs());
    let (prefix, digits) = number::unsigned_field(letter, value, spec.precision, spec.alternate);
    if dialect.is_gawk() && spec.plus {
        return Err(native("a sign of an unsigned number"));
    }
    let zeros = spec.zero && spec.precision.is_none();
    pad(output, spec, prefix.as_bytes(), digits.as_bytes(), zeros);
    Ok(())
}

fn character(
    output: &mut Vec<u8>,
    spec: &Spec,
    value: &Value,
    dialect: &Dialect,
) -> Result<(), Stop> {
    let text = match value {
        Value::Number(number) => {
            let code = whole(*number);
            if dialect.is_gawk() && !(0..128).contains(&code) {
                return Err(native("a character beyond ASCII"));
            }
            vec![u8::try_from(code & 0xff).unwrap_or(0)]
        }
        Value::Numeric(_, number) if dialect.is_gawk() => {
            return character(output, spec, &Value::Number(*number), dialect);
        }
        Value::Unset | Value::Text(_) | Value::Numeric(..) => {
            let text = value.bytes(b"%.6g", dialect)?;
            match text.first() {
                Some(byte) if !byte.is_ascii() && dialect.is_gawk() => {
                    return Err(native("a character beyond ASCII"));
                }
                Some(byte) => vec![*byte],
                // As C's %c of the byte that ends a text.
                None if dialect.is_gawk() => Vec::new(),
                None => vec![0],
            }
        }
    };
    pad(output, spec, b"", &text, false);
    Ok(())
}

fn pad(output: &mut Vec<u8>, spec: &Spec, prefix: &[u8], text: &[u8], zeros: bool) {
    let missing = spec.width.saturating_sub(prefix.len() + text.len());
    let fill = |output: &mut Vec<u8>, byte: u8| output.resize(output.len() + missing, byte);
    if !spec.minus && !zeros {
        fill(output, b' ');
    }
    output.extend_from_slice(prefix);
    if !spec.minus && zeros {
        fill(output, b'0');
    }
    output.extend_from_slice(text);
    if spec.minus {
        fill(output, b' ');
    }
}
