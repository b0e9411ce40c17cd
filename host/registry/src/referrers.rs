//! Manifests that have another one as their subject: listed by the registry, or, where it is older
//! than that API, by an index that clients keep under a tag.

use std::collections::BTreeMap;

use kiln_image::manifest::{Descriptor, Index};
use kiln_image::media_type;
use kiln_image::reference::Reference;
use reqwest::header::{ACCEPT, HeaderName};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::{MAX_PAGE, MAX_PAGES, endless, next_page};
use crate::session::Session;
use crate::text;
use crate::wire::Outgoing;

/// Tells which filters the registry has applied itself.
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// What a list of referrers tells of a manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Session {
    pub(crate) async fn referrers(
        &self,
        reference: &Reference,
        subject: &Descriptor,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let endpoint = self.endpoint(reference);
        let access = Access::pull(&endpoint, &reference.repository);
        let fits = |found: &Descriptor| {
            artifact_type.is_none_or(|wanted| found.artifact_type.as_deref() == Some(wanted))
        };
        let mut found = Vec::new();
        let mut first = access.url(&format!("referrers/{}", subject.digest))?;
        if let Some(artifact_type) = artifact_type {
            first.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        let mut next = Some(first);
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { return Ok(found) };
            let request = Outgoing::new(Method::GET, url).header(ACCEPT, media_type::OCI_INDEX)?;
            let (status, headers, body) =
                self.http.fetch(&access, &request, &[200, 404], MAX_PAGE).await?;
            if status == StatusCode::NOT_FOUND {
                let tag = fallback_tag(reference, subject)?;
                let mut tagged = self.tagged_referrers(&access, &tag).await?.manifests;
                tagged.retain(fits);
                return Ok(tagged);
            }
            let page = Index::from_bytes(&body).map_err(|error| {
                Error::content(text::public_url(&request.url), error.to_string())
            })?;
            let filtered = headers.contains_key(FILTERS_APPLIED);
            found.extend(page.manifests.into_iter().filter(|entry| filtered || fits(entry)));
            next = next_page(&access, &request.url, &headers)?;
        }
        Err(endless(&access)?)
    }

    /// Lists a pushed manifest among its subject's referrers, for a registry that did not do so
    /// itself. False: it has no subject.
    ///
    /// The specification gives no way to do this atomically: of two clients at the same moment, one
    /// entry may be lost.
    pub(crate) async fn list_referrer(
        &self,
        access: &Access<'_>,
        reference: &Reference,
        descriptor: &Descriptor,
        content: &[u8],
    ) -> Result<bool> {
        let Ok(Referrer { subject: Some(subject), artifact_type, config, annotations }) =
            serde_json::from_slice(content)
        else {
            return Ok(false);
        };
        let tag = fallback_tag(reference, &subject)?;
        let mut index = self.tagged_referrers(access, &tag).await?;
        if index.manifests.iter().any(|listed| listed.digest == descriptor.digest) {
            return Ok(true);
        }
        let mut entry = descriptor.clone();
        entry.artifact_type = artifact_type.or(config.map(|config| config.media_type));
        entry.annotations = annotations.unwrap_or_default();
        index.manifests.push(entry);
        self.put_manifest(access, &tag, media_type::OCI_INDEX, index.to_bytes()).await?;
        Ok(true)
    }

    async fn tagged_referrers(&self, access: &Access<'_>, tag: &Reference) -> Result<Index> {
        match self.get(access, tag, None).await {
            Ok((_, content)) => {
                Index::from_bytes(&content).map_err(|error| Error::content(tag, error.to_string()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Index::new(Vec::new())),
            Err(error) => Err(error),
        }
    }
}

/// `ALGORITHM-HEX` (OCI distribution spec, "Referrers Tag Schema").
fn fallback_tag(reference: &Reference, subject: &Descriptor) -> Result<Reference> {
    // A tag has at most 128 characters; SHA-512 has more.
    let tag: String = subject.digest.to_string().replace(':', "-").chars().take(128).collect();
    reference.with_tag(&tag).map_err(|error| Error::config(reference, error.to_string()))
}
