//! Patterns to trees.

mod bracket;

use super::{Error, Options};

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set(pub(super) [u64; 4]);

impl Set {
    pub(super) const EMPTY: Self = Self([0; 4]);

    pub(super) fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn add_range(&mut self, from: u8, to: u8) {
        for byte in from..=to {
            self.add(byte);
        }
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(super) fn invert(&mut self) {
        for word in &mut self.0 {
            *word = !*word;
        }
    }

    fn of(test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::EMPTY;
        for byte in 0..=u8::MAX {
            if test(byte) {
                set.add(byte);
            }
        }
        set
    }
}

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    WordEdge,
    NoWordEdge,
    WordStart,
    WordEnd,
    NoWordBefore,
    NoWordAfter,
}

/// A pattern's tree.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    Byte(u8),
    Set(Set),
    /// Any character of UTF-8 beyond ASCII.
    WideChar,
    At(Place),
    Group(Box<Node>, usize),
    Back(usize),
    Cat(Vec<Node>),
    Alt(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
}

/// A parsed pattern.
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) groups: usize,
    pub(super) back_references: bool,
}

/// How deep groups may nest: a hostile pattern must not exhaust the stack.
const MAX_DEPTH: usize = 200;

/// POSIX's `RE_DUP_MAX`.
const MAX_REPEAT: u32 = 32_767;

pub(super) fn parse(pattern: &[u8], options: Options) -> Result<Parsed, Error> {
    let mut parser =
        Parser { pattern, at: 0, options, groups: 0, open: Vec::new(), back_references: false };
    let node = parser.alternatives(0)?;
    if parser.at < pattern.len() {
        return Err(Error::Syntax("Unmatched ) or \\)"));
    }
    Ok(Parsed { node, groups: parser.groups, back_references: parser.back_references })
}

/// The tree of a text that stands for itself.
pub(super) fn literal(text: &[u8], options: Options) -> Parsed {
    let parser = Parser {
        pattern: text,
        at: 0,
        options,
        groups: 0,
        open: Vec::new(),
        back_references: false,
    };
    let node = Node::Cat(text.iter().map(|&byte| parser.literal(byte)).collect());
    Parsed { node, groups: 0, back_references: false }
}

struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
    options: Options,
    groups: usize,
    /// Groups that are not closed yet.
    open: Vec<usize>,
    back_references: bool,
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.pattern.get(self.at + ahead).copied()
    }

    /// Whether an operator stands here: `c` in extended syntax, `\c` in basic.
    fn operator(&self, letter: u8) -> bool {
        if self.options.extended {
            self.peek(0) == Some(letter)
        } else {
            self.peek(0) == Some(b'\\') && self.peek(1) == Some(letter)
        }
    }

    fn skip_operator(&mut self) {
        self.at += if self.options.extended { 1 } else { 2 };
    }

    fn alternatives(&mut self, depth: usize) -> Result<Node, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::Unsupported("deep nesting"));
        }
        let mut branches = vec![self.branch(depth)?];
        while self.operator(b'|') {
            self.skip_operator();
            branches.push(self.branch(depth)?);
        }
        Ok(if branches.len() == 1 { branches.remove(0) } else { Node::Alt(branches) })
    }

    fn branch(&mut self, depth: usize) -> Result<Node, Error> {
        let mut parts: Vec<Node> = Vec::new();
        let mut first = true;
        while self.at < self.pattern.len() && !self.operator(b'|') {
            if self.operator(b')') && (depth > 0 || !self.options.extended) {
                if depth == 0 {
                    return Err(Error::Syntax("Unmatched ) or \\)"));
                }
                break;
            }
            let (mut node, is_anchor) = self.atom(first, depth)?;
            let mut after_anchor = is_anchor && first;
            while let Some((min, max)) = self.repetition(after_anchor)? {
                if is_anchor {
                    return Err(Error::Unsupported("a repetition of nothing"));
                }
                node = Node::Repeat(Box::new(node), min, max);
                after_anchor = false;
            }
            parts.push(node);
            // In basic syntax a star after a leading ^ is itself.
            first = is_anchor && first && !self.options.extended;
        }
        Ok(match parts.len() {
            0 => Node::Empty,
            1 => parts.remove(0),
            _ => Node::Cat(parts),
        })
    }

    fn atom(&mut self, first: bool, depth: usize) -> Result<(Node, bool), Error> {
        let byte = self.pattern[self.at];
        self.at += 1;
        let extended = self.options.extended;
        Ok(match byte {
            b'\\' => return self.escape(first, depth),
            b'(' if extended => (self.group(depth)?, false),
            b'.' => (self.any(), false),
            b'[' => (self.bracket()?, false),
            b'^' if extended || first => (Node::At(Place::LineStart), true),
            b'$' if extended || self.at_branch_end() => (Node::At(Place::LineEnd), true),
            b'*' if first && !extended => (Node::Byte(b'*'), false),
            b'*' | b'+' | b'?' if extended => {
                return Err(Error::Unsupported("a repetition of nothing"));
            }
            b'{' if extended && first && self.interval().is_some() => {
                return Err(Error::Unsupported("a repetition of nothing"));
            }
            _ => (self.literal(byte), false),
        })
    }

    /// Whether a `$` here ends its branch, in basic syntax.
    fn at_branch_end(&self) -> bool {
        self.at == self.pattern.len()
            || self.peek(0) == Some(b'\\') && matches!(self.peek(1), Some(b')' | b'|'))
    }

    fn group(&mut self, depth: usize) -> Result<Node, Error> {
        self.groups += 1;
        let index = self.groups;
        self.open.push(index);
        let inner = self.alternatives(depth + 1)?;
        if !self.operator(b')') {
            return Err(Error::Syntax("Unmatched ( or \\("));
        }
        self.skip_operator();
        self.open.pop();
        Ok(Node::Group(Box::new(inner), index))
    }

    fn literal(&self, byte: u8) -> Node {
        if self.options.ignore_case && byte.is_ascii_alphabetic() {
            let mut set = Set::EMPTY;
            set.add(byte.to_ascii_lowercase());
            set.add(byte.to_ascii_uppercase());
            return Node::Set(set);
        }
        Node::Byte(byte)
    }

    fn any(&self) -> Node {
        let mut set = Set::EMPTY;
        if self.options.utf8 {
            set.add_range(1, 0x7f);
            return Node::Alt(vec![Node::Set(set), Node::WideChar]);
        }
        set.add_range(1, 0xff);
        Node::Set(set)
    }

    fn escape(&mut self, first: bool, depth: usize) -> Result<(Node, bool), Error> {
        let Some(letter) = self.peek(0) else { return Err(Error::Syntax("Trailing backslash")) };
        self.at += 1;
        let place = |place| Ok((Node::At(place), false));
        let negated = |test: fn(u8) -> bool, parser: &Self| {
            let limit = if parser.options.utf8 { 0x7f } else { 0xff };
            let set = Node::Set(Set::of(|byte| byte <= limit && !test(byte)));
            if parser.options.utf8 { Node::Alt(vec![set, Node::WideChar]) } else { set }
        };
        Ok(match letter {
            b'(' if !self.options.extended => (self.group(depth)?, false),
            b'{' if !self.options.extended => {
                return Err(if first {
                    Error::Syntax("Invalid preceding regular expression")
                } else {
                    Error::Syntax("Invalid content of \\{\\}")
                });
            }
            b'+' | b'?' if !self.options.extended => {
                // GNU takes a leading \+ as itself.
                return Err(Error::Unsupported("a repetition of nothing"));
            }
            b'1'..=b'9' => {
                let index = usize::from(letter - b'0');
                if index > self.groups || self.open.contains(&index) {
                    return Err(Error::Syntax("Invalid back reference"));
                }
                self.back_references = true;
                (Node::Back(index), false)
            }
            b'w' => (Node::Set(Set::of(is_word)), false),
            b'W' => (negated(is_word, self), false),
            b's' => (Node::Set(Set::of(is_space)), false),
            b'S' => (negated(is_space, self), false),
            b'b' if self.options.bracket_escapes => (Node::Byte(8), false),
            b'y' if self.options.bracket_escapes => return place(Place::WordEdge),
            b'b' => return place(Place::WordEdge),
            b'B' => return place(Place::NoWordEdge),
            b'<' => return place(Place::WordStart),
            b'>' => return place(Place::WordEnd),
            b'`' => return place(Place::TextStart),
            b'\'' => return place(Place::TextEnd),
            _ if self.options.escapes => match self.character(letter) {
                Some(byte) => (self.literal(byte), false),
                None => (self.literal(letter), false),
            },
            _ => (self.literal(letter), false),
        })
    }

    /// The character that an escape of sed or awk stands for; the letter itself is taken already.
    fn character(&mut self, letter: u8) -> Option<u8> {
        let mut number = |radix: u32, most: usize| {
            let (value, taken) = crate::escape::digits(&self.pattern[self.at..], radix, most);
            self.at += taken;
            (taken > 0).then_some(value)
        };
        match letter {
            b'n' => Some(b'\n'),
            b't' => Some(b'\t'),
            b'f' => Some(12),
            b'v' => Some(11),
            b'a' => Some(7),
            b'r' => Some(b'\r'),
            b'x' => number(16, 2),
            b'o' if !self.options.bracket_escapes => number(8, 3),
            b'd' if !self.options.bracket_escapes => number(10, 3),
            _ => None,
        }
    }

    fn repetition(&mut self, after_anchor: bool) -> Result<Option<(u32, Option<u32>)>, Error> {
        let found = match self.peek(0) {
            Some(b'*') if after_anchor && !self.options.extended => None,
            Some(b'*') => {
                self.at += 1;
                return Ok(Some((0, None)));
            }
            _ if self.operator(b'+') => Some((1, None)),
            _ if self.operator(b'?') => Some((0, Some(1))),
            _ if self.operator(b'{') => {
                self.skip_operator();
                return match self.interval() {
                    Some(interval) => self.take_interval(interval).map(Some),
                    None if self.options.extended => {
                        self.at -= 1;
                        // What is no interval is itself.
                        Ok(None)
                    }
                    None => Err(Error::Syntax("Invalid content of \\{\\}")),
                };
            }
            _ => None,
        };
        if found.is_some() {
            self.skip_operator();
        }
        Ok(found)
    }

    /// Bounds and length of the interval that begins here, after its brace.
    fn interval(&self) -> Option<(u32, Option<u32>, usize)> {
        let rest = &self.pattern[self.at..];
        let end: &[u8] = if self.options.extended { b"}" } else { b"\\}" };
        let len = rest.windows(end.len()).position(|window| window == end)?;
        let inner = str::from_utf8(&rest[..len]).ok()?;
        let number = |text: &str| {
            text.parse::<u32>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let (min, max) = match inner.split_once(',') {
            None => number(inner).map(|count| (count, Some(count)))?,
            Some(("", "")) => (0, None),
            Some(("", max)) => (0, Some(number(max)?)),
            Some((min, "")) => (number(min)?, None),
            Some((min, max)) => (number(min)?, Some(number(max)?)),
        };
        Some((min, max, len + end.len()))
    }

    fn take_interval(
        &mut self,
        (min, max, len): (u32, Option<u32>, usize),
    ) -> Result<(u32, Option<u32>), Error> {
        self.at += len;
        if max.is_some_and(|max| max < min) {
            return Err(Error::Syntax("Invalid content of \\{\\}"));
        }
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT) {
            return Err(Error::Syntax("Regular expression too big"));
        }
        Ok((min, max))
    }
}
