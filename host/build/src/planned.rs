//! What a build would do, found without doing it: `kiln plan`.
//!
//! The stages go the same way as in a build, except that a step is looked up in the cache and never
//! executed. Once a step of a stage is not there, those after it are not looked up: what they start
//! from is unknown.

use std::sync::{Arc, Mutex, PoisonError};

use kiln_dockerfile::instruction::Instruction;
use kiln_rootfs::Rootfs;
use kiln_runner::Kind;

use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};
use crate::plan::{Base, Plan};

/// What a build for one platform would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBuild {
    /// The platform.
    pub platform: String,
    /// The number of the target stage.
    pub target: usize,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub epoch: Option<i64>,
    /// Every stage of the file, in its order.
    pub stages: Vec<PlannedStage>,
}

/// What would become of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStage {
    /// The stage's name.
    pub name: Option<String>,
    /// The line of its FROM.
    pub line: usize,
    /// The FROM, as written.
    pub from: String,
    /// What it is based on.
    pub base: PlannedBase,
    /// Whether the target needs it.
    pub is_needed: bool,
    /// Its steps, of a stage that is needed; those that only change the config are none.
    pub steps: Vec<PlannedStep>,
}

/// What a stage is based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedBase {
    /// Nothing.
    Scratch,
    /// The stage of this number.
    Stage(usize),
    /// An image, by its name.
    Image(String),
    /// What `--build-context` gave under this name.
    Context(String),
}

/// What would become of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// The step as a build shows it: `[build 2/5] RUN make`.
    pub name: String,
    /// Its line.
    pub line: usize,
    /// Why it would be executed; `None` when the cache has its result.
    pub because: Option<String>,
    /// Who would execute it; for RUN alone.
    pub runners: Option<PlannedRunners>,
}

/// Who would execute a RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRunners {
    /// Those that can, the one that is tried first in front.
    pub usable: Vec<Kind>,
    /// Those that cannot, and why.
    pub refusals: Vec<(Kind, String)>,
}

/// Collects what the stages decide.
#[derive(Debug, Default)]
pub(crate) struct Planning {
    steps: Mutex<Vec<(usize, PlannedStep)>>,
    /// Stands for every image where a runner is asked whether it can take a step.
    probe: Mutex<Option<Arc<Rootfs>>>,
}

impl Planning {
    /// Keeps the decision on a step of stage `index`.
    pub(crate) fn add(&self, index: usize, step: PlannedStep) {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push((index, step));
    }

    /// A root file system without files.
    pub(crate) fn probe(&self, cx: &Engine<'_>) -> Result<Arc<Rootfs>> {
        let mut probe = self.probe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rootfs) = &*probe {
            return Ok(Arc::clone(rootfs));
        }
        let dir = cx.scratch.new_dir()?;
        let rootfs = Rootfs::create(&dir)
            .context(ErrorKind::Environment, || format!("create {}", dir.display()))?;
        Ok(Arc::clone(probe.insert(Arc::new(rootfs))))
    }

    /// Everything, in the order of the file.
    pub(crate) fn finish(&self, plan: &Plan) -> PlannedBuild {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let of_stage = |index: usize| {
            let own = steps.iter().filter(|(stage, _)| *stage == index);
            own.map(|(_, step)| step.clone()).collect()
        };
        let stages = plan.stages.iter().enumerate().map(|(index, stage)| PlannedStage {
            name: stage.name.clone(),
            line: stage.from.lines.start,
            from: shown(&stage.from),
            base: match &stage.base {
                Base::Scratch => PlannedBase::Scratch,
                Base::Stage(index) => PlannedBase::Stage(*index),
                Base::Image(name) => PlannedBase::Image(name.clone()),
                Base::Named(name) => PlannedBase::Context(name.clone()),
            },
            is_needed: plan.needed.contains(&index),
            steps: of_stage(index),
        });
        PlannedBuild {
            platform: plan.target_platform.to_string(),
            target: plan.target,
            epoch: plan.epoch,
            stages: stages.collect(),
        }
    }
}

fn shown(from: &Instruction) -> String {
    from.text.split_whitespace().collect::<Vec<_>>().join(" ")
}
