//! Tries one way after the other, for patterns with back-references.

use super::{
    Error, Groups,
    program::{Op, Program},
};

const NOWHERE: usize = usize::MAX;

/// How many instructions one search may run: a hostile pattern takes exponential time.
const MAX_STEPS: u64 = 20_000_000;

enum Task {
    Go(usize, usize),
    Restore(usize, usize),
}

pub(super) fn find(program: &Program, text: &[u8], start: usize) -> Result<Option<Groups>, Error> {
    let slots = 2 * (program.groups + 1);
    let mut steps = 0;
    let mut from = start;
    while let Some(at) = program.candidate(text, from) {
        let mut state = vec![NOWHERE; slots + program.marks];
        if let Some(end) = longest(program, text, at, slots, &mut state, &mut steps)? {
            state[0] = at;
            state[1] = end;
            let groups = state[..slots].chunks_exact(2);
            let span = |pair: &[usize]| {
                (pair[0] != NOWHERE && pair[1] != NOWHERE).then_some((pair[0], pair[1]))
            };
            return Ok(Some(groups.map(span).collect()));
        }
        from = at + 1;
    }
    Ok(None)
}

/// The end of the longest match from `at`; `state` holds its groups then.
fn longest(
    program: &Program,
    text: &[u8],
    at: usize,
    slots: usize,
    state: &mut Vec<usize>,
    steps: &mut u64,
) -> Result<Option<usize>, Error> {
    let mut best: Option<(usize, Vec<usize>)> = None;
    let mut stack = vec![Task::Go(0, at)];
    while let Some(task) = stack.pop() {
        let (mut op, mut at) = match task {
            Task::Go(op, at) => (op, at),
            Task::Restore(slot, value) => {
                state[slot] = value;
                continue;
            }
        };
        loop {
            *steps += 1;
            if *steps > MAX_STEPS {
                return Err(Error::Unsupported("back-references that take too long"));
            }
            let goes_on = match &program.ops[op] {
                Op::Byte(byte) => text.get(at) == Some(byte),
                Op::Set(index) => text.get(at).is_some_and(|&byte| program.sets[*index].has(byte)),
                Op::Split(a, b) => {
                    stack.push(Task::Go(*b, at));
                    op = *a;
                    continue;
                }
                Op::Jump(to) => {
                    op = *to;
                    continue;
                }
                Op::Save(slot) => {
                    stack.push(Task::Restore(*slot, state[*slot]));
                    state[*slot] = at;
                    op += 1;
                    continue;
                }
                Op::Mark(mark) => {
                    let slot = slots + mark;
                    stack.push(Task::Restore(slot, state[slot]));
                    state[slot] = at;
                    op += 1;
                    continue;
                }
                Op::Progress(mark) => {
                    if state[slots + mark] == at {
                        break;
                    }
                    op += 1;
                    continue;
                }
                Op::At(place) => {
                    if !program.holds(*place, text, at) {
                        break;
                    }
                    op += 1;
                    continue;
                }
                Op::Back(index) => {
                    let (from, to) = (state[2 * index], state[2 * index + 1]);
                    if from == NOWHERE || to == NOWHERE {
                        break;
                    }
                    let len = to - from;
                    let same = text.get(at..at + len).is_some_and(|there| {
                        if program.ignore_case {
                            there.eq_ignore_ascii_case(&text[from..to])
                        } else {
                            there == &text[from..to]
                        }
                    });
                    if !same {
                        break;
                    }
                    at += len;
                    op += 1;
                    continue;
                }
                Op::Match => {
                    if best.as_ref().is_none_or(|(end, _)| at > *end) {
                        best = Some((at, state.clone()));
                    }
                    if at == text.len() {
                        stack.clear();
                    }
                    break;
                }
            };
            if !goes_on {
                break;
            }
            at += 1;
            op += 1;
        }
    }
    Ok(best.map(|(end, found)| {
        *state = found;
        end
    }))
}
