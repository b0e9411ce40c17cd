//! Trees to instructions.

use super::{
    Error, Options,
    parse::{Node, Parsed, Place, Set},
};

/// An instruction; numbers are those of the next instructions.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Byte(u8),
    Set(usize),
    /// Goes to both, the first preferred.
    Split(usize, usize),
    Jump(usize),
    Save(usize),
    At(Place),
    Back(usize),
    /// Notes where a round of a loop begins.
    Mark(usize),
    /// Fails a round of a loop that took nothing.
    Progress(usize),
    Match,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) sets: Vec<Set>,
    pub(super) groups: usize,
    pub(super) marks: usize,
    pub(super) back_references: bool,
    pub(super) ignore_case: bool,
    pub(super) multiline: bool,
    /// The bytes that a match can begin with, unless it can be empty.
    pub(super) first: Option<Set>,
    /// A pattern that is nothing but this text.
    pub(super) literal: Option<Vec<u8>>,
    /// A match can only begin where the text does.
    pub(super) anchored: bool,
}

/// How many instructions a pattern may take: nested repetitions multiply.
const MAX_OPS: usize = 200_000;

pub(super) fn compile(mut parsed: Parsed, options: Options) -> Result<Program, Error> {
    if options.whole_words || options.whole_text {
        let (before, after) = if options.whole_text {
            (Place::TextStart, Place::TextEnd)
        } else {
            (Place::NoWordBefore, Place::NoWordAfter)
        };
        parsed.node = Node::Cat(vec![Node::At(before), parsed.node, Node::At(after)]);
    }
    let mut program = Program {
        ops: Vec::new(),
        sets: Vec::new(),
        groups: parsed.groups,
        marks: 0,
        back_references: parsed.back_references,
        ignore_case: options.ignore_case,
        multiline: options.multiline,
        first: None,
        literal: literal(&parsed.node),
        anchored: false,
    };
    program.emit(&parsed.node)?;
    program.ops.push(Op::Match);
    program.first = program.first_bytes();
    program.anchored = !options.multiline
        && match &parsed.node {
            Node::At(place) => matches!(place, Place::LineStart | Place::TextStart),
            Node::Cat(parts) => {
                matches!(parts.first(), Some(Node::At(Place::LineStart | Place::TextStart)))
            }
            _ => false,
        };
    Ok(program)
}

fn literal(node: &Node) -> Option<Vec<u8>> {
    let byte = |node: &Node| match node {
        Node::Byte(byte) => Some(*byte),
        _ => None,
    };
    match node {
        Node::Byte(byte) => Some(vec![*byte]),
        Node::Cat(parts) if !parts.is_empty() => parts.iter().map(byte).collect(),
        _ => None,
    }
}

impl Program {
    fn push(&mut self, op: Op) -> Result<usize, Error> {
        if self.ops.len() >= MAX_OPS {
            return Err(Error::Unsupported("too many repetitions"));
        }
        self.ops.push(op);
        Ok(self.ops.len() - 1)
    }

