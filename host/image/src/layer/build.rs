//! Building a layer into the store in one stream: entries, tar, digest, compression, digest, blob.

use std::io::{self, Read};

use super::compress::{Compression, Compressor};
use super::write::{LayerWriter, WriteError};
use super::{Entry, Mtime};
use crate::digest::{Digest, DigestWriter};
use crate::manifest::Descriptor;
use crate::store::{BlobWriter, Store, StoreError};

/// Why a layer could not be built; nothing of it is left in the store.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An entry could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The end of the stream could not be written.
    #[error("write layer: {0}")]
    Io(#[from] io::Error),
    /// The blob could not be begun or completed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A layer in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The blob: compressed, as a manifest names it.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar, as a config names it.
    pub diff_id: Digest,
}

/// Builds a layer. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct LayerBuilder {
    tar: LayerWriter<DigestWriter<Compressor<BlobWriter>>>,
    media_type: &'static str,
}

impl LayerBuilder {
    /// Begins a layer in `store`, compressed on up to `threads` threads.
    ///
    /// # Errors
    /// [`BuildError::Store`].
    pub fn new(
        store: &Store,
        compression: Compression,
        threads: usize,
    ) -> Result<Self, BuildError> {
        let compressor = Compressor::new(store.writer()?, compression, threads);
        let tar = LayerWriter::new(DigestWriter::new(compressor));
        Ok(Self { tar, media_type: compression.media_type() })
    }

    /// Whether times keep their nanoseconds; see [`LayerWriter::nanoseconds`].
    #[must_use]
    pub fn nanoseconds(mut self, keep: bool) -> Self {
        self.tar = self.tar.nanoseconds(keep);
        self
    }

    /// Gives the layer the form of Windows images; see [`LayerWriter::windows`].
    ///
    /// # Errors
    /// [`BuildError::Write`].
    pub fn windows(mut self, time: Mtime) -> Result<Self, BuildError> {
        self.tar = self.tar.windows(time)?;
        Ok(self)
    }

    /// Adds an entry, with as much of `data` as a file's size tells.
    ///
    /// # Errors
    /// [`BuildError::Write`]; the builder is of no use then.
    pub fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> Result<(), BuildError> {
        Ok(self.tar.append(entry, data)?)
    }

    /// Ends the layer and makes it part of the store.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn finish(self) -> Result<Layer, BuildError> {
        let (compressor, diff_id, _) = self.tar.finish()?.finish();
        let (digest, size) = compressor.finish()?.commit(None)?;
        Ok(Layer { descriptor: Descriptor::new(self.media_type, digest, size), diff_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Kind;
    use crate::layer::compress::decompress;
    use crate::layer::read::LayerReader;
    use crate::media_type;

    fn build(store: &Store, compression: Compression, threads: usize) -> Layer {
        let mut builder = LayerBuilder::new(store, compression, threads).unwrap();
        builder.append(&Entry::new(b"d", Kind::Dir, 0o755), &mut io::empty()).unwrap();
        let data = b"0123456789abcdef".repeat(100_000);
        let file = Entry::new(b"d/f", Kind::File { size: data.len() as u64 }, 0o644);
        builder.append(&file, &mut &data[..]).unwrap();
        builder.finish().unwrap()
    }

    #[test]
    fn digests_describe_what_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let plain = build(&store, Compression::None, 1);
        assert_eq!(plain.descriptor.digest, plain.diff_id);
        for (compression, wanted) in [
            (Compression::GZIP, media_type::OCI_LAYER_GZIP),
            (Compression::ZSTD, media_type::OCI_LAYER_ZSTD),
        ] {
            let layer = build(&store, compression, 2);
            assert_eq!(layer, build(&store, compression, 1));
            assert_eq!(layer.diff_id, plain.diff_id);
            assert_eq!(layer.descriptor.media_type, wanted);
            assert_eq!(store.has(&layer.descriptor.digest), Some(layer.descriptor.size));
            let blob = store.reader(&layer.descriptor.digest).unwrap();
            let mut reader = LayerReader::new(decompress(blob).unwrap());
            assert_eq!(reader.next_entry().unwrap().unwrap().path, b"d");
            assert_eq!(reader.next_entry().unwrap().unwrap().size(), 1_600_000);
            assert_eq!(reader.next_entry().unwrap(), None);
        }
    }

    #[test]
    fn windows_layers_keep_files_below_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let builder = LayerBuilder::new(&store, Compression::None, 1).unwrap();
        let mut builder = builder.windows(Mtime::from_secs(7)).unwrap();
        let link = Kind::HardLink { target: b"d/f".to_vec() };
        let entries = [
            Entry::new(b"", Kind::Dir, 0o755),
            Entry::new(b"d", Kind::Dir, 0o755),
            Entry::new(b"d/f", Kind::File { size: 1 }, 0o644),
            Entry::new(b"g", link, 0o644),
        ];
        for entry in &entries {
            builder.append(entry, &mut &b"x"[..]).unwrap();
        }
        let layer = builder.finish().unwrap();
        let blob = || decompress(store.reader(&layer.descriptor.digest).unwrap()).unwrap();
        let mut archive = tar::Archive::new(blob());
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mode = entry.header().mode().unwrap();
            let path = String::from_utf8(entry.path_bytes().to_vec()).unwrap();
            let mut keys = String::new();
            for extension in entry.pax_extensions().unwrap().unwrap() {
                let extension = extension.unwrap();
                let value = extension.value().unwrap();
                let shown = if value.len() > 8 { "SD" } else { value };
                keys += &format!(" {}={shown}", extension.key().unwrap());
            }
            found.push(format!("{path} {mode:o}{keys}"));
        }
        assert_eq!(
            found,
            [
                "Hives/ 40000 LIBARCHIVE.creationtime=7.0 MSWINDOWS.fileattr=16",
                "Files/ 40000 LIBARCHIVE.creationtime=7.0 MSWINDOWS.fileattr=16",
                "Files/d/ 40755 LIBARCHIVE.creationtime=0.0 MSWINDOWS.fileattr=16 MSWINDOWS.rawsd=SD",
                "Files/d/f 100644 LIBARCHIVE.creationtime=0.0 MSWINDOWS.fileattr=32 MSWINDOWS.rawsd=SD",
                "Files/g 644 LIBARCHIVE.creationtime=0.0",
            ]
        );
        let mut reader = LayerReader::new(blob()).windows(true);
        for wanted in &entries[1..] {
            assert_eq!(reader.next_entry().unwrap().as_ref(), Some(wanted));
        }
        assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn a_failed_layer_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut builder = LayerBuilder::new(&store, Compression::GZIP, 2).unwrap();
        let file = Entry::new(b"f", Kind::File { size: 5 }, 0o644);
        let error = builder.append(&file, &mut &b"abc"[..]).unwrap_err().to_string();
        assert_eq!(error, "`f` has 3 bytes instead of 5: it changed while it was read");
        drop(builder);
        assert!(std::fs::read_dir(dir.path().join("ingest")).unwrap().next().is_none());
        assert!(std::fs::read_dir(dir.path().join("blobs/sha256")).unwrap().next().is_none());
    }
}
