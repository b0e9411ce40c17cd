//! Blobs down: streamed into the store, verified, resumed where the connection broke.

use std::time::Instant;

use kiln_image::manifest::Descriptor;
use kiln_image::reference::Reference;
use kiln_image::store::{BlobWriter, Store, StoreError};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};

use crate::access::Access;
use crate::body::Progress;
use crate::error::{Error, Result};
use crate::http::patience;
use crate::range::ContentRange;
use crate::session::Session;
use crate::text;
use crate::wire::{Failure, Outgoing};

/// What a connection must have brought for its failure not to count, and what it has to bring in
/// [`SLOW_IDLES`] idle times: a server that breaks off after each byte, or that sends one now and
/// then, must not keep us forever.
const PROGRESS: u64 = 1 << 20;
/// See [`PROGRESS`].
const SLOW_IDLES: u32 = 5;

impl Session {
    /// Brings a blob into the store, if it is not there.
    pub(crate) async fn pull_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        store: &Store,
        progress: Option<&Progress>,
    ) -> Result<()> {
        if store.has(&descriptor.digest) == Some(descriptor.size) {
            return Ok(());
        }
        self.read(reference, async |access: &Access<'_>| {
            self.download(access, descriptor, store, progress).await
        })
        .await
    }

    async fn download(
        &self,
        access: &Access<'_>,
        descriptor: &Descriptor,
        store: &Store,
        progress: Option<&Progress>,
    ) -> Result<()> {
        let Descriptor { digest, size, .. } = descriptor;
        let request = Outgoing::new(Method::GET, access.url(&format!("blobs/{digest}"))?);
        let mut may_be_patchwork = true;
        loop {
            let mut blob = Download {
                session: self,
                access,
                size: *size,
                progress,
                resumed: false,
                writer: store
                    .writer_with(digest.algorithm())
                    .map_err(|error| Error::store(digest, error))?,
            };
            blob.fill(&request).await?;
            let resumed = blob.resumed;
            match blob.writer.commit(Some((digest, *size))) {
                Ok(_) => return Ok(()),
                // The parts may come from different servers behind one name: once more in one go.
                Err(StoreError::Digest { .. }) if resumed && may_be_patchwork => {
                    may_be_patchwork = false;
                }
                Err(StoreError::Digest { got, .. }) => {
                    let problem = format!("has digest {got}: the registry's copy is damaged");
                    return Err(Error::content(text::public_url(&request.url), problem));
                }
                Err(error) => return Err(Error::store(digest, error)),
            }
        }
    }
}

struct Download<'a> {
    session: &'a Session,
    access: &'a Access<'a>,
    size: u64,
    progress: Option<&'a Progress>,
    /// Whether the content comes from more than one response.
    resumed: bool,
    writer: BlobWriter,
}

impl Download<'_> {
    /// Gets all bytes, in as many requests as it takes.
    async fn fill(&mut self, request: &Outgoing) -> Result<()> {
        let mut tries = 0;
        loop {
            let before = self.writer.size();
            let failure = match self.part(request).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if self.writer.size() - before >= PROGRESS {
                tries = 0;
            }
            let wire = &self.session.http.wire;
            if tries >= patience(self.access) || !wire.pause(tries, &failure).await {
                return Err(failure.after(tries + 1));
            }
            tries += 1;
        }
    }

    /// One request for what is missing.
    async fn part(&mut self, request: &Outgoing) -> Result<(), Failure> {
        let have = self.writer.size();
        let mut request = request.clone();
        if have > 0 {
            request = request.header(RANGE, &format!("bytes={have}-"))?;
            self.resumed = true;
        }
        let mut response = self.session.http.once(self.access, &request, &[200, 206]).await?;
        let mut skip = self.overlap(&response, have)?;
        let wire = &self.session.http.wire;
        let patience = wire.config.timeouts.idle * SLOW_IDLES;
        let (mut since, mut brought) = (Instant::now(), 0);
        while let Some(chunk) = wire.chunk(&mut response).await? {
            let chunk = chunk.as_ref();
            brought += chunk.len() as u64;
            if since.elapsed() >= patience {
                if brought < PROGRESS {
                    return Err(Failure::passing(Error::slow(response.url(), brought, patience)));
                }
                (since, brought) = (Instant::now(), 0);
            }
            // usize is 64 bits wide here, or the chunk is shorter than what is to be skipped.
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= known as u64;
            self.append(&chunk[known..], &response)?;
        }
        if self.writer.size() < self.size {
            let problem = format!("ended after {} of {} bytes", self.writer.size(), self.size);
            let error = Error::content(text::public_url(response.url()), problem);
            return Err(Failure::passing(error));
        }
        Ok(())
    }

    /// How many bytes of the response we have already.
    fn overlap(&self, response: &Response, have: u64) -> Result<u64> {
        let wrong =
            |problem: String| Err(Error::content(text::public_url(response.url()), problem));
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return match response.content_length() {
                Some(length) if length != self.size => {
                    wrong(format!("has {length} bytes instead of {}", self.size))
                }
                _ => Ok(have),
            };
        }
        let header = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        match header.and_then(ContentRange::parse) {
            Some(ContentRange { start, total })
                if start <= have && total.is_none_or(|total| total == self.size) =>
            {
                Ok(have - start)
            }
            _ => wrong("answers with a range that was not asked for".to_owned()),
        }
    }

    fn append(&mut self, bytes: &[u8], response: &Response) -> Result<()> {
        if self.writer.size() + bytes.len() as u64 > self.size {
            let problem = format!("has more than the {} bytes that its size says", self.size);
            return Err(Error::content(text::public_url(response.url()), problem));
        }
        self.writer
            .append(bytes)
            .map_err(|error| Error::store(text::public_url(response.url()), error))?;
        if let Some(progress) = self.progress {
            progress(self.writer.size());
        }
        Ok(())
    }
}
