//! Redirections (XCU 2.7).

use crate::state::{Flow, Shell};
use kiln_guest_abi::error::text;
use kiln_guest_abi::wire::open;
use kiln_guest_abi::{fd, file};
use kiln_sh_syntax::{Redirect, RedirectKind, Word};
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
    /// Applies redirections in order; on failure those done are taken back.
    pub(crate) fn redirect(&mut self, redirects: &[Redirect]) -> Result<Saved, Failure> {
        let mut saved = Saved::default();
        for redirect in redirects {
            if let Err(failure) = self.apply(redirect, &mut saved) {
                saved.restore();
                return Err(failure);
            }
        }
        Ok(saved)
    }

    fn apply(&mut self, redirect: &Redirect, saved: &mut Saved) -> Result<(), Failure> {
        let number = redirect.fd;
        let to = match &redirect.kind {
            RedirectKind::Read(word) => self.open(word, open::READ, "open")?,
            RedirectKind::Write(word, force) => {
                let path = self.text(word)?;
                if self.options.noclobber && !force {
                    self.open_new(&path)?
                } else {
                    create(&path, open::WRITE | open::CREATE | open::TRUNC)?
                }
            }
            RedirectKind::Append(word) => {
                self.open(word, open::WRITE | open::CREATE | open::APPEND, "create")?
            }
            RedirectKind::ReadWrite(word) => {
                self.open(word, open::READ | open::WRITE | open::CREATE, "open")?
            }
            RedirectKind::Both(word, appends) => {
                let how = if *appends { open::APPEND } else { open::TRUNC };
                let path = self.text(word)?;
                let new = create(&path, open::WRITE | open::CREATE | how)?;
                for number in [1, 2] {
                    save(number, saved);
                    set(new, number)?;
                }
                let _ = fd::close(new);
                return Ok(());
            }
            RedirectKind::Dup(word) => return self.duplicate(number, word, saved),
            RedirectKind::HereDoc(document) => {
                let body = self.quoted(document.body())?;
                self.here_document(body)?
            }
        };
        save(number, saved);
        let result = set(to, number);
        let _ = fd::close(to);
        result
    }

    fn open(&mut self, word: &Word, flags: u32, what: &str) -> Result<fd::Fd, Failure> {
        let path = self.text(word)?;
        if what == "create" || flags & open::CREATE != 0 {
            return create(&path, flags);
        }
        file::open(&path, flags, 0o666).map_err(|error| refused("open", &path, &error))
    }

    /// `>` with `set -C`.
    fn open_new(&mut self, path: &[u8]) -> Result<fd::Fd, Failure> {
        match file::stat(path) {
            Ok(there) if there.is_file() => {
                let path = String::from_utf8_lossy(path);
                Err(Failure::Refused(format!("cannot create {path}: File exists")))
            }
            Ok(_) => create(path, open::WRITE),
            Err(_) => create(path, open::WRITE | open::CREATE | open::EXCL),
        }
    }

    fn duplicate(&mut self, number: u32, word: &Word, saved: &mut Saved) -> Result<(), Failure> {
        let target = self.text(word)?;
        save(number, saved);
        if target == b"-" {
            let _ = fd::close(fd::posix(number));
            return Ok(());
        }
        let from = std::str::from_utf8(&target).ok().and_then(|text| text.parse::<u32>().ok());
        let Some(from) = from else {
            return Err(Failure::Refused("Bad fd number".to_owned()));
        };
        if from == number && fd::dup2(fd::posix(from), fd::posix(number)).is_ok() {
            return Ok(());
        }
        set(fd::posix(from), number)
            .map_err(|_| Failure::Refused(format!("{from}: Bad file descriptor")))
    }

    /// A pipe that holds the text; a longer one is fed by a copy of the shell.
    fn here_document(&mut self, body: Vec<u8>) -> Result<fd::Fd, Failure> {
        /// What a pipe holds without a reader.
        const ROOM: usize = 60_000;
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
