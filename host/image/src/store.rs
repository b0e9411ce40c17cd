//! The content store: blobs by digest below a directory, laid out as an OCI layout.
//!
//! ```text
//! <dir>/oci-layout            the marker of a layout
//! <dir>/blobs/sha256/<hex>    a blob; there only when complete and verified
//! <dir>/ingest/<random>       a blob being written, locked by who writes it
//! ```
//! A blob is written to `ingest/`, its data brought to the disk, then renamed: a process killed at
//! any moment, or a machine that loses its power, leaves no half-written blob under a digest.
//! Directories are not synced: a rename that is lost costs a download, never a wrong blob.
//! Any number of processes may share a store. It does not collect garbage and keeps no index.
//! Source: OCI image-spec `image-layout.md`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::digest::{Algorithm, Digest, DigestReader, Hasher};

mod blob;

pub use blob::{BlobReader, BlobWriter};

/// The content of the file `oci-layout`.
pub(crate) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// How often a new name is tried when the one drawn is taken or swept away.
const NAME_ATTEMPTS: u32 = 32;

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A system call failed; with a full disk the source is `ENOSPC`.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was to be done: `write blob` …
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The blob is not there.
    #[error("blob {0} is not in the store")]
    NotFound(Digest),
    /// The content is not what its digest says.
    #[error("blob {wanted} is corrupt: its content has digest {got} ({size} bytes)")]
    Digest {
        /// What it should be.
        wanted: Digest,
        /// What it is. Boxed: two digests would make every result large.
        got: Box<Digest>,
        /// Its size in bytes.
        size: u64,
    },
    /// The content is not as long as announced.
    #[error("blob {digest} has {got} bytes instead of {wanted}")]
    Size {
        /// Which blob.
        digest: Digest,
        /// The announced size in bytes.
        wanted: u64,
        /// The size in bytes.
        got: u64,
    },
    /// The blob is larger than who reads it can take.
    #[error("blob {digest} has more than the {limit} bytes allowed here")]
    TooLarge {
        /// Which blob.
        digest: Digest,
        /// The limit in bytes.
        limit: u64,
    },
}

