//! Fingerprints of content that passed through our hands anyway.
//!
//! A step that chowns or chmods a tree to what it was already moves every change time and changes
//! nothing. Whether only the change time moved can be told where the content's hash is known from
//! unpacking the file or from writing it into a layer; nothing is read for the fingerprint alone.
//! The hash is fast, not cryptographic: a step that collides it hides a change of its own from its
//! own layer.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use crate::metadata::Timestamp;

/// The most files remembered: 40 MiB at some 40 bytes each. Beyond it no-op changes are taken for
/// changes, which costs size, not truth.
const MAX_FILES: usize = 1 << 20;

/// Fingerprints by inode, each good for one change time.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints(Mutex<HashMap<u64, (Timestamp, u64)>>);

impl Fingerprints {
    /// Remembers what an inode's content was at a change time.
    pub(crate) fn remember(&self, ino: u64, ctime: Timestamp, fingerprint: u64) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() < MAX_FILES || map.contains_key(&ino) {
            map.insert(ino, (ctime, fingerprint));
        }
    }

    /// The fingerprint, if it is known for just this change time.
    pub(crate) fn known(&self, ino: u64, ctime: Timestamp) -> Option<u64> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(&ino).filter(|(then, _)| *then == ctime).map(|(_, fingerprint)| *fingerprint)
    }
}

/// A streaming hash: four lanes of multiply and rotate over blocks of 32 bytes.
#[derive(Clone, Debug)]
pub(crate) struct ContentHash {
    lanes: [u64; 4],
    rest: [u8; 32],
    filled: usize,
    length: u64,
}

const PRIMES: [u64; 4] =
    [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9, 0x85eb_ca77_c2b2_ae63];

impl ContentHash {
    pub(crate) const fn new() -> Self {
        Self { lanes: PRIMES, rest: [0; 32], filled: 0, length: 0 }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if self.filled > 0 {
            let count = bytes.len().min(32 - self.filled);
            self.rest[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
            self.filled += count;
            bytes = &bytes[count..];
            if self.filled < 32 {
                return;
            }
            let block = self.rest;
            self.block(&block);
            self.filled = 0;
        }
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            self.block(block);
        }
        self.rest[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    fn block(&mut self, block: &[u8; 32]) {
        let (words, _) = block.as_chunks::<8>();
        for ((lane, word), prime) in self.lanes.iter_mut().zip(words).zip(PRIMES) {
            let mixed = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(prime);
            *lane = mixed.rotate_left(29).wrapping_add(prime);
        }
    }

    /// The hash of the content and what belongs to it.
    pub(crate) fn finish(mut self, attributes: u32) -> u64 {
        let length = self.length;
        self.rest[self.filled..].fill(0);
        let block = self.rest;
        self.block(&block);
        let mut all = length ^ (u64::from(attributes) << 32);
        for lane in self.lanes {
            all = (all ^ lane).wrapping_mul(PRIMES[0]);
            all ^= all >> 32;
        }
        all
    }
}

/// Hashes what is read through it, if there is anything to read.
#[derive(Debug)]
pub(crate) struct Hashing<R> {
    pub(crate) inner: R,
    pub(crate) hash: ContentHash,
}

impl<R: Read> Read for Hashing<Option<R>> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(inner) = &mut self.inner else { return Ok(0) };
        let count = inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_in_pieces(bytes: &[u8], piece: usize) -> u64 {
        let mut hash = ContentHash::new();
        bytes.chunks(piece).for_each(|part| hash.update(part));
        hash.finish(7)
    }

    #[test]
    fn pieces_do_not_matter_and_every_bit_does() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 7 % 251).to_le_bytes()[0]).collect();
        let whole = hash_in_pieces(&bytes, 1000);
        for piece in [1, 31, 32, 33, 100] {
            assert_eq!(hash_in_pieces(&bytes, piece), whole, "{piece}");
        }
        for position in (0..1000).step_by(37) {
            let mut other = bytes.clone();
            other[position] ^= 1;
            assert_ne!(hash_in_pieces(&other, 64), whole, "{position}");
        }
        assert_ne!(hash_in_pieces(&bytes[..999], 64), whole);
        assert_ne!(hash_in_pieces(&[0; 10], 64), hash_in_pieces(&[0; 11], 64));
    }

    #[test]
    fn a_fingerprint_is_good_for_one_change_time() {
        let prints = Fingerprints::default();
        let time = |nanos| Timestamp { secs: 1, nanos };
        prints.remember(1, time(1), 5);
        assert_eq!(prints.known(1, time(1)), Some(5));
        assert_eq!(prints.known(1, time(2)), None);
        prints.remember(1, time(2), 6);
        assert_eq!(prints.known(1, time(1)), None);
    }
}
