//! One line of comma-separated fields, as `--mount` and `--device` take.

use crate::diagnostic::Cause;

/// Splits at commas outside quotes; a quoted field has `""` for a quote.
pub(super) fn fields(line: &str, what: &str) -> Result<Vec<String>, Cause> {
    let error = |at: usize, why: &str| {
        Cause::new(format!("failed to parse csv {what}: parse error on column {}: {why}", at + 1))
    };
    if line.is_empty() {
        return Err(Cause::new(format!("failed to parse csv {what}: EOF")));
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let at = line.len() - rest.len();
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = rest.split_once(',').map_or((rest, None), |(f, r)| (f, Some(r)));
            if let Some(quote) = field.find('"') {
                return Err(error(at + quote, "bare \" in non-quoted field"));
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let (field, after) =
            unquote(quoted).ok_or_else(|| error(at, "extraneous or missing \" in quoted-field"))?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => {
                let at = line.len() - after.len();
                return Err(error(at, "extraneous or missing \" in quoted-field"));
            }
        }
    }
}

/// Reads up to the closing quote; `None` when there is none.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_plain() {
        let table: [(&str, &[&str]); 5] = [
            ("type=bind,from=a", &["type=bind", "from=a"]),
            (",", &["", ""]),
            ("a,", &["a", ""]),
            ("\"target=/a,b\",rw", &["target=/a,b", "rw"]),
            ("\"a\"\"b\"", &["a\"b"]),
        ];
        for (line, expected) in table {
            assert_eq!(fields(line, "mounts").unwrap(), expected, "{line}");
        }
        for line in ["a\"b", "\"a", "\"a\"b", ""] {
            assert!(fields(line, "mounts").is_err(), "{line}");
        }
    }
}
