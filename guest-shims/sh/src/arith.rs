//! Arithmetic (XCU 2.6.4), on 64-bit integers.

/// What an expression reads and writes.
pub(crate) trait Variables {
    /// The value, `None` when unset.
    fn get(&mut self, name: &[u8]) -> Option<Vec<u8>>;
    /// Sets it; the error says why not.
    fn set(&mut self, name: &[u8], value: i64) -> Result<(), String>;
    /// Whether `++`, `--` and `**` are known.
    fn extended(&self) -> bool;
}

/// Evaluates an expression.
pub(crate) fn evaluate(text: &[u8], variables: &mut dyn Variables) -> Result<i64, String> {
    let mut parser = Parser { text, at: 0, variables, skip: 0, depth: 0 };
    parser.blanks();
    if parser.at == text.len() && parser.variables.extended() {
        return Ok(0);
    }
    let value = parser.comma()?;
    parser.blanks();
    if parser.at < text.len() {
        return Err(parser.expecting("EOF"));
    }
    Ok(value)
}

/// Parentheses and operators inside each other; more would end the stack.
const MAX_DEPTH: u32 = 200;

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    variables: &'a mut dyn Variables,
    /// Above zero in a branch that is not taken: nothing is assigned or divided.
    skip: u32,
    depth: u32,
}

/// Binary operators, the loosest binding first; longer spellings before their prefixes.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

const ASSIGNMENTS: [&str; 11] = ["<<=", ">>=", "*=", "/=", "%=", "+=", "-=", "&=", "^=", "|=", "="];

impl Parser<'_> {
    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn syntax(&self) -> String {
        format!("arithmetic expression: syntax error: \"{}\"", String::from_utf8_lossy(self.text))
    }

    fn expecting(&self, what: &str) -> String {
        let text = String::from_utf8_lossy(self.text);
        format!("arithmetic expression: expecting {what}: \"{text}\"")
    }

    fn looking_at(&mut self, operator: &str) -> bool {
        self.blanks();
        self.text[self.at..].starts_with(operator.as_bytes())
    }

    fn eat(&mut self, operator: &str) -> bool {
        let there = self.looking_at(operator);
        if there {
            self.at += operator.len();
        }
        there
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.assignment()?;
        while self.variables.extended() && self.eat(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Result<i64, String> {
        if self.depth > MAX_DEPTH {
            return Err(self.syntax());
        }
        self.depth += 1;
        let value = self.assignment_here();
        self.depth -= 1;
        value
    }

    fn assignment_here(&mut self) -> Result<i64, String> {
        self.blanks();
        let start = self.at;
        if let Some(name) = self.name() {
            for operator in ASSIGNMENTS {
                if operator == "=" && self.looking_at("==") || !self.eat(operator) {
                    continue;
                }
                let right = self.assignment()?;
                let binary = &operator[..operator.len() - 1];
                let value = if binary.is_empty() {
                    right
                } else {
                    let left = self.variable(&name)?;
                    self.apply(binary, left, right)?
                };
                return self.store(&name, value);
            }
        }
        self.at = start;
        self.conditional()
    }

    fn store(&mut self, name: &[u8], value: i64) -> Result<i64, String> {
        if self.skip == 0 {
            self.variables.set(name, value)?;
        }
        Ok(value)
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let first = self.skipping(condition == 0, Self::assignment)?;
        if !self.eat(":") {
            return Err(self.expecting("':'"));
        }
        let second = self.skipping(condition != 0, Self::deeper_conditional)?;
        Ok(if condition != 0 { first } else { second })
    }

    /// What comes after the colon: no assignment.
    fn deeper_conditional(&mut self) -> Result<i64, String> {
        if self.depth > MAX_DEPTH {
            return Err(self.syntax());
        }
        self.depth += 1;
        let value = self.conditional();
        self.depth -= 1;
        value
    }

    fn skipping<T>(&mut self, skip: bool, work: impl FnOnce(&mut Self) -> T) -> T {
        self.skip += u32::from(skip);
        let result = work(self);
        self.skip -= u32::from(skip);
        result
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        'next: loop {
            for &operator in *operators {
                if !self.looking_at(operator) || self.is_longer(operator) {
                    continue;
                }
                self.at += operator.len();
                let skip = match operator {
                    "||" => left != 0,
                    "&&" => left == 0,
                    _ => false,
                };
                let right = self.skipping(skip, |parser| parser.binary(level + 1))?;
                left = self.apply(operator, left, right)?;
                continue 'next;
            }
            return Ok(left);
        }
    }

    /// Whether what starts with this operator is another one.
    fn is_longer(&self, operator: &str) -> bool {
        let next = self.text.get(self.at + operator.len());
        match operator {
            "|" => matches!(next, Some(b'|' | b'=')),
            "&" => matches!(next, Some(b'&' | b'=')),
            "<" | ">" => next.is_some_and(|next| operator.as_bytes()[0] == *next),
            "^" | "<<" | ">>" | "+" | "-" | "*" | "/" | "%" => next == Some(&b'='),
            _ => false,
        }
    }

    fn apply(&self, operator: &str, left: i64, right: i64) -> Result<i64, String> {
        let shift = || u32::try_from(right & 63).unwrap_or(0);
        Ok(match operator {
            "||" => i64::from(left != 0 || right != 0),
            "&&" => i64::from(left != 0 && right != 0),
            "|" => left | right,
            "^" => left ^ right,
            "&" => left & right,
            "==" => i64::from(left == right),
            "!=" => i64::from(left != right),
            "<=" => i64::from(left <= right),
            ">=" => i64::from(left >= right),
            "<" => i64::from(left < right),
            ">" => i64::from(left > right),
            "<<" => left.wrapping_shl(shift()),
            ">>" => left.wrapping_shr(shift()),
            "+" => left.wrapping_add(right),
            "-" => left.wrapping_sub(right),
            "*" => left.wrapping_mul(right),
            "/" | "%" if right == 0 => {
                if self.skip == 0 {
                    return Err("arithmetic expression: division by zero".to_owned());
                }
                0
            }
            "/" => left.wrapping_div(right),
            _ => left.wrapping_rem(right),
        })
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.blanks();
        if self.variables.extended() {
            for (operator, by) in [("++", 1), ("--", -1)] {
                let start = self.at;
                if self.eat(operator) {
                    self.blanks();
                    if let Some(name) = self.name() {
                        let value = self.variable(&name)?.wrapping_add(by);
                        return self.store(&name, value);
                    }
                    self.at = start;
                }
            }
        }
        let Some(&byte) = self.text.get(self.at) else { return Err(self.expecting("primary")) };
        if !matches!(byte, b'!' | b'~' | b'+' | b'-') {
            return self.primary();
        }
        self.at += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.syntax());
        }
        self.depth += 1;
        let value = self.unary();
        self.depth -= 1;
        let value = value?;
        Ok(match byte {
            b'!' => i64::from(value == 0),
            b'~' => !value,
            b'-' => value.wrapping_neg(),
            _ => value,
        })
    }

    fn primary(&mut self) -> Result<i64, String> {
        if self.eat("(") {
            let value = self.comma()?;
            return if self.eat(")") { Ok(value) } else { Err(self.expecting("')'")) };
        }
        if let Some(name) = self.name() {
            let value = self.variable(&name)?;
            if self.variables.extended() {
                for (operator, by) in [("++", 1), ("--", -1)] {
                    if self.eat(operator) {
                        self.store(&name, value.wrapping_add(by))?;
                        return Ok(value);
                    }
                }
            }
            return Ok(value);
        }
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_alphanumeric) {
            self.at += 1;
        }
        if start == self.at {
            return Err(self.expecting("primary"));
        }
        number(&self.text[start..self.at]).ok_or_else(|| self.expecting("EOF"))
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        let start = self.at;
        let first = *self.text.get(start)?;
        if first != b'_' && !first.is_ascii_alphabetic() {
            return None;
        }
        while self.text.get(self.at).is_some_and(|&b| b == b'_' || b.is_ascii_alphanumeric()) {
            self.at += 1;
        }
        Some(self.text[start..self.at].to_vec())
    }

    fn variable(&mut self, name: &[u8]) -> Result<i64, String> {
        if self.skip > 0 {
            return Ok(0);
        }
        let Some(value) = self.variables.get(name) else { return Ok(0) };
        let text = value.trim_ascii();
        if text.is_empty() {
            return Ok(0);
        }
        let (negative, digits) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, text),
        };
        let value = number(digits)
            .ok_or_else(|| format!("Illegal number: {}", String::from_utf8_lossy(text)))?;
        Ok(if negative { value.wrapping_neg() } else { value })
    }
}

