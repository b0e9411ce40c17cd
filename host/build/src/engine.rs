//! What all stages of a build share: the store, the cache, the registry, the runners, the events.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kiln_dockerfile::Instruction;
use kiln_dockerfile::platform::Platform;
use kiln_image::config;
use kiln_image::manifest::Descriptor;
use kiln_image::store::Store;
use kiln_registry::Registry;
use kiln_rootfs::Rootfs;
use kiln_runner::{Kind, Runner, Step};

use crate::cache::{Cache, KeyBuilder};
use crate::context::ContextDir;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::events::{Event, EventSink, StepEnd, StepId};
use crate::layers::LayerRef;
use crate::plan::Plan;
use crate::planned::Planning;
use crate::remote::{Remotes, redact};
use crate::request::BuildRequest;
use crate::scratch::{Scratch, make_private_dir};
use crate::sources::ImageSources;

/// What a build works with besides its request.
pub struct Services {
    /// The client for registries.
    pub registry: Registry,
    /// The runners, in order of preference.
    pub runners: Vec<Arc<dyn Runner>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// Who can take a step.
pub(crate) struct Choice {
    /// The runners that can, best first.
    pub(crate) usable: Vec<Arc<dyn Runner>>,
    /// The others that were asked, and why they cannot.
    pub(crate) refusals: Vec<(Kind, String)>,
}

/// One build.
pub(crate) struct Engine<'a> {
    pub(crate) request: &'a BuildRequest,
    pub(crate) plan: &'a Plan,
    pub(crate) store: Store,
    pub(crate) cache: Cache,
    pub(crate) scratch: Scratch,
    /// What COPY and ADD read, without what the ignore file names.
    pub(crate) context: Arc<ContextDir>,
    /// Images that FROM and `--from` name.
    pub(crate) images: ImageSources,
    /// What ADD fetches.
    pub(crate) remotes: &'a Remotes,
    /// Collects decisions in place of executing anything, for `kiln plan`.
    pub(crate) planning: Option<Planning>,
    services: &'a Services,
    events: &'a dyn EventSink,
    next_step: &'a AtomicU64,
}

impl<'a> Engine<'a> {
    /// Opens everything that a build for one platform needs; `next_step` numbers the steps of all.
    pub(crate) fn open(
        request: &'a BuildRequest,
        plan: &'a Plan,
        services: &'a Services,
        events: &'a dyn EventSink,
        next_step: &'a AtomicU64,
    ) -> Result<Self> {
        let store = open_store(&request.work_dir)?;
        let context = ContextDir::new(&request.context, request.ignore_file.as_deref())?;
        Ok(Self {
            request,
            plan,
            store,
            cache: Cache::open(&request.work_dir)?,
            scratch: Scratch::create(&request.work_dir)?,
            context: Arc::new(context),
            images: ImageSources::default(),
            remotes: &request.remotes,
            planning: None,
            services,
            events,
            next_step,
        })
    }

    /// The client for registries.
    pub(crate) fn registry(&self) -> &Registry {
        &self.services.registry
    }

    /// Tells an event.
    pub(crate) fn event(&self, event: &Event<'_>) {
        self.events.event(event);
    }

    /// Tells something that does not stop the build.
    pub(crate) fn warn(&self, message: &str) {
        self.events.event(&Event::Warning { message });
    }

    /// Tells that a step begins.
    pub(crate) fn start_step(&self, name: &str) -> StepId {
        let id = self.next_step.fetch_add(1, Ordering::Relaxed);
        self.event(&Event::StepStarted { id, name });
        id
    }

    /// Runs something that is not an instruction as a step of its own.
    pub(crate) fn step<T>(&self, name: &str, run: impl FnOnce(StepId) -> Result<T>) -> Result<T> {
        let id = self.start_step(name);
        let started = Instant::now();
        let result = run(id);
        let end = if result.is_ok() { StepEnd::Done } else { StepEnd::Failed };
        self.event(&Event::StepFinished { id, elapsed: started.elapsed(), end });
        result
    }

    /// Gives an error the place of an instruction.
    pub(crate) fn locate(&self, error: BuildError, instruction: &Instruction) -> BuildError {
        let text = &self.plan.text;
        error.at(|error| {
            let mut diagnostic = instruction.error(error.chain());
            if let Some(hint) = error.hint() {
                diagnostic = diagnostic.with_hint(hint);
            }
            if let Some(focus) = error.focus() {
                diagnostic = diagnostic.with_focus(focus);
            }
            redact(&diagnostic.render(&text.name, &text.text))
        })
    }

