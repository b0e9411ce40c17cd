//! The table under ordinary use, races, dead writers and hostile memory.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kiln_ledger::{Capability, Geometry, Key, Owner, Platform, Record, Table, TableError};
use proptest::prelude::*;

const SMALL: Geometry = Geometry::with_bits(8);
/// The header's page, in words; what the format promises to others.
const HEADER: usize = 1024;
const RECORD: usize = 24;

fn memory(geometry: Geometry) -> Vec<AtomicU32> {
    (0..geometry.words()).map(|_| AtomicU32::new(0)).collect()
}

fn key(ino: u64) -> Key {
    Key { dev_major: 8, dev_minor: 1, ino, btime_secs: 1_700_000_000, btime_nanos: 5 }
}

fn owned(uid: u32) -> Record {
    Record { owner: Some(Owner { uid, gid: uid }), ..Record::default() }
}

#[test]
fn facts_are_independent_and_go_with_the_last() {
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    assert!(!table.is_formatted());
    table.format();
    assert!(table.is_formatted() && table.is_empty());
    let inode = key(7);
    assert_eq!(table.get(&inode), None);
    table.update(&inode, &(), |_| {}).unwrap();
    assert!(table.is_empty(), "an empty record costs nothing");
    let capability = Capability::new(&[3; 20]);
    table.update(&inode, &(), |record| record.owner = Some(Owner { uid: 1, gid: 2 })).unwrap();
    table.update(&inode, &(), |record| record.mode = Some(0o104_755)).unwrap();
    table.update(&inode, &(), |record| record.rdev = Some((8, u32::MAX))).unwrap();
    table.update(&inode, &(), |record| record.capability = capability).unwrap();
    let expected = Record {
        owner: Some(Owner { uid: 1, gid: 2 }),
        mode: Some(0o104_755),
        rdev: Some((8, u32::MAX)),
        capability,
    };
    assert_eq!(table.get(&inode), Some(expected));
    table.update(&inode, &(), |record| *record = Record::default()).unwrap();
    assert_eq!(table.get(&inode), None);
}

#[test]
fn a_reused_inode_does_not_inherit() {
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    table.update(&key(7), &(), |record| *record = owned(33)).unwrap();
    let reborn = Key { btime_nanos: 6, ..key(7) };
    assert_eq!(table.get(&reborn), None);
    table.remove(&reborn, &());
    table.update(&reborn, &(), |record| record.mode = Some(0o100_600)).unwrap();
    assert_eq!(table.get(&reborn).unwrap().owner, None);
    assert_eq!(table.get(&key(7)), None);
    table.remove(&reborn, &());
    assert_eq!(table.get(&reborn), None);
}

#[test]
fn a_full_table_says_so_and_keeps_what_it_has() {
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    let stored = (0..1000)
        .take_while(|ino| table.update(&key(*ino), &(), |record| *record = owned(1)).is_ok())
        .count();
    assert_eq!(stored, 256);
    let refused = table.update(&key(5000), &(), |record| *record = owned(1));
    assert_eq!(refused, Err(TableError::Full));
    for ino in 0..256 {
        table.update(&key(ino), &(), |record| *record = owned(2)).unwrap();
        assert_eq!(table.get(&key(ino)), Some(owned(2)));
    }
}

/// A disk with room for so many reservations.
struct Disk(Cell<u32>);

