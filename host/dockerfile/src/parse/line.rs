//! One joined line: its continuation mark, its name, flags and rest.

/// Whether a line goes on.
pub(super) enum Continuation<'a> {
    /// It does; this is the line without the mark.
    Yes(&'a str),
    No,
}

/// Looks for an escape character at the end, unless another stands before it.
pub(super) fn continuation(line: &str, escape: char) -> Continuation<'_> {
    match line.trim_end_matches([' ', '\t']).strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => Continuation::Yes(rest),
        _ => Continuation::No,
    }
}

/// The blanks that separate arguments; others, such as a no-break space, belong to them.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// The blanks that end flags and the kind of a HEALTHCHECK: the reference looks at bytes there.
pub(super) fn is_ascii_space(c: char) -> bool {
    is_blank(c) || c == '\n'
}

/// Splits at the first run of blanks.
pub(super) fn split_once_blank(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once(is_blank)?;
    Some((first, rest.trim_start_matches(is_blank)))
}

/// Splits a line into the instruction's name, its flags and its arguments.
pub(super) fn split(line: &str, escape: char) -> (&str, Vec<String>, &str) {
    match split_once_blank(line.trim()) {
        None => (line.trim(), Vec::new(), ""),
        Some((name, rest)) => {
            let (flags, args) = flags(rest, escape);
            (name, flags, args.trim())
        }
    }
}

/// Takes the words that start with `--`, up to one that does not or to a lone `--`.
fn flags(line: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = line.trim_start_matches(is_ascii_space);
    while rest.starts_with("--") {
        let (word, after) = flag(rest, escape);
        rest = after;
        if word == "--" {
            break;
        }
        flags.push(word);
        rest = rest.trim_start_matches(is_ascii_space);
    }
    (flags, rest)
}

/// Takes one word, removing quotes and escapes.
fn flag(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    let mut rest = text;
    while let Some(c) = chars.next() {
        if Some(c) == quote {
            quote = None;
        } else if quote.is_none() && is_ascii_space(c) {
            return (word, rest);
        } else if quote.is_none() && (c == '\'' || c == '"') {
            quote = Some(c);
        } else if c == escape {
            word.extend(chars.next());
        } else {
            word.push(c);
        }
        rest = chars.as_str();
    }
    (word, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuations() {
        let table = [
            ("a \\", Some("a ")),
            ("\\", Some("")),
            ("a \\ \t", Some("a ")),
            ("a \\\\", None),
            ("a \\\\\\", None),
            ("a", None),
            ("", None),
        ];
        for (line, expected) in table {
            let found = match continuation(line, '\\') {
                Continuation::Yes(rest) => Some(rest),
                Continuation::No => None,
            };
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn flags_end_at_the_first_other_word() {
        let table: [(&str, &[&str], &str); 8] = [
            ("CMD --a --b=c d --e", &["--a", "--b=c"], "d --e"),
            ("CMD -- --a", &[], "--a"),
            ("CMD --a='x y' z", &["--a=x y"], "z"),
            ("CMD --a=\"x' y\" z", &["--a=x' y"], "z"),
            ("CMD --a\\ b c", &["--a b"], "c"),
            ("CMD --a", &["--a"], ""),
            ("CMD -a", &[], "-a"),
            ("CMD --chown=é x", &["--chown=é"], "x"),
        ];
        for (line, flags, rest) in table {
            assert_eq!(
                split(line, '\\'),
                ("CMD", flags.iter().map(|f| f.to_string()).collect(), rest)
            );
        }
    }
}