/// The kind of the underlying system error, for callers that pass an `io::Error` on.
impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Io { source, .. } => source.kind(),
            StoreError::NotFound(_) => io::ErrorKind::NotFound,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// A content store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the store at `dir`, creating it as needed, and removes what dead writers left.
    ///
    /// # Errors
    /// [`StoreError::Io`] if a directory cannot be created.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let store = Self { dir: dir.to_owned() };
        for directory in [store.algorithm_dir(Algorithm::Sha256), store.ingest_dir()] {
            fs::create_dir_all(&directory).map_err(io_error("create directory", &directory))?;
        }
        store.sweep();
        let marker = dir.join("oci-layout");
        if !marker.exists() {
            store.replace_file("oci-layout", OCI_LAYOUT)?;
        }
        Ok(store)
    }

    /// Opens the layout at `dir` for reading alone; nothing is created or removed.
    pub fn open_read_only(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The size in bytes of a blob, if it is there. It is not verified again.
    pub fn has(&self, digest: &Digest) -> Option<u64> {
        let metadata = fs::metadata(self.blob_path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Opens a blob for reading; see [`Store::reader`] to verify on the way.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Io`].
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        let opened = OpenOptions::new()
            .read(true)
            // A layout from elsewhere may hold a fifo in a blob's place: opening must not hang.
            .custom_flags(flag_bits(OFlags::NONBLOCK | OFlags::NOCTTY))
            .open(&path)
            .and_then(|file| {
                let is_file = file.metadata()?.is_file();
                if is_file { Ok(file) } else { Err(io::Error::other("not a regular file")) }
            });
        opened.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound(*digest),
            _ => StoreError::Io { action: "open blob", path, source },
        })
    }

    /// Opens a blob for reading; the read that meets its end fails if the digest is wrong.
    ///
    /// # Errors
    /// As [`Store::open_blob`].
    pub fn reader(&self, digest: &Digest) -> Result<BlobReader, StoreError> {
        let file = self.open_blob(digest)?;
        let inner = DigestReader::with(file, digest.algorithm());
        Ok(BlobReader { inner: Some(inner), wanted: *digest })
    }

    /// Where a blob lies or would lie.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.algorithm_dir(digest.algorithm()).join(digest.hex())
    }

    /// Begins a blob that is to be named by SHA-256.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn writer(&self) -> Result<BlobWriter, StoreError> {
        self.writer_with(Algorithm::Sha256)
    }

    /// Begins a blob that is to be named by `algorithm`: take that of the expected digest.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn writer_with(&self, algorithm: Algorithm) -> Result<BlobWriter, StoreError> {
        let (file, path) = self.temporary()?;
        Ok(BlobWriter {
            file,
            path,
            store: self.clone(),
            hasher: Hasher::with(algorithm),
            algorithm,
            size: 0,
            expected: None,
            renamed: false,
        })
    }

    /// Begins a blob of which digest and size in bytes are known: more than that is refused while
    /// it is written, so that a hostile server cannot fill the disk.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn writer_for(&self, digest: &Digest, size: u64) -> Result<BlobWriter, StoreError> {
        let mut writer = self.writer_with(digest.algorithm())?;
        writer.expected = Some((*digest, size));
        Ok(writer)
    }

    /// Stores `content`; gives its digest and its size in bytes.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn put(&self, content: &[u8]) -> Result<(Digest, u64), StoreError> {
        let digest = Digest::of(content);
        let size = content.len() as u64;
        if self.has(&digest) == Some(size) {
            return Ok((digest, size));
        }
        let mut writer = self.writer()?;
        writer.append(content)?;
        writer.commit(Some((&digest, size)))
    }

    /// Reads a blob of at most `limit` bytes and verifies its digest.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::TooLarge`], [`StoreError::Digest`],
    /// [`StoreError::Io`].
    pub fn get(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let file = self.open_blob(digest)?;
        let mut content = Vec::new();
        let mut reader = DigestReader::with(file, digest.algorithm());
        (&mut reader)
            .take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(io_error("read blob", &self.blob_path(digest)))?;
        let (_, got, size) = reader.finish();
        if size > limit {
            return Err(StoreError::TooLarge { digest: *digest, limit });
        }
        if got != *digest {
            return Err(StoreError::Digest { wanted: *digest, got: Box::new(got), size });
        }
        Ok(content)
    }

    /// Removes a blob; `false` if it was not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::Io { action: "remove blob", path, source }),
        }
    }

    /// Replaces a file of the layout (`index.json`) as a whole.
    pub(crate) fn replace_file(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        let mut writer = self.writer()?;
        writer.append(content)?;
        writer.rename_to(&self.dir.join(name))
    }

    pub(crate) fn ingest_dir(&self) -> PathBuf {
        self.dir.join("ingest")
    }

    fn algorithm_dir(&self, algorithm: Algorithm) -> PathBuf {
        self.dir.join("blobs").join(algorithm.as_str())
    }

    /// A new file in `ingest/`, locked so that nobody takes its writer for dead.
    fn temporary(&self) -> Result<(File, PathBuf), StoreError> {
        let ingest = self.ingest_dir();
        for _ in 0..NAME_ATTEMPTS {
            let path = ingest.join(random_name().map_err(io_error("name a file in", &ingest))?);
            let file = match OpenOptions::new().read(true).write(true).create_new(true).open(&path)
            {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                // Who wrote a layout here tidied up after itself.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(&ingest).map_err(io_error("create directory", &ingest))?;
                    continue;
                }
                Err(source) => return Err(StoreError::Io { action: "create", path, source }),
            };
            // Between creation and lock another process may have swept the file away. File systems
            // without locks (some network ones) refuse: there nobody sweeps either.
            let locked = flock(&file, FlockOperation::NonBlockingLockExclusive);
            let taken = matches!(locked, Err(rustix::io::Errno::WOULDBLOCK));
            let linked = file.metadata().map(|m| m.nlink() > 0).unwrap_or(false);
            if linked && !taken {
                return Ok((file, path));
            }
        }
        let source = io::Error::other("every new file was removed by somebody else");
        Err(StoreError::Io { action: "create a file in", path: ingest, source })
    }

    /// Removes what dead writers left in `ingest/`. What fails is left for the next time.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.ingest_dir()) else { return };
        for entry in entries.flatten() {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            // A layout of another program may keep something of its own there.
            if !is_file || !is_random_name(entry.file_name().as_encoded_bytes()) {
                continue;
            }
            let Ok(file) = OpenOptions::new()
                .read(true)
                .custom_flags(flag_bits(OFlags::NOFOLLOW | OFlags::NONBLOCK))
                .open(entry.path())
            else {
                continue;
            };
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
                let _gone_or_for_the_next_time = fs::remove_file(entry.path());
            }
        }
    }
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

fn flag_bits(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).expect("open flags are small positive numbers")
}

fn is_random_name(name: &[u8]) -> bool {
    name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit)
}

/// 128 random bits in hexadecimal: two processes in different pods share no process ids.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        filled +=
            rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests;
