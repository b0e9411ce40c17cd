//! Redirections (XCU 2.7).

use crate::state::{Flow, Shell};
use kiln_guest_abi::error::text;
use kiln_guest_abi::wire::open;
use kiln_guest_abi::{fd, file};
use kiln_sh_syntax::{Dialect, Redirect, RedirectKind};
use std::io;

/// What descriptors were before redirections.
#[derive(Debug, Default)]
pub(crate) struct Saved(Vec<(u32, Option<fd::Fd>)>);

impl Saved {
    /// Puts everything back, the last first.
    pub(crate) fn restore(self) {
        for (number, old) in self.0.into_iter().rev() {
            match old {
                Some(old) => {
                    let _ = fd::dup2(old, fd::posix(number));
                    let _ = fd::close(old);
                }
                None => {
                    let _ = fd::close(fd::posix(number));
                }
            }
        }
    }

    /// Lets the redirections stay, as for `exec`.
    pub(crate) fn keep(self) {
        for old in self.0.into_iter().filter_map(|(_, old)| old) {
            let _ = fd::close(old);
        }
    }
}

/// What a pipe holds without a reader.
pub(crate) const ROOM: usize = 60_000;

/// Why a redirection failed.
pub(crate) enum Failure {
    /// What the shell says; the command does not run.
    Refused(String),
    /// An expansion ended the shell.
    Flow(Flow),
}

impl From<Flow> for Failure {
    fn from(flow: Flow) -> Self {
        Self::Flow(flow)
    }
}

impl Shell {
    /// Expands the words of redirections: before any of them is done, and an error ends the shell.
    /// Here-documents are expanded when they are made.
    pub(crate) fn targets(&mut self, redirects: &[Redirect]) -> Result<Vec<Vec<u8>>, Flow> {
        let mut targets = Vec::with_capacity(redirects.len());
        for redirect in redirects {
            targets.push(match &redirect.kind {
                RedirectKind::Read(word)
                | RedirectKind::Write(word, _)
                | RedirectKind::Append(word)
                | RedirectKind::ReadWrite(word)
                | RedirectKind::Both(word, _) => self.text(word)?,
                RedirectKind::Dup(word) => {
                    let target = self.text(word)?;
                    if self.dialect == Dialect::Dash
                        && !matches!(target[..], [b'0'..=b'9'] | [b'-'])
                    {
                        return self.fatal("Syntax error: Bad fd number");
                    }
                    target
                }
                RedirectKind::HereString(word) => {
                    let mut text = self.text(word)?;
                    text.push(b'\n');
                    text
                }
                RedirectKind::HereDoc(_) => Vec::new(),
            });
        }
        Ok(targets)
    }

    /// Applies redirections in order, with what [`Self::targets`] gave; on failure those done are
    /// taken back.
    pub(crate) fn redirect(
        &mut self,
        redirects: &[Redirect],
        targets: Vec<Vec<u8>>,
    ) -> Result<Saved, Failure> {
        let mut saved = Saved::default();
        for (redirect, target) in redirects.iter().zip(targets) {
            if let Err(failure) = self.apply(redirect, &target, &mut saved) {
                saved.restore();
                return Err(failure);
            }
        }
        Ok(saved)
    }

    fn apply(
        &mut self,
        redirect: &Redirect,
        path: &[u8],
        saved: &mut Saved,
    ) -> Result<(), Failure> {
        let number = redirect.fd;
        let to = match &redirect.kind {
            RedirectKind::Read(_) => {
                file::open(path, open::READ, 0).map_err(|error| refused("open", path, &error))?
            }
            RedirectKind::Write(_, force) => {
                if self.options.noclobber && !force {
                    open_new(path)?
                } else {
                    create(path, open::WRITE | open::CREATE | open::TRUNC)?
                }
            }
            RedirectKind::Append(_) => create(path, open::WRITE | open::CREATE | open::APPEND)?,
            RedirectKind::ReadWrite(_) => create(path, open::READ | open::WRITE | open::CREATE)?,
            RedirectKind::Both(_, appends) => {
                let how = if *appends { open::APPEND } else { open::TRUNC };
                let new = create(path, open::WRITE | open::CREATE | how)?;
                for number in [1, 2] {
                    save(number, saved);
                    set(new, number)?;
                }
                let _ = fd::close(new);
                return Ok(());
            }
            RedirectKind::Dup(_) => return duplicate(number, path, saved),
            RedirectKind::HereString(_) => self.here_document(path.to_vec())?,
            RedirectKind::HereDoc(document) => match self.quoted(document.body()) {
                Ok(body) => self.here_document(body)?,
                // Said already; the command does not run, and the shell goes on.
                Err(Flow::Error(_)) => return Err(Failure::Refused(String::new())),
                Err(flow) => return Err(Failure::Flow(flow)),
            },
        };
        save(number, saved);
        let result = set(to, number);
        let _ = fd::close(to);
        result
    }

    /// A pipe that holds the text; a longer one is fed by a copy of the shell.
    fn here_document(&mut self, body: Vec<u8>) -> Result<fd::Fd, Failure> {
        let (reader, writer) =
            fd::pipe().map_err(|error| Failure::Refused(format!("pipe: {}", text(&error))))?;
        if body.len() <= ROOM {
            let _ = crate::output::write(writer, &body);
        } else {
            self.fork(|_| {
                let _ = fd::close(reader);
                let _ = crate::output::write(writer, &body);
                Ok(0)
            })?;
        }
        let _ = fd::close(writer);
        Ok(reader)
    }
}

/// `>` with `set -C`.
fn open_new(path: &[u8]) -> Result<fd::Fd, Failure> {
    match file::stat(path) {
        Ok(there) if there.is_file() => {
            let path = String::from_utf8_lossy(path);
            Err(Failure::Refused(format!("cannot create {path}: File exists")))
        }
        Ok(_) => create(path, open::WRITE),
        Err(_) => create(path, open::WRITE | open::CREATE | open::EXCL),
    }
}

fn duplicate(number: u32, target: &[u8], saved: &mut Saved) -> Result<(), Failure> {
    save(number, saved);
    if target == b"-" {
        let _ = fd::close(fd::posix(number));
        return Ok(());
    }
    let from = std::str::from_utf8(target).ok().and_then(|text| text.parse::<u32>().ok());
    let Some(from) = from else {
        return Err(Failure::Refused("Bad fd number".to_owned()));
    };
    if from == number && fd::dup2(fd::posix(from), fd::posix(number)).is_ok() {
        return Ok(());
    }
    set(fd::posix(from), number)
        .map_err(|_| Failure::Refused(format!("{from}: Bad file descriptor")))
}

fn create(path: &[u8], flags: u32) -> Result<fd::Fd, Failure> {
    file::open(path, flags, 0o666).map_err(|error| refused("create", path, &error))
}

fn refused(what: &str, path: &[u8], error: &io::Error) -> Failure {
    let why = match (what, text(error).as_str()) {
        ("create", "No such file or directory") => "Directory nonexistent".to_owned(),
        ("open", "No such file or directory") => "No such file".to_owned(),
        (_, why) => why.to_owned(),
    };
    Failure::Refused(format!("cannot {what} {}: {why}", String::from_utf8_lossy(path)))
}

fn save(number: u32, saved: &mut Saved) {
    saved.0.push((number, fd::dup(fd::posix(number)).ok()));
}

fn set(from: fd::Fd, number: u32) -> Result<(), Failure> {
    fd::dup2(from, fd::posix(number)).map(drop).map_err(|error| Failure::Refused(text(&error)))
}
