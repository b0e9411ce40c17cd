//! Whom a request is for: server, repository, and what is to be done there.

use reqwest::Url;

use crate::endpoint::Endpoint;
use crate::error::Result;
use crate::scope::Scopes;

/// A repository on a server, with the rights that an operation needs.
#[derive(Debug, Clone)]
pub(crate) struct Access<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// As the server names it.
    pub(crate) repository: String,
    pub(crate) scopes: Scopes,
}

impl<'a> Access<'a> {
    pub(crate) fn pull(endpoint: &'a Endpoint, repository: &str) -> Self {
        let repository = endpoint.repository(repository);
        Self { endpoint, scopes: Scopes::pull(&repository), repository }
    }

    pub(crate) fn push(endpoint: &'a Endpoint, repository: &str) -> Self {
        let repository = endpoint.repository(repository);
        Self { endpoint, scopes: Scopes::push(&repository), repository }
    }

    /// Also to read another repository of the server.
    pub(crate) fn and_pull(&self, other: &str) -> Self {
        let scopes = Scopes::mount(&self.repository, other);
        Self { endpoint: self.endpoint, repository: self.repository.clone(), scopes }
    }

    /// `…/v2/REPOSITORY/REST`; `rest` may hold a query.
    pub(crate) fn url(&self, rest: &str) -> Result<Url> {
        self.endpoint.url(&self.repository, rest)
    }
}
