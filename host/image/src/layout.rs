//! Whole images on a disk: OCI layouts (directories) and archives (of OCI and of Docker).
//!
//! Reading: [`ImageSource`] is what `oci-layout://DIR[:tag|@digest]` names. Writing:
//! [`write_layout`], [`write_oci_archive`], [`write_docker_archive`]; each shows nothing until it
//! is complete. Source: OCI image-spec `image-layout.md`; moby `image/spec/v1.2.md`, section
//! "Combined Image JSON + Filesystem Changeset Format".

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::digest::Digest;
use crate::layer::write::WriteError;
use crate::manifest::ManifestError;
use crate::platform::Platform;
use crate::store::StoreError;

mod archive;
mod graph;
mod source;
mod write;

pub use archive::{docker_archive, oci_archive, write_docker_archive, write_oci_archive};
pub use graph::{MAX_BLOBS, reachable};
pub use source::{ImageSource, split_location};
pub use write::write_layout;

/// The annotation that holds an image's tag in an `index.json`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that holds an image's full name, as containerd and BuildKit write it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// The deepest nesting of indexes that is followed: one level is usual, a hostile layout could
/// refer to itself for ever.
pub(crate) const MAX_DEPTH: u32 = 4;

/// Why an image cannot be read from or written to a disk.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A blob is missing, corrupt or cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A blob is no manifest or index.
    #[error("{digest}: {source}")]
    Manifest {
        /// The blob.
        digest: Digest,
        /// The reason.
        source: ManifestError,
    },
    /// A blob is no image config.
    #[error("{digest}: {source}")]
    Config {
        /// The blob.
        digest: Digest,
        /// The reason.
        source: ConfigError,
    },
    /// The layout's own index is malformed.
    #[error("{path}: {source}")]
    Index {
        /// The file `index.json`.
        path: PathBuf,
        /// The reason.
        source: ManifestError,
    },
    /// The directory is no OCI layout.
    #[error("{path} is not an OCI layout: {problem}")]
    NotALayout {
        /// The directory.
        path: PathBuf,
        /// What is missing or wrong.
        problem: &'static str,
    },
    /// The directory to write to holds something else.
    #[error("{0} is neither empty nor an OCI layout; name another directory or remove it first")]
    NotEmpty(PathBuf),
    /// The image asked for is not there.
    #[error("{path} has no image `{wanted}`; it has {available}")]
    NoSuchImage {
        /// The layout.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// No tag was asked for, and there are several images.
    #[error("{path} has several images, say which: {available}")]
    Ambiguous {
        /// The layout.
        path: PathBuf,
        /// What there is.
        available: String,
    },
    /// An index has nothing for the platform.
    #[error("{digest} has no image for {wanted}; it has {available}")]
    NoPlatform {
        /// The index.
        digest: Digest,
        /// What was asked for.
        wanted: Box<Platform>,
        /// What there is.
        available: String,
    },
    /// Indexes in indexes, or more blobs than any image has.
    #[error("{digest} refers to too much: {problem}")]
    TooMuch {
        /// Where it was noticed.
        digest: Digest,
        /// What there is too much of.
        problem: &'static str,
    },
    /// The format cannot hold this image.
    #[error("a docker archive cannot hold {digest}: {problem}")]
    NotForDocker {
        /// The manifest or index.
        digest: Digest,
        /// Why, and what to do.
        problem: &'static str,
    },
    /// A system call failed; with a full disk the source is `ENOSPC`.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// An archive cannot be written.
    #[error("write archive: {0}")]
    Archive(#[from] WriteError),
    /// An archive's end cannot be written.
    #[error("write archive: {0}")]
    ArchiveEnd(#[source] io::Error),
}
