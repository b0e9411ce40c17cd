//! The checks (lints) of a Dockerfile, before it is built or instead.

mod bases;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;

use kiln_dockerfile::args::{GlobalArgs, PROXY_ARGS};
use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_dockerfile::instruction::{Kind, parse_dockerfile};
use kiln_dockerfile::lint::{
    BaseImage, Options, Report, Scope, Warning, fails_on_findings, lint, unknown_rules,
};
use kiln_dockerfile::outline::{Outline, outline as outline_of};
use kiln_dockerfile::platform::Platform;
use kiln_dockerfile::{Diagnostic, suggest};

use self::bases::BaseImages;
use crate::engine::{Engine, Services};
use crate::error::{BuildError, Result};
use crate::events::{Event, EventSink};
use crate::plan::Plan;
use crate::request::BuildRequest;

/// Checks the request's Dockerfile: all its stages, or those that the target needs. What the config
/// of a base image says counts where `services` can get it; an image that cannot be had is told, and
/// left out.
#[must_use]
pub fn check(
    request: &BuildRequest,
    services: &Services,
    events: &dyn EventSink,
    whole_file: bool,
) -> Report {
    misspelt_rules(request, events);
    with_bases(request, services, events, |bases| run(request, bases, whole_file))
}

/// What the target takes from outside: arguments, secrets, agents.
///
/// # Errors
/// What is wrong with the Dockerfile.
pub fn outline(
    request: &BuildRequest,
    services: &Services,
    events: &dyn EventSink,
) -> std::result::Result<Outline, Diagnostic> {
    with_bases(request, services, events, |bases| {
        let scope = Scope::Target(request.target.as_deref());
        outline_of(&request.dockerfile.text, &options(request, bases, scope, None))
    })
}

/// Gives the config of an image, if it can be had.
type Bases<'a> = dyn Fn(&str, &Platform) -> Option<BaseImage> + 'a;

fn options<'a>(
    request: &'a BuildRequest,
    base_image: &'a Bases<'a>,
    scope: Scope<'a>,
    ignore: Option<&'a PatternMatcher>,
) -> Options<'a> {
    let build_platform = Platform::local();
    let target_platform = request.platforms.first().cloned();
    Options {
        scope,
        build_args: &request.build_args,
        target_platform: target_platform.unwrap_or_else(|| build_platform.clone()),
        build_platform,
        ignore,
        base_image,
    }
}

fn run(request: &BuildRequest, bases: &Bases<'_>, whole_file: bool) -> Report {
    let ignore = request
        .ignore_file
        .as_deref()
        .and_then(|text| PatternMatcher::new(&read_ignore_file(text)).ok());
    let whole = whole_file && request.target.is_none();
    let scope = if whole { Scope::All } else { Scope::Target(request.target.as_deref()) };
    lint(&request.dockerfile.text, &options(request, bases, scope, ignore.as_ref()))
}

/// Runs something that may look at base images.
fn with_bases<T>(
    request: &BuildRequest,
    services: &Services,
    events: &dyn EventSink,
    run: impl FnOnce(&Bases<'_>) -> T,
) -> T {
    // What is wrong with the file is found again, and told, by what is run.
    let Ok(plan) = Plan::new(request, request.platforms.first()) else {
        return run(&|_, _| None);
    };
    let steps = AtomicU64::new(1);
    match Engine::open(request, &plan, services, events, &steps) {
        Ok(engine) => {
            let images = BaseImages::new(&engine);
            run(&|name, platform| images.get(name, platform))
        }
        Err(error) => {
            let message = format!("base images are not looked at: {}", error.chain());
            events.event(&Event::Warning { message: &message });
            run(&|_, _| None)
        }
    }
}

/// The findings of a build so far.
pub(crate) struct Told(Vec<Warning>);

/// Tells the findings of a build as warnings; with `# check=error=true` they end it. Only then base
/// images are looked at first: otherwise the build does it anyway, see [`after_build`].
pub(crate) fn before_build(
    request: &BuildRequest,
    services: &Services,
    events: &dyn EventSink,
) -> Result<Told> {
    for message in unused_arguments(request) {
        events.event(&Event::Warning { message: &message });
    }
    misspelt_rules(request, events);
    let name = &request.dockerfile.name;
    let report = match fails_on_findings(&request.dockerfile.text, &request.build_args) {
        true => with_bases(request, services, events, |bases| run(request, bases, false)),
        false => run(request, &|_, _| None, false),
    };
    report.warnings.iter().for_each(|warning| tell(request, events, warning));
    match report.error {
        Some(error) if report.is_violation => {
            let error = error.with_hint("see docs/rules for what each rule asks for");
            let rendered = error.render(name, &request.dockerfile.text);
            Err(BuildError::failed(error.message).at(|_| rendered))
        }
        // What ended the checks ends the build too, with its own words.
        _ => Ok(Told(report.warnings)),
    }
}

/// Tells what the base images of a finished build show besides.
pub(crate) fn after_build(cx: &Engine<'_>, events: &dyn EventSink, told: &Told) {
    let images = BaseImages::new(cx);
    let report = run(cx.request, &|name, platform| images.get(name, platform), false);
    for warning in report.warnings.iter().filter(|warning| !told.0.contains(warning)) {
        tell(cx.request, events, warning);
    }
}

fn tell(request: &BuildRequest, events: &dyn EventSink, warning: &Warning) {
    let (rule, place) = (warning.rule.name, &request.dockerfile.name);
    let message = format!("{rule}: {} ({place}:{})", warning.detail, warning.lines.start);
    events.event(&Event::Warning { message: &message });
}

/// Tells of rules that `# check=` names and that do not exist.
fn misspelt_rules(request: &BuildRequest, events: &dyn EventSink) {
    for unknown in unknown_rules(&request.dockerfile.text, &request.build_args) {
        let name = &unknown.name;
        let mut message = format!("check: there is no rule {name}");
        if let Some(near) = unknown.near {
            message.push_str(&format!("; did you mean {near}?"));
        }
        if unknown.line > 0 {
            message.push_str(&format!(" ({}:{})", request.dockerfile.name, unknown.line));
        }
        events.event(&Event::Warning { message: &message });
    }
}

/// What to say of build arguments that no ARG declares.
fn unused_arguments(request: &BuildRequest) -> Vec<String> {
    let Ok(file) = parse_dockerfile(&request.dockerfile.text) else { return Vec::new() };
    let commands = file.stages.iter().flat_map(|stage| &stage.commands).chain(&file.meta_args);
    let declared: BTreeSet<&str> = commands
        .filter_map(|command| match &command.kind {
            Kind::Arg(pairs) => Some(pairs.iter().map(|pair| pair.key.as_str())),
            _ => None,
        })
        .flatten()
        .collect();
    let platform = Platform::local();
    let predefined = GlobalArgs::predefined(&platform, &platform, "", &BTreeMap::new());
    let is_known = |name: &str| {
        declared.contains(name)
            || predefined.knows(name)
            || PROXY_ARGS.contains(&name)
            || name == "SOURCE_DATE_EPOCH"
            || name.starts_with("BUILDKIT_")
    };
    let unused = request.build_args.keys().filter(|name| !is_known(name));
    unused
        .map(|name| match suggest::nearest(name, declared.iter().copied()) {
            Some(near) => format!("build argument {name} is not used; did you mean {near}?"),
            None => format!("build argument {name} is not used: no ARG declares it"),
        })
        .collect()
}
