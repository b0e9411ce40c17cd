//! POSIX regular expressions with GNU's extensions, over bytes or UTF-8.
//!
//! The leftmost match is found, of those the longest; groups take what they can from left to right.
//! Time is linear in the text unless the pattern has back-references; those run against a limit.

mod backtrack;
mod parse;
mod pike;
mod program;

use program::Program;

/// How a pattern is written and what it matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Extended syntax (`grep -E`, `sed -E`, awk).
    pub extended: bool,
    /// Letters match in both cases.
    pub ignore_case: bool,
    /// Characters are UTF-8 rather than bytes.
    pub utf8: bool,
    /// `\n`, `\t`, `\xHH` and so on stand for characters, as in sed and awk.
    pub escapes: bool,
    /// A backslash escapes within brackets too, as in awk.
    pub bracket_escapes: bool,
    /// `^` and `$` match at the lines of the text (sed's `M`).
    pub multiline: bool,
    /// No word may go on before or after the match (`grep -w`).
    pub whole_words: bool,
    /// The match is the whole text (`grep -x`).
    pub whole_text: bool,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The pattern is broken; real tools refuse it too.
    #[error("{0}")]
    Syntax(&'static str),
    /// The pattern, or this match, is beyond what is implemented here.
    #[error("regular expression with {0}")]
    Unsupported(&'static str),
}

/// Where the whole match and each group lie; a group without part in the match has none.
pub type Groups = Vec<Option<(usize, usize)>>;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Regex {
    program: Program,
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn new(pattern: &[u8], options: Options) -> Result<Self, Error> {
        let parsed = parse::parse(pattern, options)?;
        Ok(Self { program: program::compile(parsed, options)? })
    }

    /// A pattern that matches just this text.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn literal(text: &[u8], options: Options) -> Result<Self, Error> {
        Ok(Self { program: program::compile(parse::literal(text, options), options)? })
    }

    /// How many groups the pattern has.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.program.groups
    }

    /// The first match that begins at `start` or later.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] when back-references make the search too long.
    pub fn find(&self, text: &[u8], start: usize) -> Result<Option<Groups>, Error> {
        if self.program.back_references {
            backtrack::find(&self.program, text, start)
        } else {
            Ok(pike::find(&self.program, text, start, self.program.groups + 1))
        }
    }

    /// Where the first match lies that begins at `start` or later, without its groups.
    ///
    /// # Errors
    ///
    /// See [`Regex::find`].
    pub fn find_span(&self, text: &[u8], start: usize) -> Result<Option<(usize, usize)>, Error> {
        let groups = if self.program.back_references {
            backtrack::find(&self.program, text, start)?
        } else {
            pike::find(&self.program, text, start, 1)
        };
        Ok(groups.and_then(|groups| groups.first().copied().flatten()))
    }

    /// Whether the text has a match.
    ///
    /// # Errors
    ///
    /// See [`Regex::find`].
    pub fn is_match(&self, text: &[u8]) -> Result<bool, Error> {
        if self.program.back_references {
            Ok(backtrack::find(&self.program, text, 0)?.is_some())
        } else {
            Ok(pike::is_match(&self.program, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(pattern: &str, text: &str, options: Options) -> String {
        match Regex::new(pattern.as_bytes(), options)
            .and_then(|regex| regex.find(text.as_bytes(), 0))
        {
            Ok(None) => "no".to_owned(),
            Ok(Some(groups)) => groups
                .iter()
                .map(|group| group.map_or("-".to_owned(), |(from, to)| format!("{from}-{to}")))
                .collect::<Vec<_>>()
                .join(" "),
            Err(error) => format!("{error:?}"),
        }
    }

    const EXTENDED: Options = Options {
        extended: true,
        ignore_case: false,
        utf8: false,
        escapes: true,
        bracket_escapes: false,
        multiline: false,
        whole_words: false,
        whole_text: false,
    };

    #[test]
    fn extended_patterns() {
        for (pattern, text, expected) in [
            ("a", "xa", "1-2"),
            ("a|ab", "abc", "0-2"),
            ("(a|ab)(c|bcd)(d*)", "abcd", "0-4 0-1 1-4 4-4"),
            ("(a*)(b?)", "aab", "0-3 0-2 2-3"),
            ("^b", "ab", "no"),
            ("b$", "ab", "1-2"),
            ("a{2,3}", "aaaa", "0-3"),
            ("a{2}", "aaaa", "0-2"),
            ("a{,2}b", "aaab", "1-4"),
            ("a{1,}", "baa", "1-3"),
            ("[[:alpha:]]+", "12ab3", "2-4"),
            ("[^a-c]", "abcd", "3-4"),
            ("[]a]+", "x]a]", "1-4"),
            ("[a-]+", "b-a", "1-3"),
            ("\\.", "a.b", "1-2"),
            (".*", "abc", "0-3"),
            ("(ab)+", "ababx", "0-4 2-4"),
            ("(a)|(b)", "b", "0-1 - 0-1"),
            ("\\bfoo\\b", "a foo b", "2-5"),
            ("\\<foo\\>", "food foo", "5-8"),
            ("\\w+", "--ab_1", "2-6"),
            ("\\S+", "  ab ", "2-4"),
            ("(.)\\1", "abccd", "2-4 2-3"),
            ("(a*)+b", "aab", "0-3 0-2"),
            ("()", "a", "0-0 0-0"),
            ("a||b", "c", "0-0"),
            ("x*", "aaa", "0-0"),
            ("a.c", "a\nc", "0-3"),
            ("a\\tb", "a\tb", "0-3"),
            ("^*ab", "ab", "Unsupported(\"a repetition of nothing\")"),
            ("(", "a", "Syntax(\"Unmatched ( or \\\\(\")"),
            ("[a", "a", "Syntax(\"Unmatched [, [^, [:, [., or [=\")"),
            ("a{1", "a{1", "0-3"),
            ("(^a)", "ba", "no"),
            ("a+?", "aa", "0-2"),
        ] {
            assert_eq!(show(pattern, text, EXTENDED), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn basic_patterns() {
        for (pattern, text, expected) in [
            ("a*", "aab", "0-2"),
            ("*a", "x*a", "1-3"),
            ("\\(*a\\)", "x*a", "1-3 1-3"),
            ("^*a", "*a", "0-2"),
            ("a\\+", "baa", "1-3"),
            ("a\\?b", "ab", "0-2"),
            ("a\\|b", "xb", "1-2"),
            ("\\(a\\)\\(b\\)", "ab", "0-2 0-1 1-2"),
            ("a\\{2\\}", "aaa", "0-2"),
            ("a+", "a+", "0-2"),
            ("a{2}", "a{2}", "0-4"),
            ("a^b$c", "a^b$c", "0-5"),
            ("\\(^a\\)", "a", "0-1 0-1"),
            ("\\(a$\\)", "ba", "1-2 1-2"),
            ("\\(.\\)\\1", "abb", "1-3 1-2"),
            ("\\(a*\\)b\\1", "aabaa", "0-5 0-2"),
        ] {
            let options = Options { extended: false, ..EXTENDED };
            assert_eq!(show(pattern, text, options), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn case_lines_and_characters() {
        let options = Options { ignore_case: true, ..EXTENDED };
        assert_eq!(show("ab[c-d]", "xABD", options), "1-4");
        let options = Options { multiline: true, ..EXTENDED };
        assert_eq!(show("^b$", "a\nb\nc", options), "2-3");
        let options = Options { utf8: true, ..EXTENDED };
        assert_eq!(show("^.$", "é", options), "0-2");
        assert_eq!(show("^.$", "é", EXTENDED), "no");
        assert_eq!(show("[é]x", "éx", options), "0-3");
        assert_eq!(show("[^a]x", "éx", options), "0-3");
        let options = Options { whole_words: true, ..EXTENDED };
        assert_eq!(show("ab|abc", "abcd abc", options), "5-8");
        let options = Options { whole_text: true, ..EXTENDED };
        assert_eq!(show("a|ab", "ab", options), "0-2");
    }
}
