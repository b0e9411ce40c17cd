//! Executing the tree (XCU 2.8 to 2.12).

mod compound;
mod plain;
mod simple;

use crate::redirect::Failure;
use crate::state::{Done, Flow, Shell};
use kiln_guest_abi::error::text;
use kiln_guest_abi::{fd, process};
use kiln_sh_syntax::{
    AndOr, Command, Compound, Connector, Dialect, ErrorKind, List, Parser, Pipeline, Word,
};
use plain::Started;
use std::rc::Rc;

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

    /// Two or more commands, each in a copy of the shell unless it needs none.
    fn piped(&mut self, commands: &[Command]) -> Done {
        let mut started = Vec::new();
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
            started.push(match self.start_plain(command, input, output.map(|pipe| pipe.1)) {
                Some(started) => started,
                None => Started::Running(self.fork(|shell| {
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
                })?),
            });
            if let Some(input) = input.take() {
                let _ = fd::close(input);
            }
            if let Some((reader, writer)) = output {
                let _ = fd::close(writer);
                input = Some(reader);
            }
        }
        let statuses: Vec<i32> = started
            .into_iter()
            .map(|started| match started {
                Started::Running(pid) => self.wait_for(pid),
                Started::Ended(status) => status,
            })
            .collect();
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
}
