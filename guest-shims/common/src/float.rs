//! Floating point numbers as C's `printf` shows them.

/// The digits of a number's magnitude for `%f`, `%e` or `%g` and their capitals; the sign is the
/// caller's. `alternate` is the flag `#`.
#[must_use]
pub fn digits(value: f64, letter: u8, precision: usize, alternate: bool) -> String {
    let value = value.abs();
    let capital = letter.is_ascii_uppercase();
    if !value.is_finite() {
        let text = if value.is_nan() { "nan" } else { "inf" };
        return if capital { text.to_uppercase() } else { text.to_owned() };
    }
    let shown = match letter.to_ascii_lowercase() {
        b'e' => exponential(value, precision, alternate),
        b'g' => general(value, precision.max(1), alternate),
        _ => fixed(value, precision, alternate),
    };
    if capital { shown.to_uppercase() } else { shown }
}

fn fixed(value: f64, precision: usize, alternate: bool) -> String {
    let mut shown = format!("{value:.precision$}");
    if alternate && precision == 0 {
        shown.push('.');
    }
    shown
}

/// Mantissa and exponent, rounded to this many digits behind the point.
fn parts(value: f64, precision: usize) -> (String, i32) {
    let shown = format!("{value:.precision$e}");
    let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
    (mantissa.to_owned(), exponent.parse().unwrap_or(0))
}

fn exponential(value: f64, precision: usize, alternate: bool) -> String {
    let (mut mantissa, exponent) = parts(value, precision);
    if alternate && precision == 0 {
        mantissa.push('.');
    }
    with_exponent(&mantissa, exponent)
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

fn general(value: f64, precision: usize, alternate: bool) -> String {
    let (mantissa, exponent) = parts(value, precision - 1);
    let trim = |text: &str| {
        if alternate || !text.contains('.') {
            return text.to_owned();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        return with_exponent(&trim(&mantissa), exponent);
    }
    let behind = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trim(&fixed(value, behind, alternate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_c_shows_them() {
        for (value, letter, precision, expected) in [
            (2.5, b'f', 0, "2"),
            (2.71, b'f', 1, "2.7"),
            (-1.5, b'f', 1, "1.5"),
            (12345.678, b'e', 6, "1.234568e+04"),
            (0.0, b'e', 2, "0.00e+00"),
            (1e-10, b'G', 6, "1E-10"),
            (100_000.0, b'g', 6, "100000"),
            (1_000_000.0, b'g', 6, "1e+06"),
            (0.0001, b'g', 6, "0.0001"),
            (0.000_012_34, b'g', 6, "1.234e-05"),
            (999_999.5, b'g', 6, "1e+06"),
            (0.0, b'g', 6, "0"),
            (1e300, b'g', 6, "1e+300"),
            (1.0 / 3.0, b'g', 17, "0.33333333333333331"),
            (f64::INFINITY, b'f', 6, "inf"),
        ] {
            assert_eq!(digits(value, letter, precision, false), expected, "{value}");
        }
        assert_eq!(digits(1.0, b'g', 6, true), "1.00000");
        assert_eq!(digits(1.0, b'f', 0, true), "1.");
    }
}
