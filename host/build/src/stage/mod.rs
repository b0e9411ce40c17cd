//! Executes one stage: its instructions in their order, each on the result of the one before.

mod archive;
mod cached;
mod copy;
mod env;
mod filesystem;
mod held;
mod metadata;
mod missing;
mod mounts;
mod planned;
mod run;
mod sources;
mod wildcard;
mod workdir;

use std::sync::Arc;
use std::time::Instant;

use kiln_dockerfile::instruction::{Instruction, Kind, parse_trigger};
use kiln_dockerfile::platform::Platform;
use kiln_image::config::ImageConfig;

use self::env::EnvList;
use crate::base;
use crate::engine::Engine;
use crate::error::{BuildError, Result};
use crate::events::{Event, StepEnd, StepId};
use crate::layers::LayerRef;
use crate::plan::{self, Base, StagePlan};
use crate::remote::redact;
use crate::schedule::cancelled;

pub(crate) use self::env::Variables;
pub(crate) use self::filesystem::{Filesystem, FinishedStage, write_layer};

/// What the shell forms run with when no SHELL says otherwise.
const DEFAULT_SHELL: &[&str] = &["/bin/sh", "-c"];
const DEFAULT_WINDOWS_SHELL: &[&str] = &["cmd", "/S", "/C"];

/// The search path of an image whose config has none, as in Docker.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Gives a stage those that come before it.
pub(crate) trait Stages {
    /// The finished form of an earlier stage; waits for it.
    fn finished(&self, index: usize) -> Result<Arc<FinishedStage>>;
}

/// How a step came to its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Executed,
    Cached,
    /// In a plan alone: it would have to be executed.
    NotCached,
}

/// A stage that is being executed.
pub(crate) struct StageRun<'a> {
    cx: &'a Engine<'a>,
    stages: &'a dyn Stages,
    index: usize,
    plan: &'a StagePlan,
    config: ImageConfig,
    layers: Vec<LayerRef>,
    variables: Variables,
    cmd_is_set: bool,
    filesystem: Filesystem,
    /// In a plan: why the layers are not known from here on.
    unknown: Option<String>,
    progress: Numbers,
    /// The step that is being executed, for notes and output.
    step: StepId,
}

/// Numbers the steps of a stage: `[name 2/5]`.
#[derive(Debug)]
struct Numbers {
    label: String,
    next: usize,
    total: usize,
}

/// Executes stage `index` of the plan.
pub(crate) fn run(cx: &Engine<'_>, stages: &dyn Stages, index: usize) -> Result<FinishedStage> {
    let plan = &cx.plan.stages[index];
    let label = match &plan.name {
        Some(name) => format!("{name} "),
        None if cx.plan.stages.len() > 1 => format!("stage-{index} "),
        None => String::new(),
    };
    let numbered = plan.commands.iter().filter(|command| plan::is_numbered(&command.kind)).count();
    let progress = Numbers { label, next: 1, total: numbered + 1 };
    let base = base::open(cx, stages, plan, &progress.name(&plan.from.text)).map_err(|error| {
        let near = plan.unset.clone().or_else(|| cx.plan.near_stage(&plan.base, index));
        cx.locate(error.with_better_hint(near).or_focus(&plan.written_base), &plan.from)
    })?;
    let triggers =
        triggers(&base.config.config.on_build).map_err(|error| cx.locate(error, &plan.from))?;
    let mut config = base.config;
    config.config.on_build.clear();
    if plan.platform.os != "windows"
        && !config.config.env.iter().any(|entry| entry.starts_with("PATH="))
    {
        config.config.env.push(format!("PATH={DEFAULT_PATH}"));
    }
    let mut variables = base.variables;
    for (name, value) in EnvList::from_config(&config.config.env).iter() {
        if variables.env.get(name).is_none() {
            variables.env.set(name, value);
        }
    }
    let mut stage = StageRun {
        cx,
        stages,
        index,
        plan,
        variables,
        config,
        layers: base.layers,
        cmd_is_set: false,
        filesystem: base.filesystem,
        unknown: base.unknown,
        progress: Numbers { next: 2, ..progress },
        step: 0,
    };
    stage.progress.total +=
        triggers.iter().filter(|trigger| plan::is_numbered(&trigger.kind)).count();
    for trigger in &triggers {
        stage.execute(trigger).map_err(|error| cx.locate(error, &plan.from))?;
    }
    for command in &plan.commands {
        stage.execute(command).map_err(|error| cx.locate(error, command))?;
    }
    let mut finished =
        FinishedStage::new(stage.config, stage.layers, stage.variables, stage.filesystem);
    finished.unknown = stage.unknown;
    Ok(finished)
}

