//! `kiln plan`: what a build would do, on stdout; nothing is executed.

use std::fmt::Write;

use kiln_build::{
    BuildRequest, PlannedBase, PlannedBuild, PlannedRunners, PlannedStage, PlannedStep, Result,
};
use kiln_runner::Cancel;
use serde_json::{Value, json};

use super::{build, request, services};
use crate::args::{BuildArgs, ResultFormat};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::printable::printable;
use crate::{interrupt, progress, report_error};

/// Plans and prints the plan.
#[expect(clippy::print_stdout, reason = "the plan is the command's result")]
pub(crate) fn run(args: &BuildArgs, format: ResultFormat, environment: &Environment) -> ExitStatus {
    match plan(args, environment) {
        Ok((request, planned)) => {
            match format {
                ResultFormat::Json => println!("{}", as_json(&planned)),
                ResultFormat::Text => print!("{}", printable(&as_text(&request, &planned), true)),
            }
            ExitStatus::Success
        }
        Err(error) => {
            report_error::print(&error);
            error.kind().into()
        }
    }
}

fn plan(args: &BuildArgs, environment: &Environment) -> Result<(BuildRequest, Vec<PlannedBuild>)> {
    let refusal = build::enter_user_namespace(args.runner, environment)?;
    let cancel = Cancel::default();
    interrupt::install(cancel.clone());
    let mode = if args.quiet { progress::Mode::Quiet } else { args.progress };
    let events = progress::sink(mode);
    let request = request::request(args, environment, cancel, events.as_ref())?;
    let services = services::open(args, environment, &request.cancel, refusal)?;
    let planned = kiln_build::plan(&request, &services, events.as_ref())?;
    Ok((request, planned))
}

fn as_text(request: &BuildRequest, planned: &[PlannedBuild]) -> String {
    let mut text = String::new();
    for build in planned {
        let needed = build.stages.iter().filter(|stage| stage.is_needed).count();
        let _infallible = writeln!(
            text,
            "{} for {}: target {}, {needed} of {} stages needed",
            request.dockerfile.name,
            build.platform,
            title(build, build.target),
            build.stages.len()
        );
        for (index, stage) in build.stages.iter().enumerate() {
            let _infallible =
                writeln!(text, "\n{}: {}", title(build, index), heading(build, stage));
            for step in &stage.steps {
                write_step(&mut text, step);
            }
        }
    }
    text
}

fn title(build: &PlannedBuild, index: usize) -> String {
    match build.stages.get(index).and_then(|stage| stage.name.as_deref()) {
        Some(name) => format!("stage {index} `{name}`"),
        None => format!("stage {index}"),
    }
}

fn heading(build: &PlannedBuild, stage: &PlannedStage) -> String {
    if !stage.is_needed {
        return "not needed".to_owned();
    }
    match &stage.base {
        PlannedBase::Scratch => "from scratch".to_owned(),
        PlannedBase::Stage(index) => format!("from {}", title(build, *index)),
        PlannedBase::Image(name) => format!("from image {name}"),
        PlannedBase::Context(name) => format!("from context `{name}`"),
    }
}

fn write_step(text: &mut String, step: &PlannedStep) {
    let state = match &step.because {
        None => "cached".to_owned(),
        Some(because) => format!("executed: {because}"),
    };
    let _infallible = writeln!(text, "  {}\n      {state}", step.name);
    if let Some(runners) = &step.runners {
        let _infallible = writeln!(text, "      {}", runner(runners));
        for (kind, reason) in &runners.refusals {
            let _infallible = writeln!(text, "      not {kind}: {reason}");
        }
    }
}

fn runner(runners: &PlannedRunners) -> String {
    match runners.usable.as_slice() {
        [] => "runner: none can take it".to_owned(),
        [only] => format!("runner: {only}"),
        [first, others @ ..] => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            format!("runner: {first}, else {}", others.join(", "))
        }
    }
}

fn as_json(planned: &[PlannedBuild]) -> Value {
    let build = |build: &PlannedBuild| {
        json!({
            "platform": build.platform,
            "target": build.target,
            "sourceDateEpoch": build.epoch,
            "stages": build.stages.iter().map(stage_json).collect::<Vec<_>>(),
        })
    };
    json!({ "builds": planned.iter().map(build).collect::<Vec<_>>() })
}

fn stage_json(stage: &PlannedStage) -> Value {
    let base = match &stage.base {
        PlannedBase::Scratch => json!({ "kind": "scratch" }),
        PlannedBase::Stage(index) => json!({ "kind": "stage", "stage": index }),
        PlannedBase::Image(name) => json!({ "kind": "image", "name": name }),
        PlannedBase::Context(name) => json!({ "kind": "context", "name": name }),
    };
    json!({
        "name": stage.name,
        "line": stage.line,
        "from": stage.from,
        "base": base,
        "needed": stage.is_needed,
        "steps": stage.steps.iter().map(step_json).collect::<Vec<_>>(),
    })
}

fn step_json(step: &PlannedStep) -> Value {
    let mut value = json!({
        "name": step.name,
        "line": step.line,
        "cached": step.because.is_none(),
        "because": step.because,
    });
    if let Some(runners) = &step.runners {
        let refusals = runners.refusals.iter();
        value["runner"] = json!(runners.usable.first().map(ToString::to_string));
        value["runners"] =
            json!(runners.usable.iter().map(ToString::to_string).collect::<Vec<_>>());
        value["refusals"] = refusals
            .map(|(kind, reason)| json!({ "runner": kind.to_string(), "reason": reason }))
            .collect();
    }
    value
}
