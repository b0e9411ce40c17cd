//! Upload sessions (OCI distribution spec, "Pushing blobs"): whole in one PUT, which is the fastest
//! way; in chunks after that has failed, and for the largest blobs.

use std::fs::File;
use std::sync::Arc;

use kiln_image::manifest::Descriptor;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use reqwest::{Method, Response, Url};

use crate::access::Access;
use crate::body::{BlobPart, Payload, Progress};
use crate::error::{Error, Result};
use crate::range;
use crate::session::Session;
use crate::text;
use crate::wire::{Failure, Outgoing};

/// The least that the registry takes as a chunk that is not the last.
const MIN_CHUNK: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// Where an upload session continues; each answer may move it.
#[derive(Debug, Clone)]
pub(crate) struct Location {
    url: Url,
    /// Bytes.
    min_chunk: u64,
}

impl Location {
    /// Reads the answer that opened or advanced a session.
    pub(crate) fn of(access: &Access<'_>, response: &Response) -> Result<Self> {
        let text = |name: &HeaderName| response.headers().get(name)?.to_str().ok();
        let wrong = |problem: &str| Error::content(text::public_url(response.url()), problem);
        let mut url = text(&LOCATION)
            .and_then(|location| response.url().join(location).ok())
            .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| wrong("opens an upload session without saying where"))?;
        // Registries behind a proxy that ends TLS may not know that they are reached by HTTPS.
        if url.scheme() == "http" && !access.endpoint.plain_http {
            let same_host = url.host_str() == response.url().host_str();
            if !same_host || url.set_scheme("https").is_err() {
                return Err(wrong("sends the upload to a place that is not HTTPS"));
            }
        }
        let min_chunk = text(&MIN_CHUNK).and_then(|length| length.parse().ok()).unwrap_or(0);
        Ok(Self { url, min_chunk })
    }

    fn moved(&mut self, access: &Access<'_>, response: &Response) -> Result<()> {
        let min_chunk = self.min_chunk;
        if response.headers().contains_key(LOCATION) {
            *self = Self { min_chunk, ..Self::of(access, response)? };
        }
        Ok(())
    }
}

/// One blob on its way up.
pub(crate) struct Upload<'a> {
    session: &'a Session,
    access: &'a Access<'a>,
    descriptor: &'a Descriptor,
    file: Arc<File>,
    progress: Option<&'a Progress>,
}

impl<'a> Upload<'a> {
    pub(crate) fn new(
        session: &'a Session,
        access: &'a Access<'a>,
        descriptor: &'a Descriptor,
        file: Arc<File>,
        progress: Option<&'a Progress>,
    ) -> Self {
        Self { session, access, descriptor, file, progress }
    }

    /// Sends the blob, into the session at `location` or a new one.
    pub(crate) async fn run(&self, location: Option<Location>) -> Result<()> {
        let config = self.session.http.config();
        let (size, chunk_size) = (self.descriptor.size, config.chunk_size);
        let mut chunks_allowed = chunk_size > 0 && size > chunk_size;
        let mut in_chunks = chunks_allowed && size > config.whole_limit;
        let mut resume = location.map(|location| (location, 0));
        let wire = &self.session.http.wire;
        let mut tries = 0;
        loop {
            let (mut location, offset) = match resume.take() {
                Some(resume) => resume,
                None => (self.open().await?, 0),
            };
            let sent = match in_chunks {
                true => self.chunks(location.clone(), offset).await,
                false => self.whole(location.clone()).await,
            };
            let Err(failure) = sent else { return Ok(()) };
            if in_chunks && refuses_chunks(&failure) {
                (in_chunks, chunks_allowed) = (false, false);
                continue;
            }
            if !in_chunks && chunks_allowed && status(&failure) == Some(413) {
                in_chunks = true;
                continue;
            }
            if !wire.pause(tries, &failure).await {
                return Err(failure.after(tries + 1));
            }
            tries += 1;
            // The answer may be all that was lost.
            if self.session.has_blob(self.access, self.descriptor).await? {
                return Ok(());
            }
            if !in_chunks && chunks_allowed {
                in_chunks = true;
                // A registry that has lost the session starts again from nothing.
                let held = self.position(&mut location).await.ok();
                resume = held.map(|held| (location, held));
            }
        }
    }