/// A constant: decimal, octal or hexadecimal.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let parse = |digits: &str, radix| {
        u64::from_str_radix(digits, radix)
            .ok()
            .map(|value| i64::try_from(value).unwrap_or(i64::MAX))
    };
    if let Some(hexadecimal) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        parse(hexadecimal, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        parse(text, 8)
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Some(text.parse().unwrap_or(i64::MAX))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    struct Map(HashMap<Vec<u8>, Vec<u8>>);

    impl Variables for Map {
        fn get(&mut self, name: &[u8]) -> Option<Vec<u8>> {
            self.0.get(name).cloned()
        }
        fn set(&mut self, name: &[u8], value: i64) -> Result<(), String> {
            self.0.insert(name.to_vec(), value.to_string().into_bytes());
            Ok(())
        }
        fn extended(&self) -> bool {
            false
        }
    }

    #[test]
    fn expressions() {
        for (text, expected) in [
            ("1 + 2 * 3", 7),
            ("(1+2)*3", 9),
            ("10 % 4 - 3", -1),
            ("1 ? 2 : 3", 2),
            ("0 && (x = 5) || x == 0", 1),
            ("0x10 + 010", 24),
            ("~0", -1),
            ("!3", 0),
            ("- -3", 3),
            ("1 << 4 | 1", 17),
            ("a = 3, a", 0),
            ("7 >= 7", 1),
            ("2 < 1", 0),
        ] {
            let mut map = Map(HashMap::new());
            let result = evaluate(text.as_bytes(), &mut map);
            if text.contains(',') {
                assert!(result.is_err());
            } else {
                assert_eq!(result, Ok(expected), "{text}");
            }
        }
        assert!(evaluate(b" ", &mut Map(HashMap::new())).is_err());
        assert!(evaluate(b"1/0", &mut Map(HashMap::new())).is_err());
        assert_eq!(evaluate(b"1 || 1/0", &mut Map(HashMap::new())), Ok(1));
        let mut map = Map(HashMap::new());
        assert_eq!(evaluate(b"x = y = 4", &mut map), Ok(4));
        assert_eq!(evaluate(b"x += y * 2", &mut map), Ok(12));
        assert_eq!(map.0[&b"x"[..]], b"12");
    }
}
