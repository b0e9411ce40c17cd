//! Blobs up: not at all if the registry has them, mounted if it has them elsewhere, else uploaded.

use std::sync::Arc;

use kiln_image::manifest::Descriptor;
use kiln_image::reference::Reference;
use kiln_image::store::Store;
use reqwest::{Method, StatusCode};

use crate::access::Access;
use crate::body::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;
use crate::upload::{Location, Upload};
use crate::wire::Outgoing;

/// Sources tried for a mount: each one that fails costs a request.
const MAX_MOUNT_SOURCES: usize = 3;

/// How a blob came to be in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushedBlob {
    /// It was there.
    Existed,
    /// It was taken over from this repository of the same registry.
    Mounted(String),
    /// It was sent.
    Uploaded,
}

enum Mount {
    Done,
    /// The registry would rather have the bytes, and opened a session for them.
    Session(Location),
    Refused,
}

impl Session {
    /// Whether the registry (no mirror) has a blob of this digest and size.
    pub(crate) async fn blob_exists(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<bool> {
        let endpoint = self.endpoint(reference);
        self.has_blob(&Access::pull(&endpoint, &reference.repository), descriptor).await
    }

    pub(crate) async fn push_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        store: &Store,
        mount_from: &[String],
        progress: Option<&Progress>,
    ) -> Result<PushedBlob> {
        let endpoint = self.endpoint(reference);
        let access = Access::push(&endpoint, &reference.repository);
        if self.has_blob(&access, descriptor).await? {
            return Ok(PushedBlob::Existed);
        }
        let digest = &descriptor.digest;
        let problem = |error: &dyn std::fmt::Display| Error::store(digest, error);
        let file = store.open_blob(digest).map_err(|error| problem(&error))?;
        let length = file.metadata().map_err(|error| problem(&error))?.len();
        if length != descriptor.size {
            let text = format!("has {length} bytes instead of {}", descriptor.size);
            return Err(Error::store(digest, text));
        }
        let mut location = None;
        let others = mount_from.iter().filter(|from| **from != reference.repository);
        for from in others.take(MAX_MOUNT_SOURCES) {
            match self.mount(&access, descriptor, from).await? {
                Mount::Done => return Ok(PushedBlob::Mounted(from.clone())),
                Mount::Session(opened) => {
                    location = Some(opened);
                    break;
                }
                Mount::Refused => {}
            }
        }
        let upload = Upload::new(self, &access, descriptor, Arc::new(file), progress);
        upload.run(location).await?;
        Ok(PushedBlob::Uploaded)
    }

    pub(crate) async fn has_blob(
        &self,
        access: &Access<'_>,
        descriptor: &Descriptor,
    ) -> Result<bool> {
        let url = access.url(&format!("blobs/{}", descriptor.digest))?;
        let request = Outgoing::new(Method::HEAD, url);
        let response = self.http.send(access, &request, &[200, 404]).await?;
        let length = response.headers().get(reqwest::header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        Ok(response.status() == StatusCode::OK
            && length.is_none_or(|length| length == descriptor.size))
    }

    async fn mount(
        &self,
        access: &Access<'_>,
        descriptor: &Descriptor,
        from: &str,
    ) -> Result<Mount> {
        let access = access.and_pull(from);
        let mut url = access.url("blobs/uploads/")?;
        url.query_pairs_mut()
            .append_pair("mount", &descriptor.digest.to_string())
            .append_pair("from", from);
        let request = Outgoing::new(Method::POST, url);
        match self.http.send(&access, &request, &[201, 202]).await {
            Ok(response) if response.status() == StatusCode::CREATED => Ok(Mount::Done),
            Ok(response) => Ok(Mount::Session(Location::of(&access, &response)?)),
            // Not to be allowed to mount is no reason not to upload.
            Err(error) => match error.kind() {
                ErrorKind::NotFound
                | ErrorKind::Unauthorized
                | ErrorKind::Denied
                | ErrorKind::Rejected => Ok(Mount::Refused),
                _ => Err(error),
            },
        }
    }
}
