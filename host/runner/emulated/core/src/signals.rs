//! Whom a process may send signals to: the kernel knows one user for all of a step.
//!
//! As all of the view, nothing but the step depends on it: that signals stay in the step is
//! Landlock's.

use crate::abi::{O_CLOEXEC, O_DIRECTORY, O_RDONLY};
use crate::arch::nr;
use crate::buf::CPath;
use crate::cred::{Credentials, Which};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::processes::Processes;
use crate::special::number_of;
use crate::world::World;

/// `CAP_KILL`
const CAP_KILL: u64 = 1 << 5;
/// `SIGCONT`
const CONTINUE: i32 = 18;
/// The fields of `/proc/PID/stat`: the process's group and its session.
const GROUP: usize = 5;
const SESSION: usize = 6;

/// Whom a signal is for, when it is not one process.
#[derive(Clone, Copy)]
enum Wanted {
    Group(u64),
    Everybody,
}

impl<G: Guest> World<'_, G> {
    /// kill(2). Whom the kernel is to send it to in the end: the process or group as it was asked
    /// for, or of several this process itself; `None` when all is done.
    ///
    /// # Errors
    /// `EPERM`, `ESRCH`; `EINVAL`
    pub(crate) fn signal(&self, process: i32, signal: i32) -> Result<Option<i32>> {
        let everything = self.cred.caps()[0] & CAP_KILL != 0;
        if everything || !self.processes.is_some_and(|table| Processes::are_different(&table)) {
            return Ok(Some(process));
        }
        let wanted = match process {
            1.. => {
                // Of who is not the step's the kernel says what is right.
                let allowed = self.may_signal(process.unsigned_abs(), signal) != Some(false);
                return if allowed { Ok(Some(process)) } else { Err(Errno::PERM) };
            }
            0 => {
                let [group] = self.stat_of(self.guest.pid(), [GROUP]).ok_or(Errno::SRCH)?;
                Wanted::Group(group)
            }
            -1 => Wanted::Everybody,
            group => Wanted::Group(group.unsigned_abs().into()),
        };
        self.signal_several(wanted, signal)
    }

    /// Whether this process may send a signal to another of the step; `None` when that is none.
    fn may_signal(&self, process: u32, signal: i32) -> Option<bool> {
        let target = self.credentials_of(process)?;
        let session = |process| self.stat_of(process, [SESSION]);
        let continues = || signal == CONTINUE && session(process) == session(self.guest.pid());
        Some(are_alike(self.cred, &target) || continues())
    }

    fn signal_several(&self, wanted: Wanted, signal: i32) -> Result<Option<i32>> {
        /// `_NSIG`
        const LAST: i32 = 64;
        if !(0..=LAST).contains(&signal) {
            return Err(Errno::INVAL);
        }
        let own = self.guest.pid();
        let (mut result, mut is_one) = (Err(Errno::SRCH), false);
        self.each_process(|process| {
            let is_wanted = match wanted {
                Wanted::Everybody => process != own,
                Wanted::Group(group) => self.stat_of(process, [GROUP]) == Some([group]),
            };
            let Some(allowed) = self.may_signal(process, signal).filter(|_| is_wanted) else {
                return;
            };
            if process == own {
                is_one = true;
                return;
            }
            let number = |value: u32| usize::try_from(value).unwrap_or(0);
            let arguments = [number(process), number(signal.cast_unsigned()), 0, 0, 0, 0];
            let sent = match (allowed, wanted) {
                (true, _) => self.guest.pass(nr::KILL, arguments).map(drop),
                (false, Wanted::Group(_)) => Err(Errno::PERM),
                // Who may not be among everybody is no error.
                (false, Wanted::Everybody) => Ok(()),
            };
            // One that gets it is enough.
            if result.is_err() && sent != Err(Errno::SRCH) {
                result = sent;
            }
        })?;
        match is_one {
            true => Ok(Some(own.cast_signed())),
            false => result.map(|()| None),
        }
    }

    /// The processes that /proc lists.
    fn each_process(&self, mut visit: impl FnMut(u32)) -> Result<()> {
        /// Where an entry has its length and its name; the shortest entry.
        const LENGTH: usize = 16;
        const NAME: usize = 19;
        const SHORTEST: usize = 24;
        let proc = self.config.mounted_at(b"/proc").ok_or(Errno::SRCH)?;
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
        let directory = self.guest.openat(proc.fd, CPath::DOT, flags, 0)?;
        let mut buffer = [0; 2048];
        while let Ok(length @ 1..) = self.guest.entries(directory, &mut buffer) {
            let mut rest = buffer.get(..length).unwrap_or(&[]);
            while let Some(size) = rest.get(LENGTH..).and_then(<[u8]>::first_chunk) {
                let size = usize::from(u16::from_ne_bytes(*size)).max(SHORTEST);
                let name = rest.get(NAME..).unwrap_or(&[]).split(|&byte| byte == 0).next();
                if let Some(process) = name.and_then(number_of) {
                    visit(process);
                }
                rest = rest.get(size..).unwrap_or(&[]);
            }
        }
        self.guest.close(directory);
        Ok(())
    }
}

/// Whether ids permit a signal from one process to another (kill(2)).
fn are_alike(from: &Credentials, to: &Credentials) -> bool {
    let ([real, effective, _], [to_real, _, to_saved]) =
        (from.three(Which::User), to.three(Which::User));
    [real, effective].iter().any(|&id| id == to_real || id == to_saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_and_saved_ids_decide() {
        let user = |ids| {
            let credentials = Credentials::new();
            credentials.start(0, 0, &[]);
            credentials.set_three(Which::User, ids).unwrap();
            credentials
        };
        let bob = user([7; 3]);
        assert!(are_alike(&bob, &user([7; 3])) && !are_alike(&bob, &user([8; 3])));
        // A set-user-ID program, and one that has dropped to another for the moment.
        assert!(are_alike(&bob, &user([7, 0, 0])) && are_alike(&bob, &user([0, 8, 7])));
        assert!(!are_alike(&bob, &user([0, 7, 0])) && are_alike(&user([9, 7, 9]), &bob));
    }
}
