//! Text that others wrote (a Dockerfile, names of files, a registry's answer), made safe to print: a
//! terminal obeys control characters, and a log's reader trusts what begins a line.

use std::borrow::Cow;

/// The text with its control characters, and those that turn the direction of writing, spelled out;
/// line ends and tabs stay where `lines` says.
pub(crate) fn printable(text: &str, lines: bool) -> Cow<'_, str> {
    let harmful = |c: char| match c {
        '\n' | '\t' => !lines,
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    };
    if !text.contains(harmful) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if lines && c == '\r' && chars.peek() == Some(&'\n') {
            // A line's end on Windows.
        } else if harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_spelled_out() {
        for (text, lines, expected) in [
            ("plain \u{e9}", false, "plain \u{e9}"),
            ("\u{1b}[2J\u{7}", false, "\\u{1b}[2J\\u{7}"),
            ("a\nb\t\r", false, "a\\nb\\t\\r"),
            ("a\r\nb\t\r", true, "a\nb\t\\r"),
            ("\u{9b}1m\u{202e}x", true, "\\u{9b}1m\\u{202e}x"),
        ] {
            assert_eq!(printable(text, lines), expected);
        }
    }
}
