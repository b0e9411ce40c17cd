//! Which commands a script names.

use crate::ast::{Command, Compound, List, ParamOp, Part, Redirect, RedirectKind, Simple, Word};
use std::collections::BTreeSet;

/// What a script will try to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Command names that the text says, less the script's own functions; also those that `command`,
    /// `exec`, `env`, `xargs`, `find -exec` and their like are to run.
    pub names: BTreeSet<Vec<u8>>,
    /// Scripts given to shells with `-c`, to `eval` and to `trap`.
    pub scripts: Vec<Vec<u8>>,
    /// Files given to shells and to `.`.
    pub files: Vec<Vec<u8>>,
    /// Applets given to `busybox`.
    pub applets: BTreeSet<Vec<u8>>,
    /// Whether the name of some command is known only when it runs.
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

/// Options of `xargs` that take the next word.
const XARGS: &[&[u8]] = &[
    b"-I",
    b"-n",
    b"-L",
    b"-P",
    b"-s",
    b"-d",
    b"-a",
    b"-E",
    b"--max-args",
    b"--max-procs",
    b"--max-lines",
    b"--delimiter",
    b"--replace",
    b"--arg-file",
    b"--max-chars",
];

/// A word's text; empty when it is known only when it runs.
fn plain(word: &Word) -> Vec<u8> {
    word.as_literal().unwrap_or_default()
}

/// Whether the word is `NAME=…`, whatever the value.
fn is_assignment(word: &Word) -> bool {
    let Some(Part::Literal(text)) = word.0.first() else { return false };
    text.iter().position(|&byte| byte == b'=').is_some_and(|at| crate::is_name(&text[..at]))
}

/// The words after the options, of which these take the next word.
fn after<'a>(words: &'a [Word], with_value: &[&[u8]]) -> &'a [Word] {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let word = plain(word);
        if word == b"--" {
            return &words[at + 1..];
        }
        if !word.starts_with(b"-") && !word.starts_with(b"+") {
            break;
        }
        at += if with_value.contains(&&word[..]) { 2 } else { 1 };
    }
    words.get(at..).unwrap_or_default()
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
        let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        match base {
            b"exec" | b"nohup" | b"builtin" => self.invocation(after(rest, &[])),
            // `-v` and `-V` only ask.
            b"command" => {
                let first = rest.first().map(plain).unwrap_or_default();
                if !(first.starts_with(b"-") && first.iter().any(|letter| b"vV".contains(letter))) {
                    self.invocation(after(rest, &[]));
                }
            }
            b"env" => {
                let rest = after(rest, &[b"-u", b"-C", b"-S", b"--unset", b"--chdir"]);
                let start = rest.iter().position(|word| !is_assignment(word));
                self.invocation(&rest[start.unwrap_or(rest.len())..]);
            }
            b"nice" => self.invocation(after(rest, &[b"-n"])),
            b"timeout" => {
                let rest = after(rest, &[b"-k", b"-s"]);
                self.invocation(rest.get(1..).unwrap_or_default());
            }
            b"xargs" => self.invocation(after(rest, XARGS)),
            b"find" => self.find(rest),
            b"eval" => match rest.iter().map(Word::as_literal).collect::<Option<Vec<_>>>() {
                Some(words) => self.found.scripts.push(words.join(&b' ')),
                None => self.found.dynamic = true,
            },
            b"trap" => {
                if let [action, _, ..] = after(rest, &[]) {
                    match action.as_literal() {
                        Some(action) => self.found.scripts.push(action),
                        None => self.found.dynamic = true,
                    }
                }
            }
            b"." | b"source" => self.file(rest.first()),
            b"sh" | b"bash" | b"dash" | b"ash" => self.shell(rest),
            b"busybox" => {
                if let Some((applet, rest)) = rest.split_first() {
                    match applet.as_literal() {
                        Some(applet) if matches!(&applet[..], b"sh" | b"ash") => self.shell(rest),
                        Some(applet) => {
                            self.found.applets.insert(applet);
                        }
                        None => self.found.dynamic = true,
                    }
                }
            }
            _ => {}
        }
        self.found.names.insert(name);
    }

    /// The arguments of a shell.
    fn shell(&mut self, rest: &[Word]) {
        let is_command = |word: &Word| {
            let word = plain(word);
            word.starts_with(b"-") && !word.starts_with(b"--") && word.ends_with(b"c")
        };
        match rest.iter().position(is_command) {
            Some(at) => match rest.get(at + 1).map(Word::as_literal) {
                Some(Some(script)) => self.found.scripts.push(script),
                _ => self.found.dynamic = true,
            },
            None => self.file(after(rest, &[b"-o", b"+o"]).first()),
        }
    }

    fn file(&mut self, word: Option<&Word>) {
        match word.map(Word::as_literal) {
            Some(Some(file)) => self.found.files.push(file),
            Some(None) => self.found.dynamic = true,
            None => {}
        }
    }

    /// What `find` is to execute.
    fn find(&mut self, words: &[Word]) {
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            if !matches!(&plain(word)[..], b"-exec" | b"-execdir" | b"-ok" | b"-okdir") {
                continue;
            }
            let end = rest.iter().position(|word| matches!(&plain(word)[..], b";" | b"+"));
            let (command, after) = rest.split_at(end.unwrap_or(rest.len()));
            self.invocation(command);
            rest = after;
        }
    }

    fn redirects(&mut self, redirects: &[Redirect]) {
        for redirect in redirects {
            match &redirect.kind {
                RedirectKind::Read(word)
                | RedirectKind::Write(word, _)
                | RedirectKind::Append(word)
                | RedirectKind::ReadWrite(word)
                | RedirectKind::Dup(word)
                | RedirectKind::HereString(word)
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
        text.extend(found.files.iter().map(|s| format!("[{}]", String::from_utf8_lossy(s))));
        text.extend(found.applets.iter().map(|s| format!("!{}", String::from_utf8_lossy(s))));
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
            (
                "/bin/sh -c 'a b'; ash -e x.sh; . ./y; busybox sed x",
                ". /bin/sh ash busybox <a b> [x.sh] [./y] !sed",
            ),
            ("eval a 'b; c'; eval $x; trap 'd e' EXIT; trap - INT", "eval trap ? <a b; c> <d e>"),
            ("find / -name x -exec a {} \\; -o -execdir b {} +", "a b find"),
            ("y | xargs -r -n 1 -I {} a {}; xargs", "a xargs y"),
            (
                "env -i -u X A=$b a; env A=1; nice -n 5 c; timeout -s 9 5 d; nohup e",
                "a c d e env nice nohup timeout",
            ),
        ] {
            assert_eq!(names(script), expected, "{script}");
        }
    }
}
