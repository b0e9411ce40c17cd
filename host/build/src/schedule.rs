//! Runs stages side by side: each on a thread of its own, started when somebody needs it.
//!
//! A stage waits for another exactly where it uses it. Stages only use earlier ones, so waiting
//! never goes round in a circle.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;
use std::time::Duration;

use kiln_runner::Cancel;

use crate::error::{BuildError, Result};

/// How often a waiting stage looks whether the build was cancelled.
const CANCEL_CHECK: Duration = Duration::from_millis(50);

/// A list of results, each computed at most once.
pub(crate) struct Schedule<T> {
    cells: Vec<Cell<T>>,
    first_error: Mutex<Option<BuildError>>,
    cancel: Cancel,
}

struct Cell<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    Idle,
    Running,
    Done(Arc<T>),
    Failed,
}

/// Computes one result; may ask for others.
pub(crate) trait Compute<T>: Sync {
    /// Computes result `index`.
    fn compute(&self, needs: &Needs<'_, '_, T>, index: usize) -> Result<T>;
}

/// Lets a computation ask for the results of others.
pub(crate) struct Needs<'scope, 'env, T> {
    schedule: &'scope Schedule<T>,
    compute: &'scope dyn Compute<T>,
    scope: &'scope Scope<'scope, 'env>,
}

impl<T: Send + Sync + 'static> Schedule<T> {
    /// `count` results, none computed yet. An error sets `cancel`, so that running steps stop.
    pub(crate) fn new(count: usize, cancel: Cancel) -> Self {
        let cell = || Cell { state: Mutex::new(State::Idle), changed: Condvar::new() };
        Self { cells: (0..count).map(|_| cell()).collect(), first_error: Mutex::new(None), cancel }
    }

    /// Computes `wanted`, starting `eager` at once besides; the first error ends everything.
    pub(crate) fn run(
        &self,
        compute: &dyn Compute<T>,
        eager: &[usize],
        wanted: usize,
    ) -> Result<Arc<T>> {
        let result = std::thread::scope(|scope| {
            let needs = Needs { schedule: self, compute, scope };
            for index in eager {
                needs.start(*index);
            }
            needs.get(wanted)
        });
        match lock(&self.first_error).take() {
            Some(error) => Err(error),
            None => result,
        }
    }
}

impl<T: Send + Sync + 'static> Needs<'_, '_, T> {
    /// Starts a computation that has not been started.
    pub(crate) fn start(&self, index: usize) {
        let (schedule, compute, scope) = (self.schedule, self.compute, self.scope);
        let cell = &schedule.cells[index];
        {
            let mut state = lock(&cell.state);
            if !matches!(*state, State::Idle) {
                return;
            }
            *state = State::Running;
        }
        scope.spawn(move || {
            let unwound = FailOnUnwind { cell };
            let needs = Needs { schedule, compute, scope };
            let state = match compute.compute(&needs, index) {
                Ok(value) => State::Done(Arc::new(value)),
                Err(error) => {
                    lock(&schedule.first_error).get_or_insert(error);
                    schedule.cancel.cancel();
                    State::Failed
                }
            };
            std::mem::forget(unwound);
            cell.set(state);
        });
    }

    /// Waits for a result, starting its computation when nobody has.
    pub(crate) fn get(&self, index: usize) -> Result<Arc<T>> {
        self.start(index);
        let cell = &self.schedule.cells[index];
        let mut state = lock(&cell.state);
        loop {
            match &*state {
                State::Done(value) => return Ok(Arc::clone(value)),
                State::Failed => return Err(cancelled()),
                State::Idle | State::Running => {}
            }
            if self.schedule.cancel.is_cancelled() {
                return Err(cancelled());
            }
            state = cell
                .changed
                .wait_timeout(state, CANCEL_CHECK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl<T> Cell<T> {
    fn set(&self, new: State<T>) {
        *lock(&self.state) = new;
        self.changed.notify_all();
    }
}

/// Wakes those who wait when a computation panics; the panic itself comes out of the scope.
struct FailOnUnwind<'a, T> {
    cell: &'a Cell<T>,
}

impl<T> Drop for FailOnUnwind<'_, T> {
    fn drop(&mut self) {
        self.cell.set(State::Failed);
    }
}

/// What a computation returns that stopped because the build was cancelled or another one failed.
pub(crate) fn cancelled() -> BuildError {
    BuildError::failed("cancelled")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Fibonacci(AtomicUsize);

    impl Compute<u64> for Fibonacci {
        fn compute(&self, needs: &Needs<'_, '_, u64>, index: usize) -> Result<u64> {
            self.0.fetch_add(1, Ordering::SeqCst);
            match index {
                0 | 1 => Ok(index as u64),
                _ => Ok(*needs.get(index - 1)? + *needs.get(index - 2)?),
            }
        }
    }

    #[test]
    fn each_result_is_computed_once() {
        let compute = Fibonacci(AtomicUsize::new(0));
        let schedule = Schedule::new(31, Cancel::default());
        assert_eq!(*schedule.run(&compute, &[3, 5], 30).unwrap(), 832_040);
        assert_eq!(compute.0.load(Ordering::SeqCst), 31);
    }

    struct FailAt(usize);

    impl Compute<()> for FailAt {
        fn compute(&self, needs: &Needs<'_, '_, ()>, index: usize) -> Result<()> {
            if index == self.0 {
                return Err(BuildError::failed("the cause"));
            }
            if index > 0 {
                needs.get(index - 1)?;
            }
            Ok(())
        }
    }

    #[test]
    fn the_first_error_is_the_one_that_is_told() {
        let schedule = Schedule::new(5, Cancel::default());
        let error = schedule.run(&FailAt(1), &[0, 1, 2, 3], 4).unwrap_err();
        assert_eq!(error.to_string(), "the cause");
    }
}
