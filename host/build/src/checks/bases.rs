//! The base images that checks look at. What cannot be had is told once, and a registry that does not
//! answer is not asked for the next image: a check without a network is to be quick and readable.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::error::Error as _;

use kiln_dockerfile::lint::BaseImage;
use kiln_dockerfile::platform::Platform;
use kiln_image::reference::Reference;

use crate::engine::Engine;
use crate::error::BuildError;
use crate::plan::{self, Base};
use crate::request::NamedContext;

/// Gives the config of base images.
pub(super) struct BaseImages<'a> {
    cx: &'a Engine<'a>,
    /// Images that cannot be had, by name and platform.
    missing: RefCell<BTreeSet<String>>,
    /// Registries that do not answer.
    silent: RefCell<BTreeSet<String>>,
}

impl<'a> BaseImages<'a> {
    pub(super) fn new(cx: &'a Engine<'a>) -> Self {
        Self { cx, missing: RefCell::default(), silent: RefCell::default() }
    }

    /// What the config of an image says, if it can be had.
    pub(super) fn get(&self, name: &str, platform: &Platform) -> Option<BaseImage> {
        let cx = self.cx;
        let base = plan::outside(name, cx.request);
        if let Base::Named(name) = &base
            && let Some(NamedContext::Files(_)) = cx.request.build_contexts.get(name)
        {
            return Some(BaseImage::default());
        }
        let registry = self.registry(&base);
        if registry.as_ref().is_some_and(|registry| self.silent.borrow().contains(registry))
            || self.missing.borrow().contains(&key(name, platform))
        {
            return None;
        }
        let image = match cx.images.open(cx, &base, platform) {
            Ok(image) => image,
            Err(error) => {
                self.tell(name, platform, registry, &error);
                return None;
            }
        };
        let config = &image.config;
        let variable = |entry: &String| {
            let (name, value) = entry.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        Some(BaseImage {
            env: config.config.env.iter().filter_map(variable).collect(),
            platform: Some(Platform::new(&config.os, &config.architecture, &config.variant)),
            has_shell: !config.config.shell.is_empty(),
            onbuild: config.config.on_build.clone(),
        })
    }

    fn tell(&self, name: &str, platform: &Platform, registry: Option<String>, error: &BuildError) {
        let cause = error.chain();
        match registry.filter(|_| is_silence(error)) {
            Some(registry) => {
                self.cx.warn(&format!(
                    "what depends on base images of {registry} is not checked: {cause}"
                ));
                self.silent.borrow_mut().insert(registry);
            }
            None => {
                let what = format!("what depends on base image {name} is not checked");
                self.cx.warn(&format!("{what}: {cause}"));
                self.missing.borrow_mut().insert(key(name, platform));
            }
        }
    }

    /// The registry of an image.
    fn registry(&self, base: &Base) -> Option<String> {
        let name = match base {
            Base::Image(name) => name,
            Base::Named(name) => match self.cx.request.build_contexts.get(name) {
                Some(NamedContext::Image(reference)) => return Some(reference.registry.clone()),
                _ => return None,
            },
            Base::Scratch | Base::Stage(_) => return None,
        };
        name.parse::<Reference>().ok().map(|reference| reference.registry)
    }
}

fn key(name: &str, platform: &Platform) -> String {
    format!("{platform} {name}")
}

/// No connection, or no answer in time.
fn is_silence(error: &BuildError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<kiln_registry::Error>());
    cause.is_some_and(|cause| cause.kind() == kiln_registry::ErrorKind::Unavailable)
}
