//! Backslash escapes as `echo -e`, `printf` and `tr` read them.

pub use kiln_sh_syntax::escape_letter as letter;

/// Which escapes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `echo -e` and `printf %b`: octal is `\0nnn` (also `\nnn` for `%b`), `\c` ends the output.
    Echo,
    /// The format of `printf`: octal is `\nnn`.
    Printf,
}

/// One escape, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Escaped {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `\c`: nothing more is printed at all.
    End,
}

/// Reads the escape after a backslash: what it stands for and how many bytes it took.
#[must_use]
pub fn escape(after: &[u8], style: Style) -> (Escaped, usize) {
    let one = |byte: u8| (Escaped::Bytes(vec![byte]), 1);
    let Some(&first) = after.first() else { return (Escaped::Bytes(vec![b'\\']), 0) };
    if let Some(byte) = letter(first) {
        return one(byte);
    }
    match first {
        b'e' => one(27),
        b'\\' => one(b'\\'),
        b'"' if style == Style::Printf => one(b'"'),
        b'c' => (Escaped::End, 1),
        b'0' if style == Style::Echo => {
            let (value, taken) = digits(&after[1..], 8, 3);
            (Escaped::Bytes(vec![value]), 1 + taken)
        }
        b'0'..=b'7' => {
            let (value, taken) = digits(after, 8, 3);
            (Escaped::Bytes(vec![value]), taken)
        }
        b'x' => match digits(&after[1..], 16, 2) {
            (_, 0) => (Escaped::Bytes(b"\\x".to_vec()), 1),
            (value, taken) => (Escaped::Bytes(vec![value]), 1 + taken),
        },
        _ => (Escaped::Bytes(vec![b'\\', first]), 1),
    }
}

/// A number of at most `most` digits: its low byte and how many digits there were.
#[must_use]
pub fn digits(text: &[u8], radix: u32, most: usize) -> (u8, usize) {
    let mut value = 0;
    let mut taken = 0;
    while taken < most {
        let Some(digit) = text.get(taken).and_then(|&byte| char::from(byte).to_digit(radix)) else {
            break;
        };
        value = (value * radix + digit) & 0xff;
        taken += 1;
    }
    (u8::try_from(value).unwrap_or(0), taken)
}

/// A text with its escapes read; true when `\c` ended it.
#[must_use]
pub fn unescape(text: &[u8], style: Style) -> (Vec<u8>, bool) {
    let mut read = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            read.push(byte);
            continue;
        }
        let (escaped, taken) = escape(rest, style);
        match escaped {
            Escaped::Bytes(bytes) => read.extend_from_slice(&bytes),
            Escaped::End => return (read, true),
        }
        rest = &rest[taken..];
    }
    (read, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read_as_echo_reads_them() {
        for (text, expected) in [
            ("a\\nb", "a\nb"),
            ("\\t\\\\", "\t\\"),
            ("\\0101", "A"),
            ("\\x41z", "Az"),
            ("\\xz", "\\xz"),
            ("\\q", "\\q"),
            ("end\\", "end\\"),
            ("a\\cb", "a"),
        ] {
            assert_eq!(unescape(text.as_bytes(), Style::Echo).0, expected.as_bytes(), "{text}");
        }
        assert_eq!(unescape(b"\\101\\0", Style::Printf).0, b"A\0");
    }
}
