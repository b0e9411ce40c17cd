//! The arguments of each instruction: which characters separate them, which forms there are.

use super::line::{is_ascii_space, split_once_blank};
use super::{Args, json};
use crate::diagnostic::Cause;
use crate::quote::quote;

/// Splits what follows an instruction's flags.
pub(super) fn args(keyword: &str, rest: &str, escape: char) -> Result<Args, Cause> {
    let plain = |values| Ok(Args { values, json: false });
    match keyword {
        "add" | "copy" | "volume" => json_or(rest, blank_separated),
        "cmd" | "entrypoint" | "run" | "shell" => json_or(rest, whole),
        "healthcheck" => healthcheck(rest),
        "arg" => plain(words(rest, escape)),
        "env" => plain(pairs("ENV", rest, escape)?),
        "label" => plain(pairs("LABEL", rest, escape)?),
        "expose" | "from" => plain(blank_separated(rest)),
        "maintainer" | "stopsignal" | "user" | "workdir" => plain(whole(rest)),
        // Left to the next pass, which knows what to suggest.
        _ => plain(vec![String::new()]),
    }
}

fn json_or(rest: &str, otherwise: impl Fn(&str) -> Vec<String>) -> Result<Args, Cause> {
    match json::array(rest) {
        json::Array::Strings(values) => Ok(Args { values, json: true }),
        json::Array::No => Ok(Args { values: otherwise(rest), json: false }),
        json::Array::Others => Err(Cause::new(
            "when using JSON array syntax, arrays must be comprised of strings only",
        )
        .focus("[")),
    }
}

fn whole(rest: &str) -> Vec<String> {
    if rest.is_empty() { Vec::new() } else { vec![rest.to_owned()] }
}

fn blank_separated(rest: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = rest;
    if rest.is_empty() {
        return fields;
    }
    while let Some((field, after)) = split_once_blank(rest) {
        fields.push(field.to_owned());
        rest = after;
    }
    fields.push(rest.to_owned());
    fields
}

/// `NONE`, or `CMD` and a command in either form.
fn healthcheck(rest: &str) -> Result<Args, Cause> {
    let (kind, command) = rest.split_once(is_ascii_space).unwrap_or((rest, ""));
    if kind.is_empty() {
        return Ok(Args::default());
    }
    let mut args = json_or(command.trim_start_matches(is_ascii_space), whole)?;
    args.values.insert(0, kind.to_owned());
    Ok(args)
}

/// `name=value ...`, or the old `name value`; three arguments each: name, value, separator.
fn pairs(instruction: &str, rest: &str, escape: char) -> Result<Vec<String>, Cause> {
    let words = words(rest, escape);
    let Some(first) = words.first() else { return Ok(Vec::new()) };
    if !first.contains('=') {
        let (name, value) = split_once_blank(rest)
            .ok_or_else(|| Cause::new(format!("{instruction} must have two arguments")))?;
        return Ok(vec![name.to_owned(), value.to_owned(), String::new()]);
    }
    let mut out = Vec::new();
    for word in &words {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            Cause::new(format!(
                "Syntax error - can't find = in {}. Must be of the form: name=value",
                quote(word)
            ))
            .focus(word.clone())
        })?;
        out.extend([name.to_owned(), value.to_owned(), "=".to_owned()]);
    }
    Ok(out)
}

/// Splits at blanks outside quotes; quotes and escapes stay, expansion removes them.
fn words(rest: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == '\'' || c == '"') {
            quote = Some(c);
        }
        // Nothing can be escaped inside single quotes.
        if c == escape && quote != Some('\'') {
            // An escape at the very end is dropped.
            let Some(escaped) = chars.next() else { break };
            word.push(c);
            word.push(escaped);
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_quotes() {
        let table: [(&str, &[&str]); 8] = [
            ("foo bar", &["foo", "bar"]),
            ("foo\\ bar", &["foo\\ bar"]),
            ("foo bar 'abc xyz'", &["foo", "bar", "'abc xyz'"]),
            ("föo bàr \"âbc xÿz\"", &["föo", "bàr", "\"âbc xÿz\""]),
            ("a=\"b\\\" c\" d", &["a=\"b\\\" c\"", "d"]),
            ("a='b\\' c", &["a='b\\'", "c"]),
            ("a\\", &["a"]),
            ("\"\" b", &["\"\"", "b"]),
        ];
        for (rest, expected) in table {
            assert_eq!(words(rest, '\\'), expected, "{rest}");
        }
    }

    #[test]
    fn pairs_need_values() {
        assert_eq!(pairs("ENV", "a  b c", '\\').unwrap(), ["a", "b c", ""]);
        assert_eq!(pairs("ENV", "a", '\\').unwrap_err().message, "ENV must have two arguments");
        assert_eq!(
            pairs("ENV", "a=b c", '\\').unwrap_err().message,
            "Syntax error - can't find = in \"c\". Must be of the form: name=value"
        );
    }
}
