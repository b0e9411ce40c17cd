//! The dictionaries of an xz stream, looked at before the decoder makes them: a header of a few bytes
//! asks for up to 4 GiB, which the decoder would allocate and fill at once.
//!
//! The stream goes through unchanged while its structure is followed (The .xz File Format, version
//! 1.2.1): stream headers, block headers, LZMA2's chunks, index, footer. Checksums are the
//! decoder's to verify.

use std::io::{self, Read};

/// The largest dictionary, in bytes: twice that of `xz -9`, and what zstd's decoder allows.
const MAX_DICTIONARY: u64 = 128 << 20;

/// The filter that has a dictionary, and comes last.
const LZMA2: u64 = 0x21;
/// Sizes of the check after a block, by the stream's type of check.
const CHECK_SIZES: [u64; 16] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const STREAM_HEADER: usize = 12;
const STREAM_FOOTER: u64 = 12;
const CRC: u64 = 4;

/// Passes an xz stream on, up to a header that asks for too much.
pub(super) struct Bounded<R> {
    inner: R,
    walk: Walk,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, walk: Walk::default() }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.walk.pass(&buffer[..count])?;
        Ok(count)
    }
}

/// What comes next in the stream.
#[derive(Clone, Copy)]
enum Next {
    StreamHeader,
    /// The first byte of a block, or of the index.
    Block,
    BlockHeader,
    /// A chunk's control byte.
    Chunk,
    /// The sizes of a chunk, and whether its data is compressed.
    ChunkSizes(bool),
    /// A byte of the index.
    Index,
    /// Another stream, or padding before it.
    After,
}

struct Walk {
    next: Next,
    /// How many bytes that takes.
    need: usize,
    held: Vec<u8>,
    /// Bytes before it that say nothing.
    skip: u64,
    /// The size of a block's check.
    check: u64,
    /// Bytes of the block's data, or of the index, so far.
    length: u64,
    index: Index,
}

/// How far the index was read.
#[derive(Default)]
struct Index {
    /// Numbers that are left; `None` before the first one, which counts records of two.
    left: Option<u64>,
    value: u64,
    shift: u32,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            next: Next::StreamHeader,
            need: STREAM_HEADER,
            held: Vec::new(),
            skip: 0,
            check: 0,
            length: 0,
            index: Index::default(),
        }
    }
}

