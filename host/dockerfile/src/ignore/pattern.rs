//! One pattern of an ignore file.

use regex::Regex;

use super::{IgnoreError, clean};
use crate::glob;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The pattern, cleaned, without `!`.
    pub(super) text: String,
    pub(super) is_exclusion: bool,
    test: Test,
}

/// How to match; most patterns need no regular expression.
#[derive(Debug, Clone)]
enum Test {
    Exact,
    /// `dir/**`.
    Prefix(String),
    /// `**/name`.
    Suffix(String),
    Regex(Regex),
}

impl Pattern {
    /// Compiles a pattern without blanks around it.
    pub(super) fn new(text: &str) -> Result<Self, IgnoreError> {
        let cleaned = clean(text);
        let (text, is_exclusion) = match cleaned.strip_prefix('!') {
            Some("") => return Err(IgnoreError::BareExclusion),
            Some(rest) => (rest.to_owned(), true),
            None => (cleaned, false),
        };
        glob::match_path(&text, ".").map_err(|_| IgnoreError::BadPattern(text.clone()))?;
        let test = compile(&text).ok_or_else(|| IgnoreError::BadPattern(text.clone()))?;
        Ok(Pattern { text, is_exclusion, test })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.test {
            Test::Exact => path == self.text,
            Test::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Test::Suffix(suffix) => {
                path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path)
            }
            Test::Regex(regex) => regex.is_match(path),
        }
    }
}

/// What kind of match the characters so far need.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Exact,
    Prefix,
    Suffix,
    Regex,
}

/// `None` when the expression is invalid.
fn compile(pattern: &str) -> Option<Test> {
    let mut needs = Needs::Exact;
    let mut regex = String::from("^");
    let mut is_class = false;
    let mut chars = pattern.chars().peekable();
    let mut is_first = true;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                chars.next_if_eq(&'/');
                needs = match (chars.peek(), needs) {
                    (None, Needs::Exact) => Needs::Prefix,
                    (None, _) => {
                        regex.push_str(".*");
                        Needs::Regex
                    }
                    (Some(_), _) => {
                        regex.push_str("(.*/)?");
                        Needs::Regex
                    }
                };
                if is_first {
                    needs = Needs::Suffix;
                }
            }
            '*' | '?' => {
                regex.push_str(if c == '*' { "[^/]*" } else { "[^/]" });
                needs = Needs::Regex;
            }
            '[' | ']' => {
                // Inside a class a bracket stands for itself.
                if is_class && c == '[' {
                    regex.push('\\');
                }
                regex.push(c);
                is_class = c == '[' || is_class && c != ']';
                if c == '[' && chars.next_if_eq(&'^').is_some() {
                    regex.push('^');
                }
                needs = Needs::Regex;
            }
            '\\' => {
                let escaped = chars.next().unwrap_or('\\');
                regex.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
                needs = Needs::Regex;
            }
            // The bounds of a range.
            '-' if is_class => regex.push('-'),
            _ => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        is_first = false;
    }
    Some(match needs {
        Needs::Exact => Test::Exact,
        Needs::Prefix => Test::Prefix(pattern[..pattern.len() - 2].to_owned()),
        Needs::Suffix => Test::Suffix(pattern[2..].to_owned()),
        Needs::Regex => Test::Regex(Regex::new(&(regex + "$")).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets() {
        let table = [
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[[]x", "[x", true),
            ("[a&&b]", "&", true),
            ("a]b", "a]b", true),
            ("[\\]]", "]", true),
            ("a\\db", "adb", true),
            ("a~~b", "a~~b", true),
        ];
        for (pattern, path, expected) in table {
            assert_eq!(Pattern::new(pattern).unwrap().matches(path), expected, "{pattern} {path}");
        }
    }
}
