//! Results by name, each computed once however many threads ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;

type Slot<T> = Arc<Mutex<Option<Arc<T>>>>;

/// The results so far.
#[derive(Debug)]
pub(super) struct Once<T>(Mutex<HashMap<String, Slot<T>>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Once<T> {
    /// The result of this name; the first to ask computes it, others wait. An error is computed
    /// anew.
    pub(super) fn get(&self, name: &str, compute: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(name.to_owned()).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = &*slot {
            return Ok(Arc::clone(result));
        }
        let result = Arc::new(compute()?);
        *slot = Some(Arc::clone(&result));
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BuildError;

    #[test]
    fn results_are_kept_and_errors_are_not() {
        let once = Once::default();
        assert!(once.get("a", || Err::<u8, _>(BuildError::failed("x"))).is_err());
        assert_eq!(*once.get("a", || Ok(1)).unwrap(), 1);
        assert_eq!(*once.get("a", || Ok(2)).unwrap(), 1);
        assert_eq!(*once.get("b", || Ok(3)).unwrap(), 3);
    }
}