    fn push_set(&mut self, set: Set) -> Result<(), Error> {
        let index = self.sets.iter().position(|known| *known == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        self.push(Op::Set(index)).map(drop)
    }

    fn emit(&mut self, node: &Node) -> Result<(), Error> {
        match node {
            Node::Empty => {}
            Node::Byte(byte) => drop(self.push(Op::Byte(*byte))?),
            Node::Set(set) => self.push_set(*set)?,
            Node::WideChar => self.emit_wide()?,
            Node::At(place) => drop(self.push(Op::At(*place))?),
            Node::Back(index) => drop(self.push(Op::Back(*index))?),
            Node::Group(inner, index) => {
                self.push(Op::Save(2 * index))?;
                self.emit(inner)?;
                self.push(Op::Save(2 * index + 1))?;
            }
            Node::Cat(parts) => {
                for part in parts {
                    self.emit(part)?;
                }
            }
            Node::Alt(branches) => {
                let mut ends = Vec::new();
                for (at, branch) in branches.iter().enumerate() {
                    if at + 1 == branches.len() {
                        self.emit(branch)?;
                        break;
                    }
                    let split = self.push(Op::Split(0, 0))?;
                    self.emit(branch)?;
                    ends.push(self.push(Op::Jump(0))?);
                    self.ops[split] = Op::Split(split + 1, self.ops.len());
                }
                for end in ends {
                    self.ops[end] = Op::Jump(self.ops.len());
                }
            }
            Node::Repeat(inner, min, max) => self.emit_repeat(inner, *min, *max)?,
        }
        Ok(())
    }

    fn emit_repeat(&mut self, inner: &Node, min: u32, max: Option<u32>) -> Result<(), Error> {
        for _ in 0..min {
            self.emit(inner)?;
        }
        match max {
            None => {
                let mark = self.marks;
                self.marks += 1;
                let split = self.push(Op::Split(0, 0))?;
                self.push(Op::Mark(mark))?;
                self.emit(inner)?;
                self.push(Op::Progress(mark))?;
                self.push(Op::Jump(split))?;
                self.ops[split] = Op::Split(split + 1, self.ops.len());
            }
            Some(max) => {
                let mut splits = Vec::new();
                for _ in min..max {
                    splits.push(self.push(Op::Split(0, 0))?);
                    self.emit(inner)?;
                }
                for split in splits {
                    self.ops[split] = Op::Split(split + 1, self.ops.len());
                }
            }
        }
        Ok(())
    }

    /// A character of two to four bytes.
    fn emit_wide(&mut self) -> Result<(), Error> {
        let range = |from, to| {
            let mut set = Set::EMPTY;
            set.add_range(from, to);
            Node::Set(set)
        };
        let tail = || range(0x80, 0xbf);
        self.emit(&Node::Alt(vec![
            Node::Cat(vec![range(0xc2, 0xdf), tail()]),
            Node::Cat(vec![range(0xe0, 0xef), tail(), tail()]),
            Node::Cat(vec![range(0xf0, 0xf4), tail(), tail(), tail()]),
        ]))
    }

    fn first_bytes(&self) -> Option<Set> {
        let mut set = Set::EMPTY;
        let mut seen = vec![false; self.ops.len()];
        let mut stack = vec![0];
        while let Some(at) = stack.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            match &self.ops[at] {
                Op::Byte(byte) => set.add(*byte),
                Op::Set(index) => {
                    for byte in 0..=u8::MAX {
                        if self.sets[*index].has(byte) {
                            set.add(byte);
                        }
                    }
                }
                Op::Split(a, b) => stack.extend([*a, *b]),
                Op::Jump(to) => stack.push(*to),
                Op::Save(_) | Op::Mark(_) | Op::Progress(_) | Op::At(_) => stack.push(at + 1),
                Op::Back(_) | Op::Match => return None,
            }
        }
        Some(set)
    }

    /// Whether a place is at this position of the text.
    pub(super) fn holds(&self, place: Place, text: &[u8], at: usize) -> bool {
        let word = |at: Option<usize>| {
            at.and_then(|at| text.get(at)).is_some_and(|&byte| super::parse::is_word(byte))
        };
        let (before, after) = (word(at.checked_sub(1)), word(Some(at)));
        match place {
            Place::LineStart => at == 0 || self.multiline && text[at - 1] == b'\n',
            Place::LineEnd => at == text.len() || self.multiline && text[at] == b'\n',
            Place::TextStart => at == 0,
            Place::TextEnd => at == text.len(),
            Place::WordEdge => before != after,
            Place::NoWordEdge => before == after,
            Place::WordStart => !before && after,
            Place::WordEnd => before && !after,
            Place::NoWordBefore => !before,
            Place::NoWordAfter => !after,
        }
    }

    /// The next position from `at` on where a match could begin.
    pub(super) fn candidate(&self, text: &[u8], at: usize) -> Option<usize> {
        match &self.first {
            Some(first) => {
                text.get(at..)?.iter().position(|&byte| first.has(byte)).map(|skip| at + skip)
            }
            None => (at <= text.len()).then_some(at),
        }
    }
}
