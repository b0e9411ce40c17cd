//! Build contexts: a directory, an archive, a web address, a git repository.
//!
//! What is no directory is fetched and unpacked below the work directory. An archive keeps the
//! owners that it names, a checkout is root's, as in BuildKit; nothing of either can lead outside.

mod text;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_dockerfile::git_ref::{self, GitRef};
use kiln_image::digest::Algorithm;
use kiln_rootfs::Rootfs;
use kiln_rootfs::copy::{HostDir, Source};

use crate::archive::{self, Sniffed};
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::remote::{GitSource, Remotes, public, redact};

/// The name that the file of a web address has in its context, as in BuildKit.
const FETCHED_NAME: &str = "context";

/// Where a context comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContextSource {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A tar archive, plain or compressed.
    Archive(PathBuf),
    /// A file of a web server.
    Http(String),
    /// A git repository, as in `https://host/repo.git#ref:subdir`.
    Git(String),
}

/// A context, open.
#[derive(Clone)]
pub struct BuildContext {
    files: Arc<dyn Source + Send>,
    /// The file that was fetched, when it is not an archive.
    single_file: Option<&'static str>,
    time: Option<i64>,
}

/// How a context is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextOptions {
    /// Whether a git repository's `.git` comes along.
    pub keep_git_dir: bool,
    /// Whether files of a git repository get the time of the commit.
    pub commit_times: bool,
}

/// What came through stdin.
#[derive(Debug)]
pub enum FromStdin {
    /// An archive: the context.
    Context(BuildContext),
    /// Anything else: a Dockerfile, whose build has an empty context.
    Dockerfile(Vec<u8>),
}

impl std::fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildContext").field("time", &self.time).finish_non_exhaustive()
    }
}

impl ContextSource {
    /// What a text names: a directory or a file that is there, else a repository or a web address.
    ///
    /// # Errors
    /// Of kind `Input` for a repository's address that is wrong, and what is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        let git = GitRef::parse(text)
            .map_err(|error| BuildError::input(format!("the context {}: {error}", redact(text))))?;
        if git.is_some_and(|git| !git.is_like_local || !path.exists()) {
            return Ok(Self::Git(text.to_owned()));
        }
        if git_ref::is_http(text) {
            return Ok(Self::Http(text.to_owned()));
        }
        if path.is_file() {
            return Ok(Self::Archive(path.to_owned()));
        }
        let error = BuildError::input(format!("the context `{}` does not exist", redact(text)));
        Err(error.with_hint(
            "a context is a directory, a tar archive, `-` for stdin, or the URL of an archive or a \
             git repository",
        ))
    }

    /// The source, to be shown: without passwords.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Directory(path) | Self::Archive(path) => path.display().to_string(),
            Self::Http(url) => public(url),
            Self::Git(url) => redact(url),
        }
    }

    /// Whether opening it fetches anything.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Git(_))
    }
}

impl BuildContext {
    /// A context without files.
    ///
    /// # Errors
    /// Of kind `Environment` when the work directory cannot be written.
    pub fn empty(remotes: &Remotes) -> Result<Self> {
        Ok(Self::of(new_rootfs(remotes)?))
    }

    /// Opens a context.
    ///
    /// # Errors
    /// Of kind `Input` for what is missing or damaged, `Registry` for what the network says,
    /// `Environment` when the work directory cannot be written or git is not there.
    pub fn open(
        source: &ContextSource,
        options: ContextOptions,
        remotes: &Remotes,
    ) -> Result<Self> {
        match source {
            ContextSource::Directory(dir) => Ok(Self::of(host_dir(dir, ErrorKind::Input)?)),
            ContextSource::Archive(file) => {
                let what = || format!("read the context {}", file.display());
                let opened = std::fs::File::open(file).context(ErrorKind::Input, what)?;
                let sniffed = Sniffed::new(opened).context(ErrorKind::Input, what)?;
                if !sniffed.is_archive() {
                    let message = format!("the context {} is no tar archive", file.display());
                    return Err(BuildError::input(message)
                        .with_hint("give a directory, and the Dockerfile with --file"));
                }
                Self::unpacked(sniffed, &file.display().to_string(), remotes)
            }
            ContextSource::Http(url) => Self::from_url(url, true, remotes),
            ContextSource::Git(url) => Self::from_git(url, options, remotes),
        }
    }

