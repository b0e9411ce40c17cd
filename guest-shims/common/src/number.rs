//! Numbers on command lines.

/// A decimal number without a sign.
#[must_use]
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(text).ok()?.parse().ok()
}

/// A size with GNU's suffixes: `b` 512, `K` or `KiB` 1024, `kB`/`KB` 1000, `M`, `G`, `T`, `P`.
#[must_use]
pub fn size(text: &[u8]) -> Option<u64> {
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let number = decimal(&text[..digits])?;
    let suffix = &text[digits..];
    let power = |letter: u8| match letter {
        b'k' | b'K' => Some(1),
        b'm' | b'M' => Some(2),
        b'G' | b'g' => Some(3),
        b'T' | b't' => Some(4),
        b'P' => Some(5),
        b'E' => Some(6),
        _ => None,
    };
    let factor = match suffix {
        b"" => 1,
        b"b" => 512,
        b"w" => 2,
        b"c" => 1,
        [letter] | [letter, b'i', b'B'] => 1024_u64.checked_pow(power(*letter)?)?,
        [letter, b'B'] => 1000_u64.checked_pow(power(*letter)?)?,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// The digits of `%u`, `%o`, `%x` and `%X` (and of `%d` without its sign), and what `#` puts before
/// them.
#[must_use]
pub fn unsigned_field(
    letter: u8,
    value: u128,
    precision: Option<usize>,
    alternate: bool,
) -> (&'static str, String) {
    let mut digits = match letter {
        b'o' => format!("{value:o}"),
        b'x' => format!("{value:x}"),
        b'X' => format!("{value:X}"),
        _ => value.to_string(),
    };
    if let Some(precision) = precision {
        digits = if precision == 0 && value == 0 {
            String::new()
        } else {
            format!("{digits:0>precision$}")
        };
    }
    let prefix = match letter {
        b'o' if alternate && !digits.starts_with('0') => "0",
        b'x' if alternate && value != 0 => "0x",
        b'X' if alternate && value != 0 => "0X",
        _ => "",
    };
    (prefix, digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_cs() {
        for (letter, value, precision, alternate, expected) in [
            (b'u', 7, None, false, "7"),
            (b'u', 7, Some(3), true, "007"),
            (b'o', 8, None, true, "010"),
            (b'o', 0, None, true, "0"),
            (b'o', 0, Some(0), true, "0"),
            (b'o', 8, Some(4), true, "0010"),
            (b'x', 255, None, true, "0xff"),
            (b'X', 255, Some(4), true, "0X00FF"),
            (b'x', 0, None, true, "0"),
            (b'd', 0, Some(0), false, ""),
        ] {
            let (prefix, digits) = unsigned_field(letter, value, precision, alternate);
            assert_eq!(format!("{prefix}{digits}"), expected);
        }
    }

    #[test]
    fn sizes_have_suffixes() {
        for (text, expected) in [
            ("12", Some(12)),
            ("2b", Some(1024)),
            ("1K", Some(1024)),
            ("1kB", Some(1000)),
            ("1M", Some(1 << 20)),
            ("1MiB", Some(1 << 20)),
            ("", None),
            ("K", None),
            ("1X", None),
            ("99999999999E", None),
        ] {
            assert_eq!(size(text.as_bytes()), expected, "{text}");
        }
    }
}