    /// Adds to a key what the form of a layer depends on: those of builds with another time stamp
    /// or compression are others.
    pub(crate) fn key_output(&self, key: &mut KeyBuilder) {
        key.field("epoch", format!("{:?}", self.plan.epoch));
        key.field("compression", format!("{:?}", self.request.compression));
    }

    /// `SOURCE_DATE_EPOCH` as RFC 3339, when it is set.
    pub(crate) fn epoch_time(&self) -> Option<String> {
        config::timestamp(self.plan.epoch?, 0)
    }

    /// The time that a step made now gets.
    pub(crate) fn now(&self) -> String {
        self.epoch_time().unwrap_or_else(|| jiff::Timestamp::now().to_string())
    }

    /// Pulls the blobs that are not in the store yet.
    pub(crate) fn ensure_local(&self, layers: &[LayerRef]) -> Result<()> {
        let mut missing: Vec<(&Arc<kiln_image::reference::Reference>, Vec<Descriptor>)> =
            Vec::new();
        for layer in layers {
            if self.store.has(&layer.descriptor.digest).is_some() {
                continue;
            }
            let Some(origin) = &layer.origin else {
                return Err(BuildError::failed(format!(
                    "blob {} vanished from the work directory during the build",
                    layer.descriptor.digest
                ))
                .with_hint("let nothing remove files below --work-dir while a build runs"));
            };
            match missing.iter_mut().find(|(have, _)| *have == origin) {
                Some((_, list)) => list.push(layer.descriptor.clone()),
                None => missing.push((origin, vec![layer.descriptor.clone()])),
            }
        }
        for (origin, descriptors) in missing {
            self.registry()
                .pull_blobs(origin, &descriptors, &self.store, &|_| None)
                .context(ErrorKind::Registry, || format!("pull {origin}"))?;
        }
        Ok(())
    }

    /// Whether some runner executes programs of this architecture.
    pub(crate) fn runs(&self, architecture: &str) -> bool {
        is_local(architecture)
            || self.services.runners.iter().any(|runner| runner.runs_foreign(architecture))
    }

    /// Which runners can take a step of an image for this architecture, and why the others cannot.
    pub(crate) fn choose_runners(
        &self,
        rootfs: &Rootfs,
        step: &Step,
        architecture: &str,
    ) -> Choice {
        let mut refusals = Vec::new();
        let mut usable = Vec::new();
        for runner in &self.services.runners {
            if self.request.runner.is_some_and(|wanted| wanted != runner.kind()) {
                continue;
            }
            if let Err(reason) = runner.available() {
                refusals.push((runner.kind(), reason.to_string()));
                continue;
            }
            if !is_local(architecture) && !runner.runs_foreign(architecture) {
                let reason = format!("it does not run programs for {architecture} here");
                refusals.push((runner.kind(), reason));
                continue;
            }
            match runner.eligible(rootfs, step) {
                Ok(()) => usable.push(Arc::clone(runner)),
                Err(reason) => refusals.push((runner.kind(), reason)),
            }
        }
        Choice { usable, refusals }
    }

    /// The runners that can take a step, best first.
    pub(crate) fn runners_for(
        &self,
        rootfs: &Rootfs,
        step: &Step,
        architecture: &str,
    ) -> Result<Vec<Arc<dyn Runner>>> {
        let Choice { usable, refusals } = self.choose_runners(rootfs, step, architecture);
        if usable.is_empty() {
            let reasons = if refusals.is_empty() {
                "this kiln has no such runner".to_owned()
            } else {
                let each = refusals.iter().map(|(kind, reason)| format!("{kind}: {reason}"));
                each.collect::<Vec<_>>().join("; ")
            };
            return Err(BuildError::new(
                ErrorKind::Environment,
                format!("no runner can execute this step: {reasons}"),
            )
            .with_hint("`kiln doctor` says which runners work here and what the others need"));
        }
        Ok(usable)
    }
}

fn is_local(architecture: &str) -> bool {
    architecture == Platform::local().architecture
}

fn open_store(work_dir: &Path) -> Result<Store> {
    let dir = work_dir.join("store");
    make_private_dir(&dir)?;
    Store::open(&dir)
        .context(ErrorKind::Environment, || format!("open the content store {}", dir.display()))
        .map_err(|error| error.with_hint("--work-dir must be a directory that kiln can write to"))
}
