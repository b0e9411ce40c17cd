//! Files from elsewhere: URLs and git repositories, each fetched once for a build.

mod add;
mod client;
mod git;
mod http;
mod once;

pub(crate) use add::{Fetched, Options};

use git::{Checkout, Commit, GitSource};
use http::HttpFile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_image::digest::Algorithm;
use kiln_runner::Cancel;

use self::once::Once;
use crate::error::Result;
use crate::scratch::Scratch;

/// Fetches, and remembers what was fetched.
#[derive(Debug)]
pub(crate) struct Remotes {
    env: BTreeMap<String, String>,
    cancel: Cancel,
    scratch: Scratch,
    files: Once<HttpFile>,
    commits: Once<Commit>,
    checkouts: Once<Checkout>,
}

impl Remotes {
    /// Keeps what is fetched below `work_dir` as long as this value lives; `env` has the search
    /// path, proxies and certificates.
    pub(crate) fn new(
        work_dir: &Path,
        env: &BTreeMap<String, String>,
        cancel: &Cancel,
    ) -> Result<Self> {
        Ok(Self {
            env: env.clone(),
            cancel: cancel.clone(),
            scratch: Scratch::create(work_dir)?,
            files: Once::default(),
            commits: Once::default(),
            checkouts: Once::default(),
        })
    }

    /// A directory for something made of what was fetched.
    fn new_dir(&self) -> Result<PathBuf> {
        self.scratch.new_dir()
    }

    /// The file of a URL, as `name`, in a directory of its own.
    ///
    /// # Errors
    /// Of kind `Registry` for what the network or the server say.
    fn http(&self, url: &str, name: &str, algorithm: Algorithm) -> Result<Arc<HttpFile>> {
        self.files.get(&format!("{algorithm:?} {name} {url}"), || {
            let fetch = http::Fetch { env: &self.env, cancel: &self.cancel, algorithm };
            http::download(url, self.new_dir()?, name.to_owned(), fetch)
        })
    }

    /// The commit that a git source names now.
    ///
    /// # Errors
    /// Of kind `Input` for references that do not exist, `Registry` for what the network and git
    /// say, `Failed` for a wrong checksum, `Environment` without git.
    fn commit(&self, source: &GitSource) -> Result<Arc<Commit>> {
        self.commits.get(&format!("{source:?}"), || {
            git::resolve(source, &git::Command::new(&self.env, &self.cancel))
        })
    }

    /// The files of a commit.
    ///
    /// # Errors
    /// As [`Remotes::commit`].
    fn checkout(&self, source: &GitSource, commit: &Commit) -> Result<Arc<Checkout>> {
        self.checkouts.get(&format!("{source:?} {commit:?}"), || {
            let command = git::Command::new(&self.env, &self.cancel);
            git::checkout(source, commit, &self.new_dir()?, &command)
        })
    }
}

/// A text without the passwords of the URLs in it.
pub(crate) fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after
            .find(|c: char| matches!(c, '/' | '?' | '#' | '\'' | '"') || c.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                shown.push_str("xxxxx:xxxxx");
                &after[at..]
            }
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (text, expected) in [
            ("https://u:p@h/a", "https://xxxxx:xxxxx@h/a"),
            ("ADD https://t@h/a http://u:p@ss@h:1 /x@y", {
                "ADD https://xxxxx:xxxxx@h/a http://xxxxx:xxxxx@h:1 /x@y"
            }),
            ("https://h/a@b", "https://h/a@b"),
            ("git@h:a", "git@h:a"),
            ("access 'https://u:p@h/': no", "access 'https://xxxxx:xxxxx@h/': no"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
