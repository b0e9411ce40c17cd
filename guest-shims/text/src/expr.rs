//! `expr`.

use std::io::Write;

use shim::{
    Context, Outcome, Stop, locale, native,
    regex::{Error, Options, Regex},
};

struct Expr<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    utf8: bool,
}

/// How deep parentheses may nest: hostile input must not exhaust the stack.
const MAX_DEPTH: usize = 500;

fn fail(message: &str) -> Stop {
    Stop::Fail(2, message.to_owned())
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let mut words = context.args.clone();
    if words.first().is_some_and(|word| word == b"--") {
        words.remove(0);
    }
    let mut expr = Expr { words: &words, at: 0, utf8: locale::is_utf8(&context.env) };
    let value = expr.or(0)?;
    if expr.at < words.len() {
        return Err(fail("syntax error: unexpected argument"));
    }
    context.out.write_all(&value)?;
    context.out.write_all(b"\n")?;
    Ok(u8::from(is_null(&value)))
}

fn is_null(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.is_empty() || !digits.is_empty() && digits.iter().all(|&byte| byte == b'0')
}

fn integer(value: &[u8]) -> Option<i128> {
    let text = str::from_utf8(value).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn number(value: &[u8]) -> Result<i128, Stop> {
    integer(value).ok_or_else(|| fail("non-integer argument"))
}

impl Expr<'_> {
    fn take(&mut self, words: &[&[u8]]) -> Option<Vec<u8>> {
        let word = self.words.get(self.at)?;
        if !words.contains(&word.as_slice()) {
            return None;
        }
        self.at += 1;
        Some(word.clone())
    }

    fn or(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        let mut value = self.and(depth)?;
        while self.take(&[b"|"]).is_some() {
            let right = self.and(depth)?;
            if is_null(&value) {
                value = if is_null(&right) { b"0".to_vec() } else { right };
            }
        }
        Ok(value)
    }

    fn and(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        let mut value = self.comparison(depth)?;
        while self.take(&[b"&"]).is_some() {
            let right = self.comparison(depth)?;
            if is_null(&value) || is_null(&right) {
                value = b"0".to_vec();
            }
        }
        Ok(value)
    }

    fn comparison(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        let mut value = self.sum(depth)?;
        while let Some(operator) = self.take(&[b"<", b"<=", b"=", b"==", b"!=", b">=", b">"]) {
            let right = self.sum(depth)?;
            let order = match (integer(&value), integer(&right)) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => value.cmp(&right),
            };
            let holds = match operator.as_slice() {
                b"<" => order.is_lt(),
                b"<=" => order.is_le(),
                b"!=" => order.is_ne(),
                b">=" => order.is_ge(),
                b">" => order.is_gt(),
                _ => order.is_eq(),
            };
            value = u8::from(holds).to_string().into_bytes();
        }
        Ok(value)
    }

    fn sum(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        let mut value = self.product(depth)?;
        while let Some(operator) = self.take(&[b"+", b"-"]) {
            let (a, b) = (number(&value)?, number(&self.product(depth)?)?);
            let result = if operator == b"+" { a.checked_add(b) } else { a.checked_sub(b) };
            value = result.ok_or_else(|| native("numbers that big"))?.to_string().into_bytes();
        }
        Ok(value)
    }

    fn product(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        let mut value = self.matching(depth)?;
        while let Some(operator) = self.take(&[b"*", b"/", b"%"]) {
            let (a, b) = (number(&value)?, number(&self.matching(depth)?)?);
            if b == 0 && operator != b"*" {
                return Err(fail("division by zero"));
            }
            let result = match operator.as_slice() {
                b"*" => a.checked_mul(b),
                b"/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            value = result.ok_or_else(|| native("numbers that big"))?.to_string().into_bytes();
        }
        Ok(value)
    }

    fn matching(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        let mut value = self.operand(depth)?;
        while self.take(&[b":"]).is_some() {
            let pattern = self.operand(depth)?;
            value = self.matched(&value, &pattern)?;
        }
        Ok(value)
    }

    fn matched(&self, text: &[u8], pattern: &[u8]) -> Result<Vec<u8>, Stop> {
        let options = Options { utf8: self.utf8, ..Options::default() };
        let stop = |error: Error| match error {
            Error::Syntax(message) => fail(message),
            Error::Unsupported(_) => native(error.to_string()),
        };
        // The pattern is anchored at the beginning.
        let anchored = [b"\\`", pattern].concat();
        let regex = Regex::new(&anchored, options).map_err(stop)?;
        let groups = regex.find(text, 0).map_err(stop)?;
        let group =
            |at: usize| groups.as_ref().and_then(|groups| groups.get(at).copied().flatten());
        Ok(match (regex.group_count(), group(0)) {
            (0, None) => b"0".to_vec(),
            (0, Some((_, end))) => {
                let chars = if self.utf8 {
                    String::from_utf8_lossy(&text[..end]).chars().count()
                } else {
                    end
                };
                chars.to_string().into_bytes()
            }
            _ => group(1).map_or_else(Vec::new, |(from, to)| text[from..to].to_vec()),
        })
    }

    fn operand(&mut self, depth: usize) -> Result<Vec<u8>, Stop> {
        if depth > MAX_DEPTH {
            return Err(native("nesting that deep"));
        }
        let missing = || fail("syntax error: missing argument");
        let word = self.words.get(self.at).ok_or_else(missing)?.clone();
        self.at += 1;
        match word.as_slice() {
            b"(" => {
                let value = self.or(depth + 1)?;
                self.take(&[b")"]).ok_or_else(|| fail("syntax error: expecting ')'"))?;
                Ok(value)
            }
            b"+" if self.at < self.words.len() => {
                self.at += 1;
                Ok(self.words[self.at - 1].clone())
            }
            b"length" if self.at < self.words.len() => {
                let text = self.operand(depth + 1)?;
                let len = if self.utf8 {
                    String::from_utf8_lossy(&text).chars().count()
                } else {
                    text.len()
                };
                Ok(len.to_string().into_bytes())
            }
            b"match" if self.at + 1 < self.words.len() => {
                let text = self.operand(depth + 1)?;
                let pattern = self.operand(depth + 1)?;
                self.matched(&text, &pattern)
            }
            b"index" if self.at + 1 < self.words.len() => {
                let (text, chars) = (self.operand(depth + 1)?, self.operand(depth + 1)?);
                let at = text.iter().position(|byte| chars.contains(byte)).map_or(0, |at| at + 1);
                Ok(at.to_string().into_bytes())
            }
            b"substr" if self.at + 2 < self.words.len() => {
                let text = self.operand(depth + 1)?;
                let (from, len) = (self.operand(depth + 1)?, self.operand(depth + 1)?);
                let position = |value: &[u8]| {
                    integer(value)
                        .and_then(|value| usize::try_from(value).ok())
                        .filter(|&value| value > 0)
                };
                Ok(match (position(&from), position(&len)) {
                    (Some(from), Some(len)) => {
                        text.iter().skip(from - 1).take(len).copied().collect()
                    }
                    _ => Vec::new(),
                })
            }
            _ => Ok(word),
        }
    }
}
