//! The order of BusyBox's hash table: buckets one after the other, the newest first within one.

use std::rc::Rc;

const BUCKETS: u32 = 61;
/// Beyond this many the table grows, to a size that depends on the version.
const MOST: usize = 10 * BUCKETS as usize;

#[derive(Debug, Default)]
pub(super) struct Table {
    buckets: Vec<Vec<Rc<[u8]>>>,
    len: usize,
}

fn bucket(key: &[u8]) -> usize {
    let hash = key.iter().fold(0_u32, |hash, &byte| {
        // Characters are signed where BusyBox runs most.
        let byte = i32::from(byte.cast_signed()).cast_unsigned();
        byte.wrapping_add(hash.wrapping_mul(63))
    });
    usize::try_from(hash % BUCKETS).unwrap_or(0)
}

impl Table {
    /// Adds a new key; false when the order is lost.
    pub(super) fn add(&mut self, key: &Rc<[u8]>) -> bool {
        self.buckets.resize(usize::try_from(BUCKETS).unwrap_or(0), Vec::new());
        self.buckets[bucket(key)].insert(0, key.clone());
        self.len += 1;
        self.len <= MOST
    }

    pub(super) fn remove(&mut self, key: &[u8]) {
        if let Some(list) = self.buckets.get_mut(bucket(key)) {
            let before = list.len();
            list.retain(|known| **known != *key);
            self.len -= before - list.len();
        }
    }

    pub(super) fn keys(&self) -> Vec<Rc<[u8]>> {
        self.buckets.iter().flatten().cloned().collect()
    }
}
