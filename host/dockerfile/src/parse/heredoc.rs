//! Heredocs: `<<EOF`, `<<-"EOF"`, `3<<EOF`.

use super::Node;
use crate::diagnostic::Cause;
use crate::expand::Lexer;

/// The word that opens a heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeredocWord {
    /// The line that ends it; also the name of the file that COPY and ADD make of it.
    pub name: String,
    /// The number before `<<`; 0 when there is none.
    pub fd: u32,
    /// No part of the name is quoted: COPY and ADD expand variables in the content.
    pub expand: bool,
    /// `<<-`: tabs at the start of lines are removed.
    pub chomp: bool,
}

/// A heredoc with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that opens it.
    pub word: HeredocWord,
    /// The lines between, as written, line endings included.
    pub content: String,
}

impl Heredoc {
    /// The content, without leading tabs where `<<-` asks for that.
    pub fn chomped(&self) -> String {
        if self.word.chomp { chomp(&self.content) } else { self.content.clone() }
    }
}

/// Removes the tabs at the start of each line.
pub fn chomp(content: &str) -> String {
    content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}

impl HeredocWord {
    /// Reads a whole word as the start of a heredoc; `None` when it is not one.
    pub fn parse(word: &str) -> Option<HeredocWord> {
        word_of(word).ok().flatten()
    }
}

/// Whether heredocs of this instruction are read: RUN, COPY, ADD, also inside ONBUILD, and only
/// where the arguments are no JSON array.
pub(super) fn allowed(node: &Node) -> bool {
    let inner = node.onbuild.as_deref().unwrap_or(node);
    matches!(inner.keyword().as_str(), "add" | "copy" | "run") && !inner.args.json
}

/// The heredocs that a line opens, in their order.
pub(super) fn in_line(line: &str) -> Result<Vec<HeredocWord>, Cause> {
    let lexer = Lexer { raw_quotes: true, raw_escapes: true, keep_unset: true, ..Lexer::new('\\') };
    // A line that the lexer cannot read has no heredocs: the shell may still understand it.
    let words = lexer.words(line, &|_| None).unwrap_or_default();
    let mut found = Vec::new();
    for word in &words {
        found.extend(word_of(word)?);
    }
    Ok(found)
}

fn word_of(word: &str) -> Result<Option<HeredocWord>, Cause> {
    let after_fd = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &word[..word.len() - after_fd.len()];
    let Some(rest) = after_fd.strip_prefix("<<") else { return Ok(None) };
    let (rest, chomp) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    let lexer = Lexer { keep_unset: true, ..Lexer::new('\\') };
    let [name] = &lexer.words(rest, &|_| None)?[..] else { return Ok(None) };
    let raw = Lexer { raw_quotes: true, ..lexer }.words(rest, &|_| None)?.concat();
    let quotes = |text: &str| text.chars().filter(|c| matches!(c, '\'' | '"')).count();
    Ok(Some(HeredocWord {
        name: name.clone(),
        fd: digits.parse().unwrap_or(0),
        expand: quotes(name) == quotes(&raw),
        chomp,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_open_a_heredoc() {
        let heredoc = |name: &str, fd, expand, chomp| {
            Some(HeredocWord { name: name.to_owned(), fd, expand, chomp })
        };
        let table = [
            ("<<EOF", heredoc("EOF", 0, true, false)),
            ("<<-EOF", heredoc("EOF", 0, true, true)),
            ("<<'EOF'", heredoc("EOF", 0, false, false)),
            ("<<\"EO\"F", heredoc("EOF", 0, false, false)),
            ("<<E'O'F", heredoc("EOF", 0, false, false)),
            ("<<$EOF", heredoc("$EOF", 0, true, false)),
            ("3<<EOF", heredoc("EOF", 3, true, false)),
            ("<<  EOF", heredoc("EOF", 0, true, false)),
            ("<<\\'EOF", heredoc("'EOF", 0, true, false)),
            ("<<<EOF", None),
            ("<<", None),
            ("<EOF", None),
            ("a<<EOF", None),
            ("<<a<b", None),
        ];
        for (word, expected) in table {
            assert_eq!(HeredocWord::parse(word), expected, "{word}");
        }
    }

    #[test]
    fn chomping_removes_tabs_of_each_line() {
        assert_eq!(chomp("\t\ta\n\tb\n c\n"), "a\nb\n c\n");
    }
}
