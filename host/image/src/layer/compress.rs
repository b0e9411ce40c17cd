//! Compressing layers, on several threads, and decompressing them.
//!
//! The bytes depend on the content and the [`Compression`], never on the number of threads.
//! Source: RFC 1952 (gzip), RFC 8878 (zstd).

use std::io::{self, BufReader, Cursor, Read, Write};

use flate2::Crc;
use flate2::bufread::MultiGzDecoder;

use super::blocks::{Block, Pipeline};
use super::deflate;
pub use crate::media_type::Compression;

/// Uncompressed bytes of a zstd frame; a layer is many frames one after the other. Frames do not
/// look back: of 470 MB of `/usr`, 1 MiB costs 3 %, 2 MiB 1.5 %, 4 MiB 0.4 % over a single frame.
const ZSTD_FRAME: usize = 2 << 20;
/// How much compressed data is read at once.
const READ_SIZE: usize = 64 << 10;
/// The longest of the magic numbers below.
const MAGIC_SIZE: usize = 6;

/// Decompresses a layer: gzip (also of several members), zstd (also of several frames), or a plain
/// tar, told apart by the first bytes, as containerd does; what media types say is often wrong.
///
/// # Errors
/// Those of `inner`; `Unsupported` for bzip2 and xz, which no layer may have. The reader given
/// fails with `InvalidData` or the like where the stream is corrupt or cut short.
pub fn decompress<'a, R: Read + Send + 'a>(mut inner: R) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut magic = Vec::with_capacity(MAGIC_SIZE);
    (&mut inner).take(MAGIC_SIZE as u64).read_to_end(&mut magic)?;
    let compression = sniff(&magic)?;
    let stream = BufReader::with_capacity(READ_SIZE, Cursor::new(magic).chain(inner));
    Ok(match compression {
        Compression::Gzip { .. } => Box::new(MultiGzDecoder::new(stream)),
        Compression::Zstd { .. } => Box::new(zstd::stream::read::Decoder::with_buffer(stream)?),
        Compression::None => Box::new(stream),
    })
}

/// The compression that a stream's first bytes (at least 6, if there are) tell.
///
/// # Errors
/// `Unsupported` for bzip2 and xz.
pub fn sniff(magic: &[u8]) -> io::Result<Compression> {
    let unsupported = |name: &str| {
        let message = format!("layer compressed with {name}; only gzip and zstd are supported");
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    };
    match magic {
        [0x1f, 0x8b, ..] => Ok(Compression::GZIP),
        // The latter is a frame to be skipped, with which some tools begin.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::ZSTD),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => unsupported("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unsupported("xz"),
        _ => Ok(Compression::None),
    }
}

/// Compresses what is written to it. Memory is bounded: about 4 MiB (gzip, at most 8 threads) or
/// 8 MiB (zstd, at most 4 threads) for each thread.
#[derive(Debug)]
pub struct Compressor<W: Write> {
    inner: W,
    compression: Compression,
    /// How much input makes a block.
    block_size: usize,
    pipeline: Pipeline,
    /// The block being filled.
    current: Block,
    /// Buffers of blocks that are done.
    spare: Vec<Block>,
    /// gzip's checksum and length of everything.
    crc: Crc,
    begun: bool,
}

impl<W: Write> Compressor<W> {
    /// Compresses to `inner` on up to `threads` threads; 0 and 1 use the caller's.
    pub fn new(inner: W, compression: Compression, threads: usize) -> Self {
        let block_size = match compression {
            Compression::Zstd { .. } => ZSTD_FRAME,
            Compression::Gzip { .. } | Compression::None => deflate::BLOCK_SIZE,
        };
        Self {
            inner,
            compression,
            block_size,
            pipeline: Pipeline::new(compression, threads),
            current: Block::default(),
            spare: Vec::new(),
            crc: Crc::new(),
            begun: false,
        }
    }

    /// Compresses the rest and ends the stream; gives the inner writer.
    ///
    /// # Errors
    /// Those of the inner writer and of the compressors.
    pub fn finish(mut self) -> io::Result<W> {
        // An empty zstd stream still needs a frame to be one.
        let needs_frame = matches!(self.compression, Compression::Zstd { .. }) && !self.begun;
        if !self.current.input.is_empty() || needs_frame {
            self.submit()?;
        }
        self.begin()?;
        while let Some(block) = self.pipeline.next()? {
            self.write_block(block)?;
        }
        if matches!(self.compression, Compression::Gzip { .. }) {
            self.inner.write_all(&deflate::LAST_BLOCK)?;
            self.inner.write_all(&self.crc.sum().to_le_bytes())?;
            self.inner.write_all(&self.crc.amount().to_le_bytes())?;
        }
        Ok(self.inner)
    }

    /// Hands the current block over and begins another.
    fn submit(&mut self) -> io::Result<()> {
        self.begin()?;
        let mut next = self.spare.pop().unwrap_or_default();
        next.input.clear();
        next.dictionary.clear();
        if matches!(self.compression, Compression::Gzip { .. }) {
            let input = &self.current.input;
            let window = input.len().saturating_sub(deflate::WINDOW);
            next.dictionary.extend_from_slice(&input[window..]);
        }
        let block = std::mem::replace(&mut self.current, next);
        for done in self.pipeline.submit(block)? {
            self.write_block(done)?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            if matches!(self.compression, Compression::Gzip { .. }) {
                self.inner.write_all(&deflate::HEADER)?;
            }
        }
        Ok(())
    }

