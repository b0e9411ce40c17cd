//! Go's `%q`: how BuildKit quotes strings in messages and dumps.

/// Quotes a string as Go's `strconv.Quote` does.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            '\0'..='\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            _ if is_printable(c) => out.push(c),
            '\0'..='\u{ffff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Quotes a list as Go's `%q` does: `["a" "b"]`.
pub(crate) fn quote_list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(" "))
}

/// Go's `unicode.IsPrint` for what is not ASCII.
fn is_printable(c: char) -> bool {
    // A letter in front keeps combining marks from being escaped for standing first.
    let mut pair = String::from("x");
    pair.push(c);
    pair.escape_debug().count() == 2
}

/// Go's `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_does() {
        let table = [
            ("a b", "\"a b\""),
            ("\"\\", "\"\\\"\\\\\""),
            ("\0\u{7f}\n", "\"\\x00\\x7f\\n\""),
            ("♥é", "\"♥é\""),
            ("e\u{301}", "\"e\u{301}\""),
            ("\u{a0}\u{200b}", "\"\\u00a0\\u200b\""),
            ("\u{e0001}", "\"\\U000e0001\""),
        ];
        for (text, expected) in table {
            assert_eq!(quote(text), expected);
        }
        assert_eq!(quote_list(&["a".into(), "b".into()]), "[\"a\" \"b\"]");
    }
}
