//! What is wrong, where, and what to do about it.

use std::fmt::{self, Write};

use crate::source::{LineRange, Span, line_span, position};

/// An error in a Dockerfile, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The cause, in BuildKit's words where it has any.
    pub message: String,
    /// What to do, such as `did you mean RUN?`.
    pub hint: Option<String>,
    /// The instruction at fault.
    pub span: Span,
    /// The lines of the instruction at fault.
    pub lines: LineRange,
    /// The part of the instruction's text that the caret points at.
    pub focus: Option<String>,
}

impl Diagnostic {
    /// A diagnostic without hint whose caret is at the start of `span`.
    pub fn new(message: impl Into<String>, span: Span, lines: LineRange) -> Self {
        Diagnostic { message: message.into(), hint: None, span, lines, focus: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Points the caret at the first occurrence of `text` inside the span.
    #[must_use]
    pub fn with_focus(mut self, text: impl Into<String>) -> Self {
        self.focus = Some(text.into());
        self
    }

    /// Gives an error that knows no place the place of an instruction.
    pub(crate) fn place(cause: Cause, span: Span, lines: LineRange) -> Self {
        Diagnostic { message: cause.message, hint: cause.hint, span, lines, focus: cause.focus }
    }

    /// Prints `file:line:column: error: message`, the source line with a caret, and the hint.
    pub fn render(&self, file: &str, source: &str) -> String {
        let offset = self.offset(source);
        let at = position(source, offset);
        let mut out = format!("{file}:{}:{}: error: {}\n", at.line, at.column, self.message);
        let line = line_span(source, at.line).unwrap_or_default().text(source);
        if !line.is_empty() {
            let number = at.line.to_string();
            let blank = " ".repeat(number.len());
            // Tabs are kept in front of the caret, so that it lines up whatever their width.
            let indent: String = line
                .chars()
                .take(at.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let width = self.focus.as_ref().map_or(1, |focus| focus.chars().count().max(1));
            let carets = "^".repeat(width);
            let _ = write!(out, " {blank} |\n {number} | {line}\n {blank} | {indent}{carets}\n");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "hint: {hint}");
        }
        out
    }

    fn offset(&self, source: &str) -> usize {
        let inside = self.span.text(source);
        let within = self.focus.as_ref().and_then(|focus| inside.find(focus.as_str()));
        self.span.start + within.unwrap_or(0)
    }
}

impl fmt::Display for Diagnostic {
    /// The message on one line as BuildKit prints it: of the hints only `did you mean` is there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) if hint.starts_with("did you mean ") => write!(f, " ({hint})"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Diagnostic {}

/// A [`Diagnostic`] before its place is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) focus: Option<String>,
}

impl Cause {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Cause { message: message.into(), hint: None, focus: None }
    }

    /// Adds `did you mean ...?` when one of `options` is near to `value`.
    pub(crate) fn suggest(mut self, value: &str, options: &[&str]) -> Self {
        self.hint = crate::suggest::nearest(value, options.iter().copied())
            .map(|found| format!("did you mean {found}?"));
        self
    }

    pub(crate) fn focus(mut self, text: impl Into<String>) -> Self {
        self.focus = Some(text.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_points_at_the_focus() {
        let source = "FROM a\nRUN --mout=x y\n";
        let diagnostic =
            Diagnostic::new("unknown flag: --mout", Span::new(7, 21), LineRange::new(2, 2))
                .with_focus("--mout")
                .with_hint("did you mean mount?");
        assert_eq!(
            diagnostic.render("Dockerfile", source),
            "Dockerfile:2:5: error: unknown flag: --mout\n   |\n 2 | RUN --mout=x y\n   |     ^^^^^^\n\
             hint: did you mean mount?\n"
        );
        assert_eq!(diagnostic.to_string(), "unknown flag: --mout (did you mean mount?)");
    }

    #[test]
    fn an_empty_file_renders() {
        let diagnostic =
            Diagnostic::new("file with no instructions", Span::default(), LineRange::default());
        assert_eq!(diagnostic.render("D", ""), "D:1:1: error: file with no instructions\n");
    }
}
