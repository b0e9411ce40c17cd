//! Simple commands: assignments, builtins, functions, programs (XCU 2.9.1).

use crate::builtins::{self, Builtin};
use crate::redirect::Saved;
use crate::state::{Done, Flow, Shell, Variable};
use kiln_guest_abi::error::text;
use kiln_guest_abi::process;
use kiln_guest_abi::wire::errno;
use kiln_sh_syntax::{Command, Dialect, Simple};
use std::rc::Rc;

/// Functions and files that call each other without end; dash dies of it, this says so.
const MAX_CALLS: u32 = 400;

impl Shell {
    pub(super) fn simple(&mut self, simple: &Simple) -> Done {
        self.substituted = None;
        let words = self.command_fields(&simple.words)?;
        let Some(name) = words.first() else {
            return self.assign_only(simple);
        };
        let function = self.functions.get(name).cloned();
        let builtin = builtins::find(name, self.dialect);
        if let Some((Builtin::Special, _)) = builtin
            && function.is_none()
        {
            return self.special_builtin(simple, words);
        }
        let targets = self.targets(&simple.redirects)?;
        let saved = match self.redirect(&simple.redirects, targets) {
            Ok(saved) => saved,
            Err(failure) => return self.refused(failure),
        };
        let done = self.assigned_command(simple, words, function, builtin);
        if std::mem::take(&mut self.keeps_redirections) {
            saved.keep();
        } else {
            saved.restore();
        }
        done
    }

    /// Assignments and redirections without a command.
    pub(super) fn assign_only(&mut self, simple: &Simple) -> Done {
        let targets = self.targets(&simple.redirects)?;
        let saved = match self.redirect(&simple.redirects, targets) {
            Ok(saved) => saved,
            Err(failure) => return self.refused(failure),
        };
        let assigned = self.assign(simple, false);
        saved.restore();
        let (_, traced) = assigned?;
        self.trace(&traced, &[]);
        Ok(self.substituted.unwrap_or(0))
    }

    /// Performs the assignments; gives what was there before, and what to show.
    pub(super) fn assign(
        &mut self,
        simple: &Simple,
        export: bool,
    ) -> Result<(Before, Vec<Vec<u8>>), Flow> {
        let (mut before, mut traced) = (Vec::new(), Vec::new());
        for (name, word) in &simple.assignments {
            let value = self.assigned(word)?;
            if self.options.xtrace {
                traced.push([name, &b"="[..], &value].concat());
            }
            before.push((name.clone(), self.variables.get(name).cloned()));
            if let Err(why) = self.set(name, value) {
                return self.fatal(&why);
            }
            if export && let Some(variable) = self.variables.get_mut(name) {
                variable.exported = true;
            }
        }
        Ok((before, traced))
    }

    /// Special builtins: assignments stay, and errors end the shell.
    pub(super) fn special_builtin(&mut self, simple: &Simple, words: Vec<Vec<u8>>) -> Done {
        if self.dialect == Dialect::Bash && !self.posix && !simple.assignments.is_empty() {
            self.needs_native("assignments before a special builtin");
        }
        let targets = self.targets(&simple.redirects)?;
        let saved = match self.redirect(&simple.redirects, targets) {
            Ok(saved) => saved,
            Err(failure) => {
                let status = self.refused(failure)?;
                return if self.dialect == Dialect::Bash {
                    Ok(status)
                } else {
                    Err(Flow::Error(status))
                };
            }
        };
        let (_, traced) = match self.assign(simple, false) {
            Ok(assigned) => assigned,
            Err(flow) => {
                saved.restore();
                return Err(flow);
            }
        };
        self.trace(&traced, &words);
        if words[0] == b"exec" {
            return self.exec(&words[1..], saved);
        }
        let Some((_, run)) = builtins::find(&words[0], self.dialect) else {
            saved.restore();
            return Ok(127);
        };
        let done = run(self, &words);
        saved.restore();
        done
    }

    pub(super) fn exec(&mut self, words: &[Vec<u8>], saved: Saved) -> Done {
        let words =
            if words.first().is_some_and(|word| word == b"--") { &words[1..] } else { words };
        if words.is_empty() {
            saved.keep();
            return Ok(0);
        }
        // The empty name is each directory of the path.
        let status = match &words[0][..] {
            b"" => 126,
            name => self.replace(words, name),
        };
        // The program took the shell's place: its traps are gone.
        self.exit_trap = None;
        Err(Flow::Exit(status))
    }

