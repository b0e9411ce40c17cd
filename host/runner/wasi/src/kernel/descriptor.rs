//! What descriptors stand for, and a process's table of them.

use super::pipe::{Reader, Writer};
use crate::fs::OpenFile;
use kiln_guest_abi::wire::POSIX_FD_BASE;
use kiln_rootfs::DirEntry;
use kiln_runner::Stream;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Counts a file of the host among those held open.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    /// One more, unless there are `limit` already.
    pub(crate) fn take(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let ticket = Self(Arc::clone(count));
        (count.fetch_add(1, Ordering::SeqCst) < limit).then_some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An open file description.
#[derive(Debug)]
pub(crate) enum Object {
    /// The read end of a pipe.
    Reader(Reader),
    /// The write end of a pipe.
    Writer(Writer),
    /// A regular file, and what counts it among those held open.
    File(OpenFile, #[expect(dead_code, reason = "counts down when dropped")] Ticket),
    /// A directory: its canonical path, and its names since the listing began.
    Dir(Vec<u8>, Mutex<Option<Arc<Vec<DirEntry>>>>),
    /// The step's output.
    Output(Stream),
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/full`
    Full,
    /// `/dev/urandom`
    Random,
}

/// The number of the root directory, as preview 1 finds it.
pub(crate) const ROOT: u32 = 3;

/// A process's descriptors. [`ROOT`] as a directory is always there and not in the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Descriptors(BTreeMap<u32, Arc<Object>>);

impl Descriptors {
    /// Standard input, output and error of a step's first process.
    pub(crate) fn standard() -> Self {
        Self(BTreeMap::from([
            (0, Arc::new(Object::Null)),
            (1, Arc::new(Object::Output(Stream::Stdout))),
            (2, Arc::new(Object::Output(Stream::Stderr))),
        ]))
    }

    /// What a spawned program inherits.
    pub(crate) fn inherited(&self) -> Self {
        let keep = |number: u32| !(ROOT..POSIX_FD_BASE).contains(&number);
        Self(self.0.iter().filter(|(n, _)| keep(**n)).map(|(n, o)| (*n, Arc::clone(o))).collect())
    }

    /// What the number stands for.
    pub(crate) fn get(&self, number: u32) -> Option<&Arc<Object>> {
        self.0.get(&number)
    }

    /// The lowest free number from 4 on; `None` when there are `limit` already.
    pub(crate) fn insert(&mut self, object: Arc<Object>, limit: usize) -> Option<u32> {
        if self.0.len() >= limit {
            return None;
        }
        let number = (ROOT + 1..POSIX_FD_BASE).find(|number| !self.0.contains_key(number))?;
        self.0.insert(number, object);
        Some(number)
    }

    /// Makes the number stand for this; false at the limit, or for [`ROOT`].
    pub(crate) fn set(&mut self, number: u32, object: Arc<Object>, limit: usize) -> bool {
        if number == ROOT || self.0.len() >= limit && !self.0.contains_key(&number) {
            return false;
        }
        self.0.insert(number, object);
        true
    }

    /// Forgets the number; gives what it stood for.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Arc<Object>> {
        self.0.remove(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_lowest_free_and_bounded() {
        let mut table = Descriptors::standard();
        let null = || Arc::new(Object::Null);
        assert_eq!(table.insert(null(), 9), Some(4));
        assert_eq!(table.insert(null(), 9), Some(5));
        assert!(table.remove(4).is_some());
        assert_eq!(table.insert(null(), 9), Some(4));
        assert_eq!(table.insert(null(), 5), None);
        assert!(!table.set(ROOT, null(), 9));
        assert!(table.set(1007, null(), 9));
        let child = table.inherited();
        assert!(child.get(1007).is_some() && child.get(0).is_some() && child.get(4).is_none());
    }

    #[test]
    fn tickets_run_out_and_come_back() {
        let count = Arc::default();
        let first = Ticket::take(&count, 1);
        assert!(first.is_some() && Ticket::take(&count, 1).is_none());
        drop(first);
        assert!(Ticket::take(&count, 1).is_some());
    }
}
