//! Executing the tree (XCU 2.8 to 2.12).

use crate::builtins::{self, Builtin};
use crate::redirect::{Failure, Saved};
use crate::state::{Done, Flow, Shell, Variable};
use kiln_guest_abi::error::text;
use kiln_guest_abi::wire::errno;
use kiln_guest_abi::{fd, process};
use kiln_sh_syntax::{
    AndOr, Command, Compound, Connector, Dialect, ErrorKind, List, Parser, Pipeline, Simple, Word,
};
use std::rc::Rc;

/// Functions and files that call each other without end; dash dies of it, this says so.
const MAX_CALLS: u32 = 400;

impl Shell {
    /// Executes a text line by line, as a shell reads it.
    pub(crate) fn script(&mut self, text: &[u8]) -> Done {
        let mut parser = Parser::new(text, self.dialect);
        let mut status = 0;
        loop {
            match parser.next_line() {
                Ok(None) => return Ok(status),
                Ok(Some(_)) if self.options.noexec => {}
                Ok(Some(list)) => status = self.list(&list)?,
                Err(error) => {
                    if let ErrorKind::Unsupported(what) = error.kind {
                        self.needs_native(what);
                    }
                    self.line = error.line;
                    let message = error.to_string();
                    let message = message.split_once(": ").map_or(&message[..], |(_, rest)| rest);
                    self.complain(message);
                    self.status = 2;
                    return Err(Flow::Error(2));
                }
            }
        }
    }

    /// The end of a shell: a flow becomes an exit code, after the EXIT trap.
    pub(crate) fn finish(&mut self, done: Done) -> i32 {
        self.status = match done {
            Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
            Ok(code) | Err(Flow::Return(code) | Flow::Exit(code) | Flow::Error(code)) => code,
        };
        if let Some(action) = self.exit_trap.take() {
            let code = self.status;
            self.tested = 0;
            self.interrupted = Some(code);
            match self.script(&action) {
                Err(Flow::Exit(other) | Flow::Error(other)) => self.status = other,
                _ => self.status = code,
            }
        }
        self.status & 0xff
    }

    /// Executes commands one after the other.
    pub(crate) fn list(&mut self, list: &List) -> Done {
        let mut status = 0;
        for item in list {
            if self.options.noexec {
                return Ok(0);
            }
            status = if item.background {
                self.background(&item.command)?
            } else {
                self.and_or(&item.command)?
            };
        }
        Ok(status)
    }

    fn background(&mut self, command: &AndOr) -> Done {
        let pid = self.fork(|shell| {
            // Without job control a command in the background reads nothing.
            if let Ok(null) =
                kiln_guest_abi::file::open(b"/dev/null", kiln_guest_abi::wire::open::READ, 0)
            {
                let _ = fd::dup2(null, 0);
                let _ = fd::close(null);
            }
            shell.tested = 0;
            shell.and_or(command)
        })?;
        let plain = match (&command.first.commands[..], &command.rest[..]) {
            ([Command::Simple(simple)], []) => {
                simple.words.first().and_then(Word::as_literal).is_some_and(|name| {
                    !self.functions.contains_key(&name) && !name.ends_with(b"sh")
                })
            }
            _ => false,
        };
        self.jobs.push((pid, plain));
        self.last_background = Some(pid);
        self.status = 0;
        Ok(0)
    }

    fn and_or(&mut self, command: &AndOr) -> Done {
        let last = command.rest.len();
        let mut status = self.testing(last > 0, |shell| shell.pipeline(&command.first))?;
        for (n, (connector, pipeline)) in command.rest.iter().enumerate() {
            if (status == 0) == (*connector == Connector::And) {
                status = self.testing(n + 1 < last, |shell| shell.pipeline(pipeline))?;
            }
        }
        Ok(status)
    }

    /// Runs `work` where a failure does not end the shell.
    fn testing(&mut self, tested: bool, work: impl FnOnce(&mut Self) -> Done) -> Done {
        self.tested += u32::from(tested);
        let done = work(self);
        self.tested -= u32::from(tested);
        done
    }

