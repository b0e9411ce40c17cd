//! Reading a layer: a tar stream, entry by entry, with hostile streams in mind.
//!
//! ustar, PAX, GNU and star headers; long and non-UTF-8 names; PAX extended attributes; sparse
//! files of GNU tar in all their forms; binary numbers; nanoseconds. Where tars disagree, what
//! Go's `archive/tar` does holds, because that is what unpacked the layer elsewhere.
//! Nothing is extracted here, and whiteouts are not interpreted.

use std::io::{self, Read};

use super::format::{self, BLOCK, Block, Dialect};
use super::names::{clean, hard_link_target, lossy, symlink_target};
use super::pax::{self, Pax};
use super::sparse::{self, Map, MapText};
use super::stream::Stream;
use super::{Entry, Kind, Mtime, windows};

mod data;

pub use data::Data;
use data::SparseState;

/// The most entries of a layer: each costs an inode and memory in indexes. The largest layers
/// seen in the wild have about a million.
pub const MAX_ENTRIES: u64 = 10_000_000;
/// The largest file, in bytes: a sparse file of a few hundred bytes may claim exabytes.
pub const MAX_FILE_SIZE: u64 = 1 << 40;
/// The largest sum of all files' sizes, in bytes: the same attack with many files.
pub const MAX_TOTAL_SIZE: u64 = 1 << 42;

