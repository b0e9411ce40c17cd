//! The remote sources of ADD: what a written source names, and what is copied of it.

use kiln_dockerfile::git_ref::{self, GitRef};
use kiln_image::digest::{Algorithm, Digest};
use kiln_rootfs::copy::HostDir;

use super::git::GitSource;
use super::http::file_name;
use super::{Remotes, redact};
use crate::error::{BuildError, Context, ErrorKind, Result};

/// The flags that only remote sources have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    /// `--checksum`.
    pub(crate) checksum: Option<&'a str>,
    /// `--keep-git-dir`.
    pub(crate) keep_git_dir: Option<bool>,
}

/// A fetched source.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Where the files are.
    pub(crate) files: HostDir,
    /// What is copied of them.
    pub(crate) path: Vec<u8>,
    /// Identifies the files, for the cache.
    pub(crate) key: String,
}

impl Fetched {
    /// Fetches a source; `None` when it is a local one.
    ///
    /// # Errors
    /// Of kind `Input` for what is written wrongly, `Registry` for what the network says, `Failed`
    /// for content that is not what `--checksum` says.
    pub(crate) fn fetch(
        remotes: &Remotes,
        verb: &str,
        source: &str,
        options: &Options<'_>,
    ) -> Result<Option<Self>> {
        let git = GitRef::parse(source).map_err(|error| BuildError::input(error.to_string()))?;
        if let Some(git) = git.filter(|git| !git.is_like_local) {
            if verb == "COPY" {
                let error = BuildError::input("source can't be a git ref for COPY");
                return Err(error.with_hint("use ADD"));
            }
            return from_git(remotes, &git, options).map(Some);
        }
        if !git_ref::is_http(source) {
            return Ok(None);
        }
        if verb == "COPY" {
            return Err(BuildError::input("source can't be a URL for COPY").with_hint("use ADD"));
        }
        from_url(remotes, source, options.checksum).map(Some)
    }
}

fn from_git(remotes: &Remotes, git: &GitRef, options: &Options<'_>) -> Result<Fetched> {
    let mut source = GitSource::new(git)?;
    if let Some(keep) = options.keep_git_dir {
        if git.keep_git_dir.is_some_and(|written| written != keep) {
            return Err(BuildError::input("inconsistent keep-git-dir configuration"));
        }
        source.keep_git_dir = keep;
    }
    if let Some(checksum) = options.checksum {
        source = source.with_checksum(checksum)?;
    }
    let commit = remotes.commit(&source)?;
    let checkout = remotes.checkout(&source, &commit)?;
    let files = HostDir::open(&checkout.dir).context(ErrorKind::Environment, || {
        format!("open the checkout {}", checkout.dir.display())
    })?;
    Ok(Fetched { files, path: b"/".to_vec(), key: source.key(&commit) })
}

fn from_url(remotes: &Remotes, url: &str, checksum: Option<&str>) -> Result<Fetched> {
    let checksum = checksum
        .map(|text| text.parse::<Digest>())
        .transpose()
        .map_err(|error| BuildError::input(format!("--checksum: {error}")))?;
    let name = file_name(url)?;
    let algorithm = checksum.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let file = remotes.http(url, &name, algorithm)?;
    if let Some(expected) = checksum.filter(|expected| *expected != file.digest) {
        let message =
            format!("digest mismatch for {}: {} (expected: {expected})", redact(url), file.digest);
        return Err(BuildError::failed(message));
    }
    let files = HostDir::open(&file.dir)
        .context(ErrorKind::Environment, || format!("open {}", file.dir.display()))?;
    Ok(Fetched {
        files,
        path: file.name.as_bytes().to_vec(),
        key: format!("{} {} {:?}", file.digest, file.name, file.modified),
    })
}
