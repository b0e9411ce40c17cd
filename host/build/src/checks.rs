//! The checks (lints) of a Dockerfile, before it is built or instead.

use std::collections::{BTreeMap, BTreeSet};

use kiln_dockerfile::args::{GlobalArgs, PROXY_ARGS};
use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_dockerfile::instruction::{Kind, parse_dockerfile};
use kiln_dockerfile::lint::{Options, Report, Scope, lint};
use kiln_dockerfile::platform::Platform;
use kiln_dockerfile::suggest;

use crate::error::{BuildError, Result};
use crate::events::{Event, EventSink};
use crate::request::BuildRequest;

/// Checks the request's Dockerfile: all its stages, or those that the target needs.
#[must_use]
pub fn check(request: &BuildRequest, whole_file: bool) -> Report {
    let local = Platform::local();
    let ignore = request
        .ignore_file
        .as_deref()
        .and_then(|text| PatternMatcher::new(&read_ignore_file(text)).ok());
    let scope = if whole_file { Scope::All } else { Scope::Target(request.target.as_deref()) };
    let options = Options {
        scope,
        build_args: &request.build_args,
        target_platform: request.platforms.first().cloned().unwrap_or_else(|| local.clone()),
        build_platform: local,
        ignore: ignore.as_ref(),
        base_image: &|_, _| None,
    };
    lint(&request.dockerfile.text, &options)
}

/// Tells the findings of a build as warnings; with `# check=error=true` they end it.
pub(crate) fn before_build(request: &BuildRequest, events: &dyn EventSink) -> Result<()> {
    for message in unused_arguments(request) {
        events.event(&Event::Warning { message: &message });
    }
    let name = &request.dockerfile.name;
    let report = check(request, false);
    for warning in &report.warnings {
        let message =
            format!("{}: {} ({name}:{})", warning.rule.name, warning.detail, warning.lines.start);
        events.event(&Event::Warning { message: &message });
    }
    match report.error {
        Some(error) if !report.warnings.is_empty() && error.message.contains("lint violation") => {
            let error = error.with_hint("see docs/rules for what each rule asks for");
            let rendered = error.render(name, &request.dockerfile.text);
            Err(BuildError::failed(error.message).at(|_| rendered))
        }
        // What ended the checks ends the build too, with its own words.
        _ => Ok(()),
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