    /// Sets `$?`, and ends the shell if `set -e` says so.
    fn check(&mut self, status: i32) -> Done {
        self.status = status;
        if status != 0 && self.options.errexit && self.tested == 0 {
            return Err(Flow::Exit(status));
        }
        Ok(status)
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Done {
        if pipeline.negated {
            let status = self.testing(true, |shell| shell.commands(&pipeline.commands))?;
            self.status = i32::from(status == 0);
            return Ok(self.status);
        }
        self.commands(&pipeline.commands)
    }

    fn commands(&mut self, commands: &[Command]) -> Done {
        match commands {
            [command] => self.command(command),
            several => {
                let status = self.piped(several)?;
                self.check(status)
            }
        }
    }

    /// Two or more commands, each in a copy of the shell.
    fn piped(&mut self, commands: &[Command]) -> Done {
        let mut pids = Vec::new();
        let mut input: Option<fd::Fd> = None;
        for (n, command) in commands.iter().enumerate() {
            let output = if n + 1 < commands.len() {
                match fd::pipe() {
                    Ok(pipe) => Some(pipe),
                    Err(error) => {
                        return self.fatal(&format!("Pipe call failed: {}", text(&error)));
                    }
                }
            } else {
                None
            };
            let pid = self.fork(|shell| {
                if let Some(input) = input {
                    let _ = fd::dup2(input, 0);
                    let _ = fd::close(input);
                }
                if let Some((reader, writer)) = output {
                    let _ = fd::close(reader);
                    let _ = fd::dup2(writer, 1);
                    let _ = fd::close(writer);
                }
                shell.command(command)
            })?;
            pids.push(pid);
            if let Some(input) = input.take() {
                let _ = fd::close(input);
            }
            if let Some((reader, writer)) = output {
                let _ = fd::close(writer);
                input = Some(reader);
            }
        }
        let statuses: Vec<i32> = pids.into_iter().map(|pid| self.wait_for(pid)).collect();
        let last = statuses.last().copied().unwrap_or(0);
        if self.options.pipefail {
            return Ok(statuses.into_iter().rfind(|&status| status != 0).unwrap_or(0));
        }
        Ok(last)
    }

    /// Waits for a child of this shell and gives its status.
    pub(crate) fn wait_for(&mut self, pid: i32) -> i32 {
        self.children.retain(|&child| child != pid);
        if let Some(status) = self.ended.remove(&pid) {
            return status;
        }
        process::wait(pid).map_or(127, process::Status::shell_code)
    }

    fn command(&mut self, command: &Command) -> Done {
        match command {
            Command::Simple(simple) => {
                self.line = simple.line;
                let status = self.simple(simple)?;
                let status = self.check(status)?;
                self.run_traps(status)
            }
            Command::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
                self.status = 0;
                Ok(0)
            }
            Command::Compound { body, redirects, line } => {
                self.line = *line;
                let targets = self.targets(redirects)?;
                if let Compound::Subshell(list) = body {
                    let pid = self.fork(|shell| match shell.redirect(redirects, targets) {
                        Ok(_) => shell.list(list),
                        Err(failure) => shell.refused(failure),
                    })?;
                    let status = self.wait_for(pid);
                    return self.check(status);
                }
                if redirects.is_empty() {
                    return self.compound(body);
                }
                let saved = match self.redirect(redirects, targets) {
                    Ok(saved) => saved,
                    Err(failure) => {
                        let status = self.refused(failure)?;
                        return self.check(status);
                    }
                };
                let done = self.compound(body);
                saved.restore();
                done
            }
        }
    }

    /// A failed redirection: the status of a command that does not run.
    fn refused(&mut self, failure: Failure) -> Done {
        match failure {
            Failure::Refused(why) => {
                if !why.is_empty() {
                    self.complain(&why);
                }
                self.status = if self.dialect == Dialect::Dash { 2 } else { 1 };
                Ok(self.status)
            }
            Failure::Flow(flow) => Err(flow),
        }
    }

    /// Runs the actions of traps whose signals arrived; gives back the status.
    fn run_traps(&mut self, status: i32) -> Done {
        while let Some(signal) = self.pending.pop() {
            let Some(action) = self.traps.get(&signal).cloned() else { continue };
            let before = self.interrupted.replace(status);
            let done = self.script(&action);
            self.interrupted = before;
            self.status = status;
            done?;
        }
        Ok(status)
    }

