//! `kiln check` and `kiln build --call=check`: findings on stdout, exit code 1 when there are any.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln_build::{BuildRequest, Result};
use kiln_dockerfile::LineRange;
use kiln_dockerfile::lint::{Report, Warning};
use kiln_runner::Cancel;
use serde_json::{Value, json};

use super::{request, services};
use crate::args::{BuildArgs, ResultFormat};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::printable::printable;
use crate::{progress, report_error};

/// Checks a Dockerfile and prints what was found.
pub(crate) fn run(args: &BuildArgs, format: ResultFormat, environment: &Environment) -> ExitStatus {
    match check(args, environment).and_then(|(request, report)| tell(&request, &report, format)) {
        Ok(clean) => {
            if clean {
                ExitStatus::Success
            } else {
                ExitStatus::Failed
            }
        }
        Err(error) => {
            report_error::print(&error);
            error.kind().into()
        }
    }
}

fn check(args: &BuildArgs, environment: &Environment) -> Result<(BuildRequest, Report)> {
    let events = progress::sink(progress::Mode::Plain);
    let request = request::request(args, environment, Cancel::default(), events.as_ref())?;
    let services = services::for_checks(args, environment, &request.cancel)?;
    let report = kiln_build::check(&request, &services, events.as_ref(), true);
    Ok((request, report))
}

/// Prints the findings; true when there are none.
#[expect(clippy::print_stdout, reason = "the findings are the command's result")]
fn tell(request: &BuildRequest, report: &Report, format: ResultFormat) -> Result<bool> {
    match format {
        ResultFormat::Json => println!("{}", as_json(request, report)),
        ResultFormat::Text => print!("{}", printable(&as_text(request, report), true)),
    }
    if !report.is_violation
        && let Some(error) = &report.error
    {
        let text = &request.dockerfile;
        let rendered = error.render(&text.name, &text.text);
        return Err(kiln_build::BuildError::input(error.message.clone()).at(|_| rendered));
    }
    Ok(report.warnings.is_empty())
}

fn as_text(request: &BuildRequest, report: &Report) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        let rule = warning.rule;
        text.push_str(&format!("WARNING: {}", rule.name));
        if !rule.url.is_empty() {
            text.push_str(&format!(" - {}", rule.url));
        }
        text.push_str(&format!("\n{}\n", warning.detail));
        text.push_str(&format!("{}:{}\n", request.dockerfile.name, warning.lines.start));
        text.push_str(&lines(request, warning));
        text.push('\n');
    }
    text.push_str(&match report.warnings.len() {
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    });
    text
}

/// The lines of a finding, with their numbers.
fn lines(request: &BuildRequest, warning: &Warning) -> String {
    let range = warning.lines.start.max(1)..=warning.lines.end.max(1);
    let numbered = request.dockerfile.text.lines().enumerate();
    numbered
        .map(|(index, line)| (index + 1, line))
        .filter(|(number, _)| range.contains(number))
        .map(|(number, line)| format!("{number:>4} | {line}\n"))
        .collect()
}

/// In BuildKit's form.
fn as_json(request: &BuildRequest, report: &Report) -> Value {
    let warning = |warning: &Warning| {
        let mut value = json!({
            "ruleName": warning.rule.name,
            "description": warning.rule.description,
            "detail": warning.detail,
            "location": location(warning.lines),
        });
        if !warning.rule.url.is_empty() {
            value["url"] = warning.rule.url.into();
        }
        value
    };
    let mut value = json!({
        "warnings": report.warnings.iter().map(warning).collect::<Vec<_>>(),
        "sources": [{
            "filename": request.dockerfile.name,
            "language": "Dockerfile",
            "data": source(request),
        }],
    });
    if let Some(error) = &report.error {
        value["buildError"] =
            json!({ "message": error.message, "location": location(error.lines) });
    }
    value
}

/// The lines of an instruction.
pub(super) fn location(lines: LineRange) -> Value {
    json!({ "ranges": [{ "start": { "line": lines.start }, "end": { "line": lines.end } }] })
}

/// The Dockerfile's text.
pub(super) fn source(request: &BuildRequest) -> String {
    STANDARD.encode(&request.dockerfile.text)
}
