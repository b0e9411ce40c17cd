//! Keys of `sort`.

use std::cmp::Ordering;

use shim::{Stop, native, number::decimal};

/// How keys are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    blanks: bool,
    end_blanks: bool,
    dictionary: bool,
    fold: bool,
    numeric: bool,
    human: bool,
    month: bool,
    version: bool,
    pub(super) reverse: bool,
}

impl Ways {
    /// Sets what a letter of the command line asks for.
    pub(super) fn set(&mut self, letter: u8) -> Result<(), Stop> {
        match letter {
            b'b' => (self.blanks, self.end_blanks) = (true, true),
            b'd' => self.dictionary = true,
            b'f' => self.fold = true,
            b'n' => self.numeric = true,
            b'h' => self.human = true,
            b'M' => self.month = true,
            b'V' => self.version = true,
            b'r' => self.reverse = true,
            _ => return Err(native(format!("ordering by {}", char::from(letter)))),
        }
        Ok(())
    }
}

/// A key: from a field and character to another, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    from: (usize, usize),
    /// No character means the field's end.
    to: Option<(usize, usize)>,
    ways: Ways,
}

impl Key {
    /// The whole line.
    pub(super) fn whole(ways: Ways) -> Self {
        Self { from: (1, 1), to: None, ways }
    }

    /// Reads `F[.C][OPTS][,F[.C][OPTS]]`.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Stop> {
        let bad = || Stop::Fail(2, format!("invalid key '{}'", String::from_utf8_lossy(text)));
        let mut ways = Ways::default();
        let mut parts = text.splitn(2, |&byte| byte == b',');
        let (field, char, letters) = position(parts.next().unwrap_or_default()).ok_or_else(bad)?;
        if field == 0 || char == Some(0) {
            return Err(bad());
        }
        for &letter in letters {
            if letter == b'b' { ways.blanks = true } else { ways.set(letter)? }
        }
        let from = (field, char.unwrap_or(1));
        let mut to = None;
        if let Some(end) = parts.next() {
            let (field, char, letters) = position(end).ok_or_else(bad)?;
            for &letter in letters {
                if letter == b'b' { ways.end_blanks = true } else { ways.set(letter)? }
            }
            to = Some((field, char.unwrap_or(0)));
        }
        Ok(Self { from, to, ways })
    }

    /// Takes over the command's ways where the key has none of its own.
    pub(super) fn inherit(&mut self, ways: Ways) {
        if self.ways == Ways::default() {
            self.ways = ways;
        }
    }

    /// Compares two lines by this key.
    pub(super) fn compare(&self, a: &[u8], b: &[u8], separator: Option<u8>) -> Ordering {
        let (a, b) = (self.extract(a, separator), self.extract(b, separator));
        let ways = self.ways;
        let order = if ways.numeric {
            numeric(a, b)
        } else if ways.human {
            human(a).cmp(&human(b)).then_with(|| numeric(a, b))
        } else if ways.month {
            month(a).cmp(&month(b))
        } else if ways.version {
            version(a, b)
        } else if ways.dictionary || ways.fold {
            let fold = |text: &[u8]| -> Vec<u8> {
                let kept = |byte: &&u8| {
                    !ways.dictionary || byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'\t')
                };
                text.iter()
                    .filter(kept)
                    .map(|byte| if ways.fold { byte.to_ascii_uppercase() } else { *byte })
                    .collect()
            };
            fold(a).cmp(&fold(b))
        } else {
            a.cmp(b)
        };
        if ways.reverse { order.reverse() } else { order }
    }

    fn extract<'a>(&self, line: &'a [u8], separator: Option<u8>) -> &'a [u8] {
        let mut begin = field_begin(line, self.from.0 - 1, separator);
        if self.ways.blanks {
            begin += line[begin..].iter().take_while(|byte| is_blank(**byte)).count();
        }
        begin = (begin + self.from.1 - 1).min(line.len());
        let end = match self.to {
            None => line.len(),
            Some((field, 0)) => field_end(line, field, separator),
            Some((field, char)) => {
                let mut at = field_begin(line, field - 1, separator);
                if self.ways.end_blanks {
                    at += line[at..].iter().take_while(|byte| is_blank(**byte)).count();
                }
                (at + char).min(line.len())
            }
        };
        &line[begin..end.max(begin)]
    }
}

