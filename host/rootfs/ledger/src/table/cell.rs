//! One record: read, written and locked by its sequence word.

use core::sync::atomic::{AtomicU32, Ordering, fence};

use super::{Key, Platform, TableError};
use crate::record::{Capability, Owner, Record};

/// How often a reader or writer looks again at a record that is being written before it takes the
/// writer for dead. The holder may be killed at any instruction.
const MAX_SPINS: u32 = 2000;
/// How many takeovers a writer tries. A hostile step can keep a sequence word moving.
pub(super) const MAX_TAKEOVERS: u32 = 16;

pub(super) const RECORD_WORDS: usize = 24;
const SEQUENCE: usize = 0;
const FLAGS: usize = 1;
const DEV_MAJOR: usize = 2;
const DEV_MINOR: usize = 3;
const INO_LOW: usize = 4;
const INO_HIGH: usize = 5;
const BTIME_LOW: usize = 6;
const BTIME_HIGH: usize = 7;
const BTIME_NANOS: usize = 8;
const MODE: usize = 9;
const UID: usize = 10;
const GID: usize = 11;
const RDEV_MAJOR: usize = 12;
const RDEV_MINOR: usize = 13;
const CAP_LENGTH: usize = 14;
const CAP_WORDS: core::ops::Range<usize> = 16..22;

const HAS_OWNER: u32 = 1;
const HAS_MODE: u32 = 2;
const HAS_RDEV: u32 = 4;
const HAS_CAP: u32 = 8;

/// The words of one record.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a>(pub(super) &'a [AtomicU32]);

impl Cell<'_> {
    fn load(self, word: usize) -> u32 {
        self.0.get(word).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn store(self, word: usize, value: u32) {
        if let Some(word) = self.0.get(word) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Whether the record is the inode's, of whatever birth.
    pub(super) fn is(self, key: &Key) -> bool {
        let [low, high] = key.ino_words();
        self.load(INO_LOW) == low
            && self.load(INO_HIGH) == high
            && self.load(DEV_MINOR) == key.dev_minor
            && self.load(DEV_MAJOR) == key.dev_major
    }

    fn is_born(self, key: &Key) -> bool {
        let [low, high, nanos] = key.btime_words();
        self.load(BTIME_LOW) == low
            && self.load(BTIME_HIGH) == high
            && self.load(BTIME_NANOS) == nanos
    }

    pub(super) fn read(self, key: &Key) -> Option<Record> {
        let sequence = self.0.get(SEQUENCE)?;
        for _ in 0..MAX_SPINS {
            let before = sequence.load(Ordering::Acquire);
            if before & 1 == 0 {
                let record = self.is_born(key).then(|| self.fields());
                fence(Ordering::Acquire);
                if sequence.load(Ordering::Relaxed) == before {
                    return record;
                }
            }
            core::hint::spin_loop();
        }
        // The writer died half-way: each word is still a valid value of its own.
        self.is_born(key).then(|| self.fields())
    }

    pub(super) fn update(
        self,
        key: &Key,
        platform: &impl Platform,
        change: impl Fn(&mut Record),
    ) -> Result<(), TableError> {
        let sequence = self.0.get(SEQUENCE).ok_or(TableError::Full)?;
        let held = lock(sequence, platform)?;
        fence(Ordering::Release);
        let mut record = if self.is_born(key) { self.fields() } else { Record::default() };
        change(&mut record);
        self.fill(key, &record);
        // A failure means that we were taken for dead; the other one finishes.
        let _ = sequence.compare_exchange(
            held,
            held.wrapping_add(1),
            Ordering::Release,
            Ordering::Relaxed,
        );
        Ok(())
    }

    fn fields(self) -> Record {
        let flags = self.load(FLAGS);
        let has = |flag: u32| flags & flag != 0;
        Record {
            owner: has(HAS_OWNER).then(|| Owner { uid: self.load(UID), gid: self.load(GID) }),
            mode: has(HAS_MODE).then(|| self.load(MODE) & 0o177_777),
            rdev: has(HAS_RDEV).then(|| (self.load(RDEV_MAJOR), self.load(RDEV_MINOR))),
            capability: has(HAS_CAP).then(|| {
                let mut words = [0; 6];
                for (word, number) in words.iter_mut().zip(CAP_WORDS) {
                    *word = self.load(number);
                }
                Capability::from_words(self.load(CAP_LENGTH), words)
            }),
        }
    }

    pub(super) fn fill(self, key: &Key, record: &Record) {
        let [ino_low, ino_high] = key.ino_words();
        let [btime_low, btime_high, btime_nanos] = key.btime_words();
        let owner = record.owner.unwrap_or_default();
        let (major, minor) = record.rdev.unwrap_or_default();
        let (cap_length, cap_words) = record.capability.unwrap_or_default().to_words();
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(record.owner.is_some(), HAS_OWNER)
            | flag(record.mode.is_some(), HAS_MODE)
            | flag(record.rdev.is_some(), HAS_RDEV)
            | flag(record.capability.is_some(), HAS_CAP);
        for (word, value) in [
            (FLAGS, flags),
            (DEV_MAJOR, key.dev_major),
            (DEV_MINOR, key.dev_minor),
            (INO_LOW, ino_low),
            (INO_HIGH, ino_high),
            (BTIME_LOW, btime_low),
            (BTIME_HIGH, btime_high),
            (BTIME_NANOS, btime_nanos),
            (MODE, record.mode.unwrap_or_default()),
            (UID, owner.uid),
            (GID, owner.gid),
            (RDEV_MAJOR, major),
            (RDEV_MINOR, minor),
            (CAP_LENGTH, cap_length),
        ] {
            self.store(word, value);
        }
        for (word, value) in CAP_WORDS.zip(cap_words) {
            self.store(word, value);
        }
    }
}

/// Makes the sequence odd; gives the odd value.
fn lock(sequence: &AtomicU32, platform: &impl Platform) -> Result<u32, TableError> {
    for _ in 0..MAX_TAKEOVERS {
        let mut seen = sequence.load(Ordering::Relaxed);
        for _ in 0..MAX_SPINS {
            if seen & 1 == 0 {
                let odd = seen.wrapping_add(1);
                match sequence.compare_exchange_weak(
                    seen,
                    odd,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Ok(odd),
                    Err(now) => seen = now,
                }
            } else {
                platform.relax();
                seen = sequence.load(Ordering::Relaxed);
            }
        }
        // Odd all the time: its writer is dead, or so slow that its half-written record is lost.
        let taken = seen.wrapping_add(2);
        let odd = seen & 1 == 1;
        if odd
            && sequence.compare_exchange(seen, taken, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            return Ok(taken);
        }
    }
    Err(TableError::Busy)
}
