//! The checks: what a Dockerfile says that its author may not mean.
//!
//! The rules, their texts and their order of discovery are BuildKit's. `# check=skip=A,B` at the
//! top or above an instruction switches rules off, `experimental=A` on; `error=true` makes any
//! finding an error.

mod config;
mod file;
pub(crate) mod from;
mod linter;
mod rules;
mod stage;
pub(crate) mod state;

pub use config::{CheckError, Config, UnknownRule, fails_on_findings, unknown_rules};
pub use rules::{RULES, Rule};

use crate::args::{BuildArgs, GlobalArgs};
use crate::ignore::PatternMatcher;
use crate::instruction::Dockerfile;
use crate::platform::Platform;
use crate::{Diagnostic, LineRange, Span, parse};
use linter::Linter;

/// The build argument that replaces the file's `# check=`.
pub const CHECK_ARG: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// What the checks need to know beside the file.
pub struct Options<'a> {
    /// The stages to look at.
    pub scope: Scope<'a>,
    /// `--build-arg`.
    pub build_args: &'a BuildArgs,
    /// The platform of the builder.
    pub build_platform: Platform,
    /// The platform to build for.
    pub target_platform: Platform,
    /// The context's `.dockerignore`.
    pub ignore: Option<&'a PatternMatcher>,
    /// The config of an image, if known. Without it a stage's variables may come from the image,
    /// and undefined ones are not reported.
    pub base_image: &'a dyn Fn(&str, &Platform) -> Option<BaseImage>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("scope", &self.scope)
            .field("build_args", &self.build_args)
            .field("build_platform", &self.build_platform)
            .field("target_platform", &self.target_platform)
            .field("ignore", &self.ignore)
            .finish_non_exhaustive()
    }
}

/// The stages to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All of them: a check without target.
    All,
    /// What this target needs, or the last stage: a build.
    Target(Option<&'a str>),
}

/// What the checks need to know of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseImage {
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its platform.
    pub platform: Option<Platform>,
    /// It sets a shell.
    pub has_shell: bool,
    /// Its ONBUILD triggers.
    pub onbuild: Vec<String>,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found.
    pub detail: String,
    /// The lines of the instruction.
    pub lines: LineRange,
    /// The instruction; empty where only the line is known.
    pub span: Span,
}

/// All findings of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The findings in the order of discovery.
    pub warnings: Vec<Warning>,
    /// What ended the checks, or the findings themselves with `error=true`.
    pub error: Option<Diagnostic>,
    /// Whether the error is that there are findings.
    pub is_violation: bool,
}

/// Checks the text of a Dockerfile.
pub fn lint(source: &str, options: &Options<'_>) -> Report {
    let mut linter = match Config::of(source, options.build_args) {
        Ok(config) => Linter::new(config),
        Err((error, lines)) => {
            let message = format!("failed to parse check options: {error}");
            let error = Diagnostic::new(message, Span::default(), lines);
            return Report { warnings: Vec::new(), error: Some(error), is_violation: false };
        }
    };
    let error = run(source, options, &mut linter).err();
    linter.report(error)
}

fn run(source: &str, options: &Options<'_>, linter: &mut Linter) -> Result<(), Diagnostic> {
    let ast = parse::parse(source)?;
    for warning in &ast.warnings {
        let lines = LineRange::new(warning.line, warning.line);
        linter.warn(
            &rules::NO_EMPTY_CONTINUATION,
            lines,
            Span::default(),
            "Empty continuation line",
        );
    }
    let file = file::read(&ast, linter)?;
    file::stage_names(&file, linter);
    file::casing(&file, linter);
    let predefined = predefined(&file, options);
    file::default_images(&file, &predefined, linter);
    let mut globals = predefined;
    globals.declare(&file, options.build_args)?;
    stage::check(&file, &globals, options, linter)
}

fn predefined(file: &Dockerfile, options: &Options<'_>) -> GlobalArgs {
    let last = file.stages.last().and_then(|stage| stage.name.as_deref());
    let target = match options.scope {
        Scope::Target(Some(target)) => target,
        _ => last.unwrap_or_default(),
    };
    GlobalArgs::predefined(
        &options.build_platform,
        &options.target_platform,
        target,
        options.build_args,
    )
}
