//! The table: lookup, update and removal by many processes at once.
//!
//! Every (device, inode) gets one slot of the index, for good: slots go from empty to taken and
//! never back, so that two writers that race for a key meet in the same empty slot. A record has a
//! sequence word (odd while it is written): readers retry, writers exclude each other. A writer
//! that was killed half-way leaves it odd; after a bounded wait it is taken over.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::record::Record;

mod cell;
use cell::{Cell, MAX_TAKEOVERS, RECORD_WORDS};

/// "kiln", "ldg" and the layout's version.
const MAGIC: [u32; 2] = [u32::from_ne_bytes(*b"kiln"), u32::from_ne_bytes(*b"ldg1")];
/// One page.
const HEADER_WORDS: usize = 1024;
/// The header's word that counts the records handed out.
const NEXT: usize = 2;

/// Slots in a block of the index: inodes that differ in their low 6 bits share a block.
const BLOCK: u64 = 64;
/// How many blocks a lookup may visit. A hostile step can fill the index to make lookups slow.
const MAX_BLOCKS: u64 = 16;
/// What names an inode: numbers from one statx(2) call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// `stx_dev_major`.
    pub dev_major: u32,
    /// `stx_dev_minor`.
    pub dev_minor: u32,
    /// `stx_ino`.
    pub ino: u64,
    /// `stx_btime.tv_sec`, 0 where the file system has no birth times: inode reuse is then only
    /// caught by removing records with the last link.
    pub btime_secs: i64,
    /// `stx_btime.tv_nsec`.
    pub btime_nanos: u32,
}

impl Key {
    const fn ino_words(&self) -> [u32; 2] {
        split(self.ino)
    }

    const fn btime_words(&self) -> [u32; 3] {
        let [low, high] = split(self.btime_secs.cast_unsigned());
        [low, high, self.btime_nanos]
    }
}

/// How large a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    slots: u64,
    records: u32,
}

impl Geometry {
    /// The geometry of a rootfs's ledger: 1 Mi records, 104 MiB of which only touched pages exist.
    pub const STANDARD: Self = Self { slots: 1 << 21, records: 1 << 20 };

    /// A table of `1 << bits` records; a small one for tests.
    #[must_use]
    pub const fn with_bits(bits: u32) -> Self {
        let bits = if bits < 6 {
            6
        } else if bits > 20 {
            20
        } else {
            bits
        };
        Self { slots: 2 << bits, records: 1 << bits }
    }

    /// The word after the index.
    const fn index_end(self) -> u64 {
        self.slots.wrapping_add(HEADER_WORDS as u64)
    }

    /// Length of the mapping in 32-bit words.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^21 slots")]
    pub const fn words(self) -> usize {
        let records = (self.records as usize).wrapping_mul(RECORD_WORDS);
        (self.index_end() as usize).wrapping_add(records)
    }

    /// Length of the mapping in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.words().wrapping_mul(4)
    }
}

/// What the table needs of its surroundings; all of it optional.
pub trait Platform {
    /// Gives the processor to others while another process finishes a write.
    fn relax(&self) {
        core::hint::spin_loop();
    }

    /// Makes sure that the file behind the mapping has storage for these bytes, so that a store on
    /// a full disk is an error and not a SIGBUS. False: there is no room.
    fn reserve(&self, offset: u64, length: u64) -> bool {
        let _ = (offset, length);
        true
    }

    /// The same for loads: a file system in memory gives storage to a hole that is read. False:
    /// there is no room.
    fn touch(&self, offset: u64, length: u64) -> bool {
        let _ = (offset, length);
        true
    }
}

impl Platform for () {}

/// Why a record could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// The table, or the disk behind it, is full (`ENOSPC`).
    Full,
    /// Others kept writing the same record; only a hostile process does (`EAGAIN`).
    Busy,
}

impl core::fmt::Display for TableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Full => "the ledger is full",
            Self::Busy => "the ledger's record is busy",
        })
    }
}

impl core::error::Error for TableError {}

/// The table over a shared mapping.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    words: &'a [AtomicU32],
    geometry: Geometry,
}

