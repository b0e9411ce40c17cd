//! One HTTP exchange: redirects, time limits, bounded bodies; and the loop that repeats it.
//!
//! Knows nothing of authentication, except which host may see an `Authorization` header.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

use crate::body::Payload;
use crate::cause;
use crate::client::Clients;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Reported, Result, StatusError};
use crate::{metadata, retry, text};

/// Longest chain of redirects, against loops.
const MAX_REDIRECTS: u32 = 10;
/// Largest error body that is read: a hostile server must not fill the memory.
const MAX_ERROR_BODY: u64 = 64 << 10;
/// How many idle times a manifest, list or token may take in all: a server that sends a byte now and
/// then must not hold a build up for days.
const SMALL_BODY_IDLES: u32 = 5;
/// A server that refuses connections or has no address is rarely about to change its mind.
const CONNECT_RETRIES: u32 = 2;

/// The means to send requests.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) config: Arc<Config>,
    clients: Clients,
}

/// A request that can be sent more than once.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    /// Whether the payload holds a secret, which no redirect may take to another server.
    pub(crate) is_secret: bool,
}

impl Outgoing {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), payload: Payload::Empty, is_secret: false }
    }

    pub(crate) fn header(mut self, name: reqwest::header::HeaderName, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::config(&name, "cannot be sent as a header"))?;
        self.headers.insert(name, value);
        Ok(self)
    }
}

/// A failed attempt, and whether another one may help.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// How often it is worth trying again.
    retries: u32,
    /// The wait that the server asked for.
    asked: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retries: 0, asked: None }
    }
}

impl Failure {
    /// A failure that may pass.
    pub(crate) fn passing(error: Error) -> Self {
        Self { error, retries: u32::MAX, asked: None }
    }

    /// The error to report after so many attempts.
    pub(crate) fn after(self, attempts: u32) -> Error {
        with_attempts(self.error, attempts)
    }
}

