//! The JSON form of arguments: `["a", "b"]`.

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Array {
    /// An array of strings.
    Strings(Vec<String>),
    /// An array with something else in it, which is an error.
    Others,
    /// No JSON array: a shell form.
    No,
}

/// Reads a text as a JSON array of strings.
pub(super) fn array(text: &str) -> Array {
    let text = text.trim_start();
    if !text.starts_with('[') {
        return Array::No;
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(&without_lone_surrogates(text))
    else {
        return Array::No;
    };
    let strings = values.into_iter().map(|value| match value {
        serde_json::Value::String(string) => Some(string),
        _ => None,
    });
    strings.collect::<Option<_>>().map_or(Array::Others, Array::Strings)
}

/// Replaces half surrogate pairs by U+FFFD, as Go's JSON does; serde_json would refuse them.
fn without_lone_surrogates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (code_unit(rest), rest.get(6..).and_then(code_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 6,
            // An escaped character, which may itself be a backslash.
            (None, _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// The value of a `\uXXXX` at the start.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_string_arrays() {
        let strings =
            |texts: &[&str]| Array::Strings(texts.iter().map(|t| t.to_string()).collect());
        let table = [
            ("[]", strings(&[])),
            (" [\"a\" , \"b\"] ", strings(&["a", "b"])),
            ("[\"\\ud83d\\ude00\"]", strings(&["😀"])),
            ("[\"\\ud83d x\\\\\\udc00\"]", strings(&["\u{fffd} x\\\u{fffd}"])),
            ("[1]", Array::Others),
            ("[\"a\", [\"b\"]]", Array::Others),
            ("['a']", Array::No),
            ("[\"a\"", Array::No),
            ("[\"a\"] b", Array::No),
            ("\"a\"", Array::No),
            ("[\"\\", Array::No),
        ];
        for (text, expected) in table {
            assert_eq!(array(text), expected, "{text}");
        }
    }
}