    pub(super) fn assigned_command(
        &mut self,
        simple: &Simple,
        words: Vec<Vec<u8>>,
        function: Option<Rc<Command>>,
        builtin: Option<(Builtin, builtins::Run)>,
    ) -> Done {
        let (before, traced) = self.assign(simple, true)?;
        self.trace(&traced, &words);
        let done = if let Some(body) = function {
            self.call(&body, &words)
        } else if let Some((_, run)) = builtin {
            match run(self, &words) {
                Err(Flow::Error(status)) => Ok(status),
                done => done,
            }
        } else {
            Ok(self.run_program(&words, &words[0]))
        };
        for (name, old) in before.into_iter().rev() {
            match old {
                Some(old) => self.variables.insert(name, old),
                None => self.variables.remove(&name),
            };
        }
        done
    }

    /// Calls a function.
    pub(super) fn call(&mut self, body: &Command, words: &[Vec<u8>]) -> Done {
        if self.functions_deep >= MAX_CALLS {
            self.needs_native("functions that call each other without end");
        }
        let positional = std::mem::replace(&mut self.positional, words[1..].to_vec());
        let loops = std::mem::take(&mut self.loops);
        let getopts = std::mem::replace(&mut self.getopts, (1, 0));
        self.functions_deep += 1;
        self.locals.push(Vec::new());
        self.local_options.push(None);
        let done = self.command(body);
        for (name, old) in self.locals.pop().unwrap_or_default().into_iter().rev() {
            match old {
                Some(old) => self.variables.insert(name, old),
                None => self.variables.remove(&name),
            };
        }
        if let Some(options) = self.local_options.pop().flatten() {
            self.options = options;
        }
        self.functions_deep -= 1;
        self.loops = loops;
        self.getopts = getopts;
        self.positional = positional;
        match done {
            Err(Flow::Return(code)) => Ok(code),
            other => other,
        }
    }

    /// Runs a program and waits for it.
    pub(crate) fn run_program(&mut self, words: &[Vec<u8>], program: &[u8]) -> i32 {
        self.run_or_replace(words, program, false)
    }

    /// As [`Shell::run_program`], in the shell's place.
    pub(crate) fn replace(&mut self, words: &[Vec<u8>], program: &[u8]) -> i32 {
        self.run_or_replace(words, program, true)
    }

    fn run_or_replace(&mut self, words: &[Vec<u8>], program: &[u8], replaces: bool) -> i32 {
        if self.dialect == Dialect::Bash && matches!(words, [name] if name.ends_with(b"env")) {
            // bash exports `_` and SHLVL, and has an order of its own.
            self.needs_native("env shows what bash exports");
        }
        let command = process::Command::new(program, words.to_vec(), self.environment());
        match command.status() {
            Ok(status) => status.shell_code(),
            Err(error) => {
                let name = String::from_utf8_lossy(program);
                let passed_over = || match self.dialect {
                    _ if program.contains(&b'/') || replaces => false,
                    Dialect::Dash => true,
                    _ => self.in_path(program).is_none(),
                };
                let (what, code) = match error.raw_os_error() {
                    Some(errno::ENOENT | errno::ENOTDIR) => ("not found".to_owned(), 127),
                    // What may not be executed is not what was looked for.
                    Some(errno::EACCES) if passed_over() => (text(&error), 127),
                    _ => (text(&error), 126),
                };
                self.complain(&format!("{name}: {what}"));
                code
            }
        }
    }

    /// `set -x`
    pub(super) fn trace(&mut self, assignments: &[Vec<u8>], words: &[Vec<u8>]) {
        if !self.options.xtrace {
            return;
        }
        self.options.xtrace = false;
        let prompt = self.get(b"PS4").unwrap_or_default();
        let parts = kiln_sh_syntax::parse_text(&prompt, self.dialect).unwrap_or_default();
        let mut line = self.quoted(&parts).unwrap_or(prompt);
        self.options.xtrace = true;
        let all: Vec<Vec<u8>> =
            assignments.iter().cloned().chain(words.iter().map(|word| show(word))).collect();
        line.extend(all.join(&b' '));
        line.push(b'\n');
        crate::output::error(&line);
    }
}

/// Variables as they were.
type Before = Vec<(Vec<u8>, Option<Variable>)>;

/// A word as `set -x` shows it: quoted where a shell would need it.
fn show(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_^".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return word.to_vec();
    }
    crate::builtins::quote(word)
}
