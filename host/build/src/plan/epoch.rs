//! `SOURCE_DATE_EPOCH`: a number, or the name of what has the time: `context`, a context that
//! `--build-context` gave, a stage of one ADD from elsewhere.

use std::collections::BTreeMap;

use kiln_dockerfile::Instruction;
use kiln_dockerfile::args::{self, BuildArgs, GlobalArgs};
use kiln_dockerfile::expand::Lexer;
use kiln_dockerfile::instruction::{Dockerfile, Kind, Stage};
use kiln_image::config;

use super::{SCRATCH, at};
use crate::error::{BuildError, Result};
use crate::remote::{Options, Remote};
use crate::request::{BuildRequest, DockerfileText, NamedContext, context_name};

/// The argument's name.
pub(super) const NAME: &str = "SOURCE_DATE_EPOCH";
/// The value that names the build's own context.
const MAIN_CONTEXT: &str = "context";

/// What the value is looked up in.
pub(super) struct Epoch<'a> {
    pub(super) file: &'a Dockerfile,
    pub(super) globals: &'a GlobalArgs,
    pub(super) request: &'a BuildRequest,
    pub(super) text: &'a DockerfileText,
}

impl Epoch<'_> {
    /// The time that a value means, seconds since 1970; `None` for what has none, as a directory.
    ///
    /// # Errors
    /// What names nothing, a stage of another form, what fetching says, and a time that no image can
    /// hold: to go on without it would give another digest each time.
    pub(super) fn resolve(&self, value: &str) -> Result<Option<i64>> {
        let time = self.find(value)?;
        match time {
            Some(seconds) if config::timestamp(seconds, 0).is_none() => Err(invalid(value)),
            _ => Ok(time),
        }
    }

    fn find(&self, value: &str) -> Result<Option<i64>> {
        if value.is_empty() {
            return Ok(None);
        }
        if let Ok(seconds) = value.parse::<i64>() {
            if seconds < 0 {
                return Err(invalid(value));
            }
            return Ok(Some(seconds));
        }
        if value == MAIN_CONTEXT {
            return Ok(self.request.context.time());
        }
        match self.request.build_contexts.get(&context_name(value)) {
            Some(NamedContext::Files(source)) => {
                return Ok(self.request.remotes.named_context(source)?.time());
            }
            Some(_) => return Ok(None),
            None => {}
        }
        let name = value.to_lowercase();
        let stage = self.file.stages.iter().find(|stage| stage.name.as_deref() == Some(&name));
        self.of_stage(stage.ok_or_else(|| invalid(value))?)
    }

    fn of_stage(&self, stage: &Stage) -> Result<Option<i64>> {
        let error = |at_: &Instruction, message: &str| at(self.text, at_.error(message));
        let escape = self.file.escape;
        let base = Lexer::new(escape)
            .word(&stage.base, &self.globals.lookup())
            .map_err(|cause| error(&stage.from, &cause.to_string()))?;
        if base != SCRATCH {
            return Err(error(&stage.from, "SOURCE_DATE_EPOCH stage must use FROM scratch"));
        }
        let exactly_one = "SOURCE_DATE_EPOCH stage must contain exactly one remote ADD";
        let mut own: BTreeMap<String, String> = BTreeMap::new();
        let mut found = None;
        for command in &stage.commands {
            let lookup = |name: &str| {
                let given = own.get(name).map(String::as_str);
                given.or_else(|| self.globals.get(name).filter(|_| name != NAME)).map(str::to_owned)
            };
            match &command.kind {
                Kind::Arg(pairs) => {
                    let mut set = Vec::new();
                    for pair in pairs {
                        let given = &self.request.build_args;
                        let value = args::resolve(pair, given, self.globals, escape, &lookup)
                            .map_err(|cause| error(command, &cause.to_string()))?
                            .value;
                        set.extend(value.map(|value| (pair.key.clone(), value)));
                    }
                    own.extend(set);
                }
                Kind::Add(_) if found.is_some() => return Err(error(command, exactly_one)),
                Kind::Add(_) => {
                    let expanded =
                        command.expand(escape, &lookup).map_err(|cause| at(self.text, cause))?;
                    found = Some((command, expanded));
                }
                _ => {
                    let message = format!(
                        "SOURCE_DATE_EPOCH stage does not meet source-only requirements: \
                         unsupported {} instruction",
                        command.name
                    );
                    return Err(error(command, &message));
                }
            }
        }
        let Some((command, expanded)) = found else { return Err(error(&stage.from, exactly_one)) };
        let Kind::Add(add) = &expanded.kind else { return Err(error(command, exactly_one)) };
        let [source] = add.paths.sources.as_slice() else {
            return Err(error(command, exactly_one));
        };
        let options = Options { checksum: add.checksum.as_deref(), keep_git_dir: add.keep_git_dir };
        let remotes = &self.request.remotes;
        match Remote::find(remotes, "ADD", source, &options)? {
            Some(remote) => remote.fetch(remotes)?.time(),
            None => Err(error(
                command,
                "SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD",
            )),
        }
    }
}

/// The build arguments with the time in place of the name of what has it.
pub(super) fn with_time(
    time: Option<i64>,
    build_args: &BuildArgs,
    globals: &mut GlobalArgs,
) -> BuildArgs {
    let text = time.map_or_else(String::new, |time| time.to_string());
    let mut build_args = build_args.clone();
    match build_args.get_mut(NAME) {
        Some(value) => *value = text,
        None => globals.set(NAME, text),
    }
    build_args
}

fn invalid(value: &str) -> BuildError {
    BuildError::input(format!("invalid SOURCE_DATE_EPOCH `{value}`")).with_hint(
        "it is a number of seconds since 1970-01-01 (to the year 9999), `context`, or the name of a context or stage",
    )
}
