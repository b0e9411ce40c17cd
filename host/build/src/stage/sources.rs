//! What COPY --from and RUN --mount=from read: an earlier stage, an image, a named context.

use std::sync::Arc;

use kiln_dockerfile::instruction::{Instruction, Kind};
use kiln_rootfs::Rootfs;
use kiln_rootfs::copy::Source;

use super::{FinishedStage, StageRun};
use crate::context::ContextDir;
use crate::engine::Engine;
use crate::error::Result;
use crate::plan::Base;
use crate::request::NamedContext;

/// Where files come from.
pub(super) enum SourceTree {
    /// The build context or a named directory.
    Context(Arc<ContextDir>),
    /// A stage or an image.
    Image(Arc<FinishedStage>),
}

/// Where files are read, open.
pub(super) enum Opened {
    Context(Arc<ContextDir>),
    Rootfs(Arc<Rootfs>),
}

impl SourceTree {
    /// Whether it is a stage or an image.
    pub(super) fn is_image(&self) -> bool {
        matches!(self, Self::Image(_))
    }

    /// Opens the files; those of a stage or an image are unpacked on first use.
    pub(super) fn open(&self, cx: &Engine<'_>) -> Result<Opened> {
        Ok(match self {
            Self::Context(context) => Opened::Context(Arc::clone(context)),
            Self::Image(stage) => Opened::Rootfs(stage.rootfs(cx)?),
        })
    }
}

impl Opened {
    pub(super) fn source(&self) -> &dyn Source {
        match self {
            Self::Context(context) => context.as_ref(),
            Self::Rootfs(rootfs) => rootfs.as_ref(),
        }
    }
}

/// What an instruction's `--from` and `from=` name.
pub(super) fn names(instruction: &Instruction) -> Vec<&str> {
    match &instruction.kind {
        Kind::Copy(copy) => copy.from.iter().map(String::as_str).collect(),
        Kind::Run(run) => {
            run.mounts.iter().flatten().filter_map(|mount| mount.from.as_deref()).collect()
        }
        _ => Vec::new(),
    }
}

impl StageRun<'_> {
    /// Waits for the stages that an instruction uses: the time is theirs, not the step's.
    pub(super) fn wait_for_sources(&self, instruction: &Instruction) -> Result<()> {
        for name in names(instruction) {
            if let Base::Stage(index) = self.source(name)? {
                self.stages.finished(index)?;
            }
        }
        Ok(())
    }

    /// Opens what `from` names; `None` is the build context.
    pub(super) fn open_source(&self, from: Option<&str>) -> Result<SourceTree> {
        let Some(name) = from else {
            return Ok(SourceTree::Context(Arc::clone(&self.cx.context)));
        };
        let opened = match self.source(name)? {
            Base::Stage(index) => Ok(SourceTree::Image(self.stages.finished(index)?)),
            Base::Named(name) => match self.cx.request.build_contexts.get(&name) {
                Some(NamedContext::Files(source)) => {
                    Ok(SourceTree::Context(Arc::new(ContextDir::named(self.cx, source)?)))
                }
                _ => self.open_image(&Base::Named(name)),
            },
            base => self.open_image(&base),
        };
        opened.map_err(|error| error.or_focus(name))
    }

    fn open_image(&self, base: &Base) -> Result<SourceTree> {
        let opened = self.cx.images.open(self.cx, base, self.platform());
        let near = || self.cx.plan.near_stage(base, self.index);
        Ok(SourceTree::Image(opened.map_err(|error| error.with_better_hint(near()))?))
    }
}
