//! Values, and how text and numbers become each other.

use std::{cmp::Ordering, rc::Rc};

use shim::{Stop, float, native};

use crate::dialect::{Dialect, Kind};

#[derive(Clone, Debug, Default)]
pub(crate) enum Value {
    /// Never assigned: both empty and zero.
    #[default]
    Unset,
    Number(f64),
    Text(Rc<[u8]>),
    /// Input that looks like a number.
    Numeric(Rc<[u8]>, f64),
}

impl Value {
    pub(crate) fn text(text: &[u8]) -> Self {
        Self::Text(Rc::from(text))
    }

    /// A field, an element of `ENVIRON`, and whatever else comes from outside.
    pub(crate) fn input(text: &[u8], dialect: &Dialect) -> Self {
        match looks_numeric(text, dialect) {
            Some(number) => Self::Numeric(Rc::from(text), number),
            None => Self::text(text),
        }
    }

    pub(crate) fn flag(flag: bool) -> Self {
        Self::Number(if flag { 1.0 } else { 0.0 })
    }

    pub(crate) fn number(&self, dialect: &Dialect) -> f64 {
        match self {
            Self::Unset => 0.0,
            Self::Number(number) | Self::Numeric(_, number) => *number,
            Self::Text(text) => leading_number(text, dialect).0,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Unset => false,
            Self::Number(number) | Self::Numeric(_, number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
        }
    }

    /// The text, numbers by this format unless they are whole.
    pub(crate) fn bytes(&self, format: &[u8], dialect: &Dialect) -> Result<Rc<[u8]>, Stop> {
        match self {
            Self::Unset => Ok(Rc::from(&b""[..])),
            Self::Number(number) => number_text(*number, format, dialect).map(Rc::from),
            Self::Text(text) | Self::Numeric(text, _) => Ok(text.clone()),
        }
    }
}

/// Compares as numbers when both are or look like some, else as text.
pub(crate) fn compare(
    left: &Value,
    right: &Value,
    format: &[u8],
    dialect: &Dialect,
) -> Result<Option<Ordering>, Stop> {
    let numeric = |value: &Value| !matches!(value, Value::Text(_));
    if numeric(left) && numeric(right) {
        return Ok(left.number(dialect).partial_cmp(&right.number(dialect)));
    }
    Ok(Some(left.bytes(format, dialect)?.cmp(&right.bytes(format, dialect)?)))
}

/// The number at the beginning of a text, and how many bytes it took with the blanks before it.
pub(crate) fn leading_number(text: &[u8], dialect: &Dialect) -> (f64, usize) {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | 9..=13)).count();
    let rest = &text[blanks..];
    let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
    let factor = if rest.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let body = &rest[sign..];
    let special =
        |word: &[u8]| body.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    // gawk takes these words for numbers only with a sign.
    let words = dialect.kind != Kind::Gawk
        || sign == 1 && body.get(3).is_none_or(|next| !next.is_ascii_alphanumeric());
    if words && special(b"inf") {
        let taken = if special(b"infinity") { 8 } else { 3 };
        return (factor * f64::INFINITY, blanks + sign + taken);
    }
    if words && special(b"nan") {
        return (f64::NAN, blanks + sign + 3);
    }
    if special(b"0x") && dialect.kind != Kind::Gawk {
        let digits = body[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 0 {
            let value = body[2..2 + digits].iter().fold(0.0, |value, &byte| {
                value * 16.0 + f64::from(char::from(byte).to_digit(16).unwrap_or(0))
            });
            return (factor * value, blanks + sign + 2 + digits);
        }
    }
    if dialect.kind == Kind::BusyBox && sign == 0 && body[..body.len().min(1)] == *b"0" {
        let digits = body.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        let ends =
            body.get(digits).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'.');
        if digits > 1 && ends {
            let value = body[..digits]
                .iter()
                .fold(0.0, |value, &byte| value * 8.0 + f64::from(byte - b'0'));
            return (value, blanks + digits);
        }
    }
    let len = decimal_length(body);
    if len == 0 {
        return (0.0, 0);
    }
    let number = str::from_utf8(&body[..len]).ok().and_then(|text| text.parse::<f64>().ok());
    (factor * number.unwrap_or(0.0), blanks + sign + len)
}

/// The length of a decimal number without a sign.
pub(crate) fn decimal_length(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut len = whole;
    let mut behind = 0;
    if text.get(len) == Some(&b'.') {
        behind = digits(len + 1);
        len += 1 + behind;
    }
    if whole + behind == 0 {
        return 0;
    }
    if matches!(text.get(len), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = digits((len + 1 + sign).min(text.len()));
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}

/// The number that a text is, blanks around it aside.
fn looks_numeric(text: &[u8], dialect: &Dialect) -> Option<f64> {
    let (number, taken) = leading_number(text, dialect);
    let blank = |byte: &u8| matches!(byte, b' ' | 9..=13);
    (taken > 0 && text[taken..].iter().all(blank)).then_some(number)
}

/// A number as text: whole ones in full, others by a format such as `%.6g`.
pub(crate) fn number_text(number: f64, format: &[u8], dialect: &Dialect) -> Result<Vec<u8>, Stop> {
    if number.is_nan() {
        // Whether it shows a sign depends on the processor.
        return Err(native("a result that is not a number"));
    }
    if number == number.trunc() && number.is_finite() {
        let whole = match dialect.kind {
            Kind::Mawk if number.abs() >= 2_147_483_648.0 => {
                dialect.require_old_mawk("a big integer")?;
                false
            }
            Kind::BusyBox => number.abs() < 9.2e18,
            _ => true,
        };
        if whole {
            let zero = number == 0.0;
            return Ok(format!("{:.0}", if zero { 0.0 } else { number }).into_bytes());
        }
    }
    if format == b"%.6g" {
        let sign = if number < 0.0 { "-" } else { "" };
        return Ok(format!("{sign}{}", float::digits(number, b'g', 6, false)).into_bytes());
    }
    crate::printf::format(format, &[Value::Number(number)], b"%.6g", dialect)
}
