//! What is to be done, decided before anything is done: which stages, from what, in what order.

mod epoch;
mod stages;

pub(crate) use stages::{Base, StagePlan, outside, source};

use std::collections::BTreeSet;

use kiln_dockerfile::args::{BuildArgs, GlobalArgs};
use kiln_dockerfile::instruction::{Dockerfile, Kind, parse_dockerfile};
use kiln_dockerfile::platform::Platform;
use kiln_dockerfile::{Diagnostic, suggest};

use self::epoch::Epoch;
use crate::error::{BuildError, Result};
use crate::request::{BuildRequest, DockerfileText};

/// What stands after FROM and `--from` for an image without anything in it.
const SCRATCH: &str = "scratch";

/// Any two names this short are near to each other.
const SHORT: usize = 2;

/// A build, planned.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The Dockerfile's text, for messages.
    pub(crate) text: DockerfileText,
    /// The escape character of the Dockerfile.
    pub(crate) escape: char,
    /// The arguments outside stages.
    pub(crate) globals: GlobalArgs,
    /// Every stage of the file, in its order; only those that [`Plan::needed`] names are built.
    pub(crate) stages: Vec<StagePlan>,
    /// The stage to build.
    pub(crate) target: usize,
    /// The stages that the target needs, itself included.
    pub(crate) needed: BTreeSet<usize>,
    /// The platform to build for.
    pub(crate) target_platform: Platform,
    /// Whether the user asked for that platform.
    pub(crate) platform_is_explicit: bool,
    /// `--build-arg`, with the time for `SOURCE_DATE_EPOCH`.
    pub(crate) build_args: BuildArgs,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub(crate) epoch: Option<i64>,
}

impl Plan {
    /// Plans a build for one platform; the machine's own when `None`.
    pub(crate) fn new(request: &BuildRequest, platform: Option<&Platform>) -> Result<Self> {
        let text = request.dockerfile.clone();
        if text.text.trim().is_empty() {
            return Err(BuildError::input(format!("{}: the Dockerfile is empty", text.name))
                .with_hint("a Dockerfile starts with FROM"));
        }
        let located = |diagnostic| at(&text, diagnostic);
        let file = parse_dockerfile(&text.text).map_err(located)?;
        let build_platform = Platform::local();
        let target_platform = platform.cloned().unwrap_or_else(|| build_platform.clone());
        let target = find_target(&file, request.target.as_deref())?;
        let name =
            request.target.clone().or_else(|| file.stages[target].name.clone()).unwrap_or_default();
        let mut globals =
            GlobalArgs::predefined(&build_platform, &target_platform, &name, &request.build_args);
        globals.declare(&file, &request.build_args).map_err(located)?;
        let mut build_args = request.build_args.clone();
        let mut epoch = None;
        let given = build_args.get(epoch::NAME).map(String::as_str);
        if let Some(value) = given.or_else(|| globals.get(epoch::NAME)) {
            let cx = Epoch { file: &file, globals: &globals, request, text: &text };
            epoch = cx.resolve(value)?;
            build_args = epoch::with_time(epoch, &build_args, &mut globals);
        }
        let stages = stages::resolve(&file, &globals, request, &target_platform, &text)?;
        let needed = stages::needed(&stages, target);
        Ok(Self {
            escape: file.escape,
            globals,
            stages,
            target,
            needed,
            target_platform,
            platform_is_explicit: platform.is_some(),
            build_args,
            epoch,
            text,
        })
    }

    /// `did you mean ...?` for an image whose name is nearly that of a stage before stage `index`.
    pub(crate) fn near_stage(&self, base: &Base, index: usize) -> Option<String> {
        let Base::Image(name) = base else { return None };
        let is_word = |name: &&str| name.len() > SHORT;
        let names = self.stages[..index].iter().filter_map(|stage| stage.name.as_deref());
        let names = names.filter(|_| is_word(&name.as_str())).filter(is_word);
        let near = suggest::nearest(&name.to_lowercase(), names)?;
        Some(format!("did you mean the stage `{near}`?"))
    }

    /// The number of uses that other needed stages make of a stage.
    pub(crate) fn uses(&self, stage: usize) -> usize {
        self.needed
            .iter()
            .flat_map(|user| stages::uses(&self.stages, *user))
            .filter(|used| *used == stage)
            .count()
    }
}

/// Turns an error of the Dockerfile into one of the build.
pub(crate) fn at(text: &DockerfileText, diagnostic: Diagnostic) -> BuildError {
    let rendered = diagnostic.render(&text.name, &text.text);
    BuildError::input(diagnostic.message).at(|_| rendered)
}

fn find_target(file: &Dockerfile, target: Option<&str>) -> Result<usize> {
    if let Some(index) = file.target_index(target) {
        return Ok(index);
    }
    let target = target.unwrap_or_default();
    let names: Vec<&str> = file.stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
    let error = BuildError::input(format!("target stage `{target}` could not be found"));
    Err(match suggest::nearest(target, names.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None if names.is_empty() => error.with_hint("no stage of this Dockerfile has a name"),
        None => error.with_hint(format!("the stages are: {}", names.join(", "))),
    })
}

/// Whether an instruction counts as a numbered step: those that can change the file system.
pub(crate) fn is_numbered(kind: &Kind) -> bool {
    matches!(kind, Kind::Run(_) | Kind::Copy(_) | Kind::Add(_) | Kind::Workdir(_))
}
