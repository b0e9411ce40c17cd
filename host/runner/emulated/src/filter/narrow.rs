//! The calls of i386 programs.

use kiln_emulated_core::arch::i386::{self, Way};

use super::{ALLOW, AT_LEAST, Action, ENOSYS, ERRNO, Program, TRAP};

/// What happens to the calls of i386 programs, given what happens to those of x86_64: each from this
/// number on.
pub(super) fn actions(actions: &[(u32, Action)]) -> Vec<(u32, Action)> {
    let same = |number| {
        let at = actions.binary_search_by_key(&number, |&(number, _)| number);
        at.ok().and_then(|at| actions.get(at)).map_or(Action::Return(ALLOW), |&(_, action)| action)
    };
    let action = |way| match way {
        Way::Kernel => Action::Return(ALLOW),
        Way::Refused(errno) => Action::Return(ERRNO | errno.cast_unsigned()),
        Way::Judged(number) => same(number),
        Way::Same(_) | Way::Short(_) | Way::Own => Action::Return(TRAP),
    };
    let mut ranges: Vec<(u32, Action)> = Vec::new();
    let end = i386::CALLS.last().map_or(0, |&(number, _, _)| number + 1);
    for number in 0..=end {
        let action = i386::way(number).map_or(Action::Return(ERRNO | ENOSYS), action);
        if ranges.last().is_none_or(|&(_, last)| last != action) {
            ranges.push((number, action));
        }
    }
    ranges
}

impl Program {
    /// The tree over ranges, the first of which starts at zero.
    pub(super) fn ranges(&mut self, ranges: &[(u32, Action)]) {
        match ranges {
            [] => {}
            [(_, action)] => self.leaf(*action),
            _ => {
                let (left, right) = ranges.split_at(ranges.len() / 2);
                let pivot = right.first().map_or(0, |&(number, _)| number);
                self.emit_test(AT_LEAST, pivot, 0, 1);
                let jump = self.jump();
                self.ranges(left);
                self.land(jump);
                self.ranges(right);
            }
        }
    }
}
