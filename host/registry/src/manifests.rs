//! Manifests: read (each byte verified) and written.

use kiln_image::digest::{Digest, Hasher};
use kiln_image::manifest::{Descriptor, MAX_MANIFEST_SIZE};
use kiln_image::reference::Reference;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Method, Url};

use crate::access::Access;
use crate::body::Payload;
use crate::document;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::text;
use crate::wire::Outgoing;

/// The registry's own digest of what it serves or took.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The subject that the registry will list this manifest under (OCI distribution spec 1.1).
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// A manifest that the registry took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedManifest {
    /// What was pushed.
    pub descriptor: Descriptor,
    /// Whether it has a subject, and is listed among its referrers: by the registry, or by the tag
    /// that the specification gives as a substitute.
    pub subject_listed: bool,
}

impl Session {
    /// The descriptor of what a reference names now, without its content where the registry says
    /// enough in its headers.
    pub(crate) async fn head(&self, reference: &Reference) -> Result<Descriptor> {
        self.read(reference, async |access: &Access<'_>| {
            let request = manifest_request(Method::HEAD, access, &reference.identifier())?;
            let response = self.http.send(access, &request, &[200]).await?;
            let headers = response.headers();
            let size = header(headers, &CONTENT_LENGTH).and_then(|size| size.parse().ok());
            let kind =
                header(headers, &CONTENT_TYPE).filter(|kind| document::ACCEPT.contains(kind));
            match (content_digest(headers), size, kind) {
                (Some(digest), Some(size), Some(kind)) => {
                    check(&request.url, reference.digest.as_ref(), &digest)?;
                    Ok(Descriptor::new(kind, digest, size))
                }
                _ => Ok(self.get(access, reference, None).await?.0),
            }
        })
        .await
    }

    /// What a reference names now, with its content.
    pub(crate) async fn resolve(&self, reference: &Reference) -> Result<(Descriptor, Vec<u8>)> {
        self.read(reference, async |access: &Access<'_>| self.get(access, reference, None).await)
            .await
    }

    /// The content of a manifest that something trusted has named.
    pub(crate) async fn manifest(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>> {
        let reference = reference.with_digest(descriptor.digest);
        self.read(&reference, async |access: &Access<'_>| {
            Ok(self.get(access, &reference, Some(descriptor.size)).await?.1)
        })
        .await
    }

    /// Fetches, and verifies against the reference's digest, the registry's, and the size.
    pub(crate) async fn get(
        &self,
        access: &Access<'_>,
        reference: &Reference,
        size: Option<u64>,
    ) -> Result<(Descriptor, Vec<u8>)> {
        let request = manifest_request(Method::GET, access, &reference.identifier())?;
        let url = &request.url;
        let limit = MAX_MANIFEST_SIZE.min(size.unwrap_or(u64::MAX));
        let (_, headers, content) = self.http.fetch(access, &request, &[200], limit).await?;
        let served = content_digest(&headers);
        let wanted = reference.digest.or(served);
        let digest = match &wanted {
            Some(wanted) => {
                let mut hasher = Hasher::with(wanted.algorithm());
                hasher.update(&content);
                hasher.finish()
            }
            None => Digest::of(&content),
        };
        check(url, wanted.as_ref(), &digest)?;
        // A digest of another algorithm could only be compared after hashing again.
        let served = served.filter(|served| served.algorithm() == digest.algorithm());
        check(url, served.as_ref(), &digest)?;
        if size.is_some_and(|size| size != content.len() as u64) {
            let problem = format!("has {} bytes instead of {}", content.len(), size.unwrap_or(0));
            return Err(Error::content(text::public_url(url), problem));
        }
        let kind = document::media_type(header(&headers, &CONTENT_TYPE), &content)
            .map_err(|problem| Error::content(text::public_url(url), problem))?;
        Ok((Descriptor::new(&kind, digest, content.len() as u64), content))
    }

    /// Writes a manifest under the reference's tag, or under its digest where there is no tag.
    pub(crate) async fn push_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<PushedManifest> {
        let descriptor = Descriptor::of(media_type, &content);
        if reference.digest.is_some_and(|digest| digest != descriptor.digest) {
            let problem =
                format!("cannot be pushed: the manifest's digest is {}", descriptor.digest);
            return Err(Error::config(reference, problem));
        }
        let endpoint = self.endpoint(reference);
        let access = Access::push(&endpoint, &reference.repository);
        let mut subject_listed =
            self.put_manifest(&access, reference, media_type, content.clone()).await?;
        if !subject_listed {
            subject_listed = self.list_referrer(&access, reference, &descriptor, &content).await?;
        }
        Ok(PushedManifest { descriptor, subject_listed })
    }

    /// True: the registry has listed it among its subject's referrers.
    pub(crate) async fn put_manifest(
        &self,
        access: &Access<'_>,
        reference: &Reference,
        media_type: &str,
        content: Vec<u8>,
    ) -> Result<bool> {
        let digest = Digest::of(&content);
        let name = reference.tag.clone().unwrap_or_else(|| digest.to_string());
        let url = access.url(&format!("manifests/{name}"))?;
        let mut request = Outgoing::new(Method::PUT, url).header(CONTENT_TYPE, media_type)?;
        request.payload = Payload::Bytes(content);
        let response = self.http.send(access, &request, &[200, 201, 202]).await?;
        let taken = content_digest(response.headers());
        let taken = taken.filter(|taken| taken.algorithm() == digest.algorithm());
        check(&request.url, taken.as_ref(), &digest)?;
        Ok(response.headers().contains_key(SUBJECT))
    }
}

fn manifest_request(method: Method, access: &Access<'_>, name: &str) -> Result<Outgoing> {
    let url = access.url(&format!("manifests/{name}"))?;
    Outgoing::new(method, url).header(ACCEPT, &document::ACCEPT.join(", "))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// None also where the digest is of an algorithm that we do not know: it is the registry's opinion,
/// and the reference's digest is checked anyway.
fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    header(headers, &CONTENT_DIGEST)?.parse().ok()
}

fn check(url: &Url, wanted: Option<&Digest>, found: &Digest) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != found => {
            let problem = format!("has digest {found} instead of {wanted}");
            Err(Error::content(text::public_url(url), problem))
        }
        _ => Ok(()),
    }
}
