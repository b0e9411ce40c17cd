//! Which fields of which instruction have their variables replaced.
//!
//! The command of RUN, CMD, ENTRYPOINT and HEALTHCHECK is left to the shell; ONBUILD to the build
//! that runs the trigger; SHELL, FROM, `--from` and `--exclude` are taken as written.

use super::mount;
use super::{ArgPair, Instruction, Kind, Pair, Paths};
use crate::Diagnostic;
use crate::diagnostic::Cause;
use crate::expand::{ExpandError, Expanded, Lexer, Lookup, MAX_EXPANDED};

/// A text whose variables are to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// An argument: quotes and escapes are removed.
    Argument(&'a str),
    /// The content of a heredoc: quotes stay.
    Content(&'a str),
}

impl Word<'_> {
    /// Replaces the variables, with the lexer that is right for the text.
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn expand(&self, escape: char, lookup: &Lookup<'_>) -> Result<Expanded, ExpandError> {
        match self {
            Word::Argument(text) => Lexer::new(escape).expand(text, lookup),
            Word::Content(text) => Lexer::heredoc().expand(text, lookup),
        }
    }
}

/// What replaces variables: gives the result for a word.
type Expander<'a> = dyn FnMut(Word<'_>) -> Result<Expanded, ExpandError> + 'a;

impl Instruction {
    /// Replaces the variables of this instruction.
    ///
    /// `escape` is the file's escape character. `lookup` gives the environment in front of the
    /// instruction. The pairs of one ENV do not see each other; those of one ARG do, and depend on
    /// the build arguments: for ARG use [`crate::args::resolve`] instead. The mounts of a RUN are
    /// read here.
    ///
    /// # Errors
    /// A word that cannot be expanded, a mount that cannot be read, results beyond
    /// [`MAX_EXPANDED`] in all.
    pub fn expand(&self, escape: char, lookup: &Lookup<'_>) -> Result<Instruction, Diagnostic> {
        self.expand_with(&mut |word| word.expand(escape, lookup))
    }

    /// As [`Instruction::expand`], with a function that sees every word.
    ///
    /// # Errors
    /// Those of [`Instruction::expand`].
    pub fn expand_with(&self, expander: &mut Expander<'_>) -> Result<Instruction, Diagnostic> {
        let mut expanded = self.clone();
        let mut total = 0;
        let mut within_limit = |word: Word<'_>| {
            let found = expander(word)?;
            total += found.text.len();
            if total > MAX_EXPANDED { Err(ExpandError::Size) } else { Ok(found) }
        };
        match expanded.kind.expand(&mut within_limit) {
            Ok(()) => Ok(expanded),
            Err(cause) => Err(self.place(cause)),
        }
    }
}

impl Kind {
    fn expand(&mut self, expander: &mut Expander<'_>) -> Result<(), Cause> {
        match self {
            Kind::Add(add) => {
                optional(&mut add.chown, expander)?;
                optional(&mut add.chmod, expander)?;
                optional(&mut add.checksum, expander)?;
                paths(&mut add.paths, expander)?;
            }
            Kind::Copy(copy) => {
                optional(&mut copy.chown, expander)?;
                optional(&mut copy.chmod, expander)?;
                paths(&mut copy.paths, expander)?;
            }
            Kind::Arg(pairs) => arguments(pairs, expander)?,
            Kind::Env(pairs) | Kind::Label(pairs) => {
                for Pair { key, value, .. } in pairs {
                    word(key, expander)?;
                    word(value, expander)?;
                }
            }
            Kind::Expose(ports) => {
                let mut words = Vec::new();
                for port in ports.iter() {
                    words.extend(expander(Word::Argument(port))?.words);
                }
                *ports = words;
            }
            Kind::StopSignal(text) | Kind::User(text) | Kind::Workdir(text) => {
                word(text, expander)?
            }
            Kind::Volume(volumes) => {
                for volume in volumes.iter_mut() {
                    word(volume, expander)?;
                }
                if volumes.iter().any(String::is_empty) {
                    return Err(Cause::new("VOLUME specified can not be an empty string"));
                }
            }
            Kind::Run(run) => {
                let mut text = |value: &str| Ok(expander(Word::Argument(value))?.text);
                let mounts = run.mount_specs.iter().map(|spec| mount::read(spec, &mut text));
                run.mounts = Some(mounts.collect::<Result<_, _>>()?);
            }
            Kind::Cmd(_)
            | Kind::Entrypoint(_)
            | Kind::From(_)
            | Kind::Healthcheck(_)
            | Kind::Maintainer(_)
            | Kind::Onbuild(_)
            | Kind::Shell(_) => {}
        }
        Ok(())
    }
}

fn word(text: &mut String, expander: &mut Expander<'_>) -> Result<(), Cause> {
    *text = expander(Word::Argument(text))?.text;
    Ok(())
}

fn optional(text: &mut Option<String>, expander: &mut Expander<'_>) -> Result<(), Cause> {
    if let Some(value) = text {
        word(value, expander)?;
        if value.is_empty() {
            *text = None;
        }
    }
    Ok(())
}

fn paths(paths: &mut Paths, expander: &mut Expander<'_>) -> Result<(), Cause> {
    for source in &mut paths.sources {
        word(source, expander)?;
    }
    word(&mut paths.dest, expander)?;
    for file in paths.files.iter_mut().filter(|file| file.expand) {
        file.content = expander(Word::Content(&file.content))?.text;
    }
    Ok(())
}

fn arguments(pairs: &mut [ArgPair], expander: &mut Expander<'_>) -> Result<(), Cause> {
    for pair in pairs {
        if let Some(value) = &mut pair.value {
            word(value, expander)?;
        }
    }
    Ok(())
}
