//! Dockerfile text to a list of nodes, one per instruction.
//!
//! A node knows its words, not their meaning: `FOO bar` is a node too, and an error only in
//! [`crate::instruction`]. Continuations, comments, directives and heredocs are gone after this.

mod directive;
mod dump;
mod fields;
mod heredoc;
mod json;
mod line;
mod lines;

pub(crate) use directive::Scanner as DirectiveScanner;
pub use directive::{Directive, Directives, detect_syntax};
pub use heredoc::{Heredoc, HeredocWord, chomp};

use crate::Diagnostic;
use crate::diagnostic::Cause;
use crate::source::{LineRange, Span};
use line::Continuation;
use lines::{Line, Lines};

/// Longest line in bytes, as in BuildKit: bounds what one instruction can make us copy at a time.
pub const MAX_LINE: usize = 65_535;

/// Most nested levels of `ONBUILD ONBUILD ...`: each is a call, and one line could hold thousands.
const MAX_ONBUILD: usize = 16;

/// A parsed Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ast {
    /// `# syntax=`, `# escape=`, `# check=`.
    pub directives: Directives,
    /// The escape character that holds in this file, `\` or `` ` ``.
    pub escape: char,
    /// The instructions in their order; never empty.
    pub nodes: Vec<Node>,
    /// Empty continuation lines.
    pub warnings: Vec<Warning>,
}

/// One instruction, or what stands in the place of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The instruction's name as written.
    pub name: String,
    /// The arguments that start with `--` in front of the others, without quotes.
    pub flags: Vec<String>,
    /// The arguments; which characters separate them depends on the instruction.
    pub args: Args,
    /// The instruction inside an `ONBUILD`.
    pub onbuild: Option<Box<Node>>,
    /// The heredocs of this instruction with their content.
    pub heredocs: Vec<Heredoc>,
    /// The instruction with continuations joined, comments and empty lines inside removed.
    pub text: String,
    /// The lines it takes up, with its heredocs.
    pub lines: LineRange,
    /// The same in bytes, without the last line ending.
    pub span: Span,
    /// The comments directly above, without `#`.
    pub comments: Vec<String>,
}

impl Node {
    /// The instruction's name in lower case.
    pub fn keyword(&self) -> String {
        self.name.to_lowercase()
    }
}

/// The arguments of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// The arguments; a shell form is one.
    pub values: Vec<String>,
    /// They were written as a JSON array.
    pub json: bool,
}

/// What is accepted but should be written differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was found.
    pub message: String,
    /// The last line of the instruction.
    pub line: usize,
}

impl Ast {
    /// The S-expressions of BuildKit's parser tests: one line per instruction.
    pub fn dump(&self) -> String {
        dump::dump(&self.nodes)
    }
}

/// Parses the text of a Dockerfile.
///
/// # Errors
/// A repeated or wrong directive, an unterminated heredoc, a line beyond [`MAX_LINE`], `ENV` and
/// `LABEL` without value, a JSON array with something else than strings, and a file without
/// instructions.
pub fn parse(source: &str) -> Result<Ast, Diagnostic> {
    let mut parser = Parser {
        lines: Lines::new(source),
        scanner: directive::Scanner::new("#"),
        directives: Directives::default(),
        escape: '\\',
        nodes: Vec::new(),
        warnings: Vec::new(),
        comments: Vec::new(),
    };
    while let Some(line) = parser.lines.next()? {
        parser.line(line)?;
    }
    if parser.nodes.is_empty() {
        return Err(Diagnostic::new(
            "file with no instructions",
            Span::default(),
            LineRange::new(parser.lines.number(), parser.lines.number()),
        )
        .with_hint("a Dockerfile starts with FROM"));
    }
    Ok(Ast {
        directives: parser.directives,
        escape: parser.escape,
        nodes: parser.nodes,
        warnings: parser.warnings,
    })
}

struct Parser<'a> {
    lines: Lines<'a>,
    scanner: directive::Scanner,
    directives: Directives,
    escape: char,
    nodes: Vec<Node>,
    warnings: Vec<Warning>,
    comments: Vec<String>,
}

impl<'a> Parser<'a> {
    /// Reads one line outside any instruction, and what belongs to it.
    fn line(&mut self, first: Line<'a>) -> Result<(), Diagnostic> {
        let trimmed = first.text.trim_start();
        if trimmed.starts_with('#') {
            self.comment(first.text);
        }
        if self.directive(trimmed, &first)? {
            self.comments.pop();
        }
        let content = if trimmed.starts_with('#') { "" } else { trimmed };
        let (joined, is_clean) = match line::continuation(content, self.escape) {
            Continuation::Yes(rest) => self.join(rest)?,
            Continuation::No if content.is_empty() => return Ok(()),
            Continuation::No => (content.to_owned(), true),
        };
        let last_line = self.lines.number();
        if !is_clean {
            self.warnings.push(Warning {
                message: format!("Empty continuation line found in: {joined}"),
                line: last_line,
            });
        }
        let start = first.start + (first.text.len() - trimmed.len());
        self.node(joined, first.number, start)
    }