    async fn open(&self) -> Result<Location> {
        let request = Outgoing::new(Method::POST, self.access.url("blobs/uploads/")?);
        let response = self.session.http.send(self.access, &request, &[202]).await?;
        Location::of(self.access, &response)
    }

    async fn whole(&self, location: Location) -> Result<(), Failure> {
        let mut request = self.put(location)?;
        request.payload = Payload::Blob(self.part(0, self.descriptor.size));
        self.session.http.once(self.access, &request, &[201]).await?;
        Ok(())
    }

    /// Sends chunks, from where the registry says it is, and closes the session.
    async fn chunks(&self, mut location: Location, mut offset: u64) -> Result<(), Failure> {
        let http = &self.session.http;
        let size = self.descriptor.size;
        let chunk_size = http.config().chunk_size.max(location.min_chunk);
        // Failures since the last chunk that the registry took.
        let mut tries = 0;
        loop {
            let length = chunk_size.min(size - offset);
            let sent = if length > 0 {
                let request = self.patch(&location, offset, length)?;
                http.once(self.access, &request, &[202, 204]).await
            } else {
                let request = self.put(location.clone())?;
                http.once(self.access, &request, &[201]).await
            };
            let failure = match sent {
                Ok(_) if length == 0 => return Ok(()),
                Ok(response) => {
                    location.moved(self.access, &response)?;
                    offset += length;
                    tries = 0;
                    continue;
                }
                Err(failure) if offset == 0 && refuses_chunks(&failure) => return Err(failure),
                Err(failure) if status(&failure) == Some(416) => Failure::passing(failure.error),
                Err(failure) => failure,
            };
            if !http.wire.pause(tries, &failure).await {
                return Err(failure);
            }
            tries += 1;
            // Without a position the session is lost: the caller opens another.
            let Ok(held) = self.position(&mut location).await else { return Err(failure) };
            offset = held;
        }
    }

    /// Asks how much of the blob the session holds.
    async fn position(&self, location: &mut Location) -> Result<u64> {
        let request = Outgoing::new(Method::GET, location.url.clone());
        let response = self.session.http.send(self.access, &request, &[200, 202, 204]).await?;
        location.moved(self.access, &response)?;
        let header = response.headers().get(RANGE).and_then(|value| value.to_str().ok());
        range::received(header).filter(|held| *held <= self.descriptor.size).ok_or_else(|| {
            let problem = "says of an upload session that it holds what was never sent";
            Error::content(text::public_url(&location.url), problem)
        })
    }

    fn patch(&self, location: &Location, offset: u64, length: u64) -> Result<Outgoing> {
        let mut request = Outgoing::new(Method::PATCH, location.url.clone())
            .header(CONTENT_TYPE, "application/octet-stream")?
            .header(CONTENT_RANGE, &format!("{offset}-{}", offset + length - 1))?;
        request.payload = Payload::Blob(self.part(offset, length));
        Ok(request)
    }

    /// The request that closes the session and names the digest.
    fn put(&self, location: Location) -> Result<Outgoing> {
        let mut url = location.url;
        url.query_pairs_mut().append_pair("digest", &self.descriptor.digest.to_string());
        Outgoing::new(Method::PUT, url).header(CONTENT_TYPE, "application/octet-stream")
    }

    fn part(&self, offset: u64, length: u64) -> BlobPart {
        BlobPart {
            file: self.file.clone(),
            offset,
            length,
            sent: Arc::default(),
            progress: self.progress.cloned(),
        }
    }
}

fn status(failure: &Failure) -> Option<u16> {
    match &failure.error {
        Error::Status(status) => Some(status.status.as_u16()),
        _ => None,
    }
}

/// Whether the answer means that this registry takes blobs only in one piece.
fn refuses_chunks(failure: &Failure) -> bool {
    matches!(status(failure), Some(400 | 404 | 405 | 411 | 415 | 416 | 501))
}
