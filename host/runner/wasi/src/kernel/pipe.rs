//! Pipes between guests: bounded byte queues.

use super::Budget;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes that a pipe holds before its writer waits; Linux's default.
const CAPACITY: usize = 64 << 10;

/// How often a waiting guest looks whether it was killed.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The most bytes that there ever were: so many the queue keeps.
    most: usize,
    readers: usize,
    writers: usize,
}

#[derive(Debug)]
struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
    /// What the bytes are counted against.
    budget: Arc<Budget>,
    /// Bytes that it holds.
    capacity: usize,
    /// What a writer does when it is full.
    full: Full,
}

/// What comes of writing to a full pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    Waits,
    Fails,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.budget.give_back(self.lock().most);
    }
}

/// The end that is read.
#[derive(Debug)]
pub(crate) struct Reader(Arc<Pipe>);

/// The end that is written.
#[derive(Debug)]
pub(crate) struct Writer(Arc<Pipe>);

/// A new pipe.
pub(crate) fn pipe(budget: &Arc<Budget>) -> (Reader, Writer) {
    ends(budget, CAPACITY, Full::Waits)
}

/// A pipe that takes so many bytes before anybody reads, and no more.
pub(crate) fn buffer(budget: &Arc<Budget>, capacity: usize) -> (Reader, Writer) {
    ends(budget, capacity, Full::Fails)
}

fn ends(budget: &Arc<Budget>, capacity: usize, full: Full) -> (Reader, Writer) {
    let state = Mutex::new(State { readers: 1, writers: 1, ..State::default() });
    let budget = Arc::clone(budget);
    let pipe = Arc::new(Pipe { state, changed: Condvar::new(), budget, capacity, full });
    (Reader(Arc::clone(&pipe)), Writer(pipe))
}

impl Reader {
    /// Reads at least one byte, or 0 at the end; waits, and gives up when `alive` fails.
    pub(crate) fn read<E>(
        &self,
        out: &mut [u8],
        mut alive: impl FnMut() -> Result<(), E>,
    ) -> Result<usize, E> {
        if out.is_empty() {
            return Ok(0);
        }
        let mut state = self.0.lock();
        loop {
            if !state.bytes.is_empty() {
                let count = out.len().min(state.bytes.len());
                let (front, back) = state.bytes.as_slices();
                let first = count.min(front.len());
                out[..first].copy_from_slice(&front[..first]);
                out[first..count].copy_from_slice(&back[..count - first]);
                state.bytes.drain(..count);
                self.0.changed.notify_all();
                return Ok(count);
            }
            if state.writers == 0 {
                return Ok(0);
            }
            alive()?;
            state = self.0.wait(state);
        }
    }
}

/// Why a pipe takes no more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It has no reader any more.
    Broken,
    /// A buffer is full.
    Full,
    /// The step's memory is.
    NoMemory,
}

impl Writer {
    /// Writes all; waits while a pipe is full, and gives up when `alive` fails.
    pub(crate) fn write<E>(
        &self,
        mut bytes: &[u8],
        mut alive: impl FnMut() -> Result<(), E>,
    ) -> Result<Result<(), Refused>, E> {
        let mut state = self.0.lock();
        while !bytes.is_empty() {
            if state.readers == 0 {
                return Ok(Err(Refused::Broken));
            }
            let room = self.0.capacity.saturating_sub(state.bytes.len());
            if room == 0 && self.0.full == Full::Fails {
                return Ok(Err(Refused::Full));
            }
            if room == 0 {
                alive()?;
                state = self.0.wait(state);
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let more = (state.bytes.len() + now.len()).saturating_sub(state.most);
            state.most += more;
            if more > 0 && !self.0.budget.take(more) {
                return Ok(Err(Refused::NoMemory));
            }
            state.bytes.extend(now);
            bytes = later;
            self.0.changed.notify_all();
        }
        Ok(Ok(()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.lock().readers -= 1;
        self.0.changed.notify_all();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().writers -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn alive() -> Result<(), Infallible> {
        Ok(())
    }

    fn pipe() -> (Reader, Writer) {
        super::pipe(&Arc::new(Budget::new(CAPACITY)))
    }

    #[test]
    fn bytes_come_out_in_order_and_the_end_is_seen() {
        let (reader, writer) = pipe();
        let sent: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let thread = std::thread::spawn(move || writer.write(&sent, alive).unwrap());
        let mut got = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            let count = reader.read(&mut buffer, alive).unwrap();
            if count == 0 {
                break;
            }
            got.extend_from_slice(&buffer[..count]);
        }
        thread.join().unwrap().unwrap();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_writer_without_reader_is_told() {
        let (reader, writer) = pipe();
        drop(reader);
        assert_eq!(writer.write(b"x", alive), Ok(Err(Refused::Broken)));
    }

    #[test]
    fn a_buffer_takes_what_it_holds_without_a_reader() {
        let (reader, writer) = buffer(&Arc::new(Budget::new(2 * CAPACITY)), 2 * CAPACITY);
        assert_eq!(writer.write(&[7; 2 * CAPACITY], alive), Ok(Ok(())));
        assert_eq!(writer.write(b"x", alive), Ok(Err(Refused::Full)));
        assert_eq!(reader.read(&mut [0; 1], alive), Ok(1));
        assert_eq!(writer.write(b"x", alive), Ok(Ok(())));
    }

    #[test]
    fn what_pipes_hold_is_memory_of_the_step() {
        let budget = Arc::new(Budget::new(3 * CAPACITY));
        let full = [7; 2 * CAPACITY];
        let (first_reader, first) = buffer(&budget, 2 * CAPACITY);
        let (second_reader, second) = buffer(&budget, 2 * CAPACITY);
        assert_eq!(first.write(&full, alive), Ok(Ok(())));
        // What was read makes room in the buffer, but the buffer keeps its memory.
        assert_eq!(first_reader.read(&mut [0; CAPACITY], alive), Ok(CAPACITY));
        assert_eq!(first.write(&[7; CAPACITY], alive), Ok(Ok(())));
        assert_eq!(second.write(&full, alive), Ok(Err(Refused::NoMemory)));
        drop((first, first_reader, second, second_reader));
        let (_reader, third) = buffer(&budget, 3 * CAPACITY);
        assert_eq!(third.write(&full, alive), Ok(Ok(())), "all was given back");
        assert_eq!(third.write(&full[..CAPACITY], alive), Ok(Ok(())));
    }

    #[test]
    fn a_killed_guest_stops_waiting() {
        let (reader, writer) = pipe();
        assert_eq!(reader.read(&mut [0; 4], || Err("killed")), Err("killed"));
        assert_eq!(writer.write(&[0; CAPACITY + 1], || Err("killed")), Err("killed"));
    }
}
