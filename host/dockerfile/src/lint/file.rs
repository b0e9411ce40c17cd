//! Rules that need no more than the file itself.

use std::collections::BTreeSet;

use super::linter::Linter;
use super::rules;
use crate::Diagnostic;
use crate::args::{BuildArgs, GlobalArgs};
use crate::expand::Lexer;
use crate::instruction::{self, Dockerfile, Instruction, Kind};
use crate::parse::{Ast, Node};
use crate::quote::quote;
use crate::reference;

/// Reads the instructions one by one, so that findings before an error are not lost.
pub(super) fn read(ast: &Ast, linter: &mut Linter) -> Result<Dockerfile, Diagnostic> {
    for node in &ast.nodes {
        linter.enter(&node.comments);
        match node.keyword().as_str() {
            "maintainer" => {
                let detail = "Maintainer instruction is deprecated in favor of using label";
                linter.warn(&rules::MAINTAINER_DEPRECATED, node.lines, node.span, detail);
            }
            "from" => from_casing(node, linter),
            _ => {}
        }
        match &Instruction::from_node(node)?.kind {
            Kind::From(from) => {
                let name: Vec<String> = from.name.iter().map(|name| name.to_lowercase()).collect();
                description("FROM", &name, node, linter);
            }
            Kind::Arg(pairs) => {
                let names: Vec<String> = pairs.iter().map(|pair| pair.key.clone()).collect();
                description("ARG", &names, node, linter);
            }
            _ => {}
        }
    }
    linter.leave();
    instruction::stages(ast)
}

fn from_casing(node: &Node, linter: &mut Linter) {
    if let [_, _, name] = &node.args.values[..]
        && *name != name.to_lowercase()
    {
        let detail = format!("Stage name '{name}' should be lowercase");
        linter.warn(&rules::STAGE_NAME_CASING, node.lines, node.span, detail);
    }
    let [_, keyword, _, ..] = &node.args.values[..] else { return };
    let matches = match is_lower(&node.name) {
        true => is_lower(keyword),
        // A FROM in mixed case is a finding of its own.
        false => is_upper(keyword) || !is_upper(&node.name),
    };
    if !matches {
        let detail = format!("'{keyword}' and '{}' keywords' casing do not match", node.name);
        linter.warn(&rules::FROM_AS_CASING, node.lines, node.span, detail);
    }
}

fn description(what: &str, names: &[String], node: &Node, linter: &mut Linter) {
    let (Some(comment), Some(first)) = (node.comments.last(), names.first()) else { return };
    let word = comment.split(' ').next().unwrap_or_default();
    if names.iter().any(|name| name == word) {
        return;
    }
    let name = if names.len() > 1 { "<arg_key>" } else { first };
    let detail = format!("Comment for {what} should follow the format: `# {name} <description>`");
    linter.warn(&rules::INVALID_DEFINITION_DESCRIPTION, node.lines, node.span, detail);
}

/// Names that mean something else than a stage.
const RESERVED: [&str; 2] = ["context", "scratch"];

pub(super) fn stage_names(file: &Dockerfile, linter: &mut Linter) {
    let mut seen = BTreeSet::new();
    for stage in &file.stages {
        let Some(name) = stage.name.as_deref() else { continue };
        if RESERVED.contains(&name) {
            let detail = format!(
                "Stage name should not use the same name as reserved stage {}",
                quote(name)
            );
            linter.at(&rules::RESERVED_STAGE_NAME, &stage.from, detail);
        }
        if !seen.insert(name) {
            let detail =
                format!("Duplicate stage name {}, stage names should be unique", quote(name));
            linter.at(&rules::DUPLICATE_STAGE_NAME, &stage.from, detail);
        }
    }
}

pub(super) fn casing(file: &Dockerfile, linter: &mut Linter) {
    let all: Vec<&Instruction> = file
        .stages
        .iter()
        .flat_map(|stage| std::iter::once(&stage.from).chain(&stage.commands))
        .collect();
    let lower = all.iter().filter(|instruction| is_lower(&instruction.name)).count();
    let upper = all.iter().filter(|instruction| is_upper(&instruction.name)).count();
    let (right, is_right): (_, fn(&str) -> bool) =
        if lower > upper { ("lowercase", is_lower) } else { ("uppercase", is_upper) };
    for instruction in all {
        let name = &instruction.name;
        if !is_right(name) {
            let detail =
                format!("Command '{name}' should match the case of the command majority ({right})");
            linter.at(&rules::CONSISTENT_INSTRUCTION_CASING, instruction, detail);
        }
    }
}

/// Looks at the images that FROM names when no build argument is given.
pub(super) fn default_images(file: &Dockerfile, predefined: &GlobalArgs, linter: &mut Linter) {
    let mut defaults = predefined.clone();
    // An error here comes again with the real arguments, and is reported there.
    if defaults.declare(file, &BuildArgs::new()).is_err() {
        return;
    }
    for stage in &file.stages {
        let Ok(name) = Lexer::new(file.escape).word(&stage.base, &defaults.lookup()) else {
            return;
        };
        if !reference::is_valid(&name) {
            let detail = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                stage.base
            );
            linter.at(&rules::INVALID_DEFAULT_ARG_IN_FROM, &stage.from, detail);
        }
    }
}

fn is_lower(text: &str) -> bool {
    text == text.to_lowercase()
}

fn is_upper(text: &str) -> bool {
    text == text.to_uppercase()
}
