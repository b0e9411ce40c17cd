//! Parameters and what `${…}` does with them (XCU 2.6.2).

use super::fields::Fields;
use super::{Expanded, push_value};
use crate::pattern::Pattern;
use crate::state::Shell;
use kiln_sh_syntax::{Dialect, ParamOp, Part, Trim, Word};

impl Shell {
    pub(super) fn parameter(
        &mut self,
        name: &[u8],
        op: &ParamOp,
        quoted: bool,
        out: &mut Fields,
    ) -> Expanded<()> {
        if *op == ParamOp::Bad {
            return self.fatal("Bad substitution");
        }
        let many = matches!(name, b"@" | b"*");
        let value = if many { None } else { self.special(name) };
        // To dash, `$@` and `$*` are set even without parameters.
        let is_set = if many {
            self.dialect == Dialect::Dash || !self.positional.is_empty()
        } else {
            value.is_some()
        };
        let is_empty = if many {
            self.positional.iter().all(Vec::is_empty) && self.positional.len() < 2
        } else {
            value.as_ref().is_none_or(Vec::is_empty)
        };
        let lacks = |colon: bool| if colon { is_empty } else { !is_set };
        match op {
            ParamOp::Default(colon, word) if lacks(*colon) => self.operand(word, quoted, out),
            ParamOp::Alternative(colon, word) => {
                if lacks(*colon) {
                    Ok(())
                } else {
                    self.operand(word, quoted, out)
                }
            }
            ParamOp::Assign(colon, word) if lacks(*colon) => {
                if !kiln_sh_syntax::is_name(name) {
                    return self.fatal("Bad substitution");
                }
                let text = self.marked(&word.0, quoted, false)?.bytes;
                if let Err(why) = self.set(name, text.clone()) {
                    return self.fatal(&why);
                }
                push_value(&text, quoted, out);
                Ok(())
            }
            ParamOp::Error(colon, word) if lacks(*colon) => {
                let text = self.marked(&word.0, quoted, false)?.bytes;
                let default: &str =
                    if *colon { "parameter not set or null" } else { "parameter not set" };
                let text = if word.0.is_empty() {
                    default.to_owned()
                } else {
                    String::from_utf8_lossy(&text).into_owned()
                };
                self.fatal(&format!("{}: {text}", String::from_utf8_lossy(name)))
            }
            _ if many => self.all_positional(name == b"@", op, quoted, out),
            ParamOp::Default(..) | ParamOp::Assign(..) | ParamOp::Error(..) => {
                push_value(&value.unwrap_or_default(), quoted, out);
                Ok(())
            }
            _ if value.is_none() && self.options.nounset => {
                self.fatal(&format!("{}: parameter not set", String::from_utf8_lossy(name)))
            }
            _ => {
                let value = value.unwrap_or_default();
                let text = self.operate(&value, op)?;
                push_value(&text, quoted, out);
                Ok(())
            }
        }
    }

    /// What an operator other than those about being unset makes of a value.
    pub(super) fn operate(&mut self, value: &[u8], op: &ParamOp) -> Expanded<Vec<u8>> {
        if !value.is_ascii() && self.has_locale() {
            self.needs_native("characters of a locale");
        }
        match op {
            ParamOp::Length => Ok(value.len().to_string().into_bytes()),
            ParamOp::Trim(trim, word) => {
                let pattern = self.pattern(word)?;
                Ok(cut(value, *trim, &pattern).to_vec())
            }
            ParamOp::Replace { all, pattern, with } => {
                let pattern = self.pattern(pattern)?;
                let with = self.text(with)?;
                Ok(replace(value, &pattern, &with, *all))
            }
            ParamOp::Slice { offset, length } => {
                let text = self.quoted(offset)?;
                let offset = self.arithmetic(&text)?;
                let length = match length {
                    Some(length) => {
                        let text = self.quoted(length)?;
                        Some(self.arithmetic(&text)?)
                    }
                    None => None,
                };
                Ok(slice(value, offset, length))
            }
            _ => Ok(value.to_vec()),
        }
    }

