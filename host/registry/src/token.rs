//! Bearer tokens: the token service's two protocols (Docker's GET, OAuth2's POST) and a token's age.

use std::time::{Duration, Instant};

use base64::Engine as _;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use crate::body::Payload;
use crate::challenge::Challenge;
use crate::credentials::Login;
use crate::error::{Error, Reported, Result};
use crate::scope::Scopes;
use crate::secret::Secret;
use crate::text;
use crate::wire::{Failure, Outgoing, Wire};

/// Largest answer of a token service; tokens with many scopes take some KiB.
const MAX_ANSWER: u64 = 1 << 20;
/// A token's life when the service names none (Docker's token specification).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// Longest life that is believed: longer only hides that it was revoked.
const MAX_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A token in use.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) value: Secret,
    good_until: Instant,
}

impl Token {
    pub(crate) fn is_fresh(&self) -> bool {
        Instant::now() < self.good_until
    }
}

/// What a token service answers; either name may be used for the token.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

/// The token service said no.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) reported: Option<Reported>,
}

/// Where tokens come from, as the registry's challenge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    realm: Url,
    service: Option<String>,
}

impl Service {
    /// # Errors
    /// No realm, or one that would send credentials over plain HTTP although the registry itself
    /// uses TLS.
    pub(crate) fn from_challenge(challenge: &Challenge, plain_http: bool) -> Result<Self, String> {
        let realm = challenge.parameter("realm").ok_or("its challenge names no token service")?;
        let shown = text::printable(realm, text::MESSAGE_LIMIT);
        let realm = Url::parse(realm)
            .ok()
            .filter(Url::has_host)
            .ok_or_else(|| format!("its token service `{shown}` is not a URL"))?;
        match realm.scheme() {
            "https" => {}
            "http" if plain_http => {}
            _ => {
                return Err(format!(
                    "its token service {} is not HTTPS, so no credentials are sent there",
                    text::public_url(&realm)
                ));
            }
        }
        let service = challenge.parameter("service").map(str::to_owned);
        Ok(Self { realm, service })
    }

    /// Asks for a token. The inner `Err` is the service's refusal.
    pub(crate) async fn fetch(
        &self,
        wire: &Wire,
        login: Option<&Login>,
        scopes: &Scopes,
    ) -> Result<Result<Token, Refusal>> {
        let (request, authorization) = match login {
            Some(Login::IdentityToken(token)) => (self.oauth(token, scopes)?, None),
            Some(Login::Password { user, password }) => {
                (self.get(Some(user), scopes), Some(basic(user, password)?))
            }
            Some(Login::RegistryToken(_)) | None => (self.get(None, scopes), None),
        };
        let asked_at = Instant::now();
        wire.retrying(u32::MAX, async || {
            let response = wire.send(&request, authorization.as_ref()).await?;
            let (status, url) = (response.status(), response.url().clone());
            if matches!(status.as_u16(), 400 | 401 | 403) {
                let reported = wire.reported(response).await;
                return Ok(Err(Refusal { url, status, reported }));
            }
            let response = wire.expect(&request.method, response, &[200]).await?;
            let body = wire.body(response, MAX_ANSWER).await?;
            Ok(Ok(parse(&body, asked_at).map_err(|problem| {
                Failure::from(Error::content(text::public_url(&url), problem))
            })?))
        })
        .await
    }

    /// Docker's protocol: scopes in the query.
    fn get(&self, user: Option<&str>, scopes: &Scopes) -> Outgoing {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &self.service {
                query.append_pair("service", service);
            }
            for scope in scopes.iter() {
                query.append_pair("scope", scope);
            }
            if let Some(user) = user {
                query.append_pair("account", user);
            }
        }
        Outgoing::new(Method::GET, url)
    }

    /// OAuth2's protocol (RFC 6749 section 6), for identity tokens.
    fn oauth(&self, token: &Secret, scopes: &Scopes) -> Result<Outgoing> {
        let mut form =
            Url::parse("form:").map_err(|error| Error::config("URL", error.to_string()))?;
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", self.service.as_deref().unwrap_or_default())
            .append_pair("scope", &scopes.to_string())
            .append_pair("client_id", "kiln")
            .append_pair("refresh_token", token.expose());
        let mut request = Outgoing::new(Method::POST, self.realm.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")?;
        request.payload = Payload::Bytes(form.query().unwrap_or_default().as_bytes().to_vec());
        request.is_secret = true;
        Ok(request)
    }
}

