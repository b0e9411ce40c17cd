//! Whose ids are whose: memory that all processes of a step share, and can all write to.
//!
//! A process has a place in one of a few, by its number. Its words may be anything, at worst wrong
//! about a process of the step: no number from here is used to find memory, and no loop waits for
//! what another process does.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use crate::cred::halves;

/// Where it begins in the shared memory, after the step's other words.
const START: usize = 1024;
/// Set once there are processes with different ids, and since when, as [`Note::when`].
const DIFFERENT: usize = 3;
const SINCE: [usize; 2] = [5, 6];
/// The number of the step's first process, whose descendants all others are.
const FIRST: usize = 4;

/// Words of a place: version, process, when, count, and its credentials.
const PLACE: usize = 64;
const HEADER: usize = 5;
/// What is kept of credentials: groups that do not fit are not shown.
pub(super) const ROOM: usize = PLACE - HEADER;
/// Places that a process can have: as many of its like live at once before one is forgotten.
const WAYS: usize = 4;
/// Processes with neighbouring numbers have different places.
const SETS: usize = 512;
/// All of the shared memory, in words of four bytes.
pub const WORDS: usize = START + SETS * WAYS * PLACE;

/// How often a place is looked at that another is writing to: some microseconds.
const TRIES: u32 = 1000;

/// What a process has noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    /// In hundredths of a second since the machine started.
    pub(super) when: u64,
    count: usize,
    words: [u32; ROOM],
}

impl Note {
    /// The words of credentials.
    pub(super) fn words(&self) -> impl Iterator<Item = u32> {
        self.words.iter().take(self.count).copied()
    }
}

/// The memory.
#[derive(Clone, Copy, Debug)]
pub struct Processes<'a>(&'a [AtomicU32]);

impl<'a> Processes<'a> {
    /// `None` unless there are [`WORDS`].
    #[must_use]
    pub fn new(words: &'a [AtomicU32]) -> Option<Self> {
        (words.len() >= WORDS).then_some(Self(words))
    }

    fn word(&self, index: usize) -> u32 {
        self.0.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    fn set_word(&self, index: usize, value: u32) {
        if let Some(word) = self.0.get(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// The step's first process.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.word(FIRST)
    }

    /// This process is the step's first.
    pub fn set_first(&self, process: u32) {
        self.set_word(FIRST, process);
    }

    /// Whether not everybody is who the step started as.
    #[must_use]
    pub fn are_different(&self) -> bool {
        self.word(DIFFERENT) != 0
    }

    pub(super) fn set_different(&self, since: u64) {
        for (index, half) in SINCE.into_iter().zip(halves(since)) {
            self.set_word(index, half);
        }
        self.set_word(DIFFERENT, 1);
    }

    /// Who has begun until then, and has noted nothing, is who the step started as.
    pub(super) fn different_since(&self) -> u64 {
        let [low, high] = SINCE.map(|index| self.word(index));
        if self.are_different() { whole([low, high]) } else { u64::MAX }
    }

    fn places(&self, process: u32) -> impl Iterator<Item = Place<'a>> + use<'a> {
        let set = usize::try_from(process).unwrap_or(0) % SETS;
        let start = START + set * WAYS * PLACE;
        let words = self.0.get(start..start + WAYS * PLACE).unwrap_or(&[]);
        words.chunks_exact(PLACE).filter_map(|words| {
            let (header, words) = words.split_first_chunk::<HEADER>()?;
            Some(Place { header, words })
        })
    }

    /// What a process has noted of itself, or one that had its number.
    pub(super) fn get(&self, process: u32) -> Option<Note> {
        self.places(process).filter(|place| place.process() == process).find_map(|place| {
            let note = place.read();
            note.filter(|_| place.process() == process)
        })
    }

    /// Notes a process's credentials in the place of its own, in one that is free or whose process
    /// is gone, or in another's.
    pub(super) fn put(
        &self,
        process: u32,
        when: u64,
        words: impl Iterator<Item = u32>,
        is_alive: impl Fn(u32) -> bool,
    ) {
        let first = |wanted: &dyn Fn(u32) -> bool| {
            self.places(process).find(|place| wanted(place.process()))
        };
        let place = first(&|owner| owner == process)
            .or_else(|| first(&|owner| owner == 0))
            .or_else(|| first(&|owner| !is_alive(owner)))
            .or_else(|| first(&|_| true));
        if let Some(place) = place {
            place.write(process, when, words);
        }
    }
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

struct Place<'a> {
    header: &'a [AtomicU32; HEADER],
    words: &'a [AtomicU32],
}

impl Place<'_> {
    fn process(&self) -> u32 {
        let [_, process, ..] = self.header;
        process.load(Ordering::Relaxed)
    }

    /// The version is odd while it is written to.
    fn read(&self) -> Option<Note> {
        let [version, _, low, high, count] = self.header;
        for _ in 0..TRIES {
            let before = version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let load = |word: &AtomicU32| word.load(Ordering::Relaxed);
                let when = whole([load(low), load(high)]);
                let count = usize::try_from(load(count)).unwrap_or(0);
                let mut note = Note { when, count, words: [0; ROOM] };
                for (to, word) in note.words.iter_mut().zip(self.words) {
                    *to = load(word);
                }
                fence(Ordering::Acquire);
                if version.load(Ordering::Relaxed) == before {
                    return Some(note);
                }
            }
            spin_loop();
        }
        None
    }

