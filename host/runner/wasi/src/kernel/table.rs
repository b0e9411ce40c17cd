//! The process table.

use super::pipe::PATIENCE;
use super::process::End;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A process's number; the first is 1.
pub(crate) type Pid = u32;

#[derive(Debug)]
struct Entry {
    parent: Pid,
    signal: Arc<AtomicU32>,
    end: Option<End>,
}

#[derive(Debug, Default)]
struct State {
    last: Pid,
    entries: HashMap<Pid, Entry>,
    /// How the first process ended.
    first: Option<End>,
}

/// The processes of a step.
#[derive(Debug, Default)]
pub(crate) struct Table {
    state: Mutex<State>,
    changed: Condvar,
}

/// What `wait` finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// No such child.
    NoChild,
    /// None has ended.
    Running,
    /// This one has ended, and is forgotten now.
    Ended(Pid, End),
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new process, unless there are `limit` already: its number and what holds its signal.
    pub(crate) fn add(&self, parent: Pid, limit: usize) -> Option<(Pid, Arc<AtomicU32>)> {
        let mut state = self.lock();
        if state.entries.len() >= limit {
            return None;
        }
        state.last = state.last.checked_add(1)?;
        let pid = state.last;
        let signal = Arc::new(AtomicU32::new(0));
        let entry = Entry { parent, signal: Arc::clone(&signal), end: None };
        state.entries.insert(pid, entry);
        Some((pid, signal))
    }

    /// Forgets a process that was never started.
    pub(crate) fn cancel(&self, pid: Pid) {
        self.lock().entries.remove(&pid);
    }

    /// Notes how a process ended; its children are nobody's now.
    pub(crate) fn ended(&self, pid: Pid, end: End) {
        let mut state = self.lock();
        if pid == 1 {
            state.first = Some(end);
        }
        state.entries.retain(|_, entry| entry.parent != pid || entry.end.is_none());
        for entry in state.entries.values_mut().filter(|entry| entry.parent == pid) {
            entry.parent = 0;
        }
        let orphan = state.entries.get(&pid).is_none_or(|entry| entry.parent == 0);
        if orphan {
            state.entries.remove(&pid);
        } else if let Some(entry) = state.entries.get_mut(&pid) {
            entry.end = Some(end);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether any process is running.
    pub(crate) fn any_running(&self) -> bool {
        self.lock().entries.values().any(|entry| entry.end.is_none())
    }

    /// How the first process ended.
    pub(crate) fn first_end(&self) -> Option<End> {
        self.lock().first
    }

    /// Whether a child of `parent` (one, or any) has ended.
    pub(crate) fn try_wait(&self, parent: Pid, child: Option<Pid>) -> Waited {
        Self::look(&mut self.lock(), parent, child)
    }

    /// Waits for a child to end; gives up when `alive` fails.
    pub(crate) fn wait<E>(
        &self,
        parent: Pid,
        child: Option<Pid>,
        mut alive: impl FnMut() -> Result<(), E>,
    ) -> Result<Waited, E> {
        let mut state = self.lock();
        loop {
            let waited = Self::look(&mut state, parent, child);
            if waited != Waited::Running {
                return Ok(waited);
            }
            alive()?;
            state = self
                .changed
                .wait_timeout(state, PATIENCE)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn look(state: &mut State, parent: Pid, child: Option<Pid>) -> Waited {
        let mut any = false;
        let mut done = None;
        for (&pid, entry) in &state.entries {
            if entry.parent == parent && child.is_none_or(|child| child == pid) {
                any = true;
                // The lowest number, so that the order does not depend on chance.
                if let Some(end) = entry.end
                    && done.is_none_or(|(other, _)| pid < other)
                {
                    done = Some((pid, end));
                }
            }
        }
        match done {
            Some((pid, end)) => {
                state.entries.remove(&pid);
                Waited::Ended(pid, end)
            }
            None if any => Waited::Running,
            None => Waited::NoChild,
        }
    }

    /// Sends a signal whose effect is the default one; false when there is no such process.
    pub(crate) fn kill(&self, pid: Pid, signal: u32) -> bool {
        let state = self.lock();
        let Some(entry) = state.entries.get(&pid) else { return false };
        if signal != 0 {
            entry.signal.store(signal, Ordering::SeqCst);
        }
        drop(state);
        self.changed.notify_all();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_waited_for_once_and_orphans_vanish() {
        let table = Table::default();
        let (first, _) = table.add(0, 9).unwrap();
        let (child, _) = table.add(first, 9).unwrap();
        let (grandchild, _) = table.add(child, 9).unwrap();
        assert_eq!(table.try_wait(first, Some(child)), Waited::Running);
        assert_eq!(table.try_wait(first, Some(grandchild)), Waited::NoChild);
        table.ended(child, End::Exited(3));
        assert_eq!(table.try_wait(first, None), Waited::Ended(child, End::Exited(3)));
        assert_eq!(table.try_wait(first, None), Waited::NoChild);
        assert!(table.any_running());
        table.ended(grandchild, End::Exited(0));
        table.ended(first, End::Exited(1));
        assert!(!table.any_running());
        assert_eq!(table.first_end(), Some(End::Exited(1)));
    }

    #[test]
    fn the_limit_holds_and_signals_arrive() {
        let table = Table::default();
        let (pid, signal) = table.add(0, 1).unwrap();
        assert!(table.add(pid, 1).is_none());
        assert!(table.kill(pid, 15));
        assert!(!table.kill(99, 15));
        assert_eq!(signal.load(Ordering::SeqCst), 15);
    }
}
