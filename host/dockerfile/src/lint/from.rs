//! `FROM` of every stage: image or earlier stage, platform, and which stages a target needs.

use super::linter::Linter;
use super::{BaseImage, Options, Scope, rules};
use crate::args::GlobalArgs;
use crate::expand::{Expanded, Lexer};
use crate::instruction::{Dockerfile, Kind, Stage};
use crate::platform::Platform;
use crate::quote::quote;
use crate::{Diagnostic, suggest};

/// A stage whose FROM is expanded.
pub(super) struct Opened<'a> {
    pub(super) stage: &'a Stage,
    pub(super) base: Base,
    platform: Option<Platform>,
}

pub(super) enum Base {
    Stage(usize),
    Scratch,
    Image(String),
}

/// Expands the FROM of a stage.
pub(super) fn open<'a>(
    stage: &'a Stage,
    earlier: &[Opened<'_>],
    escape: char,
    globals: &GlobalArgs,
    linter: &mut Linter,
) -> Result<Opened<'a>, Diagnostic> {
    let lexer = Lexer::new(escape);
    let name = lexer
        .expand(&stage.base, &globals.lookup())
        .map_err(|error| stage.from.place(error.into()))?;
    undeclared(&name, stage, globals, linter);
    if name.text.is_empty() {
        let message = format!("base name ({}) should not be blank", stage.base);
        return Err(stage.from.error(message).with_focus(&stage.base));
    }
    let mut platform = None;
    if let Some(text) = &stage.platform {
        let expanded = lexer
            .expand(text, &globals.lookup())
            .map_err(|error| stage.from.place(error.into()))?;
        undeclared(&expanded, stage, globals, linter);
        redundant_platform(&expanded, text, stage, globals, linter);
        constant_platform(&expanded, stage, linter);
        platform = Some(parse_platform(&expanded, text, stage, globals)?);
    }
    // Stage names are in lower case, and matched as written: `FROM Base` is an image.
    let index = earlier.iter().rposition(|opened| opened.stage.name.as_ref() == Some(&name.text));
    let base = match index {
        Some(index) => Base::Stage(index),
        None if name.text == "scratch" => Base::Scratch,
        None => Base::Image(name.text),
    };
    Ok(Opened { stage, base, platform })
}

fn undeclared(expanded: &Expanded, stage: &Stage, globals: &GlobalArgs, linter: &mut Linter) {
    for name in expanded.unmatched.iter().filter(|name| !globals.knows(name)) {
        let mut detail = format!("FROM argument '{name}' is not declared");
        if let Some(found) = suggest::nearest(name, globals.known_names()) {
            detail.push_str(&format!(" (did you mean {found}?)"));
        }
        linter.at(&rules::UNDEFINED_ARG_IN_FROM, &stage.from, detail);
    }
}

fn redundant_platform(
    expanded: &Expanded,
    text: &str,
    stage: &Stage,
    globals: &GlobalArgs,
    linter: &mut Linter,
) {
    const TARGET: &str = "TARGETPLATFORM";
    let is_alone = expanded.matched.len() == 1 && expanded.unmatched.is_empty();
    if is_alone
        && expanded.matched.contains(TARGET)
        && globals.get(TARGET) == Some(expanded.text.as_str())
    {
        let detail = format!(
            "Setting platform to predefined {text} in FROM is redundant as this is the default behavior"
        );
        linter.at(&rules::REDUNDANT_TARGET_PLATFORM, &stage.from, detail);
    }
}

fn constant_platform(expanded: &Expanded, stage: &Stage, linter: &mut Linter) {
    if !expanded.matched.is_empty() || !expanded.unmatched.is_empty() {
        return;
    }
    let Ok(platform) = Platform::parse(&expanded.text) else { return };
    let name = stage.name.as_deref().unwrap_or_default();
    // A stage named after its platform is meant for it.
    if name.contains(&platform.os) || name.contains(&platform.architecture) {
        return;
    }
    let detail =
        format!("FROM --platform flag should not use constant value {}", quote(&expanded.text));
    linter.at(&rules::FROM_PLATFORM_FLAG_CONST_DISALLOWED, &stage.from, detail);
}

fn parse_platform(
    expanded: &Expanded,
    text: &str,
    stage: &Stage,
    globals: &GlobalArgs,
) -> Result<Platform, Diagnostic> {
    let error = |message: String| {
        let mut error = stage.from.error(message).with_focus(text);
        let near = |name: &String| suggest::nearest(name, globals.names());
        error.hint =
            expanded.unmatched.iter().find_map(near).map(|found| format!("did you mean {found}?"));
        error
    };
    if expanded.text.is_empty() {
        return Err(error(format!("empty platform value from expression {text}")));
    }
    Platform::parse(&expanded.text)
        .map_err(|cause| error(format!("failed to parse platform {text}: {cause}")))
}

/// Which stages are to be looked at.
pub(super) fn wanted(
    file: &Dockerfile,
    opened: &[Opened<'_>],
    options: &Options<'_>,
) -> Result<Vec<bool>, Diagnostic> {
    let target = match options.scope {
        Scope::All => return Ok(vec![true; opened.len()]),
        Scope::Target(target) => file.target(target)?,
    };
    let mut wanted = vec![false; opened.len()];
    let mut pending = vec![target];
    while let Some(index) = pending.pop() {
        if std::mem::replace(&mut wanted[index], true) {
            continue;
        }
        if let Base::Stage(base) = opened[index].base {
            pending.push(base);
        }
        pending.extend(sources(file, index));
    }
    Ok(wanted)
}

/// The stages that a stage copies or mounts from; of two of one name an earlier one.
pub(crate) fn sources(file: &Dockerfile, index: usize) -> Vec<usize> {
    let named = |name: &str| {
        let lower = name.to_lowercase();
        let earlier = &file.stages[..index];
        let found = earlier.iter().rposition(|stage| stage.name.as_ref() == Some(&lower));
        found.or_else(|| file.stage_index(name))
    };
    let mut found = Vec::new();
    for command in &file.stages[index].commands {
        match &command.kind {
            Kind::Copy(copy) => found.extend(copy.from.as_deref().and_then(|from| {
                let number = from.parse().ok().filter(|number| *number < file.stages.len());
                number.or_else(|| named(from))
            })),
            Kind::Run(run) => {
                let names = run.mount_sources.iter().flatten();
                found.extend(names.filter_map(|from| named(from)));
            }
            _ => {}
        }
    }
    found
}

/// The base image of a stage; reports one of another platform.
pub(super) fn image(
    opened: &Opened<'_>,
    options: &Options<'_>,
    linter: &mut Linter,
) -> Option<BaseImage> {
    let Base::Image(name) = &opened.base else { return None };
    let expected = opened.platform.as_ref().unwrap_or(&options.target_platform);
    let image = (options.base_image)(name, expected)?;
    if let Some(actual) = &image.platform
        && (&actual.os, &actual.architecture) != (&expected.os, &expected.architecture)
    {
        let detail = format!(
            "Base image {name} was pulled with platform {}, expected {} for current build",
            quote(&actual.normalized().to_string()),
            quote(&expected.normalized().to_string())
        );
        linter.at(&rules::INVALID_BASE_IMAGE_PLATFORM, &opened.stage.from, detail);
    }
    Some(image)
}