fn position(text: &[u8]) -> Option<(usize, Option<usize>, &[u8])> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = |text: &[u8]| decimal(text).and_then(|number| usize::try_from(number).ok());
    let len = digits(text);
    let (field, rest) = (number(&text[..len])?, &text[len..]);
    if field == 0 {
        return None;
    }
    let Some(after) = rest.strip_prefix(b".") else { return Some((field, None, rest)) };
    let len = digits(after);
    Some((field, Some(number(&after[..len])?), &after[len..]))
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Where a field begins, counted from 0. Without a separator, a field begins with its blanks.
fn field_begin(line: &[u8], field: usize, separator: Option<u8>) -> usize {
    let mut at = 0;
    for _ in 0..field {
        match separator {
            Some(separator) => match line[at..].iter().position(|&byte| byte == separator) {
                Some(len) => at += len + 1,
                None => return line.len(),
            },
            None => at = skip_field(line, at),
        }
    }
    at
}

fn skip_field(line: &[u8], mut at: usize) -> usize {
    at += line[at..].iter().take_while(|byte| is_blank(**byte)).count();
    at + line[at..].iter().take_while(|byte| !is_blank(**byte)).count()
}

/// Where a field ends, counted from 1.
fn field_end(line: &[u8], field: usize, separator: Option<u8>) -> usize {
    let begin = field_begin(line, field - 1, separator);
    match separator {
        Some(separator) => {
            begin
                + line[begin..]
                    .iter()
                    .position(|&byte| byte == separator)
                    .unwrap_or(line.len() - begin)
        }
        None => skip_field(line, begin),
    }
}

/// The sign, the whole digits without leading zeros and the fraction of a number at the beginning.
fn parts(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    let text = &text[blanks..];
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(len);
    let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
    let fraction = rest.strip_prefix(b".").unwrap_or_default();
    let len = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = &fraction[..len];
    let kept = fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |at| at + 1);
    (negative, &whole[zeros..], &fraction[..kept])
}

fn numeric(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let sign = |(negative, whole, fraction): (bool, &[u8], &[u8])| match (
        whole.is_empty() && fraction.is_empty(),
        negative,
    ) {
        (true, _) => 0,
        (_, true) => -1,
        _ => 1,
    };
    let size = || a.1.len().cmp(&b.1.len()).then_with(|| a.1.cmp(b.1)).then_with(|| a.2.cmp(b.2));
    match (sign(a), sign(b)) {
        (-1, -1) => size().reverse(),
        (1, 1) => size(),
        (a, b) => a.cmp(&b),
    }
}

/// The rank of a number's unit, negative for negative numbers.
fn human(text: &[u8]) -> i32 {
    let (negative, whole, fraction) = parts(text);
    if whole.is_empty() && fraction.is_empty() {
        return 0;
    }
    let begin = text.iter().take_while(|byte| is_blank(**byte) || **byte == b'-').count();
    let rest = &text[begin..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let rank = match rest.get(digits) {
        Some(b'K' | b'k') => 2,
        Some(b'M') => 3,
        Some(b'G') => 4,
        Some(b'T') => 5,
        Some(b'P') => 6,
        Some(b'E') => 7,
        _ => 1,
    };
    if negative { -rank } else { rank }
}

fn month(text: &[u8]) -> usize {
    const NAMES: [&[u8]; 12] = [
        b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV",
        b"DEC",
    ];
    let text = text.trim_ascii_start().to_ascii_uppercase();
    NAMES.iter().position(|name| text.starts_with(name)).map_or(0, |at| at + 1)
}

/// Debian's order of versions, with GNU's treatment of file suffixes.
fn version(a: &[u8], b: &[u8]) -> Ordering {
    let (stem_a, stem_b) = (stem(a), stem(b));
    let order = compare_versions(stem_a, stem_b);
    if order != Ordering::Equal || (stem_a.len() == a.len() && stem_b.len() == b.len()) {
        return order;
    }
    compare_versions(a, b)
}

/// The name without suffixes such as `.tar.gz`.
fn stem(name: &[u8]) -> &[u8] {
    let mut end = name.len();
    while let Some(dot) = name[..end].iter().rposition(|&byte| byte == b'.') {
        let suffix = &name[dot + 1..end];
        let good = suffix.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'~')
            && suffix.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'~');
        if !good || dot == 0 {
            break;
        }
        end = dot;
    }
    &name[..end]
}

fn compare_versions(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        None => 0,
        Some(byte) if byte.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    };
    while !a.is_empty() || !b.is_empty() {
        let text = |text: &[u8]| text.first().is_some_and(|byte| !byte.is_ascii_digit());
        while text(a) || text(b) {
            let order = rank(a.first()).cmp(&rank(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let number = |text: &mut &[u8]| -> Vec<u8> {
            let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let zeros = text[..len].iter().take_while(|byte| **byte == b'0').count();
            let digits = text[zeros..len].to_vec();
            *text = &text[len..];
            digits
        };
        let (left, right) = (number(&mut a), number(&mut b));
        let order = left.len().cmp(&right.len()).then_with(|| left.cmp(&right));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
