//! Runs all ways through a program at once: linear time, the longest of the leftmost matches.

use super::{
    Groups,
    program::{Op, Program},
};

const NOWHERE: usize = usize::MAX;

/// The threads of one position, in order of preference.
struct Threads {
    /// At which step each instruction was reached last.
    seen: Vec<u32>,
    list: Vec<usize>,
    slots: Vec<usize>,
}

impl Threads {
    fn new(ops: usize) -> Self {
        Self { seen: vec![0; ops], list: Vec::new(), slots: Vec::new() }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.slots.clear();
    }
}

struct Machine<'a> {
    program: &'a Program,
    text: &'a [u8],
    width: usize,
    step: u32,
    stack: Vec<Task>,
    current: Vec<usize>,
}

enum Task {
    Go(usize),
    Restore(usize, usize),
}

impl Machine<'_> {
    /// Adds what can be reached from an instruction without taking a byte.
    fn add(&mut self, threads: &mut Threads, op: usize, at: usize) {
        self.stack.push(Task::Go(op));
        while let Some(task) = self.stack.pop() {
            let op = match task {
                Task::Go(op) => op,
                Task::Restore(slot, value) => {
                    self.current[slot] = value;
                    continue;
                }
            };
            if std::mem::replace(&mut threads.seen[op], self.step) == self.step {
                continue;
            }
            match &self.program.ops[op] {
                Op::Jump(to) => self.stack.push(Task::Go(*to)),
                Op::Split(a, b) => {
                    self.stack.push(Task::Go(*b));
                    self.stack.push(Task::Go(*a));
                }
                Op::Save(slot) => {
                    if *slot < self.width {
                        self.stack.push(Task::Restore(*slot, self.current[*slot]));
                        self.current[*slot] = at;
                    }
                    self.stack.push(Task::Go(op + 1));
                }
                Op::At(place) => {
                    if self.program.holds(*place, self.text, at) {
                        self.stack.push(Task::Go(op + 1));
                    }
                }
                Op::Mark(_) | Op::Progress(_) => self.stack.push(Task::Go(op + 1)),
                Op::Byte(_) | Op::Set(_) | Op::Match | Op::Back(_) => {
                    threads.list.push(op);
                    threads.slots.extend_from_slice(&self.current);
                }
            }
        }
    }

    fn takes(&self, op: usize, byte: u8) -> bool {
        match &self.program.ops[op] {
            Op::Byte(wanted) => *wanted == byte,
            Op::Set(index) => self.program.sets[*index].has(byte),
            _ => false,
        }
    }
}

/// The first match from `start` on, with this many groups (the whole match counts as one).
pub(super) fn find(program: &Program, text: &[u8], start: usize, groups: usize) -> Option<Groups> {
    if let Some(literal) = &program.literal {
        let found = search(text, literal, start)?;
        return Some(vec![Some((found, found + literal.len()))]);
    }
    let width = groups * 2;
    let ops = program.ops.len();
    let (mut now, mut next) = (Threads::new(ops), Threads::new(ops));
    let mut machine =
        Machine { program, text, width, step: 0, stack: Vec::new(), current: vec![NOWHERE; width] };
    let mut best: Option<Vec<usize>> = None;
    let mut at = start;
    machine.step = 1;
    loop {
        if best.is_none() {
            if now.list.is_empty() {
                at = program.candidate(text, at)?;
                if program.anchored && at > 0 {
                    return None;
                }
            }
            machine.current.fill(NOWHERE);
            machine.current[0] = at;
            machine.add(&mut now, 0, at);
        } else if now.list.is_empty() {
            break;
        }
        machine.step += 1;
        next.clear();
        for (index, &op) in now.list.iter().enumerate() {
            let slots = &now.slots[index * width..(index + 1) * width];
            if matches!(program.ops[op], Op::Match) {
                // Of matches with one beginning the longest wins, of those the preferred.
                let better = best
                    .as_ref()
                    .is_none_or(|best| slots[0] < best[0] || slots[0] == best[0] && at > best[1]);
                if better {
                    let mut found = slots.to_vec();
                    found[1] = at;
                    best = Some(found);
                }
            } else if best.as_ref().is_none_or(|best| slots[0] <= best[0])
                && text.get(at).is_some_and(|&byte| machine.takes(op, byte))
            {
                machine.current.copy_from_slice(slots);
                machine.add(&mut next, op + 1, at + 1);
            }
        }
        std::mem::swap(&mut now, &mut next);
        at += 1;
        if at > text.len() {
            break;
        }
    }
    best.map(|slots| {
        slots
            .chunks_exact(2)
            .map(|pair| (pair[0] != NOWHERE && pair[1] != NOWHERE).then_some((pair[0], pair[1])))
            .collect()
    })
}

/// Whether there is a match at all.
pub(super) fn is_match(program: &Program, text: &[u8]) -> bool {
    if let Some(literal) = &program.literal {
        return search(text, literal, 0).is_some();
    }
    let ops = program.ops.len();
    let (mut now, mut next) = (Threads::new(ops), Threads::new(ops));
    let mut machine =
        Machine { program, text, width: 0, step: 1, stack: Vec::new(), current: Vec::new() };
    let mut at = 0;
    loop {
        if now.list.is_empty() {
            match program.candidate(text, at) {
                Some(candidate) if !(program.anchored && candidate > 0) => at = candidate,
                _ => return false,
            }
        }
        machine.add(&mut now, 0, at);
        machine.step += 1;
        next.clear();
        for &op in &now.list {
            if matches!(program.ops[op], Op::Match) {
                return true;
            }
            if text.get(at).is_some_and(|&byte| machine.takes(op, byte)) {
                machine.add(&mut next, op + 1, at + 1);
            }
        }
        std::mem::swap(&mut now, &mut next);
        at += 1;
        if at > text.len() {
            return false;
        }
    }
}

fn search(text: &[u8], literal: &[u8], start: usize) -> Option<usize> {
    let (&first, _) = literal.split_first()?;
    let mut at = start;
    loop {
        at += text.get(at..)?.iter().position(|&byte| byte == first)?;
        if text[at..].starts_with(literal) {
            return Some(at);
        }
        at += 1;
    }
}
