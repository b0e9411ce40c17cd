//! Files from elsewhere: URLs and git repositories, each fetched once for a build.

mod add;
mod auth;
mod client;
mod git;
mod http;
mod metadata;
mod once;
mod redirect;

pub(crate) use add::{Fetched, Options, Remote};
pub(crate) use git::GitSource;

use git::{Checkout, Commit};
use http::HttpFile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use kiln_image::digest::Algorithm;
use kiln_runner::Cancel;

use self::once::Once;
use self::redirect::Redirects;
use crate::contexts::{BuildContext, ContextSource};
use crate::error::{BuildError, Result};
use crate::request::Secret;
use crate::scratch::Scratch;

/// Fetches contexts and sources of ADD, and remembers what was fetched.
#[derive(Debug)]
pub struct Remotes {
    work_dir: PathBuf,
    env: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    cancel: Cancel,
    /// Made when something is fetched.
    scratch: Mutex<Option<Scratch>>,
    contexts: Once<BuildContext>,
    files: Once<HttpFile>,
    commits: Once<Commit>,
    checkouts: Once<Checkout>,
}

impl Remotes {
    /// Keeps what is fetched below `work_dir` as long as this value lives; `env` has the search
    /// path, proxies and certificates.
    #[must_use]
    pub fn new(work_dir: &Path, env: &BTreeMap<String, String>, cancel: &Cancel) -> Self {
        Self {
            work_dir: work_dir.to_owned(),
            env: env.clone(),
            secrets: BTreeMap::new(),
            cancel: cancel.clone(),
            scratch: Mutex::default(),
            contexts: Once::default(),
            files: Once::default(),
            commits: Once::default(),
            checkouts: Once::default(),
        }
    }

    /// Logins are found among these secrets.
    #[must_use]
    pub fn with_secrets(self, secrets: &BTreeMap<String, Secret>) -> Self {
        Self { secrets: secrets.clone(), ..self }
    }

    /// A directory for something made of what was fetched.
    pub(crate) fn new_dir(&self) -> Result<PathBuf> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if scratch.is_none() {
            *scratch = Some(Scratch::create(&self.work_dir)?);
        }
        match &*scratch {
            Some(scratch) => scratch.new_dir(),
            None => Err(BuildError::failed("the build's directory vanished")),
        }
    }

    /// A context that `--build-context` gave, opened once.
    pub(crate) fn named_context(&self, source: &ContextSource) -> Result<Arc<BuildContext>> {
        self.contexts.get(&format!("{source:?}"), || BuildContext::open_named(source, self))
    }

    /// The file of a URL, as `name`, in a directory of its own.
    ///
    /// # Errors
    /// Of kind `Registry` for what the network or the server say.
    pub(crate) fn http(
        &self,
        url: &str,
        name: &str,
        algorithm: Algorithm,
    ) -> Result<Arc<HttpFile>> {
        self.files.get(&format!("{algorithm:?} {name} {url}"), || {
            let (env, cancel, secrets) = (&self.env, &self.cancel, &self.secrets);
            let fetch = http::Fetch { env, cancel, secrets, algorithm };
            http::download(url, self.new_dir()?, name.to_owned(), fetch)
        })
    }

    /// The commit that a git source names now.
    ///
    /// # Errors
    /// Of kind `Input` for references that do not exist, `Registry` for what the network and git
    /// say, `Failed` for a wrong checksum, `Environment` without git.
    pub(crate) fn commit(&self, source: &GitSource) -> Result<Arc<Commit>> {
        self.commits.get(&format!("{source:?}"), || {
            self.with_git(source, |git, _| git::resolve(source, git))
        })
    }

    /// The files of a commit.
    ///
    /// # Errors
    /// As [`Remotes::commit`].
    pub(crate) fn checkout(&self, source: &GitSource, commit: &Commit) -> Result<Arc<Checkout>> {
        self.checkouts.get(&format!("{source:?} {commit:?}"), || {
            self.with_git(source, |git, config| {
                git::checkout(source, commit, &self.new_dir()?, git, config)
            })
        })
    }

    /// Runs something with git and its settings for a source.
    fn with_git<T>(
        &self,
        source: &GitSource,
        run: impl FnOnce(&git::Command<'_>, &mut git::Config<'_>) -> Result<T>,
    ) -> Result<T> {
        metadata::check_repository(&source.remote).map_err(|refused| {
            BuildError::input(format!("fetch {}: {refused}", redact(&source.remote)))
        })?;
        let (env, cancel, secrets) = (&self.env, &self.cancel, &self.secrets);
        let redirects = Redirects { env, cancel, secrets };
        let mut config = git::Config::create(&self.new_dir()?, &redirects)?;
        config.add_main(&source.remote)?;
        let command = git::Command::new(env, cancel, config.file().to_owned());
        run(&command, &mut config)
    }
}

/// A URL as messages have it: without its password, and without its query, which may be a signature.
pub(crate) fn public(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => redact(before) + "?xxxxx",
        None => redact(url),
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
    fn signatures_are_not_shown() {
        assert_eq!(public("https://u:p@h/a?sig=s#f"), "https://xxxxx:xxxxx@h/a?xxxxx");
        assert_eq!(public("https://h/a#f"), "https://h/a#f");
    }

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
