//! The directives at the top: `# syntax=`, `# escape=`, `# check=`.

use crate::diagnostic::Cause;
use crate::source::Span;

/// The directives that exist.
const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// A directive's value and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The text after `=`, without blanks around it.
    pub value: String,
    /// Its line.
    pub line: usize,
    /// Its line in bytes.
    pub span: Span,
}

/// The directives of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directives {
    /// The frontend image asked for.
    pub syntax: Option<Directive>,
    /// The escape character.
    pub escape: Option<Directive>,
    /// Options of the checks, see [`crate::lint`].
    pub check: Option<Directive>,
}

impl Directives {
    pub(super) fn set(&mut self, name: &str, directive: Directive) {
        match name {
            "syntax" => self.syntax = Some(directive),
            "escape" => self.escape = Some(directive),
            _ => self.check = Some(directive),
        }
    }
}

/// Reads directives line by line until the first line that is none.
#[derive(Debug)]
pub(crate) struct Scanner {
    comment: &'static str,
    seen: Vec<String>,
    is_done: bool,
}

impl Scanner {
    /// A scanner for lines that start with `comment`.
    pub(crate) fn new(comment: &'static str) -> Self {
        Scanner { comment, seen: Vec::new(), is_done: false }
    }

    /// The name and value of the directive on this line.
    pub(crate) fn line(&mut self, line: &str) -> Result<Option<(String, String)>, Cause> {
        let found = if self.is_done { None } else { split(line, self.comment) };
        let Some((name, value)) = found else {
            self.is_done = true;
            return Ok(None);
        };
        if self.seen.contains(&name) {
            return Err(
                Cause::new(format!("only one {name} parser directive can be used")).focus(name)
            );
        }
        self.seen.push(name.clone());
        Ok(Some((name, value.to_owned())))
    }
}

fn split<'a>(line: &'a str, comment: &str) -> Option<(String, &'a str)> {
    let (key, value) = line.strip_prefix(comment)?.trim_start().split_once('=')?;
    let name =
        NAMES.into_iter().find(|name| key.trim_end_matches(is_space).eq_ignore_ascii_case(name))?;
    let value = value.trim_matches(is_space);
    (!value.is_empty()).then(|| (name.to_owned(), value))
}

fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{c}' | '\r' | ' ')
}

/// Reads the value of `# escape=`.
pub(super) fn escape(value: &str) -> Result<char, Cause> {
    match value {
        "\\" => Ok('\\'),
        "`" => Ok('`'),
        _ => Err(Cause::new(format!("invalid escape token '{value}' does not match ` or \\"))
            .focus(value)),
    }
}

/// The frontend a file asks for, in any of the forms that BuildKit reads: `# syntax=`, `// syntax=`
/// or a JSON object with that key, after an optional `#!` line.
pub fn detect_syntax(source: &str) -> Option<String> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let body = match source.starts_with("#!") {
        true => source.split_once('\n').map_or("", |(_, rest)| rest),
        false => source,
    };
    for comment in ["#", "//"] {
        let mut scanner = Scanner::new(comment);
        for line in body.lines() {
            match scanner.line(line) {
                Ok(Some((name, value))) if name == "syntax" => return first_word(&value),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).ok()?;
    object.get("syntax")?.as_str().map(str::to_owned)
}

fn first_word(value: &str) -> Option<String> {
    value.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_form_of_syntax() {
        let table = [
            ("# syntax=a/b:1\nFROM x", Some("a/b:1")),
            ("#SynTax = a/b arg\n", Some("a/b")),
            ("#!/usr/bin/env x\n# check=skip=all\n# syntax=y", Some("y")),
            ("// syntax=z\n{}", Some("z")),
            ("{\"syntax\": \"j\"}", Some("j")),
            ("# a comment\n# syntax=a", None),
            ("FROM x\n# syntax=a", None),
            ("", None),
        ];
        for (source, expected) in table {
            assert_eq!(detect_syntax(source).as_deref(), expected, "{source:?}");
        }
    }
}
