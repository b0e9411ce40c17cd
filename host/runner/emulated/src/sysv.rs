//! System V IPC of one step: shared memory, semaphores, message queues (sysvipc(7)).
//!
//! The kernel's objects would be the pod's, for all of its processes and beyond the step's end. A
//! step's live here, in the builder, and end with it. Segments are memory files that the guests map;
//! everything else is said in words. Calls that have to wait are answered later, so nobody waits for
//! another's semaphore; a guest that takes its call back, or dies, shuts its end of the reply.
//!
//! Who asks is the pid that the kernel vouches for, and the ids that the guest says it has: as with
//! files, the view between users of one step is emulated, and no wall.
//! Approximate: a segment's last detacher and its time know of shmdt(2), not of exit(2) and
//! execve(2); the attachments of a process that has made itself undumpable are not counted.

mod attached;
mod messages;
mod objects;
mod proc_files;
mod segments;
mod semaphores;
mod undo;
mod waiters;

use std::os::fd::{BorrowedFd, OwnedFd};

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::cred::Credentials;
use kiln_emulated_core::sysv::Call;
use rustix::io::Errno;

use self::messages::Queues;
use self::segments::Segments;
use self::semaphores::Sets;
use self::undo::Undo;
use self::waiters::{Wait, Waiter, Waiters};

/// What a call is answered with.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The call's value.
    pub(crate) value: i32,
    /// What is written to the guest's memory.
    pub(crate) data: Vec<u8>,
    /// A descriptor.
    pub(crate) file: Option<OwnedFd>,
}

impl From<i32> for Answer {
    fn from(value: i32) -> Self {
        Self { value, ..Self::default() }
    }
}

impl Answer {
    fn data(value: i32, data: Vec<u8>) -> Self {
        Self { value, data, file: None }
    }
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) pid: i32,
    pub(crate) credentials: Credentials,
}

impl Caller {
    fn has(&self, capability: u32) -> bool {
        self.credentials.caps()[0] & (1 << capability) != 0
    }
}

/// What comes of trying a call.
#[derive(Debug)]
enum Tried {
    Done(Answer),
    /// Not yet.
    Waits,
}

/// A step's objects.
#[derive(Debug, Default)]
pub(crate) struct Ipc {
    segments: Segments,
    sets: Sets,
    queues: Queues,
    undo: Undo,
    waiters: Waiters,
}