    fn write_block(&mut self, block: Block) -> io::Result<()> {
        self.inner.write_all(&block.output)?;
        self.crc.combine(&block.crc);
        self.spare.push(block);
        Ok(())
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.compression == Compression::None {
            return self.inner.write(buffer);
        }
        if self.current.input.len() == self.block_size {
            self.submit()?;
        }
        let room = self.block_size - self.current.input.len();
        let count = buffer.len().min(room);
        if self.current.input.capacity() < self.block_size {
            // In one go when the first half is full: doubling would end at twice the size.
            let wanted = self.current.input.len() + count;
            let target = if wanted > self.block_size / 2 { self.block_size } else { wanted };
            let missing = target.saturating_sub(self.current.input.len());
            self.current.input.reserve(missing);
        }
        self.current.input.extend_from_slice(&buffer[..count]);
        Ok(count)
    }

    /// Does nothing: a flush in the middle would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text, noise and zeros in turn, the same in every run.
    fn content(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut content = Vec::with_capacity(length + 100);
        while content.len() < length {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let word = state.to_be_bytes();
            match content.len() / 300_000 % 3 {
                0 => content.extend_from_slice(format!("line {}\n", word[0]).as_bytes()),
                1 => content.extend_from_slice(&word[..4]),
                _ => content.extend_from_slice(&[0; 16]),
            }
        }
        content.truncate(length);
        content
    }

    fn compressed(content: &[u8], compression: Compression, threads: usize) -> Vec<u8> {
        let mut compressor = Compressor::new(Vec::new(), compression, threads);
        for piece in content.chunks(70_001) {
            compressor.write_all(piece).unwrap();
        }
        compressor.finish().unwrap()
    }

    fn decompressed(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decompress(stream)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn round_trips_whatever_the_threads() {
        for compression in [
            Compression::GZIP,
            Compression::Gzip { level: 0 },
            Compression::Gzip { level: 1 },
            Compression::Gzip { level: 9 },
            Compression::ZSTD,
            Compression::None,
        ] {
            let edge = deflate::BLOCK_SIZE;
            for length in [0, 1, 512, edge - 1, edge, edge + 1, 5 * edge + 77] {
                let content = content(length);
                let single = compressed(&content, compression, 1);
                assert!(decompressed(&single).unwrap() == content, "{compression:?} {length}");
                for threads in [0, 2, 3, 7] {
                    let again = compressed(&content, compression, threads);
                    assert!(again == single, "{compression:?} {length} {threads} threads");
                }
            }
        }
    }

    /// Blocks whose tails differ, so that a compressor's memory of another block would show.
    #[test]
    fn no_thread_remembers_another_block() {
        let mut state = 7_u32;
        let mut content = Vec::new();
        for block in 0..24_u32 {
            let length = deflate::BLOCK_SIZE;
            content.extend((0..length).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"etaoin shrdlu\n"[(state >> 24) as usize % 14] ^ u8::from(block % 3 == 0)
            }));
        }
        for compression in [Compression::Gzip { level: 1 }, Compression::GZIP, Compression::ZSTD] {
            let single = compressed(&content, compression, 1);
            for threads in [2, 3, 5] {
                let again = compressed(&content, compression, threads);
                assert!(again == single, "{compression:?} {threads} threads");
            }
        }
    }

    #[test]
    fn header_tells_nothing() {
        let stream = compressed(b"x", Compression::GZIP, 1);
        assert_eq!(&stream[..10], &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn joined_streams() {
        for compression in [Compression::GZIP, Compression::ZSTD] {
            let one = compressed(b"one", compression, 1);
            let two = compressed(b"two", compression, 1);
            assert_eq!(decompressed(&[one, two].concat()).unwrap(), b"onetwo");
        }
    }

    #[test]
    fn corrupt_and_cut_streams_fail() {
        let content = content(100_000);
        for compression in [Compression::GZIP, Compression::ZSTD] {
            let stream = compressed(&content, compression, 1);
            for cut in [stream.len() - 1, stream.len() / 2, 11] {
                assert!(decompressed(&stream[..cut]).is_err(), "{compression:?} {cut}");
            }
        }
        let mut stream = compressed(&content, Compression::GZIP, 1);
        let middle = stream.len() / 2;
        stream[middle] ^= 0x55;
        assert!(decompressed(&stream).is_err());
        for magic in [&b"BZh91AY&"[..], b"\xfd7zXZ\0\0\0"] {
            let error = decompressed(magic).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        }
        assert_eq!(decompressed(b"\x1f").unwrap(), b"\x1f");
    }

    /// Fails after some bytes, as a disk that fills.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = buffer.len().min(self.0);
            self.0 -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failing_writer_stops_it() {
        let content = content(4 << 20);
        for threads in [1, 3] {
            let mut compressor = Compressor::new(Full(100_000), Compression::GZIP, threads);
            let result =
                compressor.write_all(&content).and_then(|()| compressor.finish().map(|_| ()));
            assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }
}
