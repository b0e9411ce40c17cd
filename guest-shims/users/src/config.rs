//! `/etc/login.defs` and other files of settings.

use std::collections::HashMap;

use shim::{number, sys};

/// Settings by name; names are as they are in the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config(HashMap<Vec<u8>, Vec<u8>>);

impl Config {
    /// `/etc/login.defs`: a name, white space, a value.
    pub(crate) fn login_defs() -> Self {
        let mut found = HashMap::new();
        for line in lines(b"/etc/login.defs") {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
            let value = line[end..].trim_ascii();
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let end_of_value = value.iter().position(|&byte| byte == b'"').unwrap_or(value.len());
            found.insert(line[..end].to_vec(), value[..end_of_value].to_vec());
        }
        Self(found)
    }

    /// A file of `NAME=value` lines.
    pub(crate) fn assignments(file: &[u8]) -> Self {
        let mut found = HashMap::new();
        for line in lines(file) {
            let Some(at) = line.iter().position(|&byte| byte == b'=') else { continue };
            if line.starts_with(b"#") {
                continue;
            }
            let (name, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
            let quotes = [b'"', b'\''];
            let value = match value {
                [first, inner @ .., last] if first == last && quotes.contains(first) => inner,
                _ => value,
            };
            found.insert(name.to_vec(), value.to_vec());
        }
        Self(found)
    }

    /// A setting as text.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).map(Vec::as_slice)
    }

    /// A setting as a number: decimal, or octal with a leading zero.
    pub(crate) fn number(&self, name: &str, default: u32) -> u32 {
        let Some(text) = self.get(name) else { return default };
        let octal = || u32::from_str_radix(str::from_utf8(text).ok()?, 8).ok();
        let value = if text.len() > 1 && text[0] == b'0' {
            octal()
        } else {
            number::decimal(text).and_then(|value| u32::try_from(value).ok())
        };
        value.unwrap_or(default)
    }

    /// Whether a setting says yes.
    pub(crate) fn is_yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case(b"yes"))
    }

    /// Sets what an option of the command line overrides.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        self.0.insert(name.to_vec(), value.to_vec());
    }
}

fn lines(file: &[u8]) -> Vec<Vec<u8>> {
    let text = sys::read_small(file).unwrap_or_default();
    text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}
