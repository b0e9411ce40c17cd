//! What to present to which registry: remembers challenges, credentials and tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url};

use crate::access::Access;
use crate::challenge::{self, Challenge};
use crate::credentials::{self, Found, Login, Lookup};
use crate::error::{AuthError, Credentials, Error, Reported, Result};
use crate::scope::Scopes;
use crate::text;
use crate::token::{self, Service, Token};
use crate::wire::Wire;

/// How a registry wants to be talked to, learned from its first 401.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Demand {
    Basic,
    Bearer(Service),
}

/// One token, fetched by whoever needs it first while the others wait.
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The state of authentication with all registries.
#[derive(Debug, Default)]
pub(crate) struct Authenticator {
    /// By origin.
    demands: Mutex<HashMap<String, Demand>>,
    /// By registry and repository: auth files may tell repositories apart.
    logins: Mutex<HashMap<(String, String), Arc<Lookup>>>,
    /// By origin and scopes.
    tokens: Mutex<HashMap<(String, String), Slot>>,
}

impl Authenticator {
    /// The `Authorization` to send, as far as the registry's demands are known.
    pub(crate) async fn header(
        &self,
        wire: &Wire,
        access: &Access<'_>,
    ) -> Result<Option<HeaderValue>> {
        let demand = lock(&self.demands).get(&access.endpoint.origin()).cloned();
        match demand {
            None => Ok(None),
            // Anonymous reading may be allowed where writing is not.
            Some(Demand::Basic) => match &*self.login(wire, access)? {
                Lookup::Found(found) => basic(found),
                Lookup::Nothing(_) => Ok(None),
            },
            Some(Demand::Bearer(service)) => {
                self.bearer(wire, access, &service, &access.scopes, None).await.map(Some)
            }
        }
    }

    /// Learns from a 401 and gives the `Authorization` to try next.
    ///
    /// # Errors
    /// There is nothing else to try: an [`AuthError`] that says why.
    pub(crate) async fn challenged(
        &self,
        wire: &Wire,
        access: &Access<'_>,
        headers: &HeaderMap,
        sent: Option<&HeaderValue>,
    ) -> Result<HeaderValue> {
        let challenges: Vec<Challenge> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenge::parse)
            .collect();
        let named = |scheme: &str| challenges.iter().find(|c| c.scheme == scheme);
        let origin = access.endpoint.origin();
        if let Some(challenge) = named("bearer") {
            let service = Service::from_challenge(challenge, access.endpoint.plain_http)
                .map_err(|problem| self.refused(wire, access, None, problem))?;
            lock(&self.demands).insert(origin, Demand::Bearer(service.clone()));
            let mut wanted = access.scopes.clone();
            wanted.add(challenge.parameter("scope").unwrap_or_default());
            return self.bearer(wire, access, &service, &wanted, sent).await;
        }
        if named("basic").is_some() {
            lock(&self.demands).insert(origin, Demand::Basic);
            let header = match &*self.login(wire, access)? {
                Lookup::Found(found) => basic(found)?,
                Lookup::Nothing(_) => None,
            };
            // To present the same again would only lock the account.
            return header.filter(|header| sent != Some(header)).ok_or_else(|| {
                let reason = match sent {
                    Some(_) => String::new(),
                    None => "it wants a user name and password".to_owned(),
                };
                self.refused(wire, access, None, reason)
            });
        }
        let offered: Vec<&str> = challenges.iter().map(|c| c.scheme.as_str()).collect();
        let reason = match offered.is_empty() {
            true => "it does not say how to authenticate".to_owned(),
            false => format!(
                "it offers only authentication by {}, which kiln does not support",
                text::printable(&offered.join(", "), text::MESSAGE_LIMIT)
            ),
        };
        Err(self.refused(wire, access, None, reason))
    }

    /// A bearer token for the access, from the cache (unless it is the `rejected` one) or from the
    /// token service, which is asked for the `wanted` scopes.
    async fn bearer(
        &self,
        wire: &Wire,
        access: &Access<'_>,
        service: &Service,
        wanted: &Scopes,
        rejected: Option<&HeaderValue>,
    ) -> Result<HeaderValue> {
        let key = (access.endpoint.origin(), access.scopes.to_string());
        let slot = lock(&self.tokens).entry(key).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(token) = slot.as_ref().filter(|token| token.is_fresh()) {
            let header = token::bearer(&token.value)?;
            if rejected != Some(&header) {
                return Ok(header);
            }
        }
        let lookup = self.login(wire, access)?;
        let login = match &*lookup {
            Lookup::Found(Found { login: Login::RegistryToken(token), .. }) => {
                return token::bearer(token);
            }
            Lookup::Found(found) => Some(&found.login),
            Lookup::Nothing(_) => None,
        };
        match service.fetch(wire, login, wanted).await? {
            Ok(token) => {
                let header = token::bearer(&token.value);
                *slot = Some(token);
                header
            }
            Err(refusal) => {
                let answer = (&refusal.url, refusal.status);
                let reason = refusal.reported.as_ref().map(Reported::to_string);
                Err(self.refused(wire, access, Some(answer), reason.unwrap_or_default()))
            }
        }
    }

    /// Credentials for the access; searched for once.
    fn login(&self, wire: &Wire, access: &Access<'_>) -> Result<Arc<Lookup>> {
        let registry = &access.endpoint.registry;
        let key = (registry.clone(), access.repository.clone());
        // Held while searching, so that parallel transfers start a credential helper once.
        let mut logins = lock(&self.logins);
        if let Some(lookup) = logins.get(&key) {
            return Ok(lookup.clone());
        }
        let lookup = Arc::new(credentials::find(&wire.config, registry, &access.repository)?);
        logins.insert(key, lookup.clone());
        Ok(lookup)
    }

    /// The error for a refused access. `answer` is who refused and how, if it was not for a lack
    /// that kiln itself noticed.
    pub(crate) fn refused(
        &self,
        wire: &Wire,
        access: &Access<'_>,
        answer: Option<(&Url, StatusCode)>,
        reason: String,
    ) -> Error {
        let lookup = match self.login(wire, access) {
            Ok(lookup) => lookup,
            Err(error) => return error,
        };
        let credentials = match &*lookup {
            Lookup::Found(found) => Credentials::Used {
                source: found.source.clone(),
                user: found.login.user().map(|user| text::printable(user, text::MESSAGE_LIMIT)),
            },
            Lookup::Nothing(places) => Credentials::Missing { looked_in: places.clone() },
        };
        Box::new(AuthError {
            registry: access.endpoint.registry.clone(),
            access: access.scopes.to_string(),
            url: answer.map(|(url, _)| text::public_url(url)).unwrap_or_default(),
            // Without an answer to the credentials it was the challenge itself that refused.
            status: Some(answer.map_or(StatusCode::UNAUTHORIZED, |(_, status)| status)),
            reason,
            credentials,
        })
        .into()
    }
}

/// The `Authorization` for a registry that wants Basic; an identity token cannot be shown to it.
fn basic(found: &Found) -> Result<Option<HeaderValue>> {
    match &found.login {
        Login::Password { user, password } => token::basic(user, password).map(Some),
        Login::RegistryToken(token) => token::bearer(token).map(Some),
        Login::IdentityToken(_) => Ok(None),
    }
}

/// A panic elsewhere leaves these maps whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
