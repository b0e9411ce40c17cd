//! The asynchronous inside of a [`Registry`](crate::Registry): shared state, and the choice between
//! mirrors and the registry itself.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use kiln_image::reference::Reference;

use crate::access::Access;
use crate::config::Config;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind, Result};
use crate::http::Http;

/// What all operations share.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) http: Http,
    /// Origins of mirrors that did not answer: not asked again for each blob.
    dead: Mutex<HashSet<String>>,
}

impl Session {
    pub(crate) fn new(config: Config) -> Self {
        Self { http: Http::new(config), dead: Mutex::default() }
    }

    /// Runs `read` on the first server that can satisfy it: the mirrors, then the registry. The
    /// error is that of the last one asked.
    pub(crate) async fn read<T>(
        &self,
        reference: &Reference,
        read: impl AsyncFn(&Access<'_>) -> Result<T>,
    ) -> Result<T> {
        let endpoints = Endpoint::for_pull(&reference.registry, self.http.config())?;
        let (last, mirrors) = endpoints.split_last().ok_or_else(|| {
            Error::config(&reference.registry, "has neither a mirror nor an address")
        })?;
        for endpoint in mirrors.iter().filter(|endpoint| !self.is_dead(endpoint)) {
            let error = match read(&Access::pull(endpoint, &reference.repository)).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::Config | ErrorKind::Store | ErrorKind::Cancelled => return Err(error),
                ErrorKind::NotFound => {}
                kind => {
                    self.http.config().warn(&format!(
                        "mirror {} of {}: {error}; trying the next place",
                        endpoint.origin(),
                        reference.registry
                    ));
                    if kind == ErrorKind::Unavailable {
                        self.dead().insert(endpoint.origin());
                    }
                }
            }
        }
        read(&Access::pull(last, &reference.repository)).await
    }

    /// The registry itself, which is what writes go to.
    pub(crate) fn endpoint(&self, reference: &Reference) -> Endpoint {
        Endpoint::of_registry(&reference.registry, self.http.config())
    }

    fn is_dead(&self, endpoint: &Endpoint) -> bool {
        self.dead().contains(&endpoint.origin())
    }

    fn dead(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
