//! gzip in blocks that can be compressed side by side and joined.
//!
//! Each block is deflated on its own, with the last 32 KiB before it as dictionary, and ends on a
//! byte boundary by a sync flush; the blocks one after the other are one deflate stream. Bytes
//! depend on the content and the level alone: not on threads, time, or the machine.
//! Source: RFC 1951, RFC 1952; the joining is pigz's.

use std::io;

use flate2::{Compress, FlushCompress};

/// Uncompressed bytes of a block.
pub(crate) const BLOCK_SIZE: usize = 512 << 10;
/// How far deflate looks back, in bytes.
pub(crate) const WINDOW: usize = 32 << 10;
/// No name, no time, no level, unknown system: nothing that could differ.
pub(crate) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// The last deflate block: fixed codes, empty.
pub(crate) const LAST_BLOCK: [u8; 2] = [3, 0];
/// The most bytes of a stored deflate block.
const STORED_SIZE: usize = 65_535;
/// The pieces of a block that are tried before all of it is.
const SAMPLES: usize = 8;
/// The size of each, in bytes.
const SAMPLE_SIZE: usize = 4 << 10;

/// Appends the deflated `block` to `out`; `dictionary` is what came before it.
///
/// Each block gets a fresh compressor: after a reset, zlib-rs 0.6 still reads bytes of the block
/// before, and its output depends on which that was.
pub(crate) fn deflate_block(
    level: u32,
    dictionary: &[u8],
    block: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    if level == 0 || is_incompressible(block)? {
        store(block, out);
        return Ok(());
    }
    let before = out.len();
    out.reserve(room_for(block.len()));
    let complete = deflate(level, dictionary, block, out)?;
    if !complete || out.len() - before > stored_length(block.len()) {
        out.truncate(before);
        store(block, out);
    }
    Ok(())
}

/// Whether deflating is wasted time: bytes as even as random ones, and samples that do not shrink.
/// Integers only, so that every machine answers the same.
fn is_incompressible(block: &[u8]) -> io::Result<bool> {
    if block.len() < SAMPLES * SAMPLE_SIZE || !is_even(block) {
        return Ok(false);
    }
    let mut samples = Vec::with_capacity(SAMPLES * SAMPLE_SIZE);
    for sample in 0..SAMPLES {
        let start = (block.len() - SAMPLE_SIZE) / (SAMPLES - 1) * sample;
        samples.extend_from_slice(&block[start..start + SAMPLE_SIZE]);
    }
    let mut out = Vec::with_capacity(room_for(samples.len()));
    let complete = deflate(1, &[], &samples, &mut out)?;
    Ok(!complete || out.len() > samples.len() / 100 * 97)
}

/// Whether all byte values are about as frequent: compressed and encrypted data is, within 3 % of
/// the smallest possible sum of squares.
fn is_even(block: &[u8]) -> bool {
    let mut counts = [0_u64; 256];
    for byte in block {
        counts[usize::from(*byte)] += 1;
    }
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    let length = block.len() as u64;
    squares * 256 * 100 <= length * length * 103
}

/// Deflates `block` into what `out` has room for; `false` if that is too little.
fn deflate(level: u32, dictionary: &[u8], block: &[u8], out: &mut Vec<u8>) -> io::Result<bool> {
    let mut stream = Compress::new(flate2::Compression::new(level.min(9)), false);
    if !dictionary.is_empty() {
        stream.set_dictionary(dictionary).map_err(io::Error::other)?;
    }
    stream.compress_vec(block, out, FlushCompress::Sync).map_err(io::Error::other)?;
    // A full buffer may still lack the flush's last bytes.
    Ok(stream.total_in() == block.len() as u64 && out.len() < out.capacity())
}

/// Appends `block` uncompressed.
fn store(block: &[u8], out: &mut Vec<u8>) {
    out.reserve(stored_length(block.len()));
    for piece in block.chunks(STORED_SIZE) {
        let length = u16::try_from(piece.len()).expect("a piece is at most 65535 bytes");
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(piece);
    }
}

/// More than deflate makes of the worst input (9 bits a byte at level 1). zlib-rs 0.6 panics at
/// level 1 when the room runs out, so it must not.
fn room_for(length: usize) -> usize {
    length + length / 4 + 4096
}

fn stored_length(length: usize) -> usize {
    length + length.div_ceil(STORED_SIZE) * 5
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without pattern, the same in every run.
    pub(crate) fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[5]
        };
        (0..length).map(|_| next()).collect()
    }

    fn inflate(deflated: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let stream = [deflated, &LAST_BLOCK].concat();
        io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(&stream[..]), &mut out)
            .unwrap();
        out
    }

    #[test]
    fn blocks_join() {
        let text = b"the quick brown fox ".repeat(3000);
        let mut out = Vec::new();
        deflate_block(6, &[], &text[..40_000], &mut out).unwrap();
        deflate_block(6, &text[40_000 - WINDOW..40_000], &text[40_000..], &mut out).unwrap();
        assert_eq!(inflate(&out), text);
        assert!(out.len() < 1000, "{}", out.len());
    }

    #[test]
    fn noise_is_stored() {
        for length in [1, 100, SAMPLES * SAMPLE_SIZE, BLOCK_SIZE, 65_535 * 2] {
            let block = noise(length);
            let mut out = Vec::new();
            deflate_block(6, &[], &block, &mut out).unwrap();
            assert_eq!(inflate(&out), block);
            assert!(out.len() <= stored_length(length) + 8, "{length}: {}", out.len());
        }
        assert!(is_incompressible(&noise(BLOCK_SIZE)).unwrap());
    }

    #[test]
    fn no_level_panics_on_noise() {
        for level in 0..=10 {
            for length in [1, 4096, SAMPLES * SAMPLE_SIZE - 1, BLOCK_SIZE] {
                // Even enough to be hard, not to be stored unseen.
                let block: Vec<u8> = noise(length).into_iter().map(|b| b | 1).collect();
                let mut out = Vec::new();
                deflate_block(level, &[], &block, &mut out).unwrap();
                assert_eq!(inflate(&out), block, "{level} {length}");
            }
        }
    }

    #[test]
    fn what_can_shrink_is_squeezed() {
        // Even bytes, but repeated within the window.
        let repeated = noise(2000).repeat(250);
        assert!(is_even(&noise(BLOCK_SIZE)));
        for block in [b"text ".repeat(100_000), vec![0; BLOCK_SIZE], repeated] {
            assert!(!is_incompressible(&block).unwrap());
            let mut out = Vec::new();
            deflate_block(6, &[], &block, &mut out).unwrap();
            assert!(out.len() < block.len() / 20, "{}", out.len());
            assert_eq!(inflate(&out), block);
        }
    }

    #[test]
    fn level_zero_stores() {
        let mut out = Vec::new();
        deflate_block(0, &[], &[7; 70_000], &mut out).unwrap();
        assert_eq!(out.len(), stored_length(70_000));
        assert_eq!(inflate(&out), vec![7; 70_000]);
    }
}
