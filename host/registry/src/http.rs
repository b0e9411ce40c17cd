//! Requests to registries: the wire plus authentication.

use std::sync::Arc;

use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};

use crate::access::Access;
use crate::auth::Authenticator;
use crate::config::Config;
use crate::error::{Reported, Result};
use crate::wire::{Failure, Outgoing, Wire};

/// The state shared by all operations.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) wire: Wire,
    auth: Authenticator,
}

impl Http {
    pub(crate) fn new(config: Config) -> Self {
        Self { wire: Wire::new(Arc::new(config)), auth: Authenticator::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.wire.config
    }

    /// One authenticated try; statuses other than `expected` are failures.
    pub(crate) async fn once(
        &self,
        access: &Access<'_>,
        request: &Outgoing,
        expected: &[u16],
    ) -> Result<Response, Failure> {
        let wire = &self.wire;
        // Upload sessions and redirects may lead elsewhere, where nothing is to be shown.
        let ours = access.endpoint.owns(&request.url);
        let mut header = if ours { self.auth.header(wire, access).await? } else { None };
        let mut response = wire.send(request, header.as_ref()).await?;
        if ours && from_registry(&response, access, StatusCode::UNAUTHORIZED) {
            header = Some(
                self.auth.challenged(wire, access, response.headers(), header.as_ref()).await?,
            );
            response = wire.send(request, header.as_ref()).await?;
        }
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]
            .into_iter()
            .find(|status| ours && from_registry(&response, access, *status));
        if let Some(status) = refused.filter(|status| !expected.contains(&status.as_u16())) {
            let url = response.url().clone();
            let reported = wire.reported(response).await;
            let reason = reported.as_ref().map(Reported::to_string).unwrap_or_default();
            return Err(self.auth.refused(wire, access, Some((&url, status)), reason).into());
        }
        wire.expect(&request.method, response, expected).await
    }

    /// As [`Http::once`], repeated as long as that may help.
    pub(crate) async fn send(
        &self,
        access: &Access<'_>,
        request: &Outgoing,
        expected: &[u16],
    ) -> Result<Response> {
        let limit = patience(access);
        self.wire.retrying(limit, async || self.once(access, request, expected).await).await
    }

    /// Status, headers and whole body, repeated as long as that may help.
    pub(crate) async fn fetch(
        &self,
        access: &Access<'_>,
        request: &Outgoing,
        expected: &[u16],
        limit: u64,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>)> {
        self.wire
            .retrying(patience(access), async || {
                let mut response = self.once(access, request, expected).await?;
                let headers = std::mem::take(response.headers_mut());
                let status = response.status();
                Ok((status, headers, self.wire.body(response, limit).await?))
            })
            .await
    }
}

/// How often to try again: behind a mirror there is another server to ask.
pub(crate) fn patience(access: &Access<'_>) -> u32 {
    if access.endpoint.is_mirror { 1 } else { u32::MAX }
}

/// Whether the registry itself, not a server it redirected to, gave this status.
fn from_registry(response: &Response, access: &Access<'_>, status: StatusCode) -> bool {
    response.status() == status && access.endpoint.owns(response.url())
}
