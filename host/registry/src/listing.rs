//! Lists that come in pages; the tags of a repository.

use kiln_image::reference::Reference;
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};
use serde::Deserialize;

use crate::access::Access;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::text;
use crate::wire::Outgoing;

/// Largest page; the specification's advice for manifests, which referrers are.
pub(crate) const MAX_PAGE: u64 = 4 << 20;
/// Longest list, in pages: a registry whose pages link in a circle must not keep us forever.
pub(crate) const MAX_PAGES: usize = 1000;

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
}

/// The URL of `Link: <URL>; rel="next"` (RFC 8288), which must stay on the registry.
pub(crate) fn next_page(
    access: &Access<'_>,
    current: &Url,
    headers: &HeaderMap,
) -> Result<Option<Url>> {
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

pub(crate) fn endless(access: &Access<'_>) -> Result<Error> {
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
