//! Takes a step's result from the cache.

use super::{Done, StageRun};
use crate::cache::Key;
use crate::error::Result;
use crate::history::commit;

impl StageRun<'_> {
    /// Whether results of earlier builds may be used here.
    pub(super) fn uses_cache(&self) -> bool {
        let request = self.cx.request;
        let name = self.plan.name.as_deref().unwrap_or_default();
        request.use_cache
            && !request.uncached_stages.iter().any(|stage| stage.eq_ignore_ascii_case(name))
    }

    /// When an earlier build left the result of this step, makes it this stage's; in a plan
    /// it says when there is none, so that nothing is executed.
    pub(super) fn take_cached(&mut self, key: &Key, message: &str) -> Result<Option<Done>> {
        if !self.uses_cache() {
            return Ok(None);
        }
        let Some(record) = self.cx.cache.get(key, &self.cx.store) else {
            return Ok(self.cx.planning.is_some().then_some(Done::NotCached));
        };
        let created = record.created.clone();
        self.adopt_layer(record)?;
        commit(&mut self.config, message.to_owned(), true, Some(created));
        Ok(Some(Done::Cached))
    }
}