impl Walk {
    fn pass(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            bytes = &bytes[skipped..];
            let (taken, rest) = bytes.split_at((self.need - self.held.len()).min(bytes.len()));
            self.held.extend_from_slice(taken);
            bytes = rest;
            if self.held.len() == self.need && self.skip == 0 {
                let held = std::mem::take(&mut self.held);
                self.step(&held)?;
            }
        }
        Ok(())
    }

    fn expect(&mut self, next: Next, need: usize) {
        (self.next, self.need) = (next, need);
    }

    fn step(&mut self, held: &[u8]) -> io::Result<()> {
        match self.next {
            Next::StreamHeader => {
                self.check = CHECK_SIZES[usize::from(held[7] & 0xf)];
                self.expect(Next::Block, 1);
            }
            Next::Block if held[0] == 0 => {
                (self.length, self.index) = (1, Index::default());
                self.expect(Next::Index, 1);
            }
            Next::Block => self.expect(Next::BlockHeader, usize::from(held[0]) * 4 + 3),
            Next::BlockHeader => {
                block_header(held)?;
                self.length = 0;
                self.expect(Next::Chunk, 1);
            }
            Next::Chunk => self.chunk(held[0])?,
            Next::ChunkSizes(compressed) => {
                let size = if compressed { &held[2..4] } else { &held[..2] };
                let size = u64::from(u16::from_be_bytes([size[0], size[1]])) + 1;
                self.length += held.len() as u64 + size;
                self.skip = size;
                self.expect(Next::Chunk, 1);
            }
            Next::Index => self.index_byte(held[0])?,
            Next::After if held == [0; 4] => {}
            Next::After => {
                self.held = held.to_vec();
                self.expect(Next::StreamHeader, STREAM_HEADER);
            }
        }
        Ok(())
    }

    fn chunk(&mut self, control: u8) -> io::Result<()> {
        self.length += 1;
        match control {
            0 => {
                self.skip = padding(self.length) + self.check;
                self.expect(Next::Block, 1);
            }
            1 | 2 => self.expect(Next::ChunkSizes(false), 2),
            // Sizes before and after compression, and from here on new properties.
            0xc0.. => self.expect(Next::ChunkSizes(true), 5),
            0x80.. => self.expect(Next::ChunkSizes(true), 4),
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn index_byte(&mut self, byte: u8) -> io::Result<()> {
        self.length += 1;
        let index = &mut self.index;
        if index.shift > 56 {
            return Err(damaged());
        }
        index.value |= u64::from(byte & 0x7f) << index.shift;
        index.shift += 7;
        if byte & 0x80 != 0 {
            return Ok(());
        }
        let value = std::mem::take(&mut index.value);
        index.shift = 0;
        let left = match index.left {
            None => value.checked_mul(2).ok_or_else(damaged)?,
            Some(left) => left - 1,
        };
        index.left = Some(left);
        if left == 0 {
            self.skip = padding(self.length) + CRC + STREAM_FOOTER;
            self.expect(Next::After, 4);
        }
        Ok(())
    }
}

/// Up to the next multiple of four.
fn padding(length: u64) -> u64 {
    length.wrapping_neg() % 4
}

/// Looks at the filters of a block.
fn block_header(header: &[u8]) -> io::Result<()> {
    let (&flags, mut rest) = header.split_first().ok_or_else(damaged)?;
    for size in [0x40, 0x80] {
        if flags & size != 0 {
            number(&mut rest)?;
        }
    }
    let mut last = 0;
    for _ in 0..=flags & 3 {
        if last == LZMA2 {
            return Err(damaged());
        }
        last = number(&mut rest)?;
        let size = usize::try_from(number(&mut rest)?).map_err(|_| damaged())?;
        let properties = rest.split_off(..size).ok_or_else(damaged)?;
        if last == LZMA2 {
            dictionary(*properties.first().ok_or_else(damaged)?)?;
        }
    }
    if last == LZMA2 { Ok(()) } else { Err(damaged()) }
}

/// Refuses a dictionary that is too large: a mantissa of one bit, and an exponent.
fn dictionary(bits: u8) -> io::Result<()> {
    let size = match bits & 0x3f {
        bits @ 0..40 => (2 | u64::from(bits & 1)) << (bits / 2 + 11),
        40 => u64::from(u32::MAX),
        _ => return Err(damaged()),
    };
    if size <= MAX_DICTIONARY {
        return Ok(());
    }
    let [mib, limit] = [size, MAX_DICTIONARY].map(|bytes| bytes >> 20);
    let problem = format!(
        "the xz archive wants a dictionary of {mib} MiB, more than {limit} MiB: compress it again \
         with xz -9"
    );
    Err(io::Error::new(io::ErrorKind::OutOfMemory, problem))
}

/// A number of seven bits a byte, the lowest ones first.
fn number(bytes: &mut &[u8]) -> io::Result<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.split_off_first().ok_or_else(damaged)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(damaged())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "damaged xz archive")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks with a filter and sha256; padding; an empty stream; another filter; data that
    /// is stored.
    const STREAMS: &str = "fd377a585a00000ae1fb0ca10201040021010000da33ad03e00031000a5d00379b88ce7f171ff0400000000012\
         d81b8b4d80756cccd2f4af9bf63a83401c238bf2dfe2a05cff783e36770a240201040021010000da33ad03e000\
         31000a5d00328809e72b88590d3000000000700ff7fd281d06679c12b810bf46213b8504fd38fbf7e1ebe323cf\
         4b7991d3a90201040021010000da33ad03e00016000d5d00379b88ce7eb77ed001370e1e00000000004cb88a50\
         c7ad6c05dcb5cdcbb202544be857756b0159bc8e08ca4a0936a45c5d00033e323e324117200df1ecb6e9df1c02\
         000000000a595a0000000000000000fd377a585a000000ff12d941000000001cdf442106729e7a010000000000\
         595afd377a585a0000016922de3602010301002101081a1dcb1401000474f40af30000000000f5d8c546000119\
         05bce8eccb9042990d010000000001595afd377a585a000004e6d6b4460200210108000000d80f231301004500\
         0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d\
         2e2f303132333435363738393a3b3c3d3e3f4041424344450000006bf0a0211e6b640000015e465421019b1fb6\
         f37d010000000004595a";
    /// `hi` with a dictionary of 192 MiB.
    const LARGE: &str = "fd377a585a000004e6d6b446020021011f000000fe60edde0100016869000000fea93811bccaa54800011a02dc\
         2ea57e1fb6f37d010000000004595a";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().collect();
        let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn decoded(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        lzma_rust2::XzReader::new(Bounded::new(stream), true).read_to_end(&mut whole)?;
        Ok(whole)
    }

    #[test]
    fn what_asks_for_little_goes_through() {
        let mut expected = [b"one ".repeat(30), b"twothree".to_vec()].concat();
        expected.extend(0..70);
        let streams = bytes(STREAMS);
        assert_eq!(decoded(&streams).unwrap(), expected);
        // Whatever the pieces are.
        let mut walk = Walk::default();
        streams.iter().for_each(|byte| walk.pass(&[*byte]).unwrap());
        assert!(matches!(walk.next, Next::After) && walk.skip == 0);
    }

    #[test]
    fn a_large_dictionary_is_refused_wherever_it_stands() {
        let large = bytes(LARGE);
        for stream in [large.clone(), [bytes(STREAMS), large].concat()] {
            let error = decoded(&stream).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(error.to_string().contains("wants a dictionary of 192 MiB"), "{error}");
        }
        for (bits, is_good) in [(0, true), (30, true), (31, false), (40, false), (41, false)] {
            assert_eq!(dictionary(bits).is_ok(), is_good, "{bits}");
        }
    }

    #[test]
    fn a_refused_archive_is_not_taken_for_a_file() {
        let large = bytes(LARGE);
        let sniffed = super::super::Sniffed::new(large.as_slice()).unwrap();
        assert!(super::super::has_entries(sniffed.decompressed().unwrap()));
    }

    #[test]
    fn damage_is_an_error() {
        let streams = bytes(STREAMS);
        for place in 0..streams.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = streams.clone();
                damaged[place] = value;
                // What matters is that each is read to an end.
                let _either = decoded(&damaged);
            }
            if (1..40).contains(&place) {
                decoded(&streams[..place]).unwrap_err();
            }
        }
    }
}
