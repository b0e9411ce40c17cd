//! Collects findings of the rules that apply.

use std::collections::BTreeSet;

use super::{Config, Report, Rule, Warning};
use crate::instruction::Instruction;
use crate::{Diagnostic, LineRange, Span};

/// The findings so far and the options that hold at this place.
pub(super) struct Linter {
    file: Config,
    local: Config,
    warnings: Vec<Warning>,
}

impl Linter {
    pub(super) fn new(file: Config) -> Self {
        Linter { local: file.clone(), file, warnings: Vec::new() }
    }

    /// From here on the options of one instruction hold: the file's and those in its comments.
    pub(super) fn enter(&mut self, comments: &[String]) {
        self.local = self.file.with_comments(comments);
    }

    /// From here on only the file's options hold.
    pub(super) fn leave(&mut self) {
        self.local = self.file.clone();
    }

    pub(super) fn warn(
        &mut self,
        rule: &'static Rule,
        lines: LineRange,
        span: Span,
        detail: impl Into<String>,
    ) {
        let options = &self.local;
        let applies = match rule.is_experimental {
            true => options.experimental_all || options.experimental.contains(rule.name),
            false => !options.skip_all && !options.skip.contains(rule.name),
        };
        if applies {
            self.warnings.push(Warning { rule, detail: detail.into(), lines, span });
        }
    }

    /// A finding at an instruction.
    pub(super) fn at(
        &mut self,
        rule: &'static Rule,
        place: &Instruction,
        detail: impl Into<String>,
    ) {
        self.warn(rule, place.lines, place.span, detail);
    }

    pub(super) fn report(self, error: Option<Diagnostic>) -> Report {
        let violation = || {
            let first = self.warnings.first().filter(|_| self.file.error)?;
            let names: BTreeSet<&str> = self.warnings.iter().map(|w| w.rule.name).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            Some(Diagnostic::new(
                format!("lint violation found for rules: {names}"),
                first.span,
                first.lines,
            ))
        };
        let is_violation = error.is_none();
        let error = error.or_else(violation);
        Report { is_violation: is_violation && error.is_some(), warnings: self.warnings, error }
    }
}
