//! ADD of git repositories and contexts in them, as BuildKit takes them.

mod checkout;
mod command;
mod config;
mod resolve;
mod submodules;

pub(super) use checkout::checkout;
pub(super) use command::Command;
pub(super) use config::Config;
pub(super) use resolve::resolve;

pub(crate) use checkout::Checkout;
pub(crate) use resolve::Commit;

use kiln_dockerfile::git_ref::GitRef;

use super::redact;
use crate::error::{BuildError, Result};

/// What to take of which repository.
#[derive(Clone, Debug)]
pub(crate) struct GitSource {
    /// The repository; may hold a password.
    pub(crate) remote: String,
    /// A commit, tag or branch; empty for the default branch.
    pub(crate) reference: String,
    /// The beginning of the commit that it must be; empty when any will do.
    pub(crate) checksum: String,
    /// The directory that is taken; empty for all.
    pub(crate) subdir: String,
    /// Whether `.git` comes along.
    pub(crate) keep_git_dir: bool,
    /// Whether submodules are fetched.
    pub(crate) submodules: bool,
    /// Whether files get the time of the commit, and not that of the checkout.
    pub(crate) commit_times: bool,
    /// Whether `checksum` is fetched, and trusted to be the reference.
    pub(crate) fetch_by_commit: bool,
}

impl GitSource {
    /// A source as it was written.
    ///
    /// # Errors
    /// What git would take for an option, and checksums that are none.
    pub(crate) fn new(git: &GitRef) -> Result<Self> {
        let source = Self {
            remote: git.remote.clone(),
            reference: git.reference.clone(),
            checksum: git.checksum.clone(),
            subdir: git.subdir.clone(),
            keep_git_dir: git.keep_git_dir == Some(true),
            submodules: git.submodules != Some(false),
            commit_times: git.mtime == "commit",
            fetch_by_commit: git.fetch_by_commit,
        };
        source.check()?;
        Ok(source)
    }

    /// The same with another checksum, or an error when it has one that differs.
    pub(crate) fn with_checksum(mut self, checksum: &str) -> Result<Self> {
        if !self.checksum.is_empty() && self.checksum != checksum {
            return Err(BuildError::input(format!(
                "checksum mismatch \"{checksum}\" != \"{}\"",
                self.checksum
            )));
        }
        checksum.clone_into(&mut self.checksum);
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<()> {
        if self.remote.starts_with('-') || self.remote.chars().any(char::is_control) {
            return Err(BuildError::input(format!("invalid git repository `{}`", self.remote)));
        }
        if self.reference.starts_with('-') || self.reference.chars().any(char::is_control) {
            return Err(BuildError::input(format!("invalid git ref {:?}", self.reference)));
        }
        if !self.checksum.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(BuildError::input(format!(
                "invalid checksum {} for Git URL, expected hex commit hash",
                self.checksum
            )));
        }
        Ok(())
    }

    /// The repository, to be shown.
    fn shown(&self) -> String {
        redact(&self.remote)
    }

    /// Identifies the files: two sources with the same key have the same files.
    pub(crate) fn key(&self, commit: &Commit) -> String {
        // The repository and the reference are part of `.git`.
        let kept = match self.keep_git_dir {
            true => format!("{} {}", self.shown(), commit.reference),
            false => String::new(),
        };
        let id = if self.keep_git_dir { &commit.object } else { &commit.commit };
        format!("{id} {:?} {} {} {kept}", self.subdir, self.submodules, self.commit_times)
    }
}

/// Whether a text is a whole commit hash: SHA-1 or SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_looks_like_an_option_is_refused() {
        for text in [
            "https://h/r.git#--upload-pack=touch",
            "https://h/r.git?ref=-x",
            "-oProxyCommand=x@h:r.git",
            "https://h/r.git?checksum=--x",
        ] {
            let Some(git) = GitRef::parse(text).unwrap() else { continue };
            assert_eq!(GitSource::new(&git).unwrap_err().kind(), ErrorKind::Input, "{text}");
        }
        let dash = GitRef { remote: "-u@h:r".into(), ..GitRef::default() };
        assert!(GitSource::new(&dash).is_err());
    }

    #[test]
    fn checksums_agree_or_fail() {
        let git = GitRef { checksum: "ab".into(), ..GitRef::default() };
        let source = GitSource::new(&git).unwrap();
        assert!(source.clone().with_checksum("ab").is_ok());
        assert!(source.with_checksum("ac").is_err());
    }

    #[test]
    fn commits() {
        assert!(is_commit(&"a1".repeat(20)) && is_commit(&"0".repeat(64)));
        assert!(!is_commit("abc") && !is_commit(&"A".repeat(40)));
    }
}
