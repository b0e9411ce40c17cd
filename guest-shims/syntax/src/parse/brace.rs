//! Brace expansion of bash: `a{b,c}d`, `{1..3}`.
//!
//! It comes before every other expansion and knows nothing of their results, so the parser does it.

use crate::ast::{Part, Word};

/// Words that one word may become; braces multiply.
const MAX_WORDS: usize = 4096;

/// A form that is left to bash.
pub(super) struct Refused;

/// A byte outside quotes, or a part that braces do not look into.
#[derive(Clone)]
enum Unit {
    Byte(u8),
    Part(Part),
}

/// The words that the braces of a word make; `None` when it has none that bash expands.
pub(super) fn expand(word: &Word) -> Result<Option<Vec<Word>>, Refused> {
    let bare = |part: &Part| matches!(part, Part::Literal(text) if text.contains(&b'{'));
    if !word.0.iter().any(bare) {
        return Ok(None);
    }
    let mut units = Vec::new();
    for part in &word.0 {
        match part {
            Part::Literal(text) => units.extend(text.iter().map(|&byte| Unit::Byte(byte))),
            other => units.push(Unit::Part(other.clone())),
        }
    }
    let mut expanded = false;
    let words = alternatives(&units, &mut expanded, 0)?;
    Ok(expanded.then(|| words.into_iter().filter(|word| !word.is_empty()).map(join).collect()))
}

fn join(units: Vec<Unit>) -> Word {
    let mut parts = Vec::new();
    for unit in units {
        match (unit, parts.last_mut()) {
            (Unit::Byte(byte), Some(Part::Literal(text))) => text.push(byte),
            (Unit::Byte(byte), _) => parts.push(Part::Literal(vec![byte])),
            (Unit::Part(part), _) => parts.push(part),
        }
    }
    Word(parts)
}

const fn is(unit: &Unit, wanted: u8) -> bool {
    matches!(unit, Unit::Byte(byte) if *byte == wanted)
}

/// Braces inside braces; the parser's own limit does not count these.
const MAX_DEPTH: u32 = 20;

fn alternatives(
    units: &[Unit],
    expanded: &mut bool,
    depth: u32,
) -> Result<Vec<Vec<Unit>>, Refused> {
    if depth > MAX_DEPTH {
        return Err(Refused);
    }
    let mut from = 0;
    while let Some(open) = units[from..].iter().position(|unit| is(unit, b'{')) {
        let open = from + open;
        from = open + 1;
        let Some((close, commas)) = closing(units, open) else {
            // What bash makes of a brace that nothing closes before others is its own.
            if units[from..].iter().any(|unit| is(unit, b',')) {
                return Err(Refused);
            }
            continue;
        };
        let inner = &units[open + 1..close];
        let choices = if commas.is_empty() {
            match sequence(inner)? {
                Some(choices) => choices,
                None if inner.iter().any(|unit| is(unit, b'{')) => return Err(Refused),
                None => continue,
            }
        } else {
            let mut choices = Vec::new();
            let mut start = open + 1;
            for end in commas.into_iter().chain([close]) {
                choices.extend(alternatives(&units[start..end], expanded, depth + 1)?);
                start = end + 1;
            }
            choices
        };
        *expanded = true;
        let after = alternatives(&units[close + 1..], expanded, depth + 1)?;
        if choices.len().saturating_mul(after.len()) > MAX_WORDS {
            return Err(Refused);
        }
        let mut words = Vec::new();
        for choice in &choices {
            words.extend(after.iter().map(|after| [&units[..open], choice, after].concat()));
        }
        return Ok(words);
    }
    Ok(vec![units.to_vec()])
}

/// The brace that closes the one at `open`, and the commas of its own.
fn closing(units: &[Unit], open: usize) -> Option<(usize, Vec<usize>)> {
    let (mut depth, mut commas) = (0_u32, Vec::new());
    for (at, unit) in units.iter().enumerate().skip(open) {
        if is(unit, b'{') {
            depth += 1;
        } else if is(unit, b'}') {
            depth -= 1;
            if depth == 0 {
                return Some((at, commas));
            }
        } else if depth == 1 && is(unit, b',') {
            commas.push(at);
        }
    }
    None
}

/// `1..3`, `a..c`
fn sequence(inner: &[Unit]) -> Result<Option<Vec<Vec<Unit>>>, Refused> {
    let text: Option<Vec<u8>> = inner
        .iter()
        .map(|unit| match unit {
            Unit::Byte(byte) => Some(*byte),
            Unit::Part(_) => None,
        })
        .collect();
    let Some(text) = text.and_then(|text| String::from_utf8(text).ok()) else { return Ok(None) };
    let Some((first, last)) = text.split_once("..") else { return Ok(None) };
    if last.contains("..") {
        return Err(Refused);
    }
    let spell = |text: String| text.into_bytes().into_iter().map(Unit::Byte).collect::<Vec<_>>();
    if let (&[a], &[b]) = (first.as_bytes(), last.as_bytes())
        && (a.is_ascii_lowercase() && b.is_ascii_lowercase()
            || a.is_ascii_uppercase() && b.is_ascii_uppercase())
    {
        let letters: Vec<u8> = if a <= b { (a..=b).collect() } else { (b..=a).rev().collect() };
        return Ok(Some(letters.into_iter().map(|letter| vec![Unit::Byte(letter)]).collect()));
    }
    let (Ok(a), Ok(b)) = (first.parse::<i32>(), last.parse::<i32>()) else {
        let odd = |text: &str| text.len() == 1 || text.starts_with(['+', '-']);
        return if odd(first) && odd(last) { Err(Refused) } else { Ok(None) };
    };
    if first.starts_with('+') || last.starts_with('+') || a.abs_diff(b) as usize >= MAX_WORDS {
        return Err(Refused);
    }
    let padded = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.len() > 1 && digits.starts_with('0')
    };
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    let numbers: Vec<i32> = if a <= b { (a..=b).collect() } else { (b..=a).rev().collect() };
    Ok(Some(numbers.into_iter().map(|number| spell(format!("{number:0width$}"))).collect()))
}
