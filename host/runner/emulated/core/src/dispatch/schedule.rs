//! Priorities, policies, processors and limits: a thread's own, or another's of the step.

use super::{Call, uint};
use crate::arch::nr;
use crate::errno::{Errno, Result};
use crate::guest::Guest;

/// Length of `struct sched_param`.
const PARAM: usize = 4;
/// Length of `struct rlimit64`.
const LIMIT: usize = 16;
/// Longest mask of processors, and longest `struct sched_attr`, that is looked at.
const LONGEST: usize = 4096;
const NOTHING: [usize; 2] = [0, 0];

impl<G: Guest> Call<'_, '_, G> {
    /// prlimit(2)
    pub(super) fn prlimit(&self) -> Result<usize> {
        let [pid, resource, new, old, ..] = self.a;
        if uint(pid) == self.world.guest.pid() {
            return self.world.guest.pass(nr::PRLIMIT64, [0, resource, new, old, 0, 0]);
        }
        let part = |address| if address == 0 { NOTHING } else { [address, LIMIT] };
        self.of_another(0, part(new), part(old))
    }

    /// Of a thread that says who it is: calls that are not about the caller itself are refused to the
    /// handler too, so those about others are the builder's.
    pub(super) fn schedule(&self, argument: usize) -> Result<usize> {
        let mut a = self.a;
        let who = a.get_mut(argument).ok_or(Errno::INVAL)?;
        if uint(*who) == self.world.guest.tid() {
            *who = 0;
            return self.world.guest.pass(self.number, a);
        }
        if self.is_ordinary_already(*who)? {
            return Ok(0);
        }
        let reads = match self.number {
            nr::SCHED_SETPARAM => [a[1], PARAM],
            nr::SCHED_SETSCHEDULER => [a[2], PARAM],
            nr::SCHED_SETAFFINITY => [a[2], (a[1] & 0xffff_ffff).min(LONGEST)],
            nr::SCHED_SETATTR => [a[1], self.attributes_length()?],
            _ => return self.of_another(argument, NOTHING, NOTHING),
        };
        let is_mask = self.number == nr::SCHED_SETAFFINITY;
        if reads[0] == 0 && !is_mask {
            return Err(Errno::INVAL);
        }
        self.of_another(argument, reads, NOTHING)
    }

    /// Asks the builder for a call about whom this argument names.
    fn of_another(&self, argument: usize, reads: [usize; 2], writes: [usize; 2]) -> Result<usize> {
        let [first, second, third, fourth, fifth, _] = self.a;
        let mut a = [first, second, third, fourth, fifth];
        let who = a.get_mut(argument).ok_or(Errno::INVAL)?;
        *who &= 0xffff_ffff;
        if !self.world.may_schedule(uint(*who)) {
            return Err(Errno::PERM);
        }
        self.world.guest.schedule(self.number, a, reads, writes)
    }

    /// What a `struct sched_attr` says of its own length; zero is the first one's.
    fn attributes_length(&self) -> Result<usize> {
        /// `SCHED_ATTR_SIZE_VER0`
        const SHORTEST: usize = 48;
        let address = self.a[1];
        if address == 0 {
            return Ok(0);
        }
        let mut size = [0; 4];
        self.world.guest.read(address, &mut size)?;
        match usize::try_from(u32::from_ne_bytes(size)) {
            Ok(0) => Ok(SHORTEST),
            Ok(size @ SHORTEST..=LONGEST) => Ok(size),
            _ => Err(Errno::TOOBIG),
        }
    }

    /// Whether another thread of this process is to be scheduled as it is, in the ordinary way: a
    /// program that makes threads with a policy of its choice sets it from the one that makes them,
    /// and that works where the builder may not trace either.
    fn is_ordinary_already(&self, thread: usize) -> Result<bool> {
        /// `SCHED_OTHER`
        const ORDINARY: usize = 0;
        let guest = self.world.guest;
        let [_, policy, param, ..] = self.a;
        let param = match self.number {
            nr::SCHED_SETSCHEDULER if policy == ORDINARY => param,
            nr::SCHED_SETPARAM => policy,
            _ => return Ok(false),
        };
        let pid = usize::try_from(guest.pid()).map_err(|_| Errno::SRCH)?;
        if guest.pass(nr::TGKILL, [pid, thread, 0, 0, 0, 0]).is_err()
            || guest.pass(nr::SCHED_GETSCHEDULER, [thread, 0, 0, 0, 0, 0]) != Ok(ORDINARY)
        {
            return Ok(false);
        }
        let mut priority = [0; 4];
        guest.read(param, &mut priority)?;
        if priority == [0; 4] { Ok(true) } else { Err(Errno::INVAL) }
    }
}
