//! JSON as Go's `encoding/json` writes it.
//!
//! Digests of configs and manifests are digests of their bytes; to give the same digest as the
//! tools written in Go, strings are escaped as Go escapes them: also `<`, `>`, `&`, U+2028, U+2029.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// As `json.Marshal`.
pub(crate) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    write(value, CompactFormatter)
}

/// As `json.MarshalIndent(value, "", "  ")`.
pub(crate) fn to_vec_indented(value: &impl Serialize) -> Vec<u8> {
    write(value, PrettyFormatter::new())
}

fn write(value: &impl Serialize, formatter: impl Formatter) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, GoStrings(formatter));
    value
        .serialize(&mut serializer)
        .expect("keys are strings and a Vec takes every byte, so serialising cannot fail");
    out
}

/// Any layout, with Go's escapes in strings.
struct GoStrings<F>(F);

/// What Go escapes beyond JSON's own rules.
fn escape(character: char) -> Option<&'static str> {
    match character {
        '<' => Some("\\u003c"),
        '>' => Some("\\u003e"),
        '&' => Some("\\u0026"),
        '\u{2028}' => Some("\\u2028"),
        '\u{2029}' => Some("\\u2029"),
        _ => None,
    }
}

impl<F: Formatter> Formatter for GoStrings<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut done = 0;
        for (at, character) in fragment.char_indices() {
            if let Some(escaped) = escape(character) {
                out.write_all(&fragment.as_bytes()[done..at])?;
                out.write_all(escaped.as_bytes())?;
                done = at + character.len_utf8();
            }
        }
        out.write_all(&fragment.as_bytes()[done..])
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// Helpers for fields in which Go's decoder takes `null` as "not there".
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}

/// For `skip_serializing_if`: a flag that is not set.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_in_go() {
        for (value, wanted) in [
            ("a && b <c>", r#""a \u0026\u0026 b \u003cc\u003e""#),
            ("\u{2028}x\u{2029}", r#""\u2028x\u2029""#),
            ("\"\\/\u{8}\u{c}\n\r\t", r#""\"\\/\b\f\n\r\t""#),
            ("\u{1}\u{1f}\u{7f}é", "\"\\u0001\\u001f\u{7f}é\""),
        ] {
            assert_eq!(String::from_utf8(to_vec(&value)).unwrap(), wanted);
        }
    }

    #[test]
    fn indented_as_in_go() {
        let value = serde_json::json!({"a": [1, {"b": "<"}], "c": [], "d": {}});
        assert_eq!(
            String::from_utf8(to_vec_indented(&value)).unwrap(),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"\\u003c\"\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}"
        );
    }
}
