//! The checks (lints) of a Dockerfile, before it is built or instead.

use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_dockerfile::lint::{Options, Report, Scope, lint};
use kiln_dockerfile::platform::Platform;

use crate::error::{BuildError, Result};
use crate::events::{Event, EventSink};
use crate::plan;
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
    let report = check(request, false);
    for warning in &report.warnings {
        let name = &request.dockerfile.name;
        let message =
            format!("{}: {} ({name}:{})", warning.rule.name, warning.detail, warning.lines.start);
        events.event(&Event::Warning { message: &message });
    }
    match report.error {
        Some(error) if !report.warnings.is_empty() && error.message.contains("lint violation") => {
            let located = plan::at(&request.dockerfile, error);
            Err(BuildError::failed(located.to_string())
                .with_hint("see docs/rules for what each rule asks for"))
        }
        // What ended the checks ends the build too, with its own words.
        _ => Ok(()),
    }
}