    pub(super) fn all_positional(
        &mut self,
        at: bool,
        op: &ParamOp,
        quoted: bool,
        out: &mut Fields,
    ) -> Expanded<()> {
        if *op == ParamOp::Length {
            push_value(self.positional.len().to_string().as_bytes(), quoted, out);
            return Ok(());
        }
        if matches!(op, ParamOp::Slice { .. }) {
            self.needs_native("${@:…}");
        }
        if self.positional.is_empty() && matches!(op, ParamOp::Trim(..)) {
            // The pattern is expanded all the same: it may assign, or be an error.
            self.operate(b"", op)?;
        }
        let mut values = Vec::new();
        for value in self.positional.clone() {
            values.push(self.operate(&value, op)?);
        }
        let one = !out.splits && self.dialect == Dialect::Dash;
        if quoted && at && !one {
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.end();
                }
                out.push(value, true);
            }
        } else if quoted || !out.splits {
            let separators = self.get(b"IFS");
            let between = match &separators {
                Some(text) => text.get(..1).unwrap_or_default().to_vec(),
                None => b" ".to_vec(),
            };
            let between = if at && !one { b" ".to_vec() } else { between };
            push_value(&values.join(&between[..]), quoted, out);
        } else {
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.end();
                }
                out.push_split(value);
            }
        }
        Ok(())
    }

    /// The word of an operator: in double quotes as those, else its text is split.
    pub(super) fn operand(&mut self, word: &Word, quoted: bool, out: &mut Fields) -> Expanded<()> {
        if quoted {
            return self.expand(&word.0, true, false, out);
        }
        for (n, part) in word.0.iter().enumerate() {
            match part {
                Part::Literal(text) => {
                    let tilde = n == 0 && text.starts_with(b"~");
                    if tilde {
                        self.push_literal(text, true, word.0.len() == 1, false, out);
                    } else {
                        out.push_split(text);
                    }
                }
                other => self.expand(std::slice::from_ref(other), false, false, out)?,
            }
        }
        Ok(())
    }

    /// A parameter's value, special ones included, less `@` and `*`.
    pub(crate) fn special(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let number = |value: i64| Some(value.to_string().into_bytes());
        match name {
            b"#" => number(self.positional.len().try_into().unwrap_or(i64::MAX)),
            b"?" => number(self.status.into()),
            b"$" => number(self.pid.into()),
            b"!" => self.last_background.and_then(|pid| number(pid.into())),
            b"-" => Some(self.flags()),
            b"0" => Some(self.name.clone()),
            digits if digits.first().is_some_and(u8::is_ascii_digit) => {
                let place: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                self.positional.get(place.checked_sub(1)?).cloned()
            }
            name => self.get(name),
        }
    }
}

/// `${x#…}` and its kin.
fn cut<'a>(value: &'a [u8], trim: Trim, pattern: &Pattern) -> &'a [u8] {
    let mut lengths = 0..=value.len();
    match trim {
        Trim::ShortestPrefix => {
            lengths.find(|&n| pattern.matches(&value[..n])).map_or(value, |n| &value[n..])
        }
        Trim::LongestPrefix => {
            lengths.rfind(|&n| pattern.matches(&value[..n])).map_or(value, |n| &value[n..])
        }
        Trim::ShortestSuffix => {
            lengths.rfind(|&n| pattern.matches(&value[n..])).map_or(value, |n| &value[..n])
        }
        Trim::LongestSuffix => {
            lengths.find(|&n| pattern.matches(&value[n..])).map_or(value, |n| &value[..n])
        }
    }
}

/// `${x/pattern/with}`: the longest match at the first place that has one.
fn replace(value: &[u8], pattern: &Pattern, with: &[u8], all: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < value.len() {
        match (at + 1..=value.len()).rfind(|&end| pattern.matches(&value[at..end])) {
            Some(end) => {
                out.extend_from_slice(with);
                at = end;
                if !all {
                    break;
                }
            }
            None => {
                out.push(value[at]);
                at += 1;
            }
        }
    }
    out.extend_from_slice(&value[at..]);
    out
}

/// `${x:offset:length}`; negative numbers count from the end.
fn slice(value: &[u8], offset: i64, length: Option<i64>) -> Vec<u8> {
    let size = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let from_end = |n: i64| if n < 0 { size.saturating_add(n) } else { n };
    let start = from_end(offset);
    if start < 0 || start > size {
        return Vec::new();
    }
    let end = match length {
        None => size,
        Some(length) if length < 0 => size.saturating_add(length).max(start),
        Some(length) => start.saturating_add(length).min(size),
    };
    let index = |n: i64| usize::try_from(n).unwrap_or(0);
    value[index(start)..index(end)].to_vec()
}
