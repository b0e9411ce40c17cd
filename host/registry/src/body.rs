//! Request bodies that can be sent again.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::{self, StreamExt as _};

/// Read and sent at a time: with [`READ_AHEAD`] all that an upload holds in memory of a blob.
const PIECE: u64 = 256 << 10;
/// Pieces being read while one is sent.
const READ_AHEAD: usize = 2;

/// Told how many bytes of a blob have moved in all; the number falls when a transfer starts again.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Payload {
    Empty,
    Bytes(Vec<u8>),
    Blob(BlobPart),
}

impl Payload {
    /// Its size in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(part) => part.length,
        }
    }

    pub(crate) fn to_body(&self) -> reqwest::Body {
        match self {
            Self::Empty => reqwest::Body::default(),
            Self::Bytes(bytes) => bytes.clone().into(),
            Self::Blob(part) => part.to_body(),
        }
    }
}

/// Bytes may hold a refresh token.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// A range of a blob's file, read while it is sent.
#[derive(Clone)]
pub(crate) struct BlobPart {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Bytes handed to the connection, counted from the range's start.
    pub(crate) sent: Arc<AtomicU64>,
    pub(crate) progress: Option<Progress>,
}

impl BlobPart {
    fn to_body(&self) -> reqwest::Body {
        self.sent.store(0, Ordering::Relaxed);
        let (file, offset, length) = (self.file.clone(), self.offset, self.length);
        let (sent, progress) = (self.sent.clone(), self.progress.clone());
        let pieces = (0..length.div_ceil(PIECE)).map(move |n| {
            let start = n * PIECE;
            (offset + start, PIECE.min(length - start))
        });
        let stream = stream::iter(pieces)
            .map(move |(offset, length)| read(file.clone(), offset, length))
            .buffered(READ_AHEAD)
            .inspect(move |piece| {
                if let Ok(piece) = piece {
                    let length = piece.len() as u64;
                    let before = sent.fetch_add(length, Ordering::Relaxed);
                    if let Some(progress) = &progress {
                        progress(offset + before + length);
                    }
                }
            });
        reqwest::Body::wrap_stream(stream)
    }
}

async fn read(file: Arc<File>, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let read = move || {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset)?;
        Ok(piece)
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}