    fn compound(&mut self, body: &Compound) -> Done {
        match body {
            Compound::Brace(list) | Compound::Subshell(list) => self.list(list),
            Compound::If { arms, otherwise } => {
                for (condition, then) in arms {
                    if self.testing(true, |shell| shell.list(condition))? == 0 {
                        return self.list(then);
                    }
                }
                match otherwise {
                    Some(list) => self.list(list),
                    None => {
                        self.status = 0;
                        Ok(0)
                    }
                }
            }
            Compound::While { until, condition, body } => self.repeat(*until, condition, body),
            Compound::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words)?,
                    None => self.positional.clone(),
                };
                let mut status = 0;
                for value in values {
                    if let Err(why) = self.set(name, value) {
                        return self.fatal(&why);
                    }
                    match self.in_loop(|shell| shell.list(body)) {
                        Ok(code) => status = code,
                        Err(Flow::Continue(0)) => status = self.status,
                        Err(Flow::Break(0)) => {
                            status = self.status;
                            break;
                        }
                        Err(flow) => return Err(flow),
                    }
                }
                self.status = status;
                Ok(status)
            }
            Compound::Case { word, arms } => {
                let value = self.text(word)?;
                for arm in arms {
                    for pattern in &arm.patterns {
                        if self.pattern(pattern)?.matches(&value) {
                            if arm.body.is_empty() {
                                self.status = 0;
                            }
                            return self.list(&arm.body);
                        }
                    }
                }
                self.status = 0;
                Ok(0)
            }
        }
    }

    fn repeat(&mut self, until: bool, condition: &List, body: &List) -> Done {
        let mut status = 0;
        loop {
            let turn = self.in_loop(|shell| {
                let code = shell.testing(true, |shell| shell.list(condition))?;
                if (code == 0) == until {
                    return Err(Flow::Break(0));
                }
                shell.list(body)
            });
            match turn {
                Ok(code) => status = code,
                Err(Flow::Continue(0)) => status = 0,
                Err(Flow::Break(0)) => {
                    self.status = status;
                    return Ok(status);
                }
                Err(flow) => return Err(flow),
            }
        }
    }

    /// One turn of a loop; flows that concern outer loops come out one level lower.
    fn in_loop(&mut self, work: impl FnOnce(&mut Self) -> Done) -> Done {
        self.loops += 1;
        let done = work(self);
        self.loops -= 1;
        match done {
            Err(Flow::Break(levels @ 2..)) => Err(Flow::Break(levels - 1)),
            Err(Flow::Break(_)) => Err(Flow::Break(0)),
            Err(Flow::Continue(levels @ 2..)) => Err(Flow::Continue(levels - 1)),
            Err(Flow::Continue(_)) => Err(Flow::Continue(0)),
            other => other,
        }
    }

    fn simple(&mut self, simple: &Simple) -> Done {
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
    fn assign_only(&mut self, simple: &Simple) -> Done {
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
    fn assign(&mut self, simple: &Simple, export: bool) -> Result<(Before, Vec<Vec<u8>>), Flow> {
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
    fn special_builtin(&mut self, simple: &Simple, words: Vec<Vec<u8>>) -> Done {
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

    fn exec(&mut self, words: &[Vec<u8>], saved: Saved) -> Done {
        let words =
            if words.first().is_some_and(|word| word == b"--") { &words[1..] } else { words };
        if words.is_empty() {
            saved.keep();
            return Ok(0);
        }
        // The empty name is each directory of the path.
        let status = match &words[0][..] {
            b"" => 126,
            name => self.run_program(words, name),
        };
        // The program took the shell's place: its traps are gone.
        self.exit_trap = None;
        Err(Flow::Exit(status))
    }

    fn assigned_command(
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
    fn call(&mut self, body: &Command, words: &[Vec<u8>]) -> Done {
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
        let command = process::Command::new(program, words.to_vec(), self.environment());
        match command.spawn() {
            Ok(pid) => process::wait(pid).map_or(127, process::Status::shell_code),
            Err(error) => {
                let name = String::from_utf8_lossy(program);
                let (what, code) = match error.raw_os_error() {
                    Some(errno::ENOENT | errno::ENOTDIR) => ("not found".to_owned(), 127),
                    _ => (text(&error), 126),
                };
                self.complain(&format!("{name}: {what}"));
                code
            }
        }
    }

    /// `set -x`
    fn trace(&mut self, assignments: &[Vec<u8>], words: &[Vec<u8>]) {
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
