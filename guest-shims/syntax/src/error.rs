//! Syntax errors.

/// The result of parsing.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a text is no shell script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A token that cannot stand here.
    Unexpected(String),
    /// The text ends too early.
    EndOfFile,
    /// A quote without its end.
    Unterminated(&'static str),
    /// A name that no function can have.
    BadFunction,
    /// A form that this parser does not know although the dialect has it.
    Unsupported(&'static str),
    /// Compounds inside each other beyond the limit.
    TooDeep,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.line)?;
        match &self.kind {
            ErrorKind::Unexpected(token) => write!(f, "Syntax error: {token} unexpected"),
            ErrorKind::EndOfFile => f.write_str("Syntax error: end of file unexpected"),
            ErrorKind::BadFunction => f.write_str("Syntax error: Bad function name"),
            ErrorKind::Unterminated(what) => write!(f, "Syntax error: Unterminated {what}"),
            ErrorKind::Unsupported(what) => write!(f, "{what} is not supported"),
            ErrorKind::TooDeep => f.write_str("Syntax error: too deeply nested"),
        }
    }
}

impl std::error::Error for Error {}
