//! Takes a step's result from the cache.
//!
//! A step that reads files of another stage or of an image has two keys: one over that file
//! system's layers, known at once, and one over the files that it reads, which finds the result
//! again though other layers hold the same files.

use super::{Done, StageRun};
use crate::cache::{Key, Record};
use crate::error::Result;
use crate::history::commit;

/// What stands in a key for the files of a stage or an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyBy {
    /// The layers that hold them.
    Layers,
    /// The files themselves.
    Content,
}

/// What the cache says of a step.
pub(super) enum Looked {
    /// It is done.
    Done(Done),
    /// It has to be executed; its result belongs under these keys.
    Missing(Vec<Key>),
}

impl StageRun<'_> {
    /// Whether results of earlier builds may be used here.
    pub(super) fn uses_cache(&self) -> bool {
        let request = self.cx.request;
        let name = self.plan.name.as_deref().unwrap_or_default();
        request.use_cache
            && !request.uncached_stages.iter().any(|stage| stage.eq_ignore_ascii_case(name))
    }

    /// When an earlier build left the result of a step, makes it this stage's; in a plan
    /// it says when there is none, so that nothing is executed. `reads_images` says whether the two
    /// keys differ.
    pub(super) fn look_up_step(
        &mut self,
        message: &str,
        reads_images: bool,
        key: &dyn Fn(&Self, KeyBy) -> Result<Key>,
    ) -> Result<Looked> {
        let by_layers = key(self, KeyBy::Layers)?;
        if !self.uses_cache() {
            return Ok(Looked::Missing(vec![by_layers]));
        }
        if let Some(record) = self.recorded(&by_layers) {
            return self.take(record, message);
        }
        if self.cx.planning.is_some() {
            return Ok(Looked::Done(Done::NotCached));
        }
        if !reads_images {
            return Ok(Looked::Missing(vec![by_layers]));
        }
        let by_content = key(self, KeyBy::Content)?;
        if let Some(record) = self.recorded(&by_content) {
            self.cx.cache.put(&by_layers, &record)?;
            return self.take(record, message);
        }
        Ok(Looked::Missing(vec![by_layers, by_content]))
    }

    fn recorded(&self, key: &Key) -> Option<Record> {
        self.cx.cache.get(key, &self.cx.store)
    }

    fn take(&mut self, record: Record, message: &str) -> Result<Looked> {
        let created = record.created.clone();
        self.adopt_layer(record)?;
        commit(&mut self.config, message.to_owned(), true, Some(created));
        Ok(Looked::Done(Done::Cached))
    }
}
