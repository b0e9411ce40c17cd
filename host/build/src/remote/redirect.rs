//! Where a server sends those who ask for a repository. git would follow without looking: a
//! redirect must not lead to a cloud's metadata service.

use std::collections::BTreeMap;

use kiln_runner::Cancel;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::{auth, client, http, metadata, redact};
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::request::Secret;

/// What git asks a repository first (gitprotocol-http(5), "Smart Clients").
const FIRST: &str = "/info/refs";
const FIRST_QUERY: &str = "service=git-upload-pack";

/// Follows redirects.
#[derive(Debug)]
pub(super) struct Redirects<'a> {
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) cancel: &'a Cancel,
    pub(super) secrets: &'a BTreeMap<String, Secret>,
}

impl Redirects<'_> {
    /// The login for a repository.
    ///
    /// # Errors
    /// As [`auth::for_git`].
    pub(super) fn login(&self, remote: &str) -> Result<Option<String>> {
        auth::for_git(self.secrets, remote)
    }

    /// The repository's other address, when its server sends us there; what else is wrong with a
    /// server is git's to say.
    ///
    /// # Errors
    /// Of kind `Input` when it leads to a metadata service.
    pub(super) fn follow(&self, remote: &str, login: Option<&str>) -> Result<Option<String>> {
        let Some(mut asked) = auth::http_url(remote) else { return Ok(None) };
        metadata::check_repository(remote).map_err(|refused| refuse(remote, refused))?;
        asked.set_path(&format!("{}{FIRST}", asked.path().trim_end_matches('/')));
        asked.set_query(Some(FIRST_QUERY));
        let client = client::new(remote, self.env)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context(ErrorKind::Environment, || "start the HTTP client".to_owned())?;
        let ask = async {
            let mut request = client.get(asked.clone());
            if let Some(Ok(mut login)) = login.map(HeaderValue::from_str) {
                login.set_sensitive(true);
                request = request.header(AUTHORIZATION, login);
            }
            match request.send().await {
                Ok(response) => Ok(Some(response.url().clone())),
                Err(error) => match metadata::refusal(&error) {
                    Some(refused) => Err(refuse(remote, refused)),
                    None => Ok(None),
                },
            }
        };
        let reached = runtime.block_on(http::until_cancelled(ask, self.cancel));
        runtime.shutdown_background();
        Ok(reached?.and_then(|reached| moved(&asked, reached)))
    }
}

fn refuse(remote: &str, refused: &str) -> BuildError {
    BuildError::input(format!("fetch {}: {refused}", redact(remote)))
}

/// The repository at `reached`, when that is another than was asked.
fn moved(asked: &Url, mut reached: Url) -> Option<String> {
    if reached.query() != Some(FIRST_QUERY) {
        return None;
    }
    let path = reached.path().strip_suffix(FIRST)?.to_owned();
    reached.set_path(&path);
    reached.set_query(None);
    reached.set_fragment(None);
    // The login of a URL is for one host.
    let host = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
    if host(asked) == host(&reached) {
        let _without = reached.set_username(asked.username());
        let _without = reached.set_password(asked.password());
    }
    let same = asked.path().strip_suffix(FIRST) == Some(&path) && host(asked) == host(&reached);
    (!same).then(|| reached.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_moved_repository_has_another_address() {
        let asked = "https://u:p@h/a.git/info/refs?service=git-upload-pack";
        for (reached, expected) in [
            ("https://h/a.git/info/refs?service=git-upload-pack", None),
            ("https://h/b.git/info/refs?service=git-upload-pack", Some("https://u:p@h/b.git")),
            ("https://i/a.git/info/refs?service=git-upload-pack", Some("https://i/a.git")),
            ("http://h/a.git/info/refs?service=git-upload-pack", Some("http://h/a.git")),
            ("https://h/login", None),
            ("https://h/login?service=git-upload-pack", None),
        ] {
            let url = |text: &str| Url::parse(text).unwrap();
            assert_eq!(moved(&url(asked), url(reached)).as_deref(), expected, "{reached}");
        }
    }
}
