//! Bracket expressions.

use super::{Node, Parser, Set, is_space};
use crate::regex::Error;

impl Parser<'_> {
    pub(super) fn bracket(&mut self) -> Result<Node, Error> {
        const UNMATCHED: Error = Error::Syntax("Unmatched [, [^, [:, [., or [=");
        let negated = self.peek(0) == Some(b'^');
        self.at += usize::from(negated);
        let mut set = Set::EMPTY;
        let mut wide: Vec<Node> = Vec::new();
        let begin = self.at;
        loop {
            let byte = self.peek(0).ok_or(UNMATCHED)?;
            if byte == b']' && self.at > begin {
                self.at += 1;
                break;
            }
            if byte == b'[' && self.peek(1) == Some(b':') {
                let ignore_case = self.options.ignore_case;
                let name = self.named(b':').ok_or(UNMATCHED)?;
                class(name, ignore_case, &mut set)
                    .ok_or(Error::Syntax("Invalid character class name"))?;
                continue;
            }
            if self.options.utf8 && byte >= 0x80 {
                wide.push(self.wide(negated)?);
                continue;
            }
            let from = self.bracket_end().ok_or(UNMATCHED)?;
            let is_range = self.peek(0) == Some(b'-') && !matches!(self.peek(1), Some(b']') | None);
            let to = if is_range {
                self.at += 1;
                self.bracket_end().ok_or(UNMATCHED)?
            } else {
                from
            };
            if to < from {
                return Err(Error::Syntax("Invalid range end"));
            }
            if self.options.utf8 && to >= 0x80 {
                return Err(Error::Unsupported("a range beyond ASCII"));
            }
            set.add_range(from, to);
        }
        if self.options.ignore_case {
            for letter in b'a'..=b'z' {
                if set.has(letter) || set.has(letter.to_ascii_uppercase()) {
                    set.add(letter);
                    set.add(letter.to_ascii_uppercase());
                }
            }
        }
        if negated {
            set.invert();
            if self.options.utf8 {
                let mut ascii = Set::EMPTY;
                ascii.add_range(0, 0x7f);
                for (word, ascii) in set.0.iter_mut().zip(ascii.0) {
                    *word &= ascii;
                }
                return Ok(Node::Alt(vec![Node::Set(set), Node::WideChar]));
            }
        } else if !wide.is_empty() {
            wide.push(Node::Set(set));
            return Ok(Node::Alt(wide));
        }
        Ok(Node::Set(set))
    }

    /// A single character beyond ASCII in brackets.
    fn wide(&mut self, negated: bool) -> Result<Node, Error> {
        let rest = &self.pattern[self.at..];
        let len = match rest[0] {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return Err(Error::Unsupported("broken UTF-8")),
        };
        if negated
            || self.options.ignore_case
            || rest.get(len) == Some(&b'-') && rest.get(len + 1) != Some(&b']')
        {
            return Err(Error::Unsupported("a set beyond ASCII"));
        }
        let bytes = rest.get(..len).ok_or(Error::Unsupported("broken UTF-8"))?;
        self.at += len;
        Ok(Node::Cat(bytes.iter().map(|&byte| Node::Byte(byte)).collect()))
    }

    /// One end of a range in brackets, or a single byte.
    fn bracket_end(&mut self) -> Option<u8> {
        let byte = self.peek(0)?;
        if byte == b'[' && matches!(self.peek(1), Some(b'.' | b'=')) {
            let kind = self.peek(1)?;
            return match self.named(kind)? {
                &[single] => Some(single),
                _ => None,
            };
        }
        self.at += 1;
        if byte == b'\\' {
            let next = self.peek(0)?;
            if self.options.bracket_escapes {
                self.at += 1;
                return Some(self.character(next).unwrap_or(next));
            }
            if self.options.escapes
                && matches!(next, b'n' | b't' | b'f' | b'v' | b'a' | b'r' | b'x' | b'o' | b'd')
            {
                self.at += 1;
                match self.character(next) {
                    Some(byte) => return Some(byte),
                    None => self.at -= 1,
                }
            }
        }
        Some(byte)
    }

    /// The name in `[:name:]` and its like; the position is behind it then.
    fn named(&mut self, kind: u8) -> Option<&[u8]> {
        let from = self.at + 2;
        let len = self.pattern.get(from..)?.windows(2).position(|pair| pair == [kind, b']'])?;
        self.at = from + len + 2;
        Some(&self.pattern[from..from + len])
    }
}

fn class(name: &[u8], ignore_case: bool, set: &mut Set) -> Option<()> {
    let test: fn(u8) -> bool = match name {
        b"upper" | b"lower" if ignore_case => |byte| byte.is_ascii_alphabetic(),
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"digit" => |byte| byte.is_ascii_digit(),
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"space" => is_space,
        b"blank" => |byte| byte == b' ' || byte == b'\t',
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"print" => |byte| matches!(byte, 0x20..=0x7e),
        b"graph" => |byte| matches!(byte, 0x21..=0x7e),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    };
    for byte in 0..=u8::MAX {
        if test(byte) {
            set.add(byte);
        }
    }
    Some(())
}
