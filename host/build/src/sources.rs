//! Images that FROM, COPY --from and RUN --mount name: each is resolved once for a build.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kiln_dockerfile::platform::Platform;

use crate::base;
use crate::engine::Engine;
use crate::error::Result;
use crate::plan::Base;
use crate::stage::FinishedStage;

type Slot = Arc<Mutex<Option<Arc<FinishedStage>>>>;

/// The images opened so far, by name and platform.
#[derive(Debug, Default)]
pub(crate) struct ImageSources(Mutex<HashMap<String, Slot>>);

impl ImageSources {
    /// Opens an image, or gives the one opened before.
    pub(crate) fn open(
        &self,
        cx: &Engine<'_>,
        base: &Base,
        platform: &Platform,
    ) -> Result<Arc<FinishedStage>> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(format!("{base:?} {platform}")).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stage) = &*slot {
            return Ok(Arc::clone(stage));
        }
        let stage = Arc::new(base::open_source(cx, base, platform)?);
        *slot = Some(Arc::clone(&stage));
        Ok(stage)
    }
}
