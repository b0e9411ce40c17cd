//! Patterns (XCU 2.13) and pathname expansion.

use kiln_guest_abi::file;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether `[^…]` is `[!…]`: everywhere but in dash.
static CARET: AtomicBool = AtomicBool::new(false);

/// Says, once at the start, whether `[^…]` is `[!…]`.
pub(crate) fn caret_negates(yes: bool) {
    CARET.store(yes, Ordering::Relaxed);
}

/// A text whose bytes know whether they were quoted: quoted ones match themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) quoted: Vec<bool>,
}

impl Marked {
    pub(crate) fn push(&mut self, bytes: &[u8], quoted: bool) {
        self.bytes.extend_from_slice(bytes);
        self.quoted.resize(self.bytes.len(), quoted);
    }

    fn is_active(&self) -> bool {
        self.bytes.iter().zip(&self.quoted).any(|(b, q)| !q && matches!(b, b'*' | b'?' | b'['))
    }

    fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self { bytes: self.bytes[range.clone()].to_vec(), quoted: self.quoted[range].to_vec() }
    }
}

/// One element of a pattern.
enum Element {
    Byte(u8),
    Any,
    Star,
    Set { negated: bool, ranges: Vec<(u8, u8)>, classes: Vec<Class> },
}

type Class = fn(&u8) -> bool;

/// A compiled pattern.
pub(crate) struct Pattern(Vec<Element>);

impl Pattern {
    pub(crate) fn new(text: &Marked) -> Self {
        let mut elements = Vec::new();
        let mut at = 0;
        while at < text.bytes.len() {
            let byte = text.bytes[at];
            if text.quoted[at] {
                elements.push(Element::Byte(byte));
                at += 1;
                continue;
            }
            match byte {
                b'*' => elements.push(Element::Star),
                b'?' => elements.push(Element::Any),
                b'\\' if at + 1 < text.bytes.len() => {
                    at += 1;
                    elements.push(Element::Byte(text.bytes[at]));
                }
                b'[' => match set(text, at) {
                    Some((element, end)) => {
                        elements.push(element);
                        at = end;
                    }
                    None => elements.push(Element::Byte(byte)),
                },
                _ => elements.push(Element::Byte(byte)),
            }
            at += 1;
        }
        Self(elements)
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        // Backtracks to the last star only: that is enough, and linear in pattern times text.
        let (mut element, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        loop {
            let fits = match self.0.get(element) {
                Some(Element::Star) => {
                    star = Some((element + 1, at));
                    element += 1;
                    continue;
                }
                None if at == text.len() => return true,
                None => false,
                Some(other) => text.get(at).is_some_and(|&byte| other.matches(byte)),
            };
            if fits {
                element += 1;
                at += 1;
            } else {
                match star {
                    Some((after, start)) if start < text.len() => {
                        star = Some((after, start + 1));
                        element = after;
                        at = start + 1;
                    }
                    _ => return false,
                }
            }
        }
    }

    fn starts_with_dot(&self) -> bool {
        matches!(self.0.first(), Some(Element::Byte(b'.')))
    }
}

impl Element {
    fn matches(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::Any => true,
            Self::Star => false,
            Self::Set { negated, ranges, classes } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&byte))
                    || classes.iter().any(|class| class(&byte));
                inside != *negated
            }
        }
    }
}

/// The bracket expression at `start`, and where its `]` is.
fn set(text: &Marked, start: usize) -> Option<(Element, usize)> {
    let bytes = &text.bytes;
    let mut at = start + 1;
    let caret = CARET.load(Ordering::Relaxed);
    let negated = !text.quoted.get(at).copied().unwrap_or(true)
        && (bytes[at] == b'!' || caret && bytes[at] == b'^');
    if negated {
        at += 1;
    }
    let first = at;
    let (mut ranges, mut classes) = (Vec::new(), Vec::new());
    loop {
        let mut byte = *bytes.get(at)?;
        let mut quoted = text.quoted[at];
        if byte == b']' && !quoted && at > first {
            return Some((Element::Set { negated, ranges, classes }, at));
        }
        if byte == b'[' && !quoted && bytes.get(at + 1) == Some(&b':') {
            let rest = &bytes[at + 2..];
            if let Some(end) = rest.windows(2).position(|pair| pair == b":]")
                && let Some(class) = class(&rest[..end])
            {
                classes.push(class);
                at += end + 4;
                continue;
            }
        }
        if byte == b'\\' && !quoted && at + 1 < bytes.len() {
            at += 1;
            byte = bytes[at];
            quoted = true;
        }
        let _ = quoted;
        let is_range = bytes.get(at + 1) == Some(&b'-')
            && !text.quoted[at + 1]
            && bytes.get(at + 2).is_some_and(|&end| end != b']' || text.quoted[at + 2]);
        if is_range {
            ranges.push((byte, bytes[at + 2]));
            at += 3;
        } else {
            ranges.push((byte, byte));
            at += 1;
        }
    }
}