/// The base image's ONBUILD triggers, parsed.
fn triggers(texts: &[String]) -> Result<Vec<Instruction>> {
    let parse = |text: &String| {
        parse_trigger(text).map_err(|error| {
            BuildError::input(format!("ONBUILD trigger `{text}`: {}", error.message))
        })
    };
    texts.iter().map(parse).collect()
}

impl StageRun<'_> {
    fn execute(&mut self, written: &Instruction) -> Result<()> {
        if self.cx.request.cancel.is_cancelled() {
            return Err(cancelled());
        }
        if let Kind::Arg(pairs) = &written.kind {
            return self.arg(pairs);
        }
        let instruction = written
            .expand(self.cx.plan.escape, &|name| self.variables.env.get(name).map(str::to_owned))?;
        if self.metadata(&instruction)? {
            return Ok(());
        }
        let name = self.progress.advance(&instruction.text);
        if let Some(planning) = &self.cx.planning {
            return self.plan_step(name, &instruction, planning);
        }
        self.wait_for_sources(&instruction)?;
        self.numbered(&name, |stage| match &instruction.kind {
            Kind::Run(run) => stage.run(run),
            Kind::Copy(copy) => stage.copy(copy),
            Kind::Add(add) => stage.add(add),
            Kind::Workdir(path) => stage.workdir(path),
            _ => Err(BuildError::failed(format!("{}: not a step", instruction.name))),
        })
    }

    /// Runs a step between its two events.
    fn numbered(&mut self, name: &str, step: impl FnOnce(&mut Self) -> Result<Done>) -> Result<()> {
        let id = self.cx.start_step(name);
        self.step = id;
        let started = Instant::now();
        let result = step(self);
        let end = match &result {
            Ok(Done::Executed | Done::NotCached) => StepEnd::Done,
            Ok(Done::Cached) => StepEnd::Cached,
            Err(_) => StepEnd::Failed,
        };
        self.cx.event(&Event::StepFinished { id, elapsed: started.elapsed(), end });
        result.map(|_| ())
    }

    fn note(&self, note: &str) {
        self.cx.event(&Event::StepNote { id: self.step, note });
    }

    /// The shell of the shell forms.
    fn shell(&self) -> Vec<String> {
        if !self.config.config.shell.is_empty() {
            return self.config.config.shell.clone();
        }
        let words = match self.config.os.as_str() {
            "windows" => DEFAULT_WINDOWS_SHELL,
            _ => DEFAULT_SHELL,
        };
        words.iter().map(|&word| word.to_owned()).collect()
    }

    /// The platform that this stage builds for.
    fn platform(&self) -> &Platform {
        &self.plan.platform
    }

    /// What `--from=NAME` or `from=NAME` names here.
    fn source(&self, name: &str) -> Result<Base> {
        plan::source(name, &self.cx.plan.stages[..self.index], self.cx.request, BuildError::input)
    }
}

impl Numbers {
    fn name(&self, text: &str) -> String {
        let width = self.total.to_string().len();
        // A URL may carry a password, and the name is shown.
        let text = redact(&text.split_whitespace().collect::<Vec<_>>().join(" "));
        format!("[{}{:>width$}/{}] {text}", self.label, self.next, self.total)
    }

    fn advance(&mut self, text: &str) -> String {
        let name = self.name(text);
        self.next += 1;
        name
    }
}
