//! What has to be changed to make one sequence of lines of another: Myers' algorithm in linear space
//! (An O(ND) Difference Algorithm and Its Variations, 1986).

/// Lines of the left that are replaced by lines of the right; each may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) left: std::ops::Range<usize>,
    pub(super) right: std::ops::Range<usize>,
}

/// How many differences are looked for at most; beyond it there is no result.
const MOST: usize = 20_000;

struct Search<'a> {
    left: &'a [u32],
    right: &'a [u32],
    deleted: Vec<bool>,
    inserted: Vec<bool>,
    /// The furthest place on each diagonal, from the beginning and from the end.
    forward: Vec<isize>,
    backward: Vec<isize>,
}

/// A part of both sequences.
#[derive(Clone, Copy)]
struct Part {
    from: (usize, usize),
    to: (usize, usize),
}

fn signed(number: usize) -> isize {
    number.cast_signed()
}

impl Search<'_> {
    /// The index of a diagonal.
    fn index(&self, diagonal: isize) -> usize {
        (diagonal + signed(self.right.len()) + 1).cast_unsigned()
    }

    fn solve(&mut self, mut part: Part) -> Option<()> {
        let Part { from, to } = &mut part;
        while from.0 < to.0 && from.1 < to.1 && self.left[from.0] == self.right[from.1] {
            *from = (from.0 + 1, from.1 + 1);
        }
        while from.0 < to.0 && from.1 < to.1 && self.left[to.0 - 1] == self.right[to.1 - 1] {
            *to = (to.0 - 1, to.1 - 1);
        }
        if from.0 == to.0 {
            self.inserted[from.1..to.1].fill(true);
            return Some(());
        }
        if from.1 == to.1 {
            self.deleted[from.0..to.0].fill(true);
            return Some(());
        }
        let middle = self.middle(part)?;
        self.solve(Part { from: part.from, to: middle })?;
        self.solve(Part { from: middle, to: part.to })
    }

    /// A place that a shortest way goes through.
    fn middle(&mut self, part: Part) -> Option<(usize, usize)> {
        let (x0, y0) = (signed(part.from.0), signed(part.from.1));
        let (x1, y1) = (signed(part.to.0), signed(part.to.1));
        let (lowest, highest) = (x0 - y1, x1 - y0);
        let (start, end) = (x0 - y0, x1 - y1);
        let is_odd = (start - end) % 2 != 0;
        let mut ahead = (start, start);
        let mut behind = (end, end);
        let index = self.index(start);
        self.forward[index] = x0;
        let index = self.index(end);
        self.backward[index] = x1;
        for _ in 0..MOST {
            widen(&mut ahead, lowest, highest, |diagonal| {
                let index = self.index(diagonal);
                self.forward[index] = -1;
            });
            let mut diagonal = ahead.1;
            while diagonal >= ahead.0 {
                let at = self.index(diagonal);
                let (below, above) = (self.forward[at - 1], self.forward[at + 1]);
                let mut x = if below < above { above } else { below + 1 };
                while x < x1 && x - diagonal < y1 && self.same(x, x - diagonal) {
                    x += 1;
                }
                self.forward[at] = x;
                let meets = (behind.0..=behind.1).contains(&diagonal) && self.backward[at] <= x;
                if is_odd && meets {
                    return Some((x.cast_unsigned(), (x - diagonal).cast_unsigned()));
                }
                diagonal -= 2;
            }
            widen(&mut behind, lowest, highest, |diagonal| {
                let index = self.index(diagonal);
                self.backward[index] = isize::MAX;
            });
            let mut diagonal = behind.1;
            while diagonal >= behind.0 {
                let at = self.index(diagonal);
                let (below, above) = (self.backward[at - 1], self.backward[at + 1]);
                let mut x = if below < above { below } else { above - 1 };
                while x > x0 && x - diagonal > y0 && self.same(x - 1, x - diagonal - 1) {
                    x -= 1;
                }
                self.backward[at] = x;
                let meets = (ahead.0..=ahead.1).contains(&diagonal) && x <= self.forward[at];
                if !is_odd && meets {
                    return Some((x.cast_unsigned(), (x - diagonal).cast_unsigned()));
                }
                diagonal -= 2;
            }
        }
        None
    }

    fn same(&self, x: isize, y: isize) -> bool {
        self.left[x.cast_unsigned()] == self.right[y.cast_unsigned()]
    }
}