/// Where a key's probe ended.
enum Slot<'a> {
    Taken(Cell<'a>),
    Free { slot: &'a AtomicU32, number: u64 },
    None,
}

impl<'a> Table<'a> {
    /// The table over these words; `None` when they are too few for the geometry.
    #[must_use]
    pub fn new(words: &'a [AtomicU32], geometry: Geometry) -> Option<Self> {
        (words.len() >= geometry.words()).then_some(Self { words, geometry })
    }

    /// Marks an all-zero mapping as a table.
    pub fn format(&self) {
        for (word, magic) in self.words.iter().zip(MAGIC) {
            word.store(magic, Ordering::Release);
        }
    }

    /// Whether the mapping carries this layout's mark.
    #[must_use]
    pub fn is_formatted(&self) -> bool {
        self.words.iter().zip(MAGIC).all(|(word, magic)| word.load(Ordering::Acquire) == magic)
    }

    /// Whether no record was ever written: lookups can be skipped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.get(NEXT).is_none_or(|next| next.load(Ordering::Acquire) == 0)
    }

    /// How many bytes of the mapping, from its start, lookups read. A hostile process can say that
    /// it is all of it.
    #[must_use]
    pub fn readable(&self) -> u64 {
        let words = u64::from(self.written()).wrapping_mul(RECORD_WORDS as u64);
        self.geometry.index_end().wrapping_add(words).wrapping_mul(4)
    }

    /// The number of records handed out.
    fn written(&self) -> u32 {
        let next = self.words.get(NEXT).map_or(0, |next| next.load(Ordering::Acquire));
        next.min(self.geometry.records)
    }

    /// The record of an inode.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Record> {
        if self.is_empty() {
            return None;
        }
        let Slot::Taken(cell) = self.find(key) else { return None };
        cell.read(key).filter(|record| !record.is_empty())
    }

    /// Changes an inode's record; `change` starts from an empty one when there is none, and may be
    /// called more than once. A record that ends up empty counts as removed.
    ///
    /// # Errors
    /// [`TableError`] when there is no room or the record stays busy.
    pub fn update(
        &self,
        key: &Key,
        platform: &impl Platform,
        change: impl Fn(&mut Record),
    ) -> Result<(), TableError> {
        if !platform.touch(0, self.geometry.index_end().wrapping_mul(4)) {
            return Err(TableError::Full);
        }
        // A lost race for an empty slot is retried: the winner may have been another key.
        for _ in 0..MAX_TAKEOVERS {
            match self.find(key) {
                Slot::Taken(cell) => return cell.update(key, platform, change),
                Slot::Free { slot, number } => {
                    let mut record = Record::default();
                    change(&mut record);
                    if record.is_empty() {
                        return Ok(());
                    }
                    if self.publish(key, &record, slot, number, platform)? {
                        return Ok(());
                    }
                }
                Slot::None => return Err(TableError::Full),
            }
        }
        Err(TableError::Busy)
    }

    /// Forgets an inode: its last link is gone, or it was just created where a dead one may have
    /// left a record.
    pub fn remove(&self, key: &Key, platform: &impl Platform) {
        if self.is_empty() {
            return;
        }
        if let Slot::Taken(cell) = self.find(key) {
            // Busy: only a hostile process keeps it so, and the files are its own.
            let _ = cell.update(key, platform, |record| *record = Record::default());
        }
    }

    fn find(&self, key: &Key) -> Slot<'a> {
        // Sizes are powers of two and sums fit by far: wrapping keeps panics out of the code.
        let index_end = self.geometry.index_end();
        let mask = self.geometry.slots.wrapping_sub(1);
        let first = mix(key).wrapping_mul(BLOCK);
        for step in 0..MAX_BLOCKS {
            let block = first.wrapping_add(step.wrapping_mul(BLOCK)) & mask;
            for offset in 0..BLOCK {
                let slot = block | (key.ino.wrapping_add(offset) % BLOCK);
                let number = slot.wrapping_add(HEADER_WORDS as u64);
                let Some(word) =
                    usize::try_from(number).ok().and_then(|number| self.words.get(number))
                else {
                    return Slot::None;
                };
                match word.load(Ordering::Acquire) {
                    0 => return Slot::Free { slot: word, number },
                    taken => {
                        let cell = self.cell(index_end, taken.wrapping_sub(1));
                        if let Some(cell) = cell.filter(|cell| cell.is(key)) {
                            return Slot::Taken(cell);
                        }
                    }
                }
            }
        }
        Slot::None
    }

    fn cell(&self, index_end: u64, record: u32) -> Option<Cell<'a>> {
        // What was not handed out may have no storage.
        if record >= self.written() {
            return None;
        }
        let start = u64::from(record).wrapping_mul(RECORD_WORDS as u64).wrapping_add(index_end);
        let start = usize::try_from(start).ok()?;
        self.words.get(start..start.wrapping_add(RECORD_WORDS)).map(Cell)
    }

    /// Writes a fresh record and puts it into the slot; false when another was faster.
    fn publish(
        &self,
        key: &Key,
        record: &Record,
        slot: &AtomicU32,
        slot_number: u64,
        platform: &impl Platform,
    ) -> Result<bool, TableError> {
        let next = self.words.get(NEXT).ok_or(TableError::Full)?;
        let mine = next
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |next| {
                (next < self.geometry.records).then(|| next.wrapping_add(1))
            })
            .map_err(|_| TableError::Full)?;
        let index_end = self.geometry.index_end();
        let cell = self.cell(index_end, mine).ok_or(TableError::Full)?;
        let word = u64::from(mine).wrapping_mul(RECORD_WORDS as u64).wrapping_add(index_end);
        let offset = word.wrapping_mul(4);
        let room = platform.reserve(offset, RECORD_WORDS as u64 * 4)
            && platform.reserve(slot_number.wrapping_mul(4), 4);
        if !room {
            let _ = next.compare_exchange(
                mine.wrapping_add(1),
                mine,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            return Err(TableError::Full);
        }
        cell.fill(key, record);
        let won = slot
            .compare_exchange(0, mine.wrapping_add(1), Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if !won {
            // Give the record back when it is still the last; otherwise it is lost, 96 bytes.
            let _ = next.compare_exchange(
                mine.wrapping_add(1),
                mine,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
        Ok(won)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn split(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Spreads blocks of inodes over the index: the finaliser of `splitmix64`.
fn mix(key: &Key) -> u64 {
    let dev = (u64::from(key.dev_major) << 32) | u64::from(key.dev_minor);
    let mut x = (key.ino / BLOCK) ^ dev.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