    /// Appends the lines that continue an instruction; false when an empty one was among them.
    fn join(&mut self, first: &str) -> Result<(String, bool), Diagnostic> {
        let mut joined = first.to_owned();
        let mut is_clean = true;
        while let Some(line) = self.lines.next()? {
            self.directive(line.text, &line)?;
            let start = line.text.trim_start();
            if start.starts_with('#') {
                continue;
            }
            if start.is_empty() {
                is_clean = false;
                continue;
            }
            match line::continuation(line.text, self.escape) {
                Continuation::Yes(rest) => joined.push_str(rest),
                Continuation::No => {
                    joined.push_str(line.text);
                    break;
                }
            }
        }
        Ok((joined, is_clean))
    }

    fn node(&mut self, text: String, line: usize, start: usize) -> Result<(), Diagnostic> {
        let here = |lines: &Lines<'_>| {
            (Span::new(start, lines.end().max(start)), LineRange::new(line, lines.number()))
        };
        let place = |lines: &Lines<'_>, cause: Cause| {
            let (span, range) = here(lines);
            Diagnostic::place(cause, span, range)
        };
        let comments = std::mem::take(&mut self.comments);
        let mut node = split(&text, self.escape, 0).map_err(|cause| place(&self.lines, cause))?;
        if heredoc::allowed(&node) && text.contains("<<") {
            let found = heredoc::in_line(&text).map_err(|cause| place(&self.lines, cause))?;
            for word in found {
                let content = self.heredoc(&word)?.ok_or_else(|| {
                    place(&self.lines, Cause::new("unterminated heredoc").focus("<<"))
                        .with_hint(format!("end it with a line that holds {} alone", word.name))
                })?;
                node.heredocs.push(Heredoc { word, content });
            }
        }
        (node.span, node.lines) = here(&self.lines);
        node.comments = comments;
        node.text = text;
        if let Some(inner) = &mut node.onbuild {
            (inner.span, inner.lines) = (node.span, node.lines);
        }
        self.nodes.push(node);
        Ok(())
    }

    /// The lines up to the one that ends the heredoc; `None` when there is no such line.
    fn heredoc(&mut self, word: &HeredocWord) -> Result<Option<String>, Diagnostic> {
        let mut content = String::new();
        while let Some(line) = self.lines.next()? {
            let end = if word.chomp { line.text.trim_start_matches('\t') } else { line.text };
            if end == word.name {
                return Ok(Some(content));
            }
            content.push_str(line.raw);
        }
        Ok(None)
    }

    fn comment(&mut self, line: &str) {
        // The first character goes whatever it is: an indented comment keeps its `#`.
        let mut chars = line.chars();
        chars.next();
        match chars.as_str().trim() {
            "" => self.comments.clear(),
            text => self.comments.push(text.to_owned()),
        }
    }

    fn directive(&mut self, text: &str, line: &Line<'_>) -> Result<bool, Diagnostic> {
        let span = Span::new(line.start, line.start + line.text.len());
        let place =
            |cause| Diagnostic::place(cause, span, LineRange::new(line.number, line.number));
        let Some((name, value)) = self.scanner.line(text).map_err(place)? else {
            return Ok(false);
        };
        if name == "escape" {
            self.escape = directive::escape(&value).map_err(place)?;
        }
        self.directives.set(&name, Directive { value, line: line.number, span });
        Ok(true)
    }
}

/// Splits a joined line into the parts of a node, without place and heredocs.
fn split(text: &str, escape: char, depth: usize) -> Result<Node, Cause> {
    if depth > MAX_ONBUILD {
        return Err(Cause::new("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
    }
    let (name, flags, rest) = line::split(text, escape);
    let mut node = Node {
        name: name.to_owned(),
        flags,
        args: Args::default(),
        onbuild: None,
        heredocs: Vec::new(),
        text: text.to_owned(),
        lines: LineRange::default(),
        span: Span::default(),
        comments: Vec::new(),
    };
    if node.keyword() == "onbuild" {
        if !rest.is_empty() {
            node.onbuild = Some(Box::new(split(rest, escape, depth + 1)?));
        }
    } else {
        node.args = fields::args(&node.keyword(), rest, escape)?;
    }
    Ok(node)
}
