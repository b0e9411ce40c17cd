//! A blob on its way into the store or out of it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{Store, StoreError, io_error};
use crate::digest::{Algorithm, Digest, DigestReader, Hasher};

/// A blob being written. Dropped without [`BlobWriter::commit`], it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) store: Store,
    pub(super) hasher: Hasher,
    pub(super) algorithm: Algorithm,
    pub(super) size: u64,
    /// What must come out, when that is known beforehand.
    pub(super) expected: Option<(Digest, u64)>,
    pub(super) renamed: bool,
}

impl BlobWriter {
    /// The size in bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends all of `content`.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::Size`] beyond the size told to [`Store::writer_for`].
    pub fn append(&mut self, content: &[u8]) -> Result<(), StoreError> {
        let got = self.size + content.len() as u64;
        if let Some((digest, wanted)) = self.expected
            && got > wanted
        {
            return Err(StoreError::Size { digest, wanted, got });
        }
        self.file.write_all(content).map_err(io_error("write blob", &self.path))?;
        self.hasher.update(content);
        self.size += content.len() as u64;
        Ok(())
    }

    /// Makes the blob part of the store, under the digest of what was written, on the disk.
    ///
    /// # Errors
    /// [`StoreError::Digest`] or [`StoreError::Size`] if it is not what was expected,
    /// [`StoreError::Io`]; nothing is left then.
    pub fn commit(mut self, expected: Option<(&Digest, u64)>) -> Result<(Digest, u64), StoreError> {
        let digest = std::mem::replace(&mut self.hasher, Hasher::with(self.algorithm)).finish();
        let size = self.size;
        let told = self.expected;
        for (wanted, wanted_size) in
            [expected, told.as_ref().map(|(d, s)| (d, *s))].into_iter().flatten()
        {
            if size != wanted_size {
                return Err(StoreError::Size { digest: *wanted, wanted: wanted_size, got: size });
            }
            if digest != *wanted {
                return Err(StoreError::Digest { wanted: *wanted, got: Box::new(digest), size });
            }
        }
        if self.store.has(&digest) != Some(size) {
            let target = self.store.blob_path(&digest);
            if self.algorithm != Algorithm::Sha256 {
                let directory = self.store.algorithm_dir(self.algorithm);
                fs::create_dir_all(&directory).map_err(io_error("create directory", &directory))?;
            }
            self.rename_to(&target)?;
        }
        Ok((digest, size))
    }

    pub(super) fn rename_to(mut self, target: &Path) -> Result<(), StoreError> {
        // Full disks and failing ones report here what `write` has only promised.
        self.file.sync_data().map_err(io_error("write blob", target))?;
        fs::rename(&self.path, target).map_err(io_error("rename into place", target))?;
        self.renamed = true;
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.append(buffer)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.renamed {
            let _swept_later = fs::remove_file(&self.path);
        }
    }
}

/// Reads a blob; the read that meets its end fails if the digest is wrong.
#[derive(Debug)]
pub struct BlobReader {
    pub(super) inner: Option<DigestReader<File>>,
    pub(super) wanted: Digest,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(reader) = &mut self.inner else { return Ok(0) };
        let count = reader.read(buffer)?;
        if count == 0
            && !buffer.is_empty()
            && let Some(reader) = self.inner.take()
        {
            let (_, got, size) = reader.finish();
            if got != self.wanted {
                return Err(
                    StoreError::Digest { wanted: self.wanted, got: Box::new(got), size }.into()
                );
            }
        }
        Ok(count)
    }
}
