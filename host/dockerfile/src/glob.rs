//! Go's `filepath.Match`: `*`, `?`, `[a-z]`, `[^a]`, `\x`; none of them crosses a `/`.

/// A pattern with an unclosed `[` or a `\` at the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern `{0}`")]
pub struct BadPattern(pub String);

/// Whether the whole `path` matches `pattern`.
///
/// # Errors
/// A bad pattern, whether or not the match gets as far as its fault.
pub fn match_path(pattern: &str, path: &str) -> Result<bool, BadPattern> {
    let tokens = parse(pattern)?;
    let path: Vec<char> = path.chars().collect();
    // One step back to the last star is enough: stars do not cross slashes, but a later star can
    // always take what an earlier one gave up.
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (tokens.get(token), path.get(at)) {
            (Some(Token::Star), _) => {
                star = Some((token, at));
                token += 1;
                continue;
            }
            (None, None) => return Ok(true),
            (Some(Token::One(class)), Some(&c)) if class.contains(c) => {
                token += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((start, taken)) if path.get(taken).is_some_and(|&c| c != '/') => {
                star = Some((start, taken + 1));
                token = start + 1;
                at = taken + 1;
            }
            _ => return Ok(false),
        }
    }
}

/// Whether `path` holds a character that a pattern would not take literally.
pub fn has_wildcards(path: &str) -> bool {
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

enum Token {
    Star,
    One(Class),
}

enum Class {
    Literal(char),
    Any,
    Set { is_negated: bool, ranges: Vec<(char, char)> },
}

impl Class {
    fn contains(&self, c: char) -> bool {
        match self {
            Class::Literal(literal) => *literal == c,
            Class::Any => c != '/',
            Class::Set { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *is_negated
            }
        }
    }
}

fn parse(pattern: &str) -> Result<Vec<Token>, BadPattern> {
    let bad = || BadPattern(pattern.to_owned());
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::One(Class::Any),
            '\\' => Token::One(Class::Literal(chars.next().ok_or_else(bad)?)),
            '[' => {
                let is_negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
                    let low = bound(&mut chars).ok_or_else(bad)?;
                    let high = match chars.next_if_eq(&'-') {
                        Some(_) => bound(&mut chars).ok_or_else(bad)?,
                        None => low,
                    };
                    ranges.push((low, high));
                }
                Token::One(Class::Set { is_negated, ranges })
            }
            _ => Token::One(Class::Literal(c)),
        });
    }
    Ok(tokens)
}

/// One end of a range; `-` and `]` must be escaped.
fn bound(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_at_slashes() {
        let table = [
            ("a*", "ab/c", false),
            ("*/*", "a/b", true),
            ("a*b*/c", "axbyb/c", true),
            ("*", "", true),
            ("*.txt", "a.txt.txt", true),
            ("\\*", "*", true),
            ("[^a]", "/", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(match_path(pattern, path), Ok(expected), "{pattern} {path}");
        }
    }

    #[test]
    fn wildcards_can_be_escaped() {
        for (path, expected) in [("a*", true), ("a\\*", false), ("a[0]", true), ("a/b", false)] {
            assert_eq!(has_wildcards(path), expected, "{path}");
        }
    }
}