/// An argument of type int.
#[expect(clippy::cast_possible_truncation, reason = "the kernel takes the low half too")]
const fn int(argument: usize) -> i32 {
    argument as i32
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

impl Ipc {
    /// Answers a call, or notes that it waits.
    pub(crate) fn call(&mut self, pid: i32, call: &Call<'_>, reply: OwnedFd) {
        let credentials = Credentials::new();
        credentials.decode(call.credentials);
        let caller = Caller { pid, credentials };
        let a = call.a;
        let answer = match call.number {
            nr::SHMGET => self.segments.get(&caller, int(a[0]), a[1], int(a[2])),
            nr::SHMAT => self.segments.attach(&caller, int(a[0]), a[2]),
            nr::SHMDT => self.segments.detached(&caller, a[0]),
            nr::SHMCTL => self.segments.control(&caller, int(a[0]), a[1], call.data),
            nr::SEMGET => self.sets.get(&caller, int(a[0]), int(a[1]), int(a[2])),
            nr::SEMCTL => self.semaphore_control(&caller, a, call.data),
            nr::MSGGET => self.queues.get(&caller, int(a[0]), int(a[1])),
            nr::MSGCTL => self.queue_control(&caller, int(a[0]), a[1], call.data),
            nr::SEMOP | nr::SEMTIMEDOP => {
                let wait = Wait::operations(int(a[0]), call.data);
                return self.start(&caller, wait, reply);
            }
            nr::MSGSND => {
                let wait = Wait::send(int(a[0]), call.data, a[3]);
                return self.start(&caller, wait, reply);
            }
            nr::MSGRCV => {
                let wait = Wait::receive(int(a[0]), a[2], a[3], a[4]);
                return self.start(&caller, wait, reply);
            }
            _ => Err(Errno::NOSYS),
        };
        waiters::answer(&reply, answer);
    }

    /// A call that may wait.
    fn start(&mut self, caller: &Caller, wait: Result<Wait, Errno>, reply: OwnedFd) {
        let tried = || {
            let mut wait = wait?;
            self.check(caller, &wait)?;
            let tried = self.attempt(caller.pid, &mut wait)?;
            Ok((wait, tried))
        };
        match tried() {
            Err(errno) => waiters::answer(&reply, Err(errno)),
            Ok((wait, Tried::Done(answer))) => {
                let object = wait.object();
                waiters::answer(&reply, Ok(answer));
                self.wake(object);
            }
            Ok((wait, Tried::Waits)) => {
                let waiter = Waiter { reply, pid: caller.pid, wait };
                self.waiters.add(waiter);
            }
        }
    }

    /// What is looked at once, before a call may wait.
    fn check(&mut self, caller: &Caller, wait: &Wait) -> Result<(), Errno> {
        match wait {
            Wait::Operations { set, operations, .. } => {
                self.sets.check(caller, *set, operations)?;
                if operations.iter().any(|operation| operation.undo) {
                    self.undo.prepare(caller.pid)?;
                }
                Ok(())
            }
            Wait::Send { queue, .. } => self.queues.check(caller, *queue, 0o222),
            Wait::Receive { queue, .. } => self.queues.check(caller, *queue, 0o444),
        }
    }

    fn attempt(&mut self, pid: i32, wait: &mut Wait) -> Result<Tried, Errno> {
        match wait {
            Wait::Operations { set, operations, blocked } => {
                self.sets.operate(pid, *set, operations, blocked, &mut self.undo)
            }
            Wait::Send { queue, kind, text, no_wait } => {
                self.queues.send(pid, *queue, *kind, text, *no_wait)
            }
            Wait::Receive { queue, which } => self.queues.receive(pid, *queue, which),
        }
    }

    /// Tries the calls that wait for an object again, until none gets any further.
    fn wake(&mut self, object: waiters::Object) {
        let mut at = 0;
        while let Some(mut waiter) = self.waiters.take(object, &mut at) {
            match self.attempt(waiter.pid, &mut waiter.wait) {
                Ok(Tried::Waits) => {
                    self.waiters.put_back(at, waiter);
                    at += 1;
                }
                Ok(Tried::Done(answer)) => {
                    waiters::answer(&waiter.reply, Ok(answer));
                    at = 0;
                }
                Err(errno) => waiters::answer(&waiter.reply, Err(errno)),
            }
        }
    }

    fn semaphore_control(
        &mut self,
        caller: &Caller,
        a: [usize; 5],
        data: &[u8],
    ) -> Result<Answer, Errno> {
        use semaphores::{GETNCNT, GETZCNT};
        let set = int(a[0]);
        if matches!(a[2], GETNCNT | GETZCNT) {
            self.sets.check_one(caller, set, int(a[1]))?;
            let count = self.waiters.count(set, int(a[1]), a[2] == GETZCNT);
            return Ok(count.into());
        }
        let answer = self.sets.control(caller, a, data, &mut self.undo)?;
        self.after_control(waiters::Object::Set(set), a[2]);
        Ok(answer)
    }

    fn queue_control(
        &mut self,
        caller: &Caller,
        queue: i32,
        command: usize,
        data: &[u8],
    ) -> Result<Answer, Errno> {
        let answer = self.queues.control(caller, queue, command, data)?;
        self.after_control(waiters::Object::Queue(queue), command);
        Ok(answer)
    }

    /// Who waits for what is gone is told; what was changed may let others on.
    fn after_control(&mut self, object: waiters::Object, command: usize) {
        use kiln_emulated_core::sysv::command::{INFO, REMOVE};
        match command {
            REMOVE => self.waiters.fail(object, Errno::IDRM),
            INFO => {}
            _ => self.wake(object),
        }
    }

    /// Whether somebody waits, or has something to be undone.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiters.is_empty() && self.undo.is_empty()
    }

    /// What to poll beside the step's requests: calls that wait, processes whose end matters.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.waiters.replies().chain(self.undo.processes())
    }

    /// What [`Ipc::descriptors`] had to say, in their order.
    pub(crate) fn ready(&mut self, ready: &[bool]) {
        let (taken_back, ended) = ready.split_at(self.waiters.len().min(ready.len()));
        let ended = self.undo.ended(ended);
        self.waiters.take_back(taken_back);
        for process in ended {
            for set in self.sets.undo(&process) {
                self.wake(waiters::Object::Set(set));
            }
        }
    }

    /// A file of /proc/sysvipc.
    pub(crate) fn proc_file(&mut self, name: &[u8]) -> Option<String> {
        match name {
            b"shm" => Some(proc_files::segments(&mut self.segments)),
            b"sem" => Some(proc_files::sets(&self.sets)),
            b"msg" => Some(proc_files::queues(&self.queues)),
            _ => None,
        }
    }
}
