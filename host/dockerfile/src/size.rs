//! Sizes in bytes as Docker writes them: `64m`, `1.5 GiB`, `100`; a unit is a power of 1024.

/// Reads a size; `None` for what is none.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let (number, suffix) = text.split_at(end + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    // Go reads underscores, hexadecimal and "inf" too; none of them is a size.
    if !number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+'))
    {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let suffix = suffix.to_lowercase();
    let exponent = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix) {
        "" if suffix == "ib" => return None,
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let bytes = number * 1024f64.powi(exponent);
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked, the fraction goes")]
    (bytes < 9.2e18).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let table = [
            ("100", Some(100)),
            ("64m", Some(64 << 20)),
            ("1.5 GiB", Some(3 << 29)),
            ("2KB", Some(2048)),
            ("7b", Some(7)),
            ("7ib", None),
            ("-1", None),
            ("m", None),
            ("1x", None),
            ("1mmm", None),
            ("", None),
            ("99999999p", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