impl Wire {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config, clients: Clients::default() }
    }

    /// Runs `attempt` until it succeeds, fails for good, or patience ends: that of the
    /// configuration, and at most `limit` retries.
    pub(crate) async fn retrying<T>(
        &self,
        limit: u32,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let failure = match attempt().await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if tries >= limit || !self.pause(tries, &failure).await {
                return Err(failure.after(tries + 1));
            }
            tries += 1;
        }
    }

    /// Waits before retry number `tries` (from 0). False: there is to be none.
    pub(crate) async fn pause(&self, tries: u32, failure: &Failure) -> bool {
        let policy = &self.config.retry;
        if tries >= policy.retries.min(failure.retries) {
            return false;
        }
        tokio::time::sleep(policy.wait(tries, failure.asked)).await;
        true
    }

    /// Sends a request and follows redirects. `authorization` goes to the first URL's origin only.
    pub(crate) async fn send(
        &self,
        request: &Outgoing,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        let mut method = request.method.clone();
        let mut payload = &request.payload;
        let mut authorization = authorization;
        for _ in 0..MAX_REDIRECTS {
            let response =
                self.exchange(&method, &url, &request.headers, authorization, payload).await?;
            let Some(next) = redirect(&response)? else { return Ok(response) };
            if url.scheme() == "https" && next.scheme() != "https" {
                let problem =
                    format!("redirects to {}, which is not HTTPS", text::public_url(&next));
                return Err(Error::content(text::public_url(&url), problem).into());
            }
            if next.origin() != url.origin() {
                if request.is_secret {
                    let problem =
                        format!("would send credentials on to {}", text::public_url(&next));
                    return Err(Error::content(text::public_url(&url), problem).into());
                }
                authorization = None;
            }
            if response.status() == StatusCode::SEE_OTHER && method != Method::HEAD {
                method = Method::GET;
                payload = &Payload::Empty;
            }
            url = next;
        }
        let problem = format!("more than {MAX_REDIRECTS} redirects");
        Err(Error::content(text::public_url(&request.url), problem).into())
    }

    async fn exchange(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
        payload: &Payload,
    ) -> Result<Response, Failure> {
        // Redirects, token services, places to upload to: whoever says so, there is none of it.
        if metadata::is_services(url) {
            return Err(Error::content(text::public_url(url), metadata::REFUSED).into());
        }
        let mut request = self.clients.get(&self.config, url)?.request(method.clone(), url.clone());
        request = request.headers(headers.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // Without a length, HTTP/1.1 would send chunks, which some registries refuse.
        if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
            request = request.header(CONTENT_LENGTH, payload.len());
        }
        let sending = request.body(payload.to_body()).send();
        tokio::select! {
            answer = sending => answer.map_err(|error| failure(method, url, &error)),
            limit = self.silence(method, payload) => {
                Err(Failure::passing(Error::timeout(method, url, limit)))
            }
        }
    }

    /// Ends when the exchange has been silent for too long, with the limit.
    async fn silence(&self, method: &Method, payload: &Payload) -> Duration {
        let timeouts = &self.config.timeouts;
        let sent = match payload {
            Payload::Blob(part) => Some((&part.sent, part.length)),
            Payload::Empty | Payload::Bytes(_) => None,
        };
        // Name resolution and connecting have their own limit before data can flow.
        tokio::time::sleep(timeouts.connect.min(timeouts.idle)).await;
        if let Some((sent, length)) = sent {
            let mut before = sent.load(Ordering::Relaxed);
            while before < length {
                tokio::time::sleep(timeouts.idle).await;
                let now = sent.load(Ordering::Relaxed);
                if now == before {
                    return timeouts.idle;
                }
                before = now;
            }
        }
        let limit = match *method {
            Method::GET | Method::HEAD => timeouts.idle,
            _ => timeouts.commit,
        };
        tokio::time::sleep(limit).await;
        limit
    }

    /// The next piece of a body; None at its end.
    pub(crate) async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let limit = self.config.timeouts.idle;
        match tokio::time::timeout(limit, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(failure(&Method::GET, response.url(), &error)),
            Err(_) => Err(Failure::passing(Error::timeout(&Method::GET, response.url(), limit))),
        }
    }

    /// A whole body of at most `limit` bytes.
    pub(crate) async fn body(&self, response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
        let patience = self.config.timeouts.idle * SMALL_BODY_IDLES;
        let url = response.url().clone();
        let whole = tokio::time::timeout(patience, self.collect(response, limit)).await;
        whole.unwrap_or_else(|_| {
            let mut error = Error::timeout(&Method::GET, &url, patience);
            if let Error::Network { cause, .. } = &mut error {
                *cause = format!("not done after {} s", patience.as_secs_f64());
            }
            Err(Failure::passing(error))
        })
    }

    async fn collect(&self, mut response: Response, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            let chunk = chunk.as_ref();
            if body.len() as u64 + chunk.len() as u64 > limit {
                let problem = format!("is larger than the limit of {limit} bytes");
                return Err(Error::content(text::public_url(response.url()), problem).into());
            }
            body.extend_from_slice(chunk);
        }
        Ok(body)
    }

    /// Turns a status that is not among `expected` into an error.
    pub(crate) async fn expect(
        &self,
        method: &Method,
        response: Response,
        expected: &[u16],
    ) -> Result<Response, Failure> {
        let status = response.status();
        if expected.contains(&status.as_u16()) {
            return Ok(response);
        }
        let asked = retry::retry_after(response.headers(), SystemTime::now());
        let url = text::public_url(response.url());
        let reported = self.reported(response).await;
        let method = method.to_string();
        let error = StatusError { method, url, status, reported, attempts: 1 };
        let retries = match (retry::is_transient(status), asked) {
            (false, _) => 0,
            // We will be back too early, so once is enough.
            (true, Some(asked)) if asked > self.config.retry.longest_wait => 1,
            (true, _) => u32::MAX,
        };
        Err(Failure { error: Box::new(error).into(), retries, asked })
    }

    /// What an error response says in its body. A body that cannot be read says nothing: the status
    /// is the news.
    pub(crate) async fn reported(&self, response: Response) -> Option<Reported> {
        let body = self.body(response, MAX_ERROR_BODY).await.ok()?;
        Reported::parse(&body)
    }
}

/// Where a response sends us.
fn redirect(response: &Response) -> Result<Option<Url>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let what = || text::public_url(response.url());
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| Error::content(what(), "redirects without saying where to"))?;
    let next = response.url().join(location).ok().filter(|url| url.has_host());
    match next {
        Some(next) if matches!(next.scheme(), "http" | "https") => Ok(Some(next)),
        _ => Err(Error::content(what(), "redirects to something that is not an HTTP URL")),
    }
}

fn failure(method: &Method, url: &Url, error: &reqwest::Error) -> Failure {
    let retries = if error.is_builder() || cause::is_tls(error) {
        0
    } else if error.is_connect() && !error.is_timeout() {
        CONNECT_RETRIES
    } else {
        u32::MAX
    };
    Failure { error: Error::network(method, url, error), retries, asked: None }
}

fn with_attempts(mut error: Error, attempts: u32) -> Error {
    if let Error::Status(status) = &mut error {
        status.attempts = attempts;
    } else if attempts > 1
        && error.kind() == ErrorKind::Unavailable
        && let Error::Network { cause, .. } = &mut error
    {
        cause.push_str(&format!(", {attempts} times"));
    }
    error
}
