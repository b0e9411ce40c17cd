//! Variable expansion and word splitting in the manner of BuildKit's shell lexer.
//!
//! It reads `'single'` and `"double"` quotes, the escape character, `$v`, `${v}` and, with a word
//! `w` or a pattern `p`: `${v:-w}` `${v-w}` `${v:+w}` `${v+w}` `${v:?w}` `${v?w}` `${v#p}` `${v##p}`
//! `${v%p}` `${v%%p}` `${v/p/r}` `${v//p/r}`. It is no shell: no commands, no arithmetic, no globs.
//!
//! One fault of the reference is left out: there, splitting `8${v:-0}80` into words loses the `8`.

mod pattern;
mod scan;
mod words;

use std::collections::BTreeSet;

pub use scan::{MAX_DEPTH, MAX_EXPANDED};

use crate::quote::quote;

/// Gives the value of a variable, or `None` when it is not set.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A quote is not closed.
    #[error("unexpected end of statement while looking for matching {0}")]
    Unterminated(String),
    /// `${` is not closed, or the `/` of `${v/p/r}` is missing.
    #[error("syntax error: missing {0}")]
    Missing(&'static str),
    /// `${}`, `${{x}` or `${:x}`.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// A modifier that does not exist, such as `${v:=w}`.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${v:?message}` of a variable that is unset or empty.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The message after `?`, or a general one.
        message: String,
    },
    /// A pattern that cannot be read.
    #[error("invalid pattern ({pattern}) in substitution: {cause}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        cause: String,
    },
    /// `${a:-${b:-...}}` nested beyond [`MAX_DEPTH`].
    #[error(
        "substitutions are nested more than {MAX_DEPTH} deep: split the value over several variables"
    )]
    Depth,
    /// The result is beyond [`MAX_EXPANDED`].
    #[error(
        "the expanded value is longer than {MAX_EXPANDED} bytes: a variable refers to others that repeat"
    )]
    Size,
    /// Any of the above with the word it happened in.
    #[error("failed to process {}: {cause}", quote(.source_word))]
    In {
        /// The word as written.
        source_word: String,
        /// What is wrong with it.
        cause: Box<ExpandError>,
    },
}

/// What an expansion gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The whole text with variables replaced and quotes removed.
    pub text: String,
    /// The same, split at blanks outside quotes.
    pub words: Vec<String>,
    /// Variables that were asked for and set.
    pub matched: BTreeSet<String>,
    /// Variables that were asked for and not set.
    pub unmatched: BTreeSet<String>,
}

/// How to read a word; [`Lexer::new`] is right for instruction arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexer {
    /// The escape character, `\` or `` ` ``.
    pub escape: char,
    /// Keep the quotes in the result.
    pub raw_quotes: bool,
    /// Keep the escape characters in the result.
    pub raw_escapes: bool,
    /// Treat quotes as any other character (the content of a heredoc).
    pub ignore_quotes: bool,
    /// Leave a reference to an unset variable as it is written.
    pub keep_unset: bool,
}

impl Lexer {
    /// A lexer for instruction arguments.
    pub fn new(escape: char) -> Self {
        Lexer {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            ignore_quotes: false,
            keep_unset: false,
        }
    }

    /// A lexer for the content of a heredoc, where quotes mean nothing.
    pub fn heredoc() -> Self {
        Lexer { ignore_quotes: true, ..Lexer::new('\\') }
    }

    /// Expands `word`.
    ///
    /// # Errors
    /// See [`ExpandError`]; the word is named by [`ExpandError::In`].
    pub fn expand(&self, word: &str, lookup: &Lookup<'_>) -> Result<Expanded, ExpandError> {
        scan::expand(self, word, lookup).map_err(|cause| ExpandError::In {
            source_word: word.to_owned(),
            cause: Box::new(cause),
        })
    }

    /// Expands `word` to one string.
    ///
    /// # Errors
    /// See [`Lexer::expand`].
    pub fn word(&self, word: &str, lookup: &Lookup<'_>) -> Result<String, ExpandError> {
        Ok(self.expand(word, lookup)?.text)
    }

    /// Expands `word`, then splits it at blanks outside quotes.
    ///
    /// # Errors
    /// See [`Lexer::expand`].
    pub fn words(&self, word: &str, lookup: &Lookup<'_>) -> Result<Vec<String>, ExpandError> {
        Ok(self.expand(word, lookup)?.words)
    }
}

impl From<ExpandError> for crate::diagnostic::Cause {
    fn from(error: ExpandError) -> Self {
        let focus = match &error {
            ExpandError::In { source_word, .. } => Some(source_word.clone()),
            _ => None,
        };
        crate::diagnostic::Cause { message: error.to_string(), hint: None, focus }
    }
}
