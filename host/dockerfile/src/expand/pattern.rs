//! The patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*` and `?`, no brackets.

use regex::Regex;

use super::ExpandError;

/// Which match a `*` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greed {
    Shortest,
    Longest,
}

/// `${value#pattern}`: `value` without the prefix that matches.
pub(super) fn trim_prefix(pattern: &str, value: &str, greed: Greed) -> Result<String, ExpandError> {
    let regex = compile(pattern, greed, true)?;
    let end = regex.find(value).map_or(0, |found| found.end());
    Ok(value[end..].to_owned())
}

/// `${value%pattern}`: `value` without the suffix that matches.
pub(super) fn trim_suffix(pattern: &str, value: &str, greed: Greed) -> Result<String, ExpandError> {
    // Regular expressions find the leftmost match, so both sides are reversed.
    let reversed: String = value.chars().rev().collect();
    let rest = trim_prefix(&reverse_pattern(pattern), &reversed, greed)?;
    Ok(rest.chars().rev().collect())
}

/// `${value/pattern/replacement}` and, for `all`, `${value//pattern/replacement}`.
///
/// With `all`, a `$0` that reaches the replacement stands for the match, as it does in BuildKit.
pub(super) fn replace(
    pattern: &str,
    value: &str,
    replacement: &str,
    all: bool,
    limit: usize,
) -> Result<String, ExpandError> {
    let regex = compile(pattern, Greed::Longest, false)?;
    let mut out = String::new();
    let mut copied = 0;
    for captures in regex.captures_iter(value).take(if all { usize::MAX } else { 1 }) {
        let Some(found) = captures.get(0) else { break };
        out.push_str(&value[copied..found.start()]);
        if all {
            captures.expand(replacement, &mut out);
        } else {
            out.push_str(replacement);
        }
        copied = found.end();
        if out.len() > limit {
            return Err(ExpandError::Size);
        }
    }
    out.push_str(&value[copied..]);
    Ok(out)
}

fn compile(pattern: &str, greed: Greed, anchored: bool) -> Result<Regex, ExpandError> {
    let invalid = |cause: String| ExpandError::Pattern { pattern: pattern.to_owned(), cause };
    let mut out = String::from(if anchored { "^" } else { "" });
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if greed == Greed::Longest => out.push_str(".*"),
            '*' => out.push_str(".*?"),
            '?' => out.push('.'),
            // These two are escaped for the sake of `${}`, not of the pattern.
            '\\' if matches!(chars.peek(), Some('}' | '/')) => {}
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '?' | '\\')) => {
                    out.push('\\');
                    out.push(escaped);
                }
                Some(other) => return Err(invalid(format!("invalid escape '\\{other}'"))),
                None => return Err(invalid("invalid escape at the end".to_owned())),
            },
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    Regex::new(&out).map_err(|error| invalid(error.to_string()))
}

/// Reverses a pattern, keeping each escape in front of what it escapes.
fn reverse_pattern(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut units: Vec<&[char]> = Vec::new();
    let mut rest = chars.as_slice();
    while !rest.is_empty() {
        let length = if rest[0] == '\\' && rest.len() > 1 { 2 } else { 1 };
        let (unit, after) = rest.split_at(length);
        units.push(unit);
        rest = after;
    }
    units.into_iter().rev().flatten().collect()
}