/// Takes in one more diagonal on each side, or gives up one where there is none.
fn widen(range: &mut (isize, isize), lowest: isize, highest: isize, mut guard: impl FnMut(isize)) {
    if range.0 > lowest {
        range.0 -= 1;
        guard(range.0 - 1);
    } else {
        range.0 += 1;
    }
    if range.1 < highest {
        range.1 += 1;
        guard(range.1 + 1);
    } else {
        range.1 -= 1;
    }
}

/// The changes, or nothing when there are too many.
pub(super) fn find(left: &[u32], right: &[u32]) -> Option<Vec<Change>> {
    let diagonals = left.len() + right.len() + 3;
    let mut search = Search {
        left,
        right,
        deleted: vec![false; left.len()],
        inserted: vec![false; right.len()],
        forward: vec![0; diagonals],
        backward: vec![0; diagonals],
    };
    search.solve(Part { from: (0, 0), to: (left.len(), right.len()) })?;
    let mut changes: Vec<Change> = Vec::new();
    let (mut x, mut y) = (0, 0);
    while x < left.len() || y < right.len() {
        let (from_x, from_y) = (x, y);
        while search.deleted.get(x) == Some(&true) {
            x += 1;
        }
        while search.inserted.get(y) == Some(&true) {
            y += 1;
        }
        if x > from_x || y > from_y {
            changes.push(Change { left: from_x..x, right: from_y..y });
        } else {
            (x, y) = (x + 1, y + 1);
        }
    }
    Some(slide(changes, left, right))
}

/// Moves what was only deleted or only inserted as far down as equal lines allow; a change that
/// meets the next one becomes one with it.
fn slide(mut changes: Vec<Change>, left: &[u32], right: &[u32]) -> Vec<Change> {
    let mut at = 0;
    while at < changes.len() {
        let limit = changes.get(at + 1).map(|next| (next.left.start, next.right.start));
        let change = &mut changes[at];
        let (run, lines) = match (change.left.is_empty(), change.right.is_empty()) {
            (false, true) => (&mut change.left, left),
            (true, false) => (&mut change.right, right),
            _ => {
                at += 1;
                continue;
            }
        };
        let before = run.start;
        let limit_of_run = match limit {
            Some(limit) if std::ptr::eq(lines, left) => limit.0,
            Some(limit) => limit.1,
            None => lines.len(),
        };
        while run.end < limit_of_run && lines[run.start] == lines[run.end] {
            *run = run.start + 1..run.end + 1;
        }
        let moved = run.start - before;
        let met = limit.is_some() && run.end == limit_of_run;
        let other = if std::ptr::eq(lines, left) { &mut change.right } else { &mut change.left };
        *other = other.start + moved..other.end + moved;
        if met {
            let next = changes.remove(at + 1);
            let change = &mut changes[at];
            change.left.end = next.left.end;
            change.right.end = next.right.end;
        } else {
            at += 1;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_make_one_of_the_other() {
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for _ in 0..300 {
            let left: Vec<u32> = (0..random(30)).map(|_| random(5)).collect();
            let right: Vec<u32> = (0..random(30)).map(|_| random(5)).collect();
            let mut made = Vec::new();
            let mut at = 0;
            for change in find(&left, &right).unwrap() {
                made.extend_from_slice(&left[at..change.left.start]);
                assert_eq!(made.len(), change.right.start, "{left:?} {right:?}");
                made.extend_from_slice(&right[change.right.clone()]);
                at = change.left.end;
            }
            made.extend_from_slice(&left[at..]);
            assert_eq!(made, right, "from {left:?}");
        }
    }
}
