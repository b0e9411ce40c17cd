//! What semaphores get back when a process ends (`SEM_UNDO`).

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Most processes with something to be undone: each is a descriptor of the builder's.
const PROCESSES_MAX: usize = 256;
/// Most values of one process.
const VALUES_MAX: usize = 4096;

/// A semaphore: its set, its place.
pub(super) type Place = (i32, u16);

#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) values: BTreeMap<Place, i32>,
    /// Readable once the process has ended.
    handle: OwnedFd,
}

#[derive(Debug, Default)]
pub(super) struct Undo(Vec<Process>);

impl Undo {
    /// Makes room for a process.
    pub(super) fn prepare(&mut self, pid: i32) -> Result<(), Errno> {
        if self.0.iter().any(|process| process.pid == pid) {
            return Ok(());
        }
        if self.0.len() >= PROCESSES_MAX {
            self.0.retain(|process| process.values.values().any(|&value| value != 0));
        }
        if self.0.len() >= PROCESSES_MAX {
            return Err(Errno::NOSPC);
        }
        let handle = pidfd_open(Pid::from_raw(pid).ok_or(Errno::SRCH)?, PidfdFlags::empty())?;
        self.0.push(Process { pid, values: BTreeMap::new(), handle });
        Ok(())
    }

    /// What one semaphore is to get back from a process.
    pub(super) fn value(&self, pid: i32, place: Place) -> i32 {
        let process = self.0.iter().find(|process| process.pid == pid);
        process.and_then(|process| process.values.get(&place)).copied().unwrap_or(0)
    }

    /// Whether a process may have so many values more.
    pub(super) fn has_room(&self, pid: i32, more: usize) -> bool {
        let process = self.0.iter().find(|process| process.pid == pid);
        process.is_some_and(|process| process.values.len() + more <= VALUES_MAX)
    }

    pub(super) fn set(&mut self, pid: i32, place: Place, value: i32) {
        if let Some(process) = self.0.iter_mut().find(|process| process.pid == pid) {
            if value == 0 {
                process.values.remove(&place);
            } else {
                process.values.insert(place, value);
            }
        }
    }

    /// A set, or one of its semaphores, was set anew or removed.
    pub(super) fn forget(&mut self, set: i32, number: Option<u16>) {
        for process in &mut self.0 {
            process
                .values
                .retain(|&(of, at), _| of != set || number.is_some_and(|number| at != number));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|process| process.handle.as_fd())
    }

    /// Takes out the processes that have ended, in the order of [`Undo::processes`].
    pub(super) fn ended(&mut self, ended: &[bool]) -> Vec<Process> {
        let mut flags = ended.iter();
        self.0.extract_if(.., |_| flags.next().copied().unwrap_or(false)).collect()
    }
}
