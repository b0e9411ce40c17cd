//! Which commands are for the current line.

use shim::{Context, Stop};

use super::{Machine, Range};
use crate::{
    parse::stop,
    script::{Address, End, Which},
};

/// The state of a range that has ended.
fn after(first: &Address) -> Range {
    if matches!(first, Address::Line(_)) { Range::Closed } else { Range::Outside }
}

/// A range from line 0 is open before the first line.
pub(super) fn initial(which: &Which) -> Range {
    match which {
        Which::Range(Address::Line(0), _) => Range::Open,
        _ => Range::Outside,
    }
}

impl<'a> Machine<'a> {
    fn matches(&mut self, context: &mut Context, address: &'a Address) -> Result<bool, Stop> {
        let line = self.files.line_number;
        Ok(match address {
            Address::Line(number) => line == *number,
            Address::Step(first, 0) => line == *first,
            Address::Step(first, step) => line >= *first && (line - first).is_multiple_of(*step),
            Address::Last => self.files.is_last(context)?,
            Address::Match(pattern) => {
                self.regex(pattern)?.is_match(&self.pattern).map_err(stop)?
            }
        })
    }

    pub(super) fn selects(&mut self, context: &mut Context, number: usize) -> Result<bool, Stop> {
        let script = self.script;
        let step = &script.steps[number];
        let selected = match &step.which {
            Which::All => true,
            Which::One(address) => self.matches(context, address)?,
            Which::Range(first, end) => self.in_range(context, number, first, end)?,
        };
        Ok(selected != step.negated)
    }

    fn in_range(
        &mut self,
        context: &mut Context,
        number: usize,
        first: &'a Address,
        end: &'a End,
    ) -> Result<bool, Stop> {
        let line = self.files.line_number;
        match self.ranges[number] {
            Range::Outside => {
                // Commands that read lines may have passed the line that begins the range.
                let begins = match (first, end) {
                    (Address::Line(from), End::Address(Address::Line(to))) => {
                        line == *from || line > *from && line <= *to
                    }
                    (Address::Line(from), _) => line >= *from,
                    _ => self.matches(context, first)?,
                };
                if !begins {
                    return Ok(false);
                }
                let outside = after(first);
                self.ranges[number] = match end {
                    End::Count(0) | End::Multiple(0) => outside,
                    End::Count(count) => Range::Until(line + count),
                    End::Multiple(of) => Range::Until(line - line % of + of),
                    End::Address(Address::Line(to)) if *to <= line => outside,
                    End::Address(Address::Line(to)) => Range::Until(*to),
                    End::Address(_) => Range::Open,
                };
                Ok(true)
            }
            Range::Until(to) => {
                if line >= to {
                    self.ranges[number] = after(first);
                }
                // The range's end may have passed while other commands read lines.
                Ok(line <= to)
            }
            Range::Open => {
                if let End::Address(address) = end
                    && self.matches(context, address)?
                {
                    self.ranges[number] = after(first);
                }
                Ok(true)
            }
            Range::Closed => Ok(false),
        }
    }
}
