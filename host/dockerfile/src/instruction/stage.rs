//! Instructions grouped by stage.

use super::{ArgPair, Instruction, Kind};
use crate::parse::{self, Ast};
use crate::quote::quote;
use crate::{Diagnostic, LineRange, Span, suggest};

/// Most stages of a file: each may inherit from the one before, and all they hold adds up.
pub const MAX_STAGES: usize = 1000;

/// A whole Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The escape character that holds in this file; [`Instruction::expand`] needs it.
    pub escape: char,
    /// The `ARG` instructions before the first `FROM`.
    pub meta_args: Vec<Instruction>,
    /// The stages in their order; never empty.
    pub stages: Vec<Stage>,
}

/// What one `FROM` opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The stage's name in lower case.
    pub name: Option<String>,
    /// The image or stage it is based on, before expansion.
    pub base: String,
    /// `--platform`, before expansion.
    pub platform: Option<String>,
    /// The `FROM` itself.
    pub from: Instruction,
    /// The instructions in their order.
    pub commands: Vec<Instruction>,
    /// The description: the comment above of the form `# name description`.
    pub doc: Option<String>,
}

impl Dockerfile {
    /// The pairs of all `ARG` instructions before the first `FROM`.
    pub fn meta_pairs(&self) -> impl Iterator<Item = &ArgPair> {
        self.meta_args.iter().flat_map(|instruction| match &instruction.kind {
            Kind::Arg(pairs) => pairs.as_slice(),
            _ => &[],
        })
    }

    /// The position of the stage with that name, ignoring case; of two the last.
    pub fn stage_index(&self, name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        self.stages.iter().rposition(|stage| stage.name.as_deref() == Some(lower.as_str()))
    }

    /// The position of the stage that `--target` names, or whose number it is; without, the last.
    pub fn target_index(&self, target: Option<&str>) -> Option<usize> {
        let Some(target) = target else { return self.stages.len().checked_sub(1) };
        let number = || target.parse().ok().filter(|index| *index < self.stages.len());
        self.stage_index(target).or_else(number)
    }

    /// As [`Dockerfile::target_index`].
    ///
    /// # Errors
    /// There is no such stage.
    pub(crate) fn target(&self, target: Option<&str>) -> Result<usize, Diagnostic> {
        self.target_index(target).ok_or_else(|| {
            let name = target.unwrap_or_default();
            let message = format!("target stage {} could not be found", quote(name));
            let names = self.stages.iter().filter_map(|stage| stage.name.as_deref());
            let mut error = Diagnostic::new(message, Span::default(), LineRange::default());
            error.hint = suggest::nearest(name, names).map(|near| format!("did you mean {near}?"));
            error
        })
    }
}

/// Parses the text of a Dockerfile down to typed instructions.
///
/// # Errors
/// Those of [`parse::parse`] and [`stages`].
pub fn parse_dockerfile(source: &str) -> Result<Dockerfile, Diagnostic> {
    stages(&parse::parse(source)?)
}

/// Groups the instructions of a file by stage.
///
/// # Errors
/// Those of [`Instruction::from_node`]; an instruction other than `ARG` before the first `FROM`;
/// no `FROM` at all; more than [`MAX_STAGES`].
pub fn stages(ast: &Ast) -> Result<Dockerfile, Diagnostic> {
    let mut file = Dockerfile { escape: ast.escape, meta_args: Vec::new(), stages: Vec::new() };
    for node in &ast.nodes {
        let instruction = Instruction::from_node(node)?;
        if let Kind::From(from) = &instruction.kind {
            if file.stages.len() == MAX_STAGES {
                return Err(instruction.error(format!("more than {MAX_STAGES} stages")));
            }
            let name = from.name.as_ref().map(|name| name.to_lowercase());
            file.stages.push(Stage {
                base: from.base.clone(),
                platform: from.platform.clone(),
                doc: name.as_ref().and_then(|name| super::doc(&node.comments, name)),
                name,
                from: instruction,
                commands: Vec::new(),
            });
            continue;
        }
        match file.stages.last_mut() {
            Some(stage) => stage.commands.push(instruction),
            None if matches!(instruction.kind, Kind::Arg(_)) => file.meta_args.push(instruction),
            None => {
                return Err(instruction
                    .error("no build stage in current context")
                    .with_hint("a Dockerfile starts with FROM; only ARG may stand before it"));
            }
        }
    }
    match file.meta_args.last() {
        Some(last) if file.stages.is_empty() => {
            Err(last.error("dockerfile contains no stages to build").with_hint("add a FROM"))
        }
        _ => Ok(file),
    }
}

/// Reads the text of an `ONBUILD` trigger, as an image's config or a [`Kind::Onbuild`] holds it.
///
/// # Errors
/// Those of a Dockerfile; more than one instruction; `FROM`. The place of the error is in the
/// trigger's own text: report it at the `FROM` that brought the trigger in.
pub fn parse_trigger(text: &str) -> Result<Instruction, Diagnostic> {
    let ast = parse::parse(text)?;
    let [node] = &ast.nodes[..] else {
        let (span, lines) =
            ast.nodes.last().map(|node| (node.span, node.lines)).unwrap_or_default();
        return Err(Diagnostic::new("onbuild trigger should be a single expression", span, lines));
    };
    let instruction = Instruction::from_node(node)?;
    match instruction.kind {
        Kind::From(_) => Err(instruction.error("FROM isn't allowed as an ONBUILD trigger")),
        _ => Ok(instruction),
    }
}