/// How much of a layer is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most entries.
    pub entries: u64,
    /// The largest file, in bytes, holes included.
    pub file_size: u64,
    /// The largest sum of file sizes, in bytes, holes included.
    pub total_size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: MAX_ENTRIES, file_size: MAX_FILE_SIZE, total_size: MAX_TOTAL_SIZE }
    }
}

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream failed or ended too early.
    #[error("read layer at byte {offset}: {source}")]
    Io {
        /// Where in the tar stream, in bytes.
        offset: u64,
        /// The reason.
        source: io::Error,
    },
    /// The stream is not tar.
    #[error("malformed layer at byte {offset}: {problem}")]
    Malformed {
        /// Where in the tar stream, in bytes.
        offset: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// An entry that must not be unpacked.
    #[error("layer entry `{path}` refused: {problem}")]
    Refused {
        /// The path as it stands in the stream, made printable.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// More than the [`Limits`].
    #[error("layer entry `{path}` refused: {what} exceeds the limit of {limit}")]
    Limit {
        /// The path as it stands in the stream, made printable.
        path: String,
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// A layer being read.
#[derive(Debug)]
pub struct LayerReader<R> {
    stream: Stream<R>,
    limits: Limits,
    entries: u64,
    total_size: u64,
    /// Stored bytes of the current entry that were not read yet.
    stored: u64,
    /// Fill after them.
    padding: u64,
    /// Position in the current file and its map, if it has holes.
    sparse: Option<SparseState>,
    ended: bool,
    /// The layer has the form of Windows'.
    windows: bool,
}

impl<R: Read> LayerReader<R> {
    /// Reads the decompressed tar stream `inner` with the default [`Limits`].
    pub fn new(inner: R) -> Self {
        Self::with_limits(inner, Limits::default())
    }

    /// Reads the decompressed tar stream `inner`.
    pub fn with_limits(inner: R, limits: Limits) -> Self {
        Self {
            stream: Stream::new(inner),
            limits,
            entries: 0,
            total_size: 0,
            stored: 0,
            padding: 0,
            sparse: None,
            ended: false,
            windows: false,
        }
    }

    /// Whether the layer has the form of Windows images: then its `Files/` is the image's root, and
    /// what is beside it is passed over.
    #[must_use]
    pub fn windows(mut self, windows: bool) -> Self {
        self.windows = windows;
        self
    }

    /// The next entry; what is unread of the current file is passed over. `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`]; the reader is of no use after one.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        while let Some(entry) = self.next_in_stream()? {
            let entry = if self.windows { windows::from_layer(entry) } else { Some(entry) };
            if entry.is_some() {
                return Ok(entry);
            }
        }
        Ok(None)
    }

    fn next_in_stream(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        self.stream.skip(self.stored)?;
        self.stream.skip_padding(self.padding)?;
        (self.stored, self.padding, self.sparse) = (0, 0, None);

        let mut head = Special::default();
        loop {
            let offset = self.stream.offset;
            let Some(block) = self.stream.header()? else {
                self.ended = true;
                return Ok(None);
            };
            let malformed = |problem| ReadError::Malformed { offset, problem };
            if !format::checksum_is_right(&block) {
                return Err(malformed("wrong header checksum"));
            }
            self.entries += 1;
            if self.entries > self.limits.entries {
                let path = lossy(format::text(&block[format::NAME]));
                let limit = self.limits.entries;
                return Err(ReadError::Limit { path, what: "the number of entries", limit });
            }
            let size = format::number(&block[format::SIZE])
                .and_then(|size| u64::try_from(size).ok())
                .ok_or_else(|| malformed("size that is no number"))?;
            match block[format::TYPE] {
                b'g' => {
                    self.stream.skip(size)?;
                    self.stream.skip_padding(format::padding(size))?;
                }
                b'x' => {
                    let body = self.stream.special(size)?;
                    head.pax = Some(pax::parse(&body).map_err(malformed)?);
                }
                b'L' => head.name = Some(format::text(&self.stream.special(size)?).to_vec()),
                b'K' => head.link = Some(format::text(&self.stream.special(size)?).to_vec()),
                _ => return self.entry(&block, size, head).map(Some),
            }
        }
    }

    /// The data of the current entry, which only files have.
    pub fn data(&mut self) -> Data<'_, R> {
        Data::new(self)
    }

    /// Reads to the end of the stream, past the end of the archive, and gives the inner reader:
    /// a digest over the stream needs all of it.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn drain(mut self) -> io::Result<R> {
        io::copy(&mut self.stream.inner, &mut io::sink())?;
        Ok(self.stream.inner.into_inner())
    }

    /// Turns a header and what came before it into an entry.
    fn entry(
        &mut self,
        block: &Block,
        header_size: u64,
        special: Special,
    ) -> Result<Entry, ReadError> {
        let Special { pax, name, link } = special;
        let pax = pax.unwrap_or_default();
        // A long name of GNU's prevails over PAX, which prevails over the header.
        let sparse_name = pax.sparse.name.clone();
        let raw_path =
            name.or(sparse_name).or_else(|| pax.path.clone()).unwrap_or_else(|| path_of(block));
        let raw_link = link
            .or_else(|| pax.link.clone())
            .unwrap_or_else(|| format::text(&block[format::LINK]).to_vec());
        let refuse = |problem| ReadError::Refused { path: lossy(&raw_path), problem };

        let path = clean(&raw_path).map_err(refuse)?;
        let kind = match block[format::TYPE] {
            // A slash at the end was how V7 tars marked directories.
            0 if raw_path.ends_with(b"/") => Kind::Dir,
            0 | b'0' | b'7' | b'S' => {
                let stored = pax.size.unwrap_or(header_size);
                Kind::File { size: self.begin_data(block, stored, &pax, &raw_path)? }
            }
            b'1' => Kind::HardLink { target: hard_link_target(&raw_link).map_err(refuse)? },
            b'2' => Kind::Symlink { target: symlink_target(raw_link).map_err(refuse)? },
            b'3' => {
                let (major, minor) = device(block).ok_or_else(|| refuse(BAD_DEVICE))?;
                Kind::Char { major, minor }
            }
            b'4' => {
                let (major, minor) = device(block).ok_or_else(|| refuse(BAD_DEVICE))?;
                Kind::Block { major, minor }
            }
            b'5' => Kind::Dir,
            b'6' => Kind::Fifo,
            _ => return Err(refuse("unsupported tar entry type")),
        };
        if path.is_empty() && kind != Kind::Dir {
            return Err(refuse("only a directory can be the root"));
        }
        let id = |field, pax: Option<u64>| {
            let id = pax.or_else(|| u64::try_from(format::number(&block[field])?).ok())?;
            // The kernel takes the largest number for "leave it".
            u32::try_from(id).ok().filter(|id| *id != u32::MAX)
        };
        let number = |field| format::number(&block[field]);
        let mode = number(format::MODE).ok_or_else(|| refuse("mode that is no number"))?;
        let mtime = match pax.mtime {
            Some(mtime) => mtime,
            None => Mtime::from_secs(
                number(format::MTIME).ok_or_else(|| refuse("time that is no number"))?,
            ),
        };
        Ok(Entry {
            path,
            kind,
            mode: u32::try_from(mode & 0o7777).expect("twelve bits fit"),
            uid: id(format::UID, pax.uid).ok_or_else(|| refuse("user id out of range"))?,
            gid: id(format::GID, pax.gid).ok_or_else(|| refuse("group id out of range"))?,
            mtime,
            xattrs: pax.xattrs,
        })
    }

    /// Sets up reading a file's data; gives its size with holes.
    fn begin_data(
        &mut self,
        block: &Block,
        stored: u64,
        pax: &Pax,
        raw_path: &[u8],
    ) -> Result<u64, ReadError> {
        self.stored = stored;
        self.padding = format::padding(stored);
        let map = if block[format::TYPE] == b'S' {
            Some(self.gnu_map(block)?)
        } else {
            self.pax_map(pax)?
        };
        let size = map.as_ref().map_or(stored, |map| map.size);
        let over = |what, limit| ReadError::Limit { path: lossy(raw_path), what, limit };
        if size > self.limits.file_size || stored > self.limits.file_size {
            return Err(over("the file's size", self.limits.file_size));
        }
        self.total_size = self.total_size.saturating_add(size);
        if self.total_size > self.limits.total_size {
            return Err(over("the sum of all files' sizes", self.limits.total_size));
        }
        if let Some(map) = map {
            let problem = |problem| ReadError::Refused { path: lossy(raw_path), problem };
            let map = map.checked(self.stored).map_err(problem)?;
            self.sparse = Some(SparseState::new(map));
        }
        Ok(size)
    }

    /// The map of an old GNU sparse file, which goes on in blocks of its own.
    fn gnu_map(&mut self, block: &Block) -> Result<Map, ReadError> {
        let offset = self.stream.offset;
        let malformed = |problem| ReadError::Malformed { offset, problem };
        if Dialect::of(block) != Dialect::Gnu {
            return Err(malformed("sparse file in a header that is not GNU's"));
        }
        let mut map = Map::default();
        let mut more = sparse::gnu_header(block, &mut map).map_err(malformed)?;
        while more {
            let block = self.stream.block()?;
            more = sparse::gnu_extension(&block, &mut map).map_err(malformed)?;
        }
        Ok(map)
    }

    /// The map of a sparse file in PAX, if it is one.
    fn pax_map(&mut self, pax: &Pax) -> Result<Option<Map>, ReadError> {
        let offset = self.stream.offset;
        let malformed = |problem| ReadError::Malformed { offset, problem };
        let sparse = &pax.sparse;
        match (sparse.major, sparse.minor) {
            (Some(1), Some(0)) => {
                let size = sparse.real_size.ok_or_else(|| malformed("sparse file without size"))?;
                let mut text = MapText::default();
                let mut complete = false;
                while !complete {
                    // The map counts as stored data.
                    self.stored = self
                        .stored
                        .checked_sub(BLOCK as u64)
                        .ok_or_else(|| malformed("sparse map without an end"))?;
                    let block = self.stream.block()?;
                    complete = text.feed(&block).map_err(malformed)?;
                }
                text.finish(size).map(Some).map_err(malformed)
            }
            (None | Some(0), None | Some(0 | 1)) => {
                let (Some(map), Some(size)) = (&sparse.map, sparse.real_size) else {
                    return Ok(None);
                };
                Map::from_pairs(map, size).map(Some).map_err(malformed)
            }
            _ => Err(malformed("unknown version of GNU's sparse format")),
        }
    }
}

const BAD_DEVICE: &str = "device number out of range";

/// What stood in front of an entry's header.
#[derive(Default)]
struct Special {
    pax: Option<Pax>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// The path in the header itself.
fn path_of(block: &Block) -> Vec<u8> {
    let name = format::text(&block[format::NAME]);
    let prefix = match Dialect::of(block) {
        Dialect::Ustar => format::text(&block[format::PREFIX]),
        Dialect::Star => format::text(&block[format::STAR_PREFIX]),
        Dialect::V7 | Dialect::Gnu => &[],
    };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn device(block: &Block) -> Option<(u32, u32)> {
    let number = |field| format::number(&block[field]).and_then(|n| u32::try_from(n).ok());
    Some((number(format::DEV_MAJOR)?, number(format::DEV_MINOR)?))
}

#[cfg(test)]
mod tests;
