//! Which commands a script names.

use crate::ast::{Command, Compound, List, ParamOp, Part, Redirect, RedirectKind, Simple, Word};
use std::collections::BTreeSet;

/// What a script will try to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Command names that the text says, less the script's own functions; also those that `command`,
    /// `exec` and `env` are to run.
    pub names: BTreeSet<Vec<u8>>,
    /// Scripts given to shells with `-c`.
    pub scripts: Vec<Vec<u8>>,
    /// Whether a command's name is known only when it runs.
    pub dynamic: bool,
}

/// Looks for the commands of a script, in substitutions and functions too.
#[must_use]
pub fn commands(list: &List) -> Commands {
    let mut finder = Finder::default();
    finder.list(list);
    let mut found = finder.found;
    found.names.retain(|name| !finder.functions.contains(name));
    found
}

#[derive(Default)]
struct Finder {
    found: Commands,
    functions: BTreeSet<Vec<u8>>,
}

impl Finder {
    fn list(&mut self, list: &List) {
        for item in list {
            let rest = item.command.rest.iter().map(|(_, pipeline)| pipeline);
            for pipeline in std::iter::once(&item.command.first).chain(rest) {
                pipeline.commands.iter().for_each(|command| self.command(command));
            }
        }
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Function { name, body } => {
                self.functions.insert(name.clone());
                self.command(body);
            }
            Command::Compound { body, redirects, .. } => {
                self.redirects(redirects);
                self.compound(body);
            }
        }
    }

    fn compound(&mut self, body: &Compound) {
        match body {
            Compound::Brace(list) | Compound::Subshell(list) => self.list(list),
            Compound::For { words, body, .. } => {
                words.iter().flatten().for_each(|word| self.word(word));
                self.list(body);
            }
            Compound::Case { word, arms } => {
                self.word(word);
                for arm in arms {
                    arm.patterns.iter().for_each(|pattern| self.word(pattern));
                    self.list(&arm.body);
                }
            }
            Compound::If { arms, otherwise } => {
                for (condition, then) in arms {
                    self.list(condition);
                    self.list(then);
                }
                otherwise.iter().for_each(|list| self.list(list));
            }
            Compound::While { condition, body, .. } => {
                self.list(condition);
                self.list(body);
            }
        }
    }

    fn simple(&mut self, simple: &Simple) {
        simple.assignments.iter().for_each(|(_, word)| self.word(word));
        simple.words.iter().for_each(|word| self.word(word));
        self.redirects(&simple.redirects);
        self.invocation(&simple.words);
    }

    /// A command and its arguments.
    fn invocation(&mut self, words: &[Word]) {
        let Some((first, rest)) = words.split_first() else { return };
        let Some(name) = first.as_literal() else {
            self.found.dynamic = true;
            return;
        };
        let plain = |word: &Word| word.as_literal().unwrap_or_default();
        let operands = |skips: &dyn Fn(&[u8]) -> bool| {
            let start = rest.iter().position(|word| !skips(&plain(word)));
            &rest[start.unwrap_or(rest.len())..]
        };
        match &name[..] {
            b"exec" => self.invocation(operands(&|word| word == b"--")),
            // `-v` and `-V` only ask.
            b"command" if rest.first().is_none_or(|word| !plain(word).starts_with(b"-")) => {
                self.invocation(rest);
            }
            b"env" => self.invocation(operands(&|word| word.contains(&b'=') || word == b"-i")),
            b"sh" | b"bash" | b"dash" | b"ash" => {
                if let Some(at) = rest.iter().position(|word| {
                    let word = plain(word);
                    word.starts_with(b"-") && !word.starts_with(b"--") && word.ends_with(b"c")
                }) {
                    match rest.get(at + 1).map(Word::as_literal) {
                        Some(Some(script)) => self.found.scripts.push(script),
                        _ => self.found.dynamic = true,
                    }
                }
            }
            _ => {}
        }
        self.found.names.insert(name);
    }

    fn redirects(&mut self, redirects: &[Redirect]) {
        for redirect in redirects {
            match &redirect.kind {
                RedirectKind::Read(word)
                | RedirectKind::Write(word, _)
                | RedirectKind::Append(word)
                | RedirectKind::ReadWrite(word)
                | RedirectKind::Dup(word)
                | RedirectKind::Both(word, _) => self.word(word),
                RedirectKind::HereDoc(document) => self.parts(document.body()),
            }
        }
    }

    fn word(&mut self, word: &Word) {
        self.parts(&word.0);
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Literal(_) | Part::Quoted(_) => {}
                Part::Double(inner) | Part::Arithmetic(inner) => self.parts(inner),
                Part::Command(list) => self.list(list),
                Part::Param { op, .. } => match op {
                    ParamOp::Plain | ParamOp::Length | ParamOp::Bad => {}
                    ParamOp::Default(_, word)
                    | ParamOp::Assign(_, word)
                    | ParamOp::Error(_, word)
                    | ParamOp::Alternative(_, word)
                    | ParamOp::Trim(_, word) => self.word(word),
                    ParamOp::Replace { pattern, with, .. } => {
                        self.word(pattern);
                        self.word(with);
                    }
                    ParamOp::Slice { offset, length } => {
                        self.parts(offset);
                        length.iter().for_each(|length| self.parts(length));
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, Parser};

    fn names(script: &str) -> String {
        let list = Parser::new(script.as_bytes(), Dialect::Dash).next_line().unwrap().unwrap();
        let found = commands(&list);
        let mut text: Vec<String> =
            found.names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        if found.dynamic {
            text.push("?".to_owned());
        }
        text.extend(found.scripts.iter().map(|s| format!("<{}>", String::from_utf8_lossy(s))));
        text.join(" ")
    }

    #[test]
    fn every_place_that_can_hold_a_command_is_looked_at() {
        for (script, expected) in [
            ("a && b || c; d | e &", "a b c d e"),
            ("x=1 a \"$(b)\" > $(c) ${y:-`d`}", "a b c d"),
            ("f() { a; }; f; g", "a g"),
            ("if a; then b; else c; fi; while d; do e; done", "a b c d e"),
            ("case $(a) in $(b)) c;; esac; for i in $(d); do (e); done", "a b c d e"),
            ("cat <<E\n$(a)\nE\n", "a cat"),
            ("$x a", "?"),
            ("exec a b; command c d; command -v e; env F=1 g", "a c command env exec g"),
            ("sh -ec 'a b'", "sh <a b>"),
            ("sh -c \"$x\"", "sh ?"),
            ("echo $((1 + $(a)))", "a echo"),
            ("'a' b\\c", "a"),
        ] {
            assert_eq!(names(script), expected, "{script}");
        }
    }
}