    /// Opens a context that `--build-context` names: as BuildKit has it, a fetched archive stays
    /// one file.
    pub(crate) fn open_named(source: &ContextSource, remotes: &Remotes) -> Result<Self> {
        match source {
            ContextSource::Http(url) => Self::from_url(url, false, remotes),
            source => Self::open(source, ContextOptions::default(), remotes),
        }
    }

    /// Reads a context or a Dockerfile from a stream: an archive is a context.
    ///
    /// # Errors
    /// Of kind `Input` for damaged archives and a Dockerfile that is too long.
    pub fn from_stdin(stream: impl Read, remotes: &Remotes) -> Result<FromStdin> {
        let what = || "read stdin".to_owned();
        let sniffed = Sniffed::new(stream).context(ErrorKind::Input, what)?;
        if sniffed.is_archive() {
            return Self::unpacked(sniffed, "stdin", remotes).map(FromStdin::Context);
        }
        text::read(sniffed.plain(), "stdin").map(FromStdin::Dockerfile)
    }

    fn unpacked(sniffed: Sniffed<impl Read>, name: &str, remotes: &Remotes) -> Result<Self> {
        let what = || format!("unpack the context {name}");
        let rootfs = new_rootfs(remotes)?;
        let mut tar = sniffed.decompressed().context(ErrorKind::Input, what)?;
        archive::unpack(&rootfs, &mut tar).context(ErrorKind::Input, what)?;
        Ok(Self::of(rootfs))
    }

    fn from_url(url: &str, unpack: bool, remotes: &Remotes) -> Result<Self> {
        let file = remotes.http(url, FETCHED_NAME, Algorithm::Sha256)?;
        let shown = public(url);
        let what = || format!("read the context {shown}");
        let path = file.dir.join(&file.name);
        let open = || std::fs::File::open(&path).and_then(Sniffed::new);
        let sniffed = open().context(ErrorKind::Environment, what)?;
        let is_archive = sniffed.is_archive();
        let time = match file.modified {
            None if is_archive => {
                let tar = sniffed.decompressed().context(ErrorKind::Input, what)?;
                archive::newest_file(tar).context(ErrorKind::Input, what)?
            }
            time => time,
        };
        if unpack && is_archive {
            let sniffed = open().context(ErrorKind::Environment, what)?;
            return Ok(Self { time, ..Self::unpacked(sniffed, &shown, remotes)? });
        }
        let files = host_dir(&file.dir, ErrorKind::Environment)?;
        Ok(Self { single_file: Some(FETCHED_NAME), time, ..Self::of(files) })
    }

    fn from_git(url: &str, options: ContextOptions, remotes: &Remotes) -> Result<Self> {
        let wrong = || BuildError::input(format!("invalid git context {}", redact(url)));
        let git = GitRef::parse(url).map_err(|error| wrong().with_source(error))?;
        let mut source = GitSource::new(&git.ok_or_else(wrong)?)?;
        source.keep_git_dir |= options.keep_git_dir;
        source.commit_times |= options.commit_times;
        let commit = remotes.commit(&source)?;
        let checkout = remotes.checkout(&source, &commit)?;
        let files = host_dir(&checkout.dir, ErrorKind::Environment)?;
        Ok(Self { time: Some(checkout.time), ..Self::of(files) })
    }

    fn of(files: impl Source + Send + 'static) -> Self {
        Self { files: Arc::new(files), single_file: None, time: None }
    }

    /// The files.
    pub(crate) fn files(&self) -> Arc<dyn Source + Send> {
        Arc::clone(&self.files)
    }

    /// The name of the only file, when a Dockerfile was fetched in place of a context.
    #[must_use]
    pub fn single_file(&self) -> Option<&'static str> {
        self.single_file
    }

    /// The time that `SOURCE_DATE_EPOCH` means by naming this context, seconds since 1970: that of
    /// a commit, of a fetched file or of the newest file of a fetched archive.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        self.time
    }

    /// A small text of the context; `None` when there is no such file.
    ///
    /// # Errors
    /// Of kind `Input` when it is no file or too long.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        text::read_inside(self.files.as_ref(), path)
    }
}

fn host_dir(dir: &Path, kind: ErrorKind) -> Result<HostDir> {
    HostDir::open(dir).context(kind, || format!("open the context {}", dir.display()))
}

fn new_rootfs(remotes: &Remotes) -> Result<Rootfs> {
    let dir = remotes.new_dir()?;
    Rootfs::create(&dir).context(ErrorKind::Environment, || format!("create {}", dir.display()))
}
