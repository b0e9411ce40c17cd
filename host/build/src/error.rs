//! What can go wrong in a build, sorted by who has to act.

use std::error::Error as StdError;

use kiln_dockerfile::Diagnostic;

/// Who has to act on an error; the command line turns it into an exit code (README, "Exit codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The build ran and failed: exit code 1.
    Failed,
    /// The Dockerfile, the context or the arguments are wrong: exit code 2.
    Input,
    /// A policy denied it: exit code 3.
    Denied,
    /// A registry or the network failed: exit code 4.
    Registry,
    /// The machine lacks what the build needs: exit code 5.
    Environment,
}

/// A build's error: one cause, told once.
#[derive(Debug)]
pub struct BuildError {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    /// The part of the instruction that is wrong.
    focus: Option<String>,
    /// Where in the Dockerfile, already rendered with the source line.
    location: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, BuildError>;

impl BuildError {
    /// An error without a cause of its own.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            focus: None,
            location: None,
            source: None,
        }
    }

    /// Something is wrong with what the user gave.
    #[must_use]
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message)
    }

    /// A step of the build failed.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Something the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A better hint, when there is one.
    #[must_use]
    pub fn with_better_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// The part of the instruction that is wrong, as it is written.
    #[must_use]
    pub fn with_focus(mut self, text: impl Into<String>) -> Self {
        self.focus = Some(text.into());
        self
    }

    /// The part of the instruction that is wrong, unless a smaller one is known.
    #[must_use]
    pub fn or_focus(mut self, text: &str) -> Self {
        self.focus.get_or_insert_with(|| text.to_owned());
        self
    }

    /// The error that caused this one; a full disk below makes this the environment's fault.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        if is_disk_full(&source) {
            self.kind = ErrorKind::Environment;
            self.hint.get_or_insert_with(|| {
                "free space below the work directory or point --work-dir elsewhere".to_owned()
            });
        }
        self.source = Some(Box::new(source));
        self
    }

    /// Where in the Dockerfile it happened; the innermost place wins. `render` gets this error and
    /// gives the whole text that the user reads: place, cause, hint.
    #[must_use]
    pub fn at(mut self, render: impl FnOnce(&Self) -> String) -> Self {
        if self.location.is_none() {
            self.location = Some(render(&self));
        }
        self
    }

    /// The message with its causes, one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            // Some errors print their cause themselves.
            if !text.ends_with(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            next = cause.source();
        }
        text
    }

    /// Who has to act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The part of the instruction that is wrong.
    #[must_use]
    pub fn focus(&self) -> Option<&str> {
        self.focus.as_deref().filter(|text| !text.is_empty())
    }

    /// The error with its place in the Dockerfile, several lines, when it has one.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }
}

impl From<Diagnostic> for BuildError {
    /// What is wrong with an instruction, whose place is told later.
    fn from(diagnostic: Diagnostic) -> Self {
        Self { hint: diagnostic.hint, focus: diagnostic.focus, ..Self::input(diagnostic.message) }
    }
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for BuildError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Whether `ENOSPC` or `EDQUOT` is at the bottom of an error.
fn is_disk_full(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        {
            return true;
        }
        if let Some(errno) = error.downcast_ref::<rustix::io::Errno>()
            && matches!(*errno, rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// Says what was being done when something failed.
pub(crate) trait Context<T> {
    /// Wraps the error: `kind`, and what was being done.
    fn context(self, kind: ErrorKind, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: StdError + Send + Sync + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, kind: ErrorKind, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| BuildError::new(kind, what()).with_source(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_the_environments_fault_however_deep() {
        let inner = BuildError::failed("write blob").with_source(
            std::io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()),
        );
        let outer = BuildError::failed("store the layer").with_source(inner);
        assert_eq!(outer.kind(), ErrorKind::Environment);
        assert!(outer.hint().is_some());
    }

    #[test]
    fn other_causes_keep_the_kind() {
        let error = BuildError::input("x").with_source(std::io::Error::other("y"));
        assert_eq!(error.kind(), ErrorKind::Input);
    }

    #[test]
    fn the_innermost_location_wins() {
        let error = BuildError::input("x").at(|_| "inner".into()).at(|_| "outer".into());
        assert_eq!(error.location(), Some("inner"));
    }
}
