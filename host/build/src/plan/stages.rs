//! The stages and what each is based on.

use std::collections::BTreeSet;

use kiln_dockerfile::args::GlobalArgs;
use kiln_dockerfile::expand::Lexer;
use kiln_dockerfile::instruction::{Dockerfile, Instruction, Kind, Stage};
use kiln_dockerfile::platform::Platform;
use kiln_dockerfile::{Diagnostic, suggest};

use super::{SCRATCH, at};
use crate::error::Result;
use crate::request::{BuildRequest, DockerfileText, context_name};

/// A stage, with everything known about it before anything is pulled.
#[derive(Clone, Debug)]
pub(crate) struct StagePlan {
    /// The stage's name in lower case.
    pub(crate) name: Option<String>,
    /// The FROM.
    pub(crate) from: Instruction,
    /// What it is based on.
    pub(crate) base: Base,
    /// The platform that its base is taken for.
    pub(crate) platform: Platform,
    /// The instructions, as written.
    pub(crate) commands: Vec<Instruction>,
    /// Its base, as written.
    pub(crate) written_base: String,
    /// What to say of variables that its base names and nobody has set, when that base is wrong.
    pub(crate) unset: Option<String>,
    /// What its COPY --from and RUN --mount use, in their order.
    sources: Vec<Base>,
}

/// Where files or a base come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, by the name in the Dockerfile.
    Image(String),
    /// What `--build-context` gave under this name.
    Named(String),
}

/// Expands and resolves every FROM.
pub(super) fn resolve(
    file: &Dockerfile,
    globals: &GlobalArgs,
    request: &BuildRequest,
    target_platform: &Platform,
    text: &DockerfileText,
) -> Result<Vec<StagePlan>> {
    let mut plans = Vec::with_capacity(file.stages.len());
    for (index, stage) in file.stages.iter().enumerate() {
        let later = &file.stages[index..];
        let cx = Resolve { file, globals, request, target_platform, text };
        plans.push(cx.stage(stage, &plans, later)?);
    }
    Ok(plans)
}

/// What every FROM is resolved with.
struct Resolve<'a> {
    file: &'a Dockerfile,
    globals: &'a GlobalArgs,
    request: &'a BuildRequest,
    target_platform: &'a Platform,
    text: &'a DockerfileText,
}

impl Resolve<'_> {
    fn stage(&self, stage: &Stage, earlier: &[StagePlan], later: &[Stage]) -> Result<StagePlan> {
        if let Some(context) = stage.name.as_deref().and_then(|name| context(name, self.request)) {
            // A context of its name takes the place of a stage.
            return Ok(StagePlan {
                name: stage.name.clone(),
                from: stage.from.clone(),
                base: context,
                platform: self.platform(stage)?,
                written_base: stage.base.clone(),
                unset: None,
                commands: Vec::new(),
                sources: Vec::new(),
            });
        }
        let (base, unset) = self.base_name(stage)?;
        let base = named(&base, earlier, self.request, false);
        let mut sources = Vec::new();
        for command in &stage.commands {
            let (verb, names): (_, Vec<&String>) = match &command.kind {
                Kind::Copy(copy) => ("copy", copy.from.iter().collect()),
                Kind::Run(run) => ("mount", run.mount_sources.iter().flatten().collect()),
                _ => continue,
            };
            for name in names {
                let error = |message| at(self.text, command.error(message).with_focus(name));
                if is_later(name, earlier, later) {
                    return Err(error(format!(
                        "cannot {verb} from stage `{name}`, it needs to be defined before the \
                         current stage"
                    )));
                }
                sources.push(source(name, earlier, self.request, error)?);
            }
        }
        Ok(StagePlan {
            name: stage.name.clone(),
            from: stage.from.clone(),
            base,
            platform: self.platform(stage)?,
            written_base: stage.base.clone(),
            unset,
            commands: stage.commands.clone(),
            sources,
        })
    }

    /// The base's name, and what to say of variables in it that are not set.
    fn base_name(&self, stage: &Stage) -> Result<(String, Option<String>)> {
        let error = |diagnostic: Diagnostic| at(self.text, diagnostic.with_focus(&stage.base));
        let expanded = Lexer::new(self.file.escape)
            .expand(&stage.base, &self.globals.lookup())
            .map_err(|cause| error(stage.from.error(cause.to_string())))?;
        let unset = expanded.unmatched.iter().next().map(|name| {
            let declared = self.globals.known_names();
            match suggest::nearest(name, declared.iter().copied()) {
                Some(near) => format!("{name} is not set; did you mean {near}?"),
                None => format!(
                    "{name} is not set: give its ARG a default before the first FROM, or pass \
                     --build-arg {name}=VALUE"
                ),
            }
        });
        if expanded.text.is_empty() {
            let message = format!("base name ({}) should not be blank", stage.base);
            let hint = unset.unwrap_or_else(|| "name an image, or scratch".to_owned());
            return Err(error(stage.from.error(message).with_hint(hint)));
        }
        Ok((expanded.text, unset))
    }

    fn platform(&self, stage: &Stage) -> Result<Platform> {
        let Some(written) = &stage.platform else { return Ok(self.target_platform.clone()) };
        let value = self.expand(stage, written)?;
        let error = |message| {
            let mut diagnostic = stage.from.error(message).with_focus(written);
            if let Some(near) = Platform::near(&value) {
                diagnostic = diagnostic.with_hint(format!("did you mean {near}?"));
            }
            at(self.text, diagnostic)
        };
        if value.is_empty() {
            return Err(error(format!("empty platform value from expression {written}")));
        }
        value.parse().map_err(|cause| error(format!("failed to parse platform {value}: {cause}")))
    }

    fn expand(&self, stage: &Stage, word: &str) -> Result<String> {
        Lexer::new(self.file.escape)
            .word(word, &self.globals.lookup())
            .map_err(|cause| at(self.text, stage.from.error(cause.to_string())))
    }
}

