//! Rules that follow the build: stage by stage, with the variables as they are at each point.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::from::{Base, Opened, image, open, wanted};
use super::linter::Linter;
use super::state::{State, TooLarge};
use super::{BaseImage, Options, rules};
use crate::args::{self, GlobalArgs};
use crate::git_ref::{self, GitRef};
use crate::ignore::clean;
use crate::instruction::{
    ArgPair, CommandLine, Dockerfile, Instruction, Kind, Pair, Stage, Word, parse_trigger,
};
use crate::port::Ports;
use crate::quote::quote;
use crate::{Diagnostic, suggest};

pub(super) fn check(
    file: &Dockerfile,
    globals: &GlobalArgs,
    options: &Options<'_>,
    linter: &mut Linter,
) -> Result<(), Diagnostic> {
    let mut opened: Vec<Opened<'_>> = Vec::new();
    for stage in &file.stages {
        linter.enter(&stage.from.comments);
        let next = open(stage, &opened, file.escape, globals, linter)?;
        opened.push(next);
    }
    linter.leave();
    let wanted = wanted(file, &opened, options)?;
    let mut states: Vec<Rc<State>> = Vec::new();
    let images: Vec<_> = opened
        .iter()
        .zip(&wanted)
        .map(|(opened, is_wanted)| is_wanted.then(|| image(opened, options, linter)).flatten())
        .collect();
    for ((opened, image), is_wanted) in opened.iter().zip(&images).zip(&wanted) {
        let mut state = match opened.base {
            Base::Stage(index) => State::after(&states[index]),
            Base::Scratch => State::over(Some(&BaseImage::default())),
            Base::Image(_) => State::over(image.as_ref()),
        };
        if *is_wanted {
            let mut walk = Walk { escape: file.escape, globals, options, linter: &mut *linter };
            walk.stage(opened.stage, &mut state)?;
        }
        states.push(Rc::new(state));
    }
    Ok(())
}

/// Goes through the instructions of a stage.
struct Walk<'a, 'o> {
    escape: char,
    globals: &'a GlobalArgs,
    options: &'a Options<'o>,
    linter: &'a mut Linter,
}

impl Walk<'_, '_> {
    fn stage(&mut self, stage: &Stage, state: &mut State) -> Result<(), Diagnostic> {
        for trigger in std::mem::take(&mut state.triggers) {
            let place = |mut error: Diagnostic| {
                (error.span, error.lines) = (stage.from.span, stage.from.lines);
                error
            };
            let mut instruction = parse_trigger(&trigger).map_err(place)?;
            (instruction.span, instruction.lines) = (stage.from.span, stage.from.lines);
            self.instruction(&instruction, state)?;
        }
        for instruction in &stage.commands {
            self.instruction(instruction, state)?;
        }
        self.linter.leave();
        Ok(())
    }

