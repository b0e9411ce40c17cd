//! `--call=outline` and `--call=targets`: what a target takes from outside, and which there are. The
//! forms, for people and programs, are BuildKit's.

use std::fmt::Write;

use kiln_build::{BuildError, BuildRequest, Result};
use kiln_dockerfile::instruction::{Stage, parse_dockerfile};
use kiln_dockerfile::outline::{Outline, OutlineMount};
use kiln_runner::Cancel;
use serde_json::{Map, Value, json};

use super::check::{location, source};
use super::{request, services};
use crate::args::{BuildArgs, ResultFormat};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::printable::printable;
use crate::{progress, report_error};

/// Blanks between the columns of a table.
const GAP: usize = 3;

/// Prints what the target takes.
pub(super) fn run(args: &BuildArgs, format: ResultFormat, environment: &Environment) -> ExitStatus {
    print(outline(args, environment).map(|(request, outline)| match format {
        ResultFormat::Json => pretty(&outline_json(&request, &outline)),
        ResultFormat::Text => outline_text(&outline),
    }))
}

/// Prints the targets.
pub(super) fn targets(
    args: &BuildArgs,
    format: ResultFormat,
    environment: &Environment,
) -> ExitStatus {
    print(stages(args, environment).map(|(request, stages)| match format {
        ResultFormat::Json => pretty(&targets_json(&request, &stages)),
        ResultFormat::Text => targets_text(&stages),
    }))
}

#[expect(clippy::print_stdout, reason = "it is the command's result")]
fn print(text: Result<String>) -> ExitStatus {
    match text {
        Ok(text) => {
            print!("{}", printable(&text, true));
            ExitStatus::Success
        }
        Err(error) => {
            report_error::print(&error);
            error.kind().into()
        }
    }
}

fn outline(args: &BuildArgs, environment: &Environment) -> Result<(BuildRequest, Outline)> {
    let events = progress::sink(progress::Mode::Plain);
    let request = request::request(args, environment, Cancel::default(), events.as_ref())?;
    let services = services::for_checks(args, environment, &request.cancel)?;
    let outline = kiln_build::outline(&request, &services, events.as_ref())
        .map_err(|error| located(&request, error))?;
    Ok((request, outline))
}

fn stages(args: &BuildArgs, environment: &Environment) -> Result<(BuildRequest, Vec<Stage>)> {
    let events = progress::sink(progress::Mode::Plain);
    let request = request::request(args, environment, Cancel::default(), events.as_ref())?;
    let file =
        parse_dockerfile(&request.dockerfile.text).map_err(|error| located(&request, error))?;
    Ok((request, file.stages))
}

fn located(request: &BuildRequest, error: kiln_dockerfile::Diagnostic) -> BuildError {
    let rendered = error.render(&request.dockerfile.name, &request.dockerfile.text);
    BuildError::input(error.message).at(|_| rendered)
}

fn pretty(value: &Value) -> String {
    // Values of strings and numbers alone can always be written.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn outline_text(outline: &Outline) -> String {
    let mut text = String::new();
    if outline.name.is_some() || outline.description.is_some() {
        let _infallible =
            writeln!(text, "TARGET:      {}", outline.name.as_deref().unwrap_or("(default)"));
        if let Some(description) = &outline.description {
            let _infallible = writeln!(text, "DESCRIPTION: {description}");
        } else {
            // The column is as wide as its widest cell.
            text = text.replace("TARGET:      ", "TARGET: ");
        }
        text.push('\n');
    }
    if !outline.args.is_empty() {
        let mut rows = vec![["BUILD ARG", "VALUE", "DESCRIPTION"]];
        rows.extend(outline.args.iter().map(|arg| {
            [arg.name.as_str(), arg.value.as_str(), arg.description.as_deref().unwrap_or_default()]
        }));
        table(&mut text, &rows, GAP);
        text.push('\n');
    }
    for (title, mounts) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if mounts.is_empty() {
            continue;
        }
        let mut rows = vec![[title, "REQUIRED"]];
        let required = |mount: &OutlineMount| if mount.required { "true" } else { "" };
        rows.extend(mounts.iter().map(|mount| [mount.name.as_str(), required(mount)]));
        table(&mut text, &rows, GAP);
        text.push('\n');
    }
    text
}

/// Writes rows with their columns under each other; the last one is not filled up.
fn table<const N: usize>(text: &mut String, rows: &[[&str; N]], gap: usize) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let _infallible = match column + 1 < N {
                true => write!(text, "{cell:<0$}", width(column).unwrap_or(0) + gap),
                false => writeln!(text, "{cell}"),
            };
        }
    }
}

fn outline_json(request: &BuildRequest, outline: &Outline) -> Value {
    let mount = |mount: &OutlineMount| {
        let mut value = object(&[("name", Some(&mount.name))]);
        if mount.required {
            value.insert("required".to_owned(), true.into());
        }
        value.insert("location".to_owned(), location(mount.lines));
        Value::Object(value)
    };
    let mut value =
        object(&[("name", outline.name.as_ref()), ("description", outline.description.as_ref())]);
    let args = outline.args.iter().map(|arg| {
        let given = Some(&arg.value).filter(|value| !value.is_empty());
        let mut value = object(&[
            ("name", Some(&arg.name)),
            ("description", arg.description.as_ref()),
            ("value", given),
        ]);
        value.insert("location".to_owned(), location(arg.lines));
        Value::Object(value)
    });
    let lists = [
        ("args", args.collect::<Vec<_>>()),
        ("secrets", outline.secrets.iter().map(mount).collect()),
        ("ssh", outline.ssh.iter().map(mount).collect()),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            value.insert(name.to_owned(), list.into());
        }
    }
    value.insert("sources".to_owned(), json!([source(request)]));
    Value::Object(value)
}

fn targets_text(stages: &[Stage]) -> String {
    let name = |index: usize, stage: &Stage| {
        let name = stage.name.clone().unwrap_or_default();
        match (index + 1 == stages.len(), name.is_empty()) {
            (false, _) => name,
            (true, true) => "(default)".to_owned(),
            (true, false) => format!("{name} (default)"),
        }
    };
    let names: Vec<String> = stages.iter().enumerate().map(|(i, stage)| name(i, stage)).collect();
    let mut rows = vec![["TARGET", "DESCRIPTION"]];
    rows.extend(
        names
            .iter()
            .zip(stages)
            .map(|(name, stage)| [name.as_str(), stage.doc.as_deref().unwrap_or_default()]),
    );
    let mut text = String::new();
    table(&mut text, &rows, 1);
    text
}

fn targets_json(request: &BuildRequest, stages: &[Stage]) -> Value {
    let target = |(index, stage): (usize, &Stage)| {
        let mut value = object(&[("name", stage.name.as_ref())]);
        if index + 1 == stages.len() {
            value.insert("default".to_owned(), true.into());
        }
        value.extend(object(&[
            ("description", stage.doc.as_ref()),
            ("base", Some(&stage.base)),
            ("platform", stage.platform.as_ref()),
        ]));
        value.insert("location".to_owned(), location(stage.from.lines));
        Value::Object(value)
    };
    let targets: Vec<Value> = stages.iter().enumerate().map(target).collect();
    json!({ "targets": targets, "sources": [source(request)] })
}

/// The texts that are there.
fn object(fields: &[(&str, Option<&String>)]) -> Map<String, Value> {
    let there = |(name, value): &(&str, Option<&String>)| {
        Some(((*name).to_owned(), Value::from(value.as_ref()?.as_str())))
    };
    fields.iter().filter_map(there).collect()
}