/// The `Authorization` of a user and password.
pub(crate) fn basic(user: &str, password: &Secret) -> Result<HeaderValue> {
    let pair = format!("{user}:{}", password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    sensitive(&format!("Basic {encoded}"))
}

/// The `Authorization` of a token.
pub(crate) fn bearer(token: &Secret) -> Result<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Error::config("token", "has characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn parse(body: &[u8], asked_at: Instant) -> Result<Token, &'static str> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| "is not the JSON of a token service")?;
    let value = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if value.is_empty() {
        return Err("the token service gave no token");
    }
    // Some services say 0 for "not told".
    let life = answer.expires_in.filter(|seconds| *seconds > 0);
    let life = life.map_or(DEFAULT_LIFE, Duration::from_secs).min(MAX_LIFE);
    // A tenth of its life is left for the request that uses it.
    Ok(Token { value: Secret::new(value), good_until: asked_at + life * 9 / 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge;

    #[test]
    fn realms() {
        let service =
            |header: &str, plain| Service::from_challenge(&challenge::parse(header)[0], plain);
        let cases = [
            (r#"Bearer realm="https://a/t",service="s""#, false, None),
            (r#"Bearer realm="http://a/t""#, true, None),
            (r#"Bearer realm="http://u:p@a/t?x=1""#, false, Some("http://a/t is not HTTPS")),
            (r#"Bearer realm="file:///etc/passwd""#, true, Some("is not a URL")),
            (r#"Bearer realm="ftp://a/""#, true, Some("is not HTTPS")),
            (r#"Bearer realm="/token""#, false, Some("is not a URL")),
            ("Bearer service=x", false, Some("names no token service")),
        ];
        for (header, plain, problem) in cases {
            match (service(header, plain), problem) {
                (Ok(_), None) => {}
                (Err(found), Some(problem)) => assert!(found.contains(problem), "{found}"),
                (other, _) => panic!("{header}: {other:?}"),
            }
        }
    }

    #[test]
    fn answers() {
        let now = Instant::now();
        let token = |body: &str| parse(body.as_bytes(), now);
        let life = |body: &str| (token(body).unwrap().good_until - now).as_secs();
        assert_eq!(token(r#"{"token":"a","access_token":"b"}"#).unwrap().value.expose(), "a");
        assert_eq!(token(r#"{"access_token":"b"}"#).unwrap().value.expose(), "b");
        assert_eq!(life(r#"{"token":"a"}"#), 54);
        assert_eq!(life(r#"{"token":"a","expires_in":300}"#), 270);
        assert_eq!(life(r#"{"token":"a","expires_in":0}"#), 54);
        assert_eq!(life(r#"{"token":"a","expires_in":18446744073709551615}"#), 77_760);
        assert!(token(r#"{"token":""}"#).is_err());
        assert!(token("<html>").is_err());
    }

    #[test]
    fn requests() {
        let challenge = r#"Bearer realm="https://a/t?x=1",service="s p""#;
        let service = Service::from_challenge(&challenge::parse(challenge)[0], false).unwrap();
        let scopes = Scopes::mount("a/b", "c");
        assert_eq!(
            service.get(Some("joe"), &scopes).url.as_str(),
            "https://a/t?x=1&service=s+p&scope=repository%3Aa%2Fb%3Apull%2Cpush&\
             scope=repository%3Ac%3Apull&account=joe"
        );
        let Payload::Bytes(form) = service.oauth(&Secret::new("r&t"), &scopes).unwrap().payload
        else {
            panic!("no form");
        };
        assert_eq!(
            String::from_utf8(form).unwrap(),
            "grant_type=refresh_token&service=s+p&\
             scope=repository%3Aa%2Fb%3Apull%2Cpush+repository%3Ac%3Apull&\
             client_id=kiln&refresh_token=r%26t"
        );
    }
}
