//! Plans a build and executes the plan.
//!
//! [`build`] goes one way: Dockerfile to [`plan`], the plan's stages side by side ([`schedule`],
//! [`stage`]), each step's result from the [`cache`] or executed and added as a layer, then the
//! image to its [`output`]s. Nothing is printed here: [`events`] tell what happens.
//!
//! What a build leaves in the work directory: `store/` (blobs), `cache/` (step results); while it
//! runs, `builds/<random>/` (root file systems).

#![forbid(unsafe_code)]

mod archive;
mod base;
mod cache;
mod cache_mounts;
mod checks;
mod content;
mod context;
mod contexts;
mod engine;
mod error;
mod events;
mod gofmt;
mod history;
mod layers;
mod output;
mod plan;
mod planned;
mod remote;
mod request;
mod schedule;
mod scratch;
mod sources;
mod ssh_agent;
mod stage;
mod users;

pub use checks::{check, outline};
pub use contexts::{BuildContext, ContextOptions, ContextSource, FromStdin};
pub use engine::Services;
pub use error::{BuildError, ErrorKind, Result};
pub use events::{Event, EventSink, StepEnd, StepId, Stream};
pub use output::Built;
pub use planned::{PlannedBase, PlannedBuild, PlannedRunners, PlannedStage, PlannedStep};
pub use remote::Remotes;
pub use request::{
    BuildRequest, Destination, DockerfileText, NamedContext, Output, Secret, context_name,
};

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use engine::Engine;
use plan::Plan;
use planned::Planning;
use schedule::{Compute, Needs, Schedule};
use stage::{FinishedStage, Stages};

/// Builds an image and delivers it.
///
/// # Errors
/// One error, the first that happened, with the place in the Dockerfile when it has one. Outputs
/// are written whole or not at all.
pub fn build(request: &BuildRequest, services: &Services, events: &dyn EventSink) -> Result<Built> {
    output::check(request)?;
    let plans = plans(request)?;
    let told = checks::before_build(request, services, events)?;
    let steps = AtomicU64::new(1);
    let mut images = Vec::new();
    let mut platforms = Vec::new();
    for plan in &plans {
        let engine = Engine::open(request, plan, services, events, &steps)?;
        let target = run_stages(&engine)?;
        images.push(output::make(&engine, &target)?);
        platforms.push((engine, target));
    }
    if let Some((engine, _)) = platforms.first() {
        checks::after_build(engine, events, &told);
    }
    output::deliver(&platforms, &images)
}

/// Says what a build would do: nothing is executed, no layer is pulled, and of images only those
/// that the target needs are looked at.
///
/// # Errors
/// As [`build`], as far as that shows without executing anything.
pub fn plan(
    request: &BuildRequest,
    services: &Services,
    events: &dyn EventSink,
) -> Result<Vec<PlannedBuild>> {
    let steps = AtomicU64::new(1);
    let mut planned = Vec::new();
    for plan in &plans(request)? {
        let mut engine = Engine::open(request, plan, services, events, &steps)?;
        engine.planning = Some(Planning::default());
        run_stages(&engine)?;
        planned.extend(engine.planning.as_ref().map(|planning| planning.finish(plan)));
    }
    Ok(planned)
}

/// A plan for each platform.
fn plans(request: &BuildRequest) -> Result<Vec<Plan>> {
    if request.platforms.is_empty() {
        return Ok(vec![Plan::new(request, None)?]);
    }
    let plan = |platform| Plan::new(request, Some(platform));
    request.platforms.iter().map(plan).collect()
}

/// Takes the target's stage, and all that it needs, to its end.
fn run_stages(engine: &Engine<'_>) -> Result<Arc<FinishedStage>> {
    let plan = engine.plan;
    let schedule = Schedule::new(plan.stages.len(), engine.request.cancel.clone());
    let eager: Vec<usize> = plan.needed.iter().copied().collect();
    schedule.run(&BuildStages(engine), &eager, plan.target)
}

/// Computes the stages of a plan.
struct BuildStages<'a>(&'a Engine<'a>);

impl Compute<FinishedStage> for BuildStages<'_> {
    fn compute(&self, needs: &Needs<'_, '_, FinishedStage>, index: usize) -> Result<FinishedStage> {
        stage::run(self.0, needs, index)
    }
}

impl Stages for Needs<'_, '_, FinishedStage> {
    fn finished(&self, index: usize) -> Result<Arc<FinishedStage>> {
        self.get(index)
    }
}