fn class(name: &[u8]) -> Option<Class> {
    Some(match name {
        b"alpha" => u8::is_ascii_alphabetic,
        b"digit" => u8::is_ascii_digit,
        b"alnum" => u8::is_ascii_alphanumeric,
        b"upper" => u8::is_ascii_uppercase,
        b"lower" => u8::is_ascii_lowercase,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"punct" => u8::is_ascii_punctuation,
        b"print" => |byte| matches!(byte, 0x20..=0x7e),
        b"graph" => u8::is_ascii_graphic,
        b"cntrl" => u8::is_ascii_control,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

/// The paths that a word matches, sorted; empty when it is no pattern or nothing matches.
pub(crate) fn expand_paths(word: &Marked) -> Vec<Vec<u8>> {
    if !word.is_active() {
        return Vec::new();
    }
    let mut found = vec![Vec::new()];
    let mut start = 0;
    loop {
        // Slashes separate, and are kept as spelled.
        let slashes = word.bytes[start..].iter().take_while(|&&byte| byte == b'/').count();
        for path in &mut found {
            path.resize(path.len() + slashes, b'/');
        }
        start += slashes;
        if start == word.bytes.len() {
            found.retain(|path| file::stat(path).is_ok_and(|there| there.is_dir()));
            break;
        }
        let length = word.bytes[start..]
            .iter()
            .position(|&byte| byte == b'/')
            .unwrap_or(word.bytes.len() - start);
        let component = word.slice(start..start + length);
        start += length;
        let last = start == word.bytes.len();
        found = found.iter().flat_map(|base| step(base, &component, last)).collect();
        if last || found.is_empty() {
            break;
        }
    }
    found.sort();
    found
}

/// `base` with what matches the component in it.
fn step(base: &[u8], component: &Marked, last: bool) -> Vec<Vec<u8>> {
    let with = |name: &[u8]| [base, name].concat();
    if !component.is_active() {
        let plain = with(&unescape(component));
        let there = !last || file::lstat(&plain).is_ok();
        return if there { vec![plain] } else { Vec::new() };
    }
    let pattern = Pattern::new(component);
    let directory: &[u8] = if base.is_empty() { b"." } else { base };
    let Ok(entries) = file::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<Vec<u8>> = entries.into_iter().map(|entry| entry.name).collect();
    if pattern.starts_with_dot() {
        names.extend([b".".to_vec(), b"..".to_vec()]);
    }
    names.retain(|name| (name[0] != b'.' || pattern.starts_with_dot()) && pattern.matches(name));
    names.iter().map(|name| with(name)).collect()
}

/// The name that a component without wildcards stands for: less its unquoted backslashes, which an
/// expansion may have brought.
fn unescape(text: &Marked) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.bytes.len());
    let mut pairs = text.bytes.iter().zip(&text.quoted).peekable();
    while let Some((&byte, &quoted)) = pairs.next() {
        if byte == b'\\'
            && !quoted
            && let Some((&next, _)) = pairs.next()
        {
            name.push(next);
        } else {
            name.push(byte);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str) -> Marked {
        let mut marked = Marked::default();
        marked.push(text.as_bytes(), false);
        marked
    }

    #[test]
    fn patterns_match_as_in_posix() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("*.tar.*", "x.tar.gz", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[[:digit:]]*", "7z", true),
            ("[a", "[a", true),
            ("a\\*", "a*", true),
            ("*a*b*c", "xxaxxbxxc", true),
        ] {
            assert_eq!(
                Pattern::new(&marked(pattern)).matches(text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
        let mut quoted = Marked::default();
        quoted.push(b"*", true);
        assert!(!Pattern::new(&quoted).matches(b"x"));
        assert!(Pattern::new(&quoted).matches(b"*"));
    }
}
