//! What can go wrong in a rootfs.

use rustix::io::Errno;

/// The result of an operation on a rootfs.
pub type Result<T> = std::result::Result<T, RootfsError>;

/// Why an operation on a rootfs failed.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// A system call failed; its errno is what a process in the image would see.
    #[error("{op} {path}: {errno}")]
    Sys {
        /// The operation.
        op: &'static str,
        /// The path in the image, lossily as text.
        path: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// Preparing or opening the directory that holds a rootfs failed.
    #[error("rootfs {dir}: {what}: {errno}")]
    Setup {
        /// The directory on the host.
        dir: String,
        /// What was tried, with a remedy where there is one.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// An entry of a layer that must not be applied.
    #[error("layer entry {path:?}: {why}")]
    Refused {
        /// The entry's path, lossily as text.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something grew beyond a limit.
    #[error("{what}: more than {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The tar stream of a layer is damaged or hostile.
    #[error(transparent)]
    Read(#[from] kiln_image::layer::read::ReadError),
    /// The data of a layer or of a copied file could not be read or written.
    #[error("{op} {path}: {source}")]
    Io {
        /// The operation.
        op: &'static str,
        /// The path in the image, lossily as text.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl RootfsError {
    /// The errno that a process in the image gets for this error.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Sys { errno, .. } | Self::Setup { errno, .. } => *errno,
            Self::Refused { .. } => Errno::INVAL,
            Self::Limit { .. } => Errno::FBIG,
            Self::Read(_) => Errno::IO,
            Self::Io { source, .. } => Errno::from_io_error(source).unwrap_or(Errno::IO),
        }
    }

    /// The same failure, of this path.
    pub(crate) fn with_path(self, path: &[u8]) -> Self {
        match self {
            Self::Sys { op, errno, .. } => Self::Sys { op, path: show(path), errno },
            other => other,
        }
    }

    /// Whether the path does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno(), Errno::NOENT | Errno::NOTDIR)
    }
}

impl From<RootfsError> for std::io::Error {
    fn from(error: RootfsError) -> Self {
        Self::new(std::io::Error::from(error.errno()).kind(), error)
    }
}

/// Names the operation and the path of a failed system call.
pub(crate) trait At<T> {
    fn at(self, op: &'static str, path: &[u8]) -> Result<T>;
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, op: &'static str, path: &[u8]) -> Result<T> {
        self.map_err(|errno| RootfsError::Sys { op, path: show(path), errno })
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, op: &'static str, path: &[u8]) -> Result<T> {
        self.map_err(|source| RootfsError::Io { op, path: show(path), source })
    }
}

/// An image path as text, absolute.
pub(crate) fn show(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    if text.starts_with('/') { text.into_owned() } else { format!("/{text}") }
}
