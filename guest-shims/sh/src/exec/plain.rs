//! Commands of pipelines and substitutions that need no copy of the shell, which is a whole guest.
//!
//! A program whose words can be expanded here without a change to this shell is started as it is, and
//! `echo` writes before its reader starts. Whatever is not sure gets its copy.

use crate::builtins;
use crate::redirect::ROOM;
use crate::state::Shell;
use kiln_guest_abi::{fd, process};
use kiln_sh_syntax::{AndOr, Command, Dialect, Item, List, ParamOp, Part, Pipeline, Simple};

/// A command that was started.
pub(super) enum Started {
    /// As this process.
    Running(i32),
    /// And has ended, with this status.
    Ended(i32),
}

impl Shell {
    /// Starts a command of a pipeline without a copy; the last one, which has no output of its own,
    /// has ended then. `None`: nothing happened.
    pub(super) fn start_plain(
        &mut self,
        command: &Command,
        input: Option<fd::Fd>,
        output: Option<fd::Fd>,
    ) -> Option<Started> {
        let words = self.plain(command)?;
        if words[0] == b"echo" {
            let text = builtins::echoed(self, &words);
            let output = output.filter(|_| text.len() <= ROOM)?;
            let written = crate::output::write(output, &text);
            return Some(Started::Ended(i32::from(written.is_err())));
        }
        let mut program = self.program(words);
        if let Some(input) = input {
            program = program.fd(0, input);
        }
        // Where it cannot be started, the copy says why.
        match output {
            Some(output) => program.fd(1, output).spawn().ok().map(Started::Running),
            None => program.status().ok().map(|status| Started::Ended(status.shell_code())),
        }
    }

    /// The output of a substitution that is one such command, and its status.
    pub(crate) fn substitute_plain(&mut self, list: &List) -> Option<(Vec<u8>, i32)> {
        let [Item { command: AndOr { first, rest }, background: false }] = &list[..] else {
            return None;
        };
        let (Pipeline { negated: false, commands }, []) = (first, &rest[..]) else { return None };
        let [command] = &commands[..] else { return None };
        let words = self.plain(command)?;
        if words[0] == b"echo" {
            return Some((builtins::echoed(self, &words), 0));
        }
        let (reader, writer) = fd::buffer().ok()?;
        let ended = self.program(words).fd(1, writer).status();
        let _ = fd::close(writer);
        let text = crate::output::read_all(reader);
        let _ = fd::close(reader);
        ended.ok().map(|status| (text, status.shell_code()))
    }

    fn program(&self, words: Vec<Vec<u8>>) -> process::Command {
        process::Command::new(&words[0].clone(), words, self.environment())
    }

    /// The words of a command that is a program or `echo`, if expanding them and running it cannot
    /// change this shell.
    fn plain(&mut self, command: &Command) -> Option<Vec<Vec<u8>>> {
        let Command::Simple(Simple { assignments, words, redirects, line }) = command else {
            return None;
        };
        let name = words.first()?.as_literal()?;
        let outside = name == b"echo" || builtins::find(&name, self.dialect).is_none();
        // bash's `env` shows what only bash exports.
        let special = self.dialect == Dialect::Bash && name.ends_with(b"env");
        if !(assignments.is_empty() && redirects.is_empty() && outside)
            || special
            || self.options.xtrace
            || self.functions.contains_key(&name)
            || !words.iter().all(|word| self.is_inert(&word.0))
        {
            return None;
        }
        let before = std::mem::replace(&mut self.line, *line);
        let fields = self.fields(words);
        self.line = before;
        fields.ok().filter(|fields| fields.first() == Some(&name))
    }

    /// Whether expanding this only reads, and cannot fail.
    fn is_inert(&mut self, parts: &[Part]) -> bool {
        parts.iter().all(|part| match part {
            Part::Literal(_) | Part::Quoted(_) => true,
            Part::Double(inner) => self.is_inert(inner),
            Part::Param { name, op } => match op {
                ParamOp::Default(_, word) | ParamOp::Alternative(_, word) => self.is_inert(&word.0),
                ParamOp::Plain | ParamOp::Length => self.is_there(name),
                ParamOp::Trim(_, word) => self.is_there(name) && self.is_inert(&word.0),
                _ => false,
            },
            Part::Command(_) | Part::Arithmetic(_) => false,
        })
    }

    /// Whether `set -u` lets a parameter be used.
    fn is_there(&mut self, name: &[u8]) -> bool {
        !self.options.nounset || matches!(name, b"@" | b"*") || self.special(name).is_some()
    }
}
