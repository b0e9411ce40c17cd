//! The remote sources of ADD: what a written source names, and what is copied of it.

use kiln_dockerfile::git_ref::{self, GitRef};
use kiln_image::digest::{Algorithm, Digest};
use kiln_rootfs::copy::{HostDir, Source};

use std::sync::Arc;

use super::git::{Commit, GitSource};
use super::http::file_name;
use super::{Remotes, public};
use crate::archive::{self, Sniffed};
use crate::error::{BuildError, Context, ErrorKind, Result};

/// The flags that only remote sources have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options<'a> {
    /// `--checksum`.
    pub(crate) checksum: Option<&'a str>,
    /// `--keep-git-dir`.
    pub(crate) keep_git_dir: Option<bool>,
}

/// A source that is elsewhere, found but not yet there.
#[derive(Debug)]
pub(crate) struct Remote {
    /// Identifies the files, for the cache.
    pub(crate) key: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Git(Box<GitSource>, Arc<Commit>),
    Url { url: String, name: String, checksum: Option<Digest> },
}

/// A fetched source.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Where the files are.
    pub(crate) files: HostDir,
    /// What is copied of them.
    pub(crate) path: Vec<u8>,
    /// When a commit was made or a server says that a file was changed.
    modified: Option<i64>,
    /// Whether it is one file, perhaps an archive.
    is_file: bool,
}

impl Remote {
    /// Finds a source; `None` when it is a local one. Fetches no more than what tells the files:
    /// nothing where `--checksum` does.
    ///
    /// # Errors
    /// Of kind `Input` for what is written wrongly, `Registry` for what the network says, `Failed`
    /// for a commit that is not what `--checksum` says.
    pub(crate) fn find(
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
            return find_commit(remotes, &git, options).map(Some);
        }
        if !git_ref::is_http(source) {
            return Ok(None);
        }
        if verb == "COPY" {
            return Err(BuildError::input("source can't be a URL for COPY").with_hint("use ADD"));
        }
        find_url(remotes, source, options.checksum).map(Some)
    }

    /// Fetches the files.
    ///
    /// # Errors
    /// Of kind `Registry` for what the network says, `Failed` for content that is not what
    /// `--checksum` says.
    pub(crate) fn fetch(&self, remotes: &Remotes) -> Result<Fetched> {
        match &self.place {
            Place::Git(source, commit) => {
                let checkout = remotes.checkout(source, commit)?;
                let files = HostDir::open(&checkout.dir).context(ErrorKind::Environment, || {
                    format!("open the checkout {}", checkout.dir.display())
                })?;
                let modified = Some(checkout.time);
                Ok(Fetched { files, path: b"/".to_vec(), modified, is_file: false })
            }
            Place::Url { url, name, checksum } => {
                let algorithm = checksum.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
                let file = remotes.http(url, name, algorithm)?;
                if let Some(expected) = checksum.filter(|expected| *expected != file.digest) {
                    let message = format!(
                        "digest mismatch for {}: {} (expected: {expected})",
                        public(url),
                        file.digest
                    );
                    return Err(BuildError::failed(message));
                }
                let files = HostDir::open(&file.dir)
                    .context(ErrorKind::Environment, || format!("open {}", file.dir.display()))?;
                let path = file.name.as_bytes().to_vec();
                Ok(Fetched { files, path, modified: file.modified, is_file: true })
            }
        }
    }
}

impl Fetched {
    /// The time that `SOURCE_DATE_EPOCH` means by naming this source, seconds since 1970: where a
    /// server gives none, that of the newest file of an archive.
    ///
    /// # Errors
    /// Of kind `Input` for damaged archives.
    pub(crate) fn time(&self) -> Result<Option<i64>> {
        if self.modified.is_some() || !self.is_file {
            return Ok(self.modified);
        }
        let what = || "read the archive that SOURCE_DATE_EPOCH names".to_owned();
        let file = self.files.open(&self.path).context(ErrorKind::Environment, what)?;
        let sniffed = Sniffed::new(file).context(ErrorKind::Environment, what)?;
        if !sniffed.is_archive() {
            return Ok(None);
        }
        let tar = sniffed.decompressed().context(ErrorKind::Input, what)?;
        archive::newest_file(tar).context(ErrorKind::Input, what)
    }
}

fn find_commit(remotes: &Remotes, git: &GitRef, options: &Options<'_>) -> Result<Remote> {
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
    let key = source.key(&commit);
    Ok(Remote { key, place: Place::Git(Box::new(source), commit) })
}

fn find_url(remotes: &Remotes, url: &str, checksum: Option<&str>) -> Result<Remote> {
    let checksum = checksum.map(|text| text.parse::<Digest>()).transpose().map_err(|error| {
        let error = BuildError::input(format!("--checksum: {error}"));
        error.with_focus(checksum.unwrap_or_default())
    })?;
    let name = file_name(url)?;
    let key = match &checksum {
        Some(checksum) => format!("{checksum} {name}"),
        None => {
            let file = remotes.http(url, &name, Algorithm::Sha256)?;
            format!("{} {name} {:?}", file.digest, file.modified)
        }
    };
    Ok(Remote { key, place: Place::Url { url: url.to_owned(), name, checksum } })
}