impl Platform for Disk {
    fn reserve(&self, offset: u64, length: u64) -> bool {
        assert!(offset + length <= SMALL.bytes() as u64);
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    let disk = Disk(Cell::new(3));
    table.update(&key(1), &disk, |record| *record = owned(1)).unwrap();
    let refused = table.update(&key(2), &disk, |record| *record = owned(1));
    assert_eq!(refused, Err(TableError::Full));
    table.update(&key(1), &disk, |record| *record = owned(2)).unwrap();
    table.update(&key(2), &(), |record| *record = owned(1)).unwrap();
}

/// A disk without room for what is read.
struct Holes;

impl Platform for Holes {
    fn touch(&self, offset: u64, length: u64) -> bool {
        assert_eq!((offset, length), (0, u64::try_from(4 * (HEADER + 512)).unwrap()));
        false
    }
}

#[test]
fn holes_are_not_read_on_a_full_disk() {
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    let refused = table.update(&key(1), &Holes, |record| *record = owned(1));
    assert_eq!(refused, Err(TableError::Full));
    assert!(table.is_empty());
    let index = table.readable();
    table.update(&key(1), &(), |record| *record = owned(1)).unwrap();
    assert_eq!(table.readable(), index + u64::try_from(4 * RECORD).unwrap());
    // Who says that there are more is believed up to the mapping's end.
    words[2].store(u32::MAX, Ordering::SeqCst);
    assert_eq!(table.readable(), u64::try_from(SMALL.bytes()).unwrap());
    // Records that were not handed out are not looked at.
    words[2].store(0, Ordering::SeqCst);
    assert_eq!(table.get(&key(1)), None);
    words[HEADER..HEADER + 512].iter().for_each(|slot| slot.store(200, Ordering::SeqCst));
    words[2].store(1, Ordering::SeqCst);
    assert_eq!(table.get(&key(1)), None);
}

#[test]
fn a_writer_that_died_is_taken_over() {
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    table.update(&key(1), &(), |record| *record = owned(1)).unwrap();
    // The first record's sequence word, made odd as by a writer that was killed.
    let first = HEADER + 512;
    let sequence = words[first..].iter().step_by(RECORD).next().unwrap();
    sequence.fetch_add(1, Ordering::SeqCst);
    assert_eq!(table.get(&key(1)), Some(owned(1)));
    table.update(&key(1), &(), |record| *record = owned(2)).unwrap();
    assert_eq!(table.get(&key(1)), Some(owned(2)));
    assert_eq!(sequence.load(Ordering::SeqCst) % 2, 0);
}

/// Waits as the builder does.
struct Yielding;

impl Platform for Yielding {
    fn relax(&self) {
        std::thread::yield_now();
    }
}

#[test]
fn threads_that_race_for_the_same_inodes_agree() {
    const INODES: u64 = 200;
    let words = memory(SMALL);
    let table = Table::new(&words, SMALL).unwrap();
    let torn = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let torn = &torn;
            scope.spawn(move || {
                for round in 0..50_u32 {
                    for ino in 0..INODES {
                        let value = thread * 1000 + round;
                        let write = |record: &mut Record| {
                            record.owner = Some(Owner { uid: value, gid: value });
                        };
                        table.update(&key(ino), &Yielding, write).unwrap();
                        let owner = table.get(&key(ino)).unwrap().owner.unwrap();
                        torn.fetch_add(u64::from(owner.uid != owner.gid), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    // A writer that sleeps in the middle of a write longer than its fellows wait for it may tear.
    assert!(torn.into_inner() < 400, "of 40,000");
    // Every inode has one record: removing it removes it.
    for ino in 0..INODES {
        table.remove(&key(ino), &());
        assert_eq!(table.get(&key(ino)), None, "{ino}");
    }
}

#[test]
fn few_records_touch_few_pages() {
    let words = memory(Geometry::STANDARD);
    let table = Table::new(&words, Geometry::STANDARD).unwrap();
    for ino in 100_000..103_000 {
        table.update(&key(ino), &(), |record| *record = owned(1)).unwrap();
    }
    let touched = words
        .chunks(1024)
        .filter(|page| page.iter().any(|word| word.load(Ordering::Relaxed) != 0))
        .count();
    assert!(touched < 130, "{touched} pages for 3000 records");
}

#[derive(Clone, Debug)]
enum Action {
    Own(u64, u32),
    Mode(u64, u32),
    Remove(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let ino = 0..300_u64;
    prop_oneof![
        (ino.clone(), any::<u32>()).prop_map(|(ino, uid)| Action::Own(ino, uid)),
        (ino.clone(), 0..0o200_000_u32).prop_map(|(ino, mode)| Action::Mode(ino, mode)),
        ino.prop_map(Action::Remove),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_map(actions in prop::collection::vec(action(), 0..400)) {
        let geometry = Geometry::with_bits(9);
        let words = memory(geometry);
        let table = Table::new(&words, geometry).unwrap();
        let mut model: HashMap<u64, Record> = HashMap::new();
        for action in actions {
            match action {
                Action::Own(ino, uid) => {
                    let owner = Some(Owner { uid, gid: !uid });
                    table.update(&key(ino), &(), |record| record.owner = owner).unwrap();
                    model.entry(ino).or_default().owner = owner;
                }
                Action::Mode(ino, mode) => {
                    table.update(&key(ino), &(), |record| record.mode = Some(mode)).unwrap();
                    model.entry(ino).or_default().mode = Some(mode);
                }
                Action::Remove(ino) => {
                    table.remove(&key(ino), &());
                    model.remove(&ino);
                }
            }
        }
        for ino in 0..300 {
            prop_assert_eq!(table.get(&key(ino)), model.get(&ino).copied());
        }
    }

    /// Whatever the memory holds, every call ends, and what it gives is in range.
    #[test]
    fn scribbled_memory_is_harmless(
        scribbles in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 1..2000),
        everywhere in any::<bool>(),
        inos in prop::collection::vec(0..600_u64, 1..50),
    ) {
        let words = memory(SMALL);
        let table = Table::new(&words, SMALL).unwrap();
        table.format();
        for ino in 0..100 {
            table.update(&key(ino), &(), |record| *record = owned(1)).unwrap();
        }
        for (index, value) in scribbles {
            // Small numbers hit the index where it hurts.
            let value = if everywhere { value } else { value % 400 };
            index.get(&words).store(value, Ordering::Relaxed);
        }
        for ino in inos {
            if let Some(record) = table.get(&key(ino)) {
                prop_assert!(record.mode.is_none_or(|mode| mode <= 0o177_777));
                prop_assert!(record.capability.is_none_or(|cap| cap.as_bytes().len() <= 24));
                prop_assert!(record.st_mode(0o040_755) & 0o170_000 == 0o040_000);
            }
            let _ = table.update(&key(ino), &(), |record| *record = owned(2));
            table.remove(&key(ino), &());
        }
    }
}
