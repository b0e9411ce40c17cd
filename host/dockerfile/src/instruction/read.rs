//! From a node to what it says.

use super::flags::{Flags, Takes};
use super::{ArgPair, From, Kind, Pair, command_line, copy, doc, healthcheck, run};
use crate::diagnostic::Cause;
use crate::parse::Node;
use crate::quote::quote;
use crate::suggest;

pub(super) fn kind(node: &Node) -> Result<Kind, Cause> {
    Ok(match node.keyword().as_str() {
        "add" => Kind::Add(copy::add(node)?),
        "arg" => Kind::Arg(arg(node)?),
        "cmd" => {
            no_flags(node)?;
            Kind::Cmd(command_line(node))
        }
        "copy" => Kind::Copy(copy::copy(node)?),
        "entrypoint" => {
            no_flags(node)?;
            Kind::Entrypoint(command_line(node))
        }
        "env" => Kind::Env(pairs(node, "ENV")?),
        "expose" => Kind::Expose(expose(node)?),
        "from" => Kind::From(from(node)?),
        "healthcheck" => Kind::Healthcheck(healthcheck::read(node)?),
        "label" => Kind::Label(pairs(node, "LABEL")?),
        "maintainer" => {
            let maintainer = one(node, "MAINTAINER")?;
            no_flags(node)?;
            Kind::Maintainer(maintainer)
        }
        "onbuild" => Kind::Onbuild(onbuild(node)?),
        "run" => Kind::Run(Box::new(run::read(node)?)),
        "shell" => Kind::Shell(shell(node)?),
        "stopsignal" => Kind::StopSignal(one(node, "STOPSIGNAL")?),
        "user" => {
            let user = one(node, "USER")?;
            no_flags(node)?;
            Kind::User(user)
        }
        "volume" => Kind::Volume(volume(node)?),
        "workdir" => {
            let path = one(node, "WORKDIR")?;
            no_flags(node)?;
            Kind::Workdir(path)
        }
        _ => return Err(unknown(&node.name)),
    })
}

fn unknown(name: &str) -> Cause {
    let mut cause = Cause::new(format!("unknown instruction: {name}")).focus(name);
    cause.hint = suggest::nearest_ignoring_case(name, super::NAMES)
        .map(|found| format!("did you mean {found}?"));
    cause
}

fn no_flags(node: &Node) -> Result<(), Cause> {
    Flags::read(&node.flags, &[]).map(|_| ())
}

pub(super) fn at_least_one(instruction: &str) -> Cause {
    Cause::new(format!("{instruction} requires at least one argument"))
}

fn one(node: &Node, instruction: &str) -> Result<String, Cause> {
    match &node.args.values[..] {
        [value] => Ok(value.clone()),
        _ => Err(Cause::new(format!("{instruction} requires exactly one argument"))),
    }
}

fn blank_names(instruction: &str) -> Cause {
    Cause::new(format!("{instruction} names can not be blank"))
}

fn pairs(node: &Node, instruction: &str) -> Result<Vec<Pair>, Cause> {
    no_flags(node)?;
    if node.args.values.is_empty() {
        return Err(at_least_one(instruction));
    }
    let pair = |fields: &[String]| match fields {
        [key, value, separator] if !key.is_empty() => {
            Ok(Pair { key: key.clone(), value: value.clone(), is_legacy: separator.is_empty() })
        }
        _ => Err(blank_names(instruction)),
    };
    node.args.values.chunks(3).map(pair).collect()
}

fn arg(node: &Node) -> Result<Vec<ArgPair>, Cause> {
    if node.args.values.is_empty() {
        return Err(at_least_one("ARG"));
    }
    let pair = |word: &String| {
        let (key, value) = match word.split_once('=') {
            Some(("", _)) => return Err(blank_names("ARG")),
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        Ok(ArgPair { key: key.to_owned(), value, doc: doc(&node.comments, key) })
    };
    node.args.values.iter().map(pair).collect()
}

fn from(node: &Node) -> Result<From, Cause> {
    let (base, as_keyword, name) = match &node.args.values[..] {
        [base] => (base, None, None),
        [base, keyword, name] if keyword.eq_ignore_ascii_case("as") => {
            if !is_stage_name(&name.to_lowercase()) {
                return Err(Cause::new(format!(
                    "invalid name for build stage: {}, name can't start with a number or contain symbols",
                    quote(name)
                ))
                .focus(name));
            }
            (base, Some(keyword.clone()), Some(name.clone()))
        }
        words => {
            let cause = Cause::new("FROM requires either one or three arguments");
            return Err(match words {
                [_, keyword, _] => cause.suggest(&keyword.to_uppercase(), &["AS"]).focus(keyword),
                _ => cause,
            });
        }
    };
    let flags = Flags::read(&node.flags, &[("platform", Takes::Value)])?;
    Ok(From { base: base.clone(), platform: flags.text("platform"), as_keyword, name })
}

fn is_stage_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase();
    name.starts_with(is_letter)
        && name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

fn onbuild(node: &Node) -> Result<String, Cause> {
    let Some(inner) = &node.onbuild else { return Err(at_least_one("ONBUILD")) };
    no_flags(node)?;
    match inner.name.to_uppercase().as_str() {
        "ONBUILD" => {
            return Err(Cause::new("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
        }
        name @ ("MAINTAINER" | "FROM") => {
            return Err(Cause::new(format!("{name} isn't allowed as an ONBUILD trigger"))
                .focus(&inner.name));
        }
        _ => {}
    }
    let text = node.text.trim_start();
    let mut expression = text.get("ONBUILD".len()..).unwrap_or_default().trim_start().to_owned();
    for heredoc in &node.heredocs {
        expression.push('\n');
        expression.push_str(&heredoc.content);
        expression.push_str(&heredoc.word.name);
    }
    Ok(expression)
}

fn expose(node: &Node) -> Result<Vec<String>, Cause> {
    let mut ports = node.args.values.clone();
    if ports.is_empty() {
        return Err(at_least_one("EXPOSE"));
    }
    no_flags(node)?;
    ports.sort();
    Ok(ports)
}

fn volume(node: &Node) -> Result<Vec<String>, Cause> {
    if node.args.values.is_empty() {
        return Err(at_least_one("VOLUME"));
    }
    no_flags(node)?;
    let trimmed = node.args.values.iter().map(|volume| match volume.trim() {
        "" => Err(Cause::new("VOLUME specified can not be an empty string")),
        volume => Ok(volume.to_owned()),
    });
    trimmed.collect()
}

fn shell(node: &Node) -> Result<Vec<String>, Cause> {
    no_flags(node)?;
    if node.args.values.is_empty() {
        return Err(at_least_one("SHELL"));
    }
    if !node.args.json {
        return Err(Cause::new("SHELL requires the arguments to be in JSON form"));
    }
    Ok(node.args.values.clone())
}
