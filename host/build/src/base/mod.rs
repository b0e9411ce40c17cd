//! What a stage starts from: nothing, an earlier stage, or an image.

mod files;
mod image;

pub(crate) use image::to_oci;

use kiln_dockerfile::platform::Platform;
use kiln_image::config::ImageConfig;
use kiln_image::reference::Reference;

use crate::engine::Engine;
use crate::error::{BuildError, Result};
use crate::layers::LayerRef;
use crate::plan::{Base, StagePlan};
use crate::request::NamedContext;
use crate::stage::{Filesystem, FinishedStage, Stages, Variables};

/// What a stage starts with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<LayerRef>,
    pub(crate) variables: Variables,
    pub(crate) filesystem: Filesystem,
    /// In a plan: why the layers are not known.
    pub(crate) unknown: Option<String>,
}

/// Resolves the base of a stage; `name` is how the step is shown.
pub(crate) fn open(
    cx: &Engine<'_>,
    stages: &dyn Stages,
    plan: &StagePlan,
    name: &str,
) -> Result<Start> {
    match &plan.base {
        Base::Stage(index) => {
            let stage = stages.finished(*index)?;
            let filesystem = if cx.plan.uses(*index) == 1 {
                stage.take_filesystem()
            } else {
                Filesystem::default()
            };
            Ok(Start {
                config: stage.config.clone(),
                layers: stage.layers.clone(),
                variables: stage.variables.clone(),
                filesystem,
                unknown: stage
                    .unknown
                    .as_ref()
                    .map(|_| "steps of its base are executed".to_owned()),
            })
        }
        // The target's platform, whatever --platform says: there is nothing to choose from.
        Base::Scratch => Ok(scratch(&cx.plan.target_platform)),
        base => cx.step(name, |_| {
            let image = cx.images.open(cx, base, &plan.platform)?;
            Ok(Start {
                config: image.config.clone(),
                layers: image.layers.clone(),
                variables: Variables::default(),
                filesystem: Filesystem::default(),
                unknown: image.unknown.clone(),
            })
        }),
    }
}

/// An image or context that FROM or `--from` names, as if it were a finished stage.
pub(crate) fn open_source(
    cx: &Engine<'_>,
    base: &Base,
    platform: &Platform,
) -> Result<FinishedStage> {
    let start = match base {
        Base::Scratch => scratch(platform),
        base => from_image(cx, base, platform)?,
    };
    let mut stage =
        FinishedStage::new(start.config, start.layers, start.variables, start.filesystem);
    stage.unknown = start.unknown;
    Ok(stage)
}

fn from_image(cx: &Engine<'_>, base: &Base, platform: &Platform) -> Result<Start> {
    let (config, layers) = match base {
        Base::Image(name) => image::from_registry(cx, &parse_reference(name)?, platform)?,
        Base::Named(name) => match cx.request.build_contexts.get(name) {
            Some(NamedContext::Scratch) => return Ok(scratch(platform)),
            Some(NamedContext::Image(reference)) => image::from_registry(cx, reference, platform)?,
            Some(NamedContext::Layout(spec)) => image::from_layout(cx, spec, platform)?,
            Some(NamedContext::Files(source)) => return files::from_files(cx, source, platform),
            None => return Err(BuildError::input(format!("there is no context `{name}`"))),
        },
        Base::Scratch | Base::Stage(_) => {
            return Err(BuildError::failed("a stage is not an image"));
        }
    };
    Ok(Start { layers, ..from_config(config) })
}

fn parse_reference(name: &str) -> Result<Reference> {
    if let Some(rest) = name.strip_prefix("oci-layout://") {
        return Err(BuildError::input(format!("`{name}` cannot be pulled"))
            .with_focus(name)
            .with_hint(format!("pass --build-context NAME=oci-layout://{rest} and FROM NAME")));
    }
    name.parse().map_err(|error| {
        BuildError::input(format!("failed to parse the image name `{name}`: {error}"))
            .with_focus(name)
            .with_hint("an image is named [HOST[:PORT]/]NAME[:TAG][@DIGEST], in lower case")
    })
}

/// The image that `FROM scratch` starts with.
fn scratch(platform: &Platform) -> Start {
    let mut config = ImageConfig::new(&image::to_oci(platform));
    config.config.working_dir = if platform.os == "windows" { "\\" } else { "/" }.to_owned();
    from_config(config)
}

fn from_config(config: ImageConfig) -> Start {
    Start {
        config,
        layers: Vec::new(),
        variables: Variables::default(),
        filesystem: Filesystem::default(),
        unknown: None,
    }
}