/// Whether a name is that of the current or a later stage, and of no earlier one.
fn is_later(name: &str, earlier: &[StagePlan], later: &[Stage]) -> bool {
    let name = name.to_lowercase();
    later.iter().any(|stage| stage.name.as_deref() == Some(name.as_str()))
        && !earlier.iter().any(|stage| stage.name.as_deref() == Some(name.as_str()))
}

/// What `--from=NAME` means in a stage that comes after `earlier`.
pub(crate) fn source(
    name: &str,
    earlier: &[StagePlan],
    request: &BuildRequest,
    error: impl Fn(String) -> crate::error::BuildError,
) -> Result<Base> {
    if name.contains('$') {
        return Err(error(
            "variable expansion is not supported for --from, define a new stage with FROM using \
             ARG from global scope as a workaround"
                .to_owned(),
        ));
    }
    if name.parse::<usize>().is_ok_and(|index| index >= earlier.len()) {
        return Err(error(format!("invalid stage index {name}: only earlier stages can be used")));
    }
    Ok(named(name, earlier, request, true))
}

/// The context of a name: that of `alpine` is also `alpine:latest`'s and
/// `docker.io/library/alpine`'s.
fn context(name: &str, request: &BuildRequest) -> Option<Base> {
    let familiar = context_name(name);
    request.build_contexts.contains_key(&familiar).then_some(Base::Named(familiar))
}

/// What a name that is no stage's means after FROM.
pub(crate) fn outside(name: &str, request: &BuildRequest) -> Base {
    named(name, &[], request, false)
}

/// A name after FROM or `--from`: a stage goes before a named context, which goes before an image.
/// Stages can be named by number after `--from` alone.
fn named(name: &str, earlier: &[StagePlan], request: &BuildRequest, by_number: bool) -> Base {
    let lower = name.to_lowercase();
    if let Some(index) =
        earlier.iter().rposition(|plan| plan.name.as_deref() == Some(lower.as_str()))
    {
        return Base::Stage(index);
    }
    if by_number && let Some(index) = name.parse().ok().filter(|index| *index < earlier.len()) {
        return Base::Stage(index);
    }
    if let Some(context) = context(name, request) {
        return context;
    }
    if name == SCRATCH { Base::Scratch } else { Base::Image(name.to_owned()) }
}

/// The stages that one stage uses, once for each use.
pub(super) fn uses(stages: &[StagePlan], index: usize) -> impl Iterator<Item = usize> {
    let stage = &stages[index];
    std::iter::once(&stage.base).chain(&stage.sources).filter_map(|base| match base {
        Base::Stage(index) => Some(*index),
        Base::Scratch | Base::Image(_) | Base::Named(_) => None,
    })
}

/// The stages that a target needs, itself included.
pub(super) fn needed(stages: &[StagePlan], target: usize) -> BTreeSet<usize> {
    let mut needed = BTreeSet::from([target]);
    let mut open = vec![target];
    while let Some(index) = open.pop() {
        for used in uses(stages, index) {
            if needed.insert(used) {
                open.push(used);
            }
        }
    }
    needed
}
