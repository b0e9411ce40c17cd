//! Lists that come in pages: tags and referrers.

use kiln_image::manifest::{Descriptor, Index};
use kiln_image::reference::Reference;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;

use kiln_image::media_type;

use crate::access::Access;
use crate::error::{Error, ErrorKind, Result};
use crate::session::Session;
use crate::text;
use crate::wire::Outgoing;

/// Largest page; the specification's advice for manifests, which referrers are.
const MAX_PAGE: u64 = 4 << 20;
/// Longest list, in pages: a registry whose pages link in a circle must not keep us forever.
const MAX_PAGES: usize = 1000;
/// Tells which filters the registry has applied itself.
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

#[derive(Deserialize)]
struct TagPage {
    /// Go's registries write null for none.
    tags: Option<Vec<String>>,
}

impl Session {
    pub(crate) async fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        let endpoint = self.endpoint(reference);
        let access = Access::pull(&endpoint, &reference.repository);
        let mut tags = Vec::new();
        let mut next = Some(access.url("tags/list?n=1000")?);
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { return Ok(tags) };
            let request = Outgoing::new(Method::GET, url);
            let (_, headers, body) = self.http.fetch(&access, &request, &[200], MAX_PAGE).await?;
            let page: TagPage = serde_json::from_slice(&body).map_err(|error| {
                Error::content(text::public_url(&request.url), format!("is no tag list: {error}"))
            })?;
            tags.extend(page.tags.unwrap_or_default());
            next = next_page(&access, &request.url, &headers)?;
        }
        Err(endless(&access)?)
    }

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
            if status == reqwest::StatusCode::NOT_FOUND {
                let mut tagged = self.tagged_referrers(reference, subject).await?;
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

    /// The index under the tag `ALGORITHM-HEX` (OCI distribution spec, "Referrers Tag Schema").
    async fn tagged_referrers(
        &self,
        reference: &Reference,
        subject: &Descriptor,
    ) -> Result<Vec<Descriptor>> {
        let tag = subject.digest.to_string().replace(':', "-");
        let tagged = reference
            .with_tag(&tag)
            .map_err(|error| Error::config(reference, error.to_string()))?;
        match self.resolve(&tagged).await {
            Ok((_, content)) => Ok(Index::from_bytes(&content)
                .map_err(|error| Error::content(&tagged, error.to_string()))?
                .manifests),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The URL of `Link: <URL>; rel="next"` (RFC 8288), which must stay on the registry.
fn next_page(access: &Access<'_>, current: &Url, headers: &HeaderMap) -> Result<Option<Url>> {
    let Some(target) = headers.get(LINK).and_then(|value| value.to_str().ok()).and_then(link_next)
    else {
        return Ok(None);
    };
    let url = current.join(target).ok().filter(|url| access.endpoint.owns(url));
    url.map(Some).ok_or_else(|| {
        Error::content(text::public_url(current), "continues its list on another server")
    })
}

fn link_next(header: &str) -> Option<&str> {
    let is_next = |parameter: &str| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"') == "next"
        })
    };
    header.split(",").find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        parameters.split(';').any(is_next).then_some(target)
    })
}

fn endless(access: &Access<'_>) -> Result<Error> {
    let url = text::public_url(&access.url("")?);
    Ok(Error::content(url, format!("has a list of more than {MAX_PAGES} pages")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let cases = [
            (r#"</v2/a/tags/list?last=x&n=2>; rel="next""#, Some("/v2/a/tags/list?last=x&n=2")),
            ("<https://r/v2/x>;rel=next", Some("https://r/v2/x")),
            (r#"<a>; rel="prev", <b>; rel="next""#, Some("b")),
            (r#"<a>; rel="prev""#, None),
            ("<a", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(link_next(header), expected, "{header}");
        }
    }
}
