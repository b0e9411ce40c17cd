//! Calls that may have to wait, and their answers.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use kiln_emulated_core::sysv::{MESSAGE_MAX, OPERATION_LEN, OPERATIONS_MAX};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::Answer;
use super::messages::Which;
use super::semaphores::Operation;

/// Most calls that wait at once: each is a descriptor of the builder's.
const WAITERS_MAX: usize = 512;
/// `IPC_NOWAIT`
pub(super) const NO_WAIT: usize = 0o4000;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Set(i32),
    Queue(i32),
}

/// A call that may have to wait.
#[derive(Debug)]
pub(super) enum Wait {
    /// semop(2), and which of its operations it waits for.
    Operations { set: i32, operations: Vec<Operation>, blocked: usize },
    /// msgsnd(2)
    Send { queue: i32, kind: i64, text: Vec<u8>, no_wait: bool },
    /// msgrcv(2)
    Receive { queue: i32, which: Which },
}

impl Wait {
    pub(super) fn operations(set: i32, data: &[u8]) -> Result<Self, Errno> {
        let (operations, rest) = data.as_chunks::<OPERATION_LEN>();
        if operations.is_empty() || !rest.is_empty() {
            return Err(Errno::INVAL);
        }
        if operations.len() > OPERATIONS_MAX {
            return Err(Errno::TOOBIG);
        }
        let operations = operations.iter().map(Operation::parse).collect();
        Ok(Self::Operations { set, operations, blocked: 0 })
    }

    pub(super) fn send(queue: i32, data: &[u8], flags: usize) -> Result<Self, Errno> {
        let (kind, text) = data.split_first_chunk().ok_or(Errno::FAULT)?;
        let kind = i64::from_ne_bytes(*kind);
        if kind < 1 || text.len() > MESSAGE_MAX {
            return Err(Errno::INVAL);
        }
        Ok(Self::Send { queue, kind, text: text.to_vec(), no_wait: flags & NO_WAIT != 0 })
    }

    pub(super) fn receive(
        queue: i32,
        size: usize,
        kind: usize,
        flags: usize,
    ) -> Result<Self, Errno> {
        Which::new(size, kind.cast_signed() as i64, flags)
            .map(|which| Self::Receive { queue, which })
    }

    pub(super) const fn object(&self) -> Object {
        match self {
            Self::Operations { set, .. } => Object::Set(*set),
            Self::Send { queue, .. } | Self::Receive { queue, .. } => Object::Queue(*queue),
        }
    }
}

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) reply: OwnedFd,
    pub(super) pid: i32,
    pub(super) wait: Wait,
}

/// Those who wait, first come first served.
#[derive(Debug, Default)]
pub(super) struct Waiters(VecDeque<Waiter>);

impl Waiters {
    pub(super) fn add(&mut self, waiter: Waiter) {
        if self.0.len() >= WAITERS_MAX {
            answer(&waiter.reply, Err(Errno::NOMEM));
        } else {
            self.0.push_back(waiter);
        }
    }

    /// Takes out the next one who waits for this, from a place on, which becomes its own.
    pub(super) fn take(&mut self, object: Object, at: &mut usize) -> Option<Waiter> {
        let next = self.0.iter().skip(*at).position(|waiter| waiter.wait.object() == object)?;
        *at += next;
        self.0.remove(*at)
    }

    pub(super) fn put_back(&mut self, at: usize, waiter: Waiter) {
        self.0.insert(at, waiter);
    }

    /// Nobody waits for this any more.
    pub(super) fn fail(&mut self, object: Object, errno: Errno) {
        let mut at = 0;
        while let Some(waiter) = self.take(object, &mut at) {
            answer(&waiter.reply, Err(errno));
        }
    }

    /// How many wait for a semaphore, to become zero or to grow.
    pub(super) fn count(&self, set: i32, number: i32, for_zero: bool) -> i32 {
        let waits = |waiter: &&Waiter| match &waiter.wait {
            Wait::Operations { set: of, operations, blocked } if *of == set => {
                operations.get(*blocked).is_some_and(|operation| {
                    i32::from(operation.number) == number && (operation.change == 0) == for_zero
                })
            }
            _ => false,
        };
        i32::try_from(self.0.iter().filter(waits).count()).unwrap_or(i32::MAX)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn replies(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|waiter| waiter.reply.as_fd())
    }

    /// Ends the calls whose guests no longer want them, in the order of [`Waiters::replies`].
    pub(super) fn take_back(&mut self, wanted: &[bool]) {
        let mut flags = wanted.iter();
        self.0.retain(|waiter| {
            let taken_back = flags.next().copied().unwrap_or(false);
            if taken_back {
                answer(&waiter.reply, Err(Errno::INTR));
            }
            !taken_back
        });
    }
}

/// Sends an answer, without a signal and without waiting: who has gone, or whose "reply socket" is
/// something else, gets nothing.
pub(super) fn answer(reply: &OwnedFd, answer: Result<Answer, Errno>) {
    let (value, data, file) = match answer {
        Ok(answer) => (answer.value, answer.data, answer.file),
        Err(errno) => (-errno.raw_os_error(), Vec::new(), None),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files: Vec<BorrowedFd<'_>> = file.iter().map(|file| file.as_fd()).collect();
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&files));
    }
    let value = value.to_ne_bytes();
    let parts = [IoSlice::new(&value), IoSlice::new(&data)];
    let _ = sendmsg(reply, &parts, &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}
