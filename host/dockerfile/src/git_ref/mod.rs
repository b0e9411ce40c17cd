//! Git repositories as sources: `https://host/repo.git#ref:subdir`, `git@host:repo?tag=v1`.

mod url;

use std::collections::BTreeSet;

use crate::quote::{parse_bool, quote};
use url::Remote;

/// A git repository and what to take of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitRef {
    /// The repository, without query and fragment.
    pub remote: String,
    /// `https`, `http`, `ssh` or `git`.
    pub scheme: String,
    /// The host, with a port if there is one.
    pub host: String,
    /// The repository's last part, without `.git`.
    pub short_name: String,
    /// A commit, tag or branch; empty for the default branch.
    pub reference: String,
    /// The commit that the reference must be, possibly shortened; empty when not given.
    pub checksum: String,
    /// A directory of the repository; empty for all of it. A query gives it as written, so that it
    /// may hold `..`: resolve it inside the checkout.
    pub subdir: String,
    /// Whether to keep `.git`, if given.
    pub keep_git_dir: Option<bool>,
    /// Whether to fetch submodules, if given.
    pub submodules: Option<bool>,
    /// `checkout` or `commit`: which time files get; empty when not given.
    pub mtime: String,
    /// Fetch `checksum` itself and trust it to be the reference.
    pub fetch_by_commit: bool,
    /// It looks like a local path: `github.com/x/y`. Right for a build context, not for ADD.
    pub is_like_local: bool,
    /// The connection is not encrypted.
    pub is_unencrypted: bool,
}

/// A git repository with a query that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitRefError {
    /// `?key` or `?key=` of a key that needs a value.
    #[error("query {} has no value", quote(.0))]
    NoValue(String),
    /// `?key=a&key=b`.
    #[error("query {} has multiple values", quote(.0))]
    ManyValues(String),
    /// A key that does not exist.
    #[error("unexpected query {}", quote(.0))]
    Unexpected(String),
    /// A value of the wrong kind.
    #[error("invalid {key} value: {}{hint}", quote(.value))]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        hint: &'static str,
    },
    /// Two different references or directories.
    #[error("{what} conflicts: {} vs {}", quote(.first), quote(.second))]
    Conflict {
        /// `ref` or `subdir`.
        what: &'static str,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// Both a branch and a tag.
    #[error("branch conflicts with tag")]
    BranchAndTag,
}

impl GitRef {
    /// Reads a source. `None` for what is no git repository: a local path, a plain URL.
    ///
    /// # Errors
    /// See [`GitRefError`].
    pub fn parse(source: &str) -> Result<Option<GitRef>, GitRefError> {
        let Some(remote) = Remote::parse(source) else { return Ok(None) };
        let is_http = matches!(remote.scheme.as_str(), "http" | "https");
        // Any web page could be meant; only the suffix tells a repository.
        if is_http && !remote.is_like_local && !remote.path.ends_with(".git") {
            return Ok(None);
        }
        let last = remote.text.rsplit('/').next().unwrap_or_default();
        let mut git = GitRef {
            short_name: last.strip_suffix(".git").unwrap_or(last).to_owned(),
            is_like_local: remote.is_like_local,
            is_unencrypted: matches!(remote.scheme.as_str(), "http" | "git"),
            remote: remote.text,
            scheme: remote.scheme,
            host: remote.host,
            ..GitRef::default()
        };
        let (reference, subdir) = remote.fragment.split_once(':').unwrap_or((&remote.fragment, ""));
        git.reference = reference.to_owned();
        git.subdir = crate::ignore::clean(&format!("/{subdir}")).split_off(1);
        git.query(&remote.query)?;
        Ok(Some(git))
    }

    fn query(&mut self, pairs: &[(String, String)]) -> Result<(), GitRefError> {
        let (mut tag, mut branch) = (None, None);
        let mut seen = BTreeSet::new();
        if let Some((key, _)) = pairs.iter().find(|(key, _)| !seen.insert(key)) {
            return Err(GitRefError::ManyValues(key.clone()));
        }
        for (key, value) in pairs {
            let is_flag = matches!(key.as_str(), "submodules" | "keep-git-dir" | "fetch-by-commit");
            if value.is_empty() && !is_flag {
                return Err(GitRefError::NoValue(key.clone()));
            }
            match key.as_str() {
                "ref" => set(&mut self.reference, value, "ref")?,
                "subdir" => set(&mut self.subdir, value, "subdir")?,
                "tag" => tag = Some(prefixed("refs/tags/", value)),
                "branch" => branch = Some(prefixed("refs/heads/", value)),
                "checksum" | "commit" => self.checksum = value.clone(),
                "keep-git-dir" => self.keep_git_dir = Some(flag(key, value)?),
                "submodules" => self.submodules = Some(flag(key, value)?),
                "fetch-by-commit" => self.fetch_by_commit = flag(key, value)?,
                "mtime" if matches!(value.as_str(), "checkout" | "commit") => {
                    self.mtime = value.clone();
                }
                "mtime" => {
                    let hint = " (must be \"checkout\" or \"commit\")";
                    return Err(invalid(key, value, hint));
                }
                _ => return Err(GitRefError::Unexpected(key.clone())),
            }
        }
        if tag.is_some() && branch.is_some() {
            return Err(GitRefError::BranchAndTag);
        }
        match tag.or(branch) {
            Some(reference) => set(&mut self.reference, &reference, "ref"),
            None => Ok(()),
        }
    }
}

/// Whether a source of ADD is a file to fetch: a web address that is no git repository.
pub fn is_http(source: &str) -> bool {
    let is_web = source.starts_with("http://") || source.starts_with("https://");
    is_web && matches!(GitRef::parse(source), Ok(None))
}

fn set(field: &mut String, value: &str, what: &'static str) -> Result<(), GitRefError> {
    if !field.is_empty() && field != value {
        return Err(GitRefError::Conflict { what, first: field.clone(), second: value.to_owned() });
    }
    value.clone_into(field);
    Ok(())
}

fn prefixed(prefix: &str, value: &str) -> String {
    if value.starts_with(prefix) { value.to_owned() } else { format!("{prefix}{value}") }
}

fn flag(key: &str, value: &str) -> Result<bool, GitRefError> {
    if value.is_empty() {
        return Ok(true);
    }
    parse_bool(value).ok_or_else(|| invalid(key, value, ""))
}

fn invalid(key: &str, value: &str, hint: &'static str) -> GitRefError {
    GitRefError::Value { key: key.to_owned(), value: value.to_owned(), hint }
}