    fn instruction(&mut self, at: &Instruction, state: &mut State) -> Result<(), Diagnostic> {
        self.linter.enter(&at.comments);
        if let Kind::Arg(pairs) = &at.kind {
            return self.arg(at, pairs, state);
        }
        let mut unmatched = BTreeSet::new();
        let expanded = at.expand_with(&mut |word: Word<'_>| {
            let found = word.expand(self.escape, &|name| state.get(name))?;
            unmatched.extend(found.unmatched.iter().cloned());
            Ok(found)
        })?;
        if !matches!(at.kind, Kind::Expose(_)) {
            self.undefined(at, unmatched, state);
        }
        match &expanded.kind {
            Kind::Env(pairs) => self.env(at, pairs, state)?,
            Kind::Label(pairs) => self.legacy(at, pairs),
            Kind::Workdir(path) => {
                if !state.has_workdir && !path.starts_with('/') {
                    let detail = format!(
                        "Relative workdir {} can have unexpected results if the base image changes",
                        quote(path)
                    );
                    self.linter.at(&rules::WORKDIR_RELATIVE_PATH, at, detail);
                }
                state.has_workdir = true;
            }
            Kind::Shell(_) => state.has_shell = true,
            Kind::Onbuild(trigger) => state.onbuild.push(trigger.clone()),
            Kind::Cmd(command) => {
                self.once(at, state.cmd.replace(Box::new(at.clone())));
                self.json(at, command, state);
            }
            Kind::Entrypoint(command) => {
                self.once(at, state.entrypoint.replace(Box::new(at.clone())));
                self.json(at, command, state);
            }
            Kind::Healthcheck(_) => {
                self.once(at, state.healthcheck.replace(Box::new(at.clone())));
            }
            Kind::Expose(ports) => self.expose(at, ports)?,
            Kind::Add(add) => self.ignored(at, "Add", &add.paths.sources),
            Kind::Copy(copy) if copy.from.is_none() => {
                self.ignored(at, "Copy", &copy.paths.sources);
            }
            _ => {}
        }
        Ok(())
    }

    fn arg(
        &mut self,
        at: &Instruction,
        pairs: &[ArgPair],
        state: &mut State,
    ) -> Result<(), Diagnostic> {
        for pair in pairs {
            self.secret(at, "ARG", &pair.key);
            let resolved =
                args::resolve(pair, self.options.build_args, self.globals, self.escape, &|name| {
                    state.get(name)
                })
                .map_err(|error| at.place(error.into()))?;
            self.undefined(at, resolved.expanded.unmatched, state);
            if let Some(value) = resolved.value {
                state.set(&pair.key, value).map_err(|TooLarge| at.error(args::too_large()))?;
            }
            state.declare(&pair.key);
        }
        Ok(())
    }

    fn env(
        &mut self,
        at: &Instruction,
        pairs: &[Pair],
        state: &mut State,
    ) -> Result<(), Diagnostic> {
        for pair in pairs {
            self.legacy(at, std::slice::from_ref(pair));
            self.secret(at, "ENV", &pair.key);
            state
                .set(&pair.key, pair.value.clone())
                .map_err(|TooLarge| at.error(args::too_large()))?;
        }
        Ok(())
    }

    fn undefined(&mut self, at: &Instruction, names: BTreeSet<String>, state: &State) {
        if state.is_open {
            return;
        }
        for name in names.iter().filter(|name| !state.is_declared(name)) {
            let mut detail = format!("Usage of undefined variable '${name}'");
            if let Some(found) = suggest::nearest(name, state.names()) {
                detail.push_str(&format!(" (did you mean ${found}?)"));
            }
            self.linter.at(&rules::UNDEFINED_VAR, at, detail);
        }
    }

    fn legacy(&mut self, at: &Instruction, pairs: &[Pair]) {
        let name = &at.name;
        for _ in pairs.iter().filter(|pair| pair.is_legacy) {
            let detail = format!(
                "\"{name} key=value\" should be used instead of legacy \"{name} key value\" format"
            );
            self.linter.at(&rules::LEGACY_KEY_VALUE_FORMAT, at, detail);
        }
    }

    fn secret(&mut self, at: &Instruction, what: &str, key: &str) {
        if is_secret(key) {
            let detail = format!(
                "Do not use ARG or ENV instructions for sensitive data ({what} {})",
                quote(key)
            );
            self.linter.at(&rules::SECRETS_USED_IN_ARG_OR_ENV, at, detail);
        }
    }

    /// Reports the earlier of two instructions: it is the one without effect.
    fn once(&mut self, at: &Instruction, earlier: Option<Box<Instruction>>) {
        if let Some(earlier) = earlier {
            let detail = format!(
                "Multiple {} instructions should not be used in the same stage because only the last one will be used",
                at.name
            );
            self.linter.at(&rules::MULTIPLE_INSTRUCTIONS_DISALLOWED, &earlier, detail);
        }
    }

    fn json(&mut self, at: &Instruction, command: &CommandLine, state: &State) {
        if matches!(command, CommandLine::Shell(_)) && !state.has_shell {
            let detail = format!(
                "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                at.name
            );
            self.linter.at(&rules::JSON_ARGS_RECOMMENDED, at, detail);
        }
    }

    fn expose(&mut self, at: &Instruction, ports: &[String]) -> Result<(), Diagnostic> {
        for port in ports {
            let parsed =
                Ports::parse(port).map_err(|error| at.error(error.to_string()).with_focus(port))?;
            if parsed.protocol != parsed.protocol.to_lowercase() {
                let detail =
                    format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
                self.linter.at(&rules::EXPOSE_PROTO_CASING, at, detail);
            }
            if parsed.has_host_part {
                let detail = format!(
                    "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                );
                self.linter.at(&rules::EXPOSE_INVALID_FORMAT, at, detail);
            }
        }
        Ok(())
    }

    fn ignored(&mut self, at: &Instruction, what: &str, sources: &[String]) {
        // With patterns that take paths back nothing is certain without the files.
        let Some(matcher) = self.options.ignore.filter(|matcher| !matcher.has_exclusions()) else {
            return;
        };
        for source in sources {
            let is_git = |git: GitRef| !git.is_like_local;
            if git_ref::is_http(source) || GitRef::parse(source).ok().flatten().is_some_and(is_git)
            {
                continue;
            }
            let path = clean(source);
            let is_root = path == "." || path == "/";
            let ignores_root = || matcher.inclusions().any(|p| matches!(p, "*" | "**" | "**/*"));
            if is_root && !ignores_root() {
                continue;
            }
            if matcher.matches_or_parent_matches(&path) {
                let detail = format!(
                    "Attempting to {what} file {} that is excluded by .dockerignore",
                    quote(&path)
                );
                self.linter.at(&rules::COPY_IGNORED_FILE, at, detail);
            }
        }
    }
}

/// Whether a name has one of the words that secrets are called by, and none that denies it.
fn is_secret(key: &str) -> bool {
    const SECRET: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: [&str; 3] = ["public", "file", "version"];
    let key = key.to_lowercase();
    let has = |words: &[&str]| key.split('_').any(|word| words.contains(&word));
    has(&SECRET) && !has(&HARMLESS)
}