    fn write(&self, process: u32, when: u64, words: impl Iterator<Item = u32>) {
        let [version, owner, low, high, count] = self.header;
        let mut left = TRIES;
        let mine = loop {
            let now = version.load(Ordering::Relaxed);
            // Who is killed while it writes leaves the place so: it is taken over in the end.
            if now & 1 == 0 || left == 0 {
                let mine = now.wrapping_add(1) | 1;
                let order = (Ordering::Acquire, Ordering::Relaxed);
                if version.compare_exchange(now, mine, order.0, order.1).is_ok() {
                    break mine;
                }
                if left == 0 {
                    return;
                }
            }
            left -= 1;
            spin_loop();
        };
        fence(Ordering::Release);
        owner.store(process, Ordering::Relaxed);
        let [first, second] = halves(when);
        low.store(first, Ordering::Relaxed);
        high.store(second, Ordering::Relaxed);
        let mut used = 0;
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
            used += 1;
        }
        count.store(used, Ordering::Relaxed);
        version.store(mine.wrapping_add(1), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Vec<AtomicU32> {
        (0..WORDS).map(|_| AtomicU32::new(0)).collect()
    }

    fn note(table: &Processes<'_>, process: u32) -> Option<Vec<u32>> {
        table.get(process).map(|note| note.words().collect())
    }

    #[test]
    fn a_process_has_one_place_and_the_dead_make_room() {
        let memory = memory();
        let table = Processes::new(&memory).unwrap();
        let like = |index: u32| 7 + index * u32::try_from(SETS).unwrap();
        for index in 0..4 {
            table.put(like(index), 9, [1, index].into_iter(), |_| true);
        }
        table.put(like(1), 1 << 40, [5].into_iter(), |_| true);
        assert_eq!(table.get(like(1)).unwrap().when, 1 << 40);
        assert_eq!(note(&table, like(1)), Some(vec![5]));
        assert_eq!(note(&table, like(3)), Some(vec![1, 3]));
        assert_eq!(note(&table, 8), None);
        table.put(like(4), 9, [6].into_iter(), |process| process != like(2));
        assert_eq!((note(&table, like(2)), note(&table, like(4))), (None, Some(vec![6])));
        table.put(like(5), 9, [7].into_iter(), |_| true);
        assert_eq!((note(&table, like(0)), note(&table, like(5))), (None, Some(vec![7])));
    }

    #[test]
    fn more_than_there_is_room_for_is_cut() {
        let memory = memory();
        let table = Processes::new(&memory).unwrap();
        table.put(u32::MAX, 0, 0..1000, |_| true);
        assert_eq!(note(&table, u32::MAX).unwrap().len(), ROOM);
        assert!(Processes::new(&memory[1..]).is_none());
    }

    #[test]
    fn hostile_words_neither_hang_nor_harm() {
        let memory = memory();
        let table = Processes::new(&memory).unwrap();
        for value in [u32::MAX, u32::MAX - 1, 1, 2] {
            for word in &memory {
                word.store(value, Ordering::Relaxed);
            }
            for process in [value, 0, 7] {
                let words = note(&table, process);
                assert!(words.is_none_or(|words| words.len() <= ROOM));
                // A place that is written to for ever is taken over.
                table.put(process, 3, [8].into_iter(), |_| true);
                assert_eq!(note(&table, process), Some(vec![8]), "{value} {process}");
            }
        }
    }

    #[test]
    fn what_is_read_was_written_in_one_go() {
        let memory = memory();
        let table = Processes::new(&memory).unwrap();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for value in 0..2000 {
                    table.put(7, value.into(), std::iter::repeat_n(value, ROOM), |_| true);
                }
            });
            while !writer.is_finished() {
                if let Some(note) = table.get(7) {
                    assert!(note.words().all(|word| u64::from(word) == note.when));
                }
            }
        });
        assert_eq!(note(&table, 7), Some(vec![1999; ROOM]));
    }
}
