//! Threads that guests run on, kept for the guests that come: making one takes as long as a small
//! guest's whole work.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

/// Threads that wait for work; each holds on to a few pages of stack.
const MAX_IDLE: usize = 8;

/// Work for a thread. What it gives is called when the thread counts as idle again: who learns there
/// that the work is done finds the thread.
pub(super) type Job = Box<dyn FnOnce() -> Report + Send>;

/// Tells of the end of a job.
pub(super) type Report = Box<dyn FnOnce()>;

/// The threads.
#[derive(Debug)]
pub(crate) struct Crew {
    idle: Arc<Mutex<Vec<Sender<Job>>>>,
    stack: usize,
}

impl Crew {
    /// Threads with so many bytes of stack.
    pub(crate) fn new(stack: usize) -> Self {
        Self { idle: Arc::default(), stack }
    }

    /// Has a thread do the job.
    ///
    /// # Errors
    /// There is no idle thread, and none more can be made.
    pub(super) fn give(&self, mut job: Job) -> io::Result<()> {
        while let Some(worker) = pop(&self.idle) {
            match worker.send(job) {
                Ok(()) => return Ok(()),
                Err(back) => job = back.0,
            }
        }
        let idle = Arc::downgrade(&self.idle);
        let name = "guest".to_owned();
        thread::Builder::new().name(name).stack_size(self.stack).spawn(move || {
            let mut next = Some(job);
            while let Some(job) = next {
                let report = job();
                let jobs = wait_for_more(&idle);
                report();
                next = jobs.and_then(|jobs| jobs.recv().ok());
            }
        })?;
        Ok(())
    }
}

/// Where the next job will come; `None` when enough threads wait, or nobody is left to give one.
fn wait_for_more(idle: &Weak<Mutex<Vec<Sender<Job>>>>) -> Option<Receiver<Job>> {
    let idle = idle.upgrade()?;
    let mut idle = lock(&idle);
    (idle.len() < MAX_IDLE).then(|| {
        let (sender, receiver) = channel();
        idle.push(sender);
        receiver
    })
}

fn pop(idle: &Mutex<Vec<Sender<Job>>>) -> Option<Sender<Job>> {
    lock(idle).pop()
}

fn lock(idle: &Mutex<Vec<Sender<Job>>>) -> MutexGuard<'_, Vec<Sender<Job>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn who_is_told_of_the_end_finds_the_thread_again() {
        let crew = Crew::new(64 << 10);
        let (sender, ended) = mpsc::channel();
        let mut threads = Vec::new();
        for _ in 0..20 {
            let sender = sender.clone();
            crew.give(Box::new(move || {
                Box::new(move || sender.send(thread::current().id()).unwrap())
            }))
            .unwrap();
            threads.push(ended.recv().unwrap());
        }
        threads.dedup();
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn jobs_run_side_by_side_and_threads_end_with_the_crew() {
        let crew = Crew::new(64 << 10);
        let barrier = Arc::new(std::sync::Barrier::new(2 * MAX_IDLE));
        let (sender, ended) = mpsc::channel::<()>();
        for _ in 0..2 * MAX_IDLE {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            crew.give(Box::new(move || {
                barrier.wait();
                Box::new(move || drop(sender))
            }))
            .unwrap();
        }
        drop(sender);
        assert!(ended.recv().is_err(), "all were done");
        assert!(lock(&crew.idle).len() <= MAX_IDLE);
        let idle = Arc::downgrade(&crew.idle);
        drop(crew);
        assert!(idle.upgrade().is_none());
    }
}
