//! Who the step's other processes are, for who looks at them in /proc.
//!
//! The kernel knows one user for all of them. From the first change of ids in a step on, processes
//! note their own in memory that they share: when their ids change, at the start of a program, and
//! at the first trap after fork(2). Who has noted nothing is as its parent is. What a process notes
//! is believed of itself alone, and nothing but the view depends on it.

use core::cmp::Ordering;

use kiln_ledger::Owner;

use crate::abi::{O_CLOEXEC, O_RDONLY, Statx, device};
use crate::arch::nr;
use crate::buf::{CPath, decimal};
use crate::cred::{Credentials, words_of};
use crate::guest::Guest;
use crate::special::number_of;
use crate::world::World;

mod table;

use table::ROOM;
pub use table::{Processes, WORDS};

/// How far up a process's ancestors are asked.
const ANCESTORS: u32 = 64;
/// Enough of `/proc/PID/stat` and `status` for what is read of them.
const HEAD: usize = 512;

/// The process that a canonical path of /proc is about.
pub(crate) fn process_of(here: &[u8]) -> Option<u32> {
    number_of(here.strip_prefix(b"/proc/")?.split(|&byte| byte == b'/').next()?)
}

impl<G: Guest> World<'_, G> {
    /// Notes this process's ids, if there are different ones in the step.
    pub fn note_ids(&self) {
        if let Some(table) = self.processes.filter(Processes::are_different) {
            let is_alive = |process: u32| {
                let process = usize::try_from(process).unwrap_or(0);
                self.guest.pass(nr::KILL, [process, 0, 0, 0, 0, 0]).is_ok()
            };
            table.put(self.guest.pid(), self.guest.ticks(), self.cred.words(), is_alive);
        }
    }

    /// The same once they may have become different from those that the step started with.
    pub fn note_changed_ids(&self) {
        if let Some(table) = self.processes
            && !table.are_different()
            && !self.cred.words().eq(words_of(self.config.start.credentials))
        {
            table.set_different(self.guest.ticks());
        }
        self.note_ids();
    }

    /// Whether every process of the step is as this one, or is shown so.
    fn all_are_alike(&self) -> bool {
        self.processes.is_none_or(|table| self.cred.is_root() && !table.are_different())
    }

    /// Whether an inode is a process's in /proc that this process could not be told from by owner.
    pub(crate) fn is_of_other(&self, disk: &Statx) -> bool {
        disk.uid == self.config.own_uid
            && device(disk.dev_major, disk.dev_minor) == self.config.proc_device
            && !self.all_are_alike()
    }

    /// An inode as the guest sees it, at this canonical path: what is a process's in /proc belongs
    /// to whom the process runs as.
    pub(crate) fn seen_at(&self, disk: &Statx, here: &[u8]) -> Statx {
        let mut seen = self.seen(disk);
        if self.is_of_other(disk)
            && let Some(process) = process_of(here)
        {
            let owner = self.credentials_of(process).map_or(Owner::default(), |credentials| {
                Owner { uid: credentials.user.effective(), gid: credentials.group.effective() }
            });
            (seen.uid, seen.gid) = (owner.uid, owner.gid);
        }
        seen
    }

    /// The credentials of a process, as they are shown in its `status`, encoded; the length. Who is
    /// none of the step's is shown as root.
    pub(crate) fn encode_credentials_of(&self, process: Option<u32>, text: &mut [u8]) -> usize {
        match process.filter(|_| !self.all_are_alike()) {
            Some(process) => self.credentials_of(process).unwrap_or_default().encode(text),
            None => self.cred.encode(text),
        }
    }

    /// Whether this process's user may set another's priority and the like: who runs as the same,
    /// or may do so with everybody (`CAP_SYS_NICE`).
    pub(crate) fn may_schedule(&self, process: u32) -> bool {
        const NICE: u64 = 1 << 23;
        if self.all_are_alike() || self.cred.caps()[0] & NICE != 0 {
            return true;
        }
        let own = self.cred.user.effective();
        // Of who is none of the step's the builder knows.
        self.credentials_of(process)
            .is_none_or(|other| [other.user.real(), other.user.effective()].contains(&own))
    }

    /// The credentials of a process of the step; `None` of another.
    pub(crate) fn credentials_of(&self, mut process: u32) -> Option<Credentials> {
        let table = self.processes?;
        let mut began = Ordering::Greater;
        for _ in 0..ANCESTORS {
            let (known, order) = self.look_up(&table, process)?;
            if let Some(credentials) = known {
                // An ancestor can have become another since. In the same moment: a process of our
                // own has more likely been made by who we are.
                let is_own = process == self.guest.pid();
                if began == Ordering::Less || began == Ordering::Equal && !is_own {
                    credentials.decode(self.config.start.credentials);
                }
                return Some(credentials);
            }
            began = began.min(order);
            let (group, parent) = self.family(process)?;
            process = if group == process { parent } else { group };
        }
        None
    }

    /// What is known of a process itself. If nothing, whether it began before anybody in the step
    /// was another than the first: then it is as that one.
    fn look_up(
        &self,
        table: &Processes<'_>,
        process: u32,
    ) -> Option<(Option<Credentials>, Ordering)> {
        let credentials = Credentials::new();
        if process == self.guest.pid() {
            credentials.copy(self.cred);
            return Some((Some(credentials), Ordering::Greater));
        }
        if process == table.first() {
            credentials.decode(self.config.start.credentials);
            return Some((Some(credentials), Ordering::Greater));
        }
        let started = self.started(process)?;
        // An older note is of another process, which had the same number.
        if let Some(note) = table.get(process).filter(|note| started <= note.when) {
            credentials.set_words(note.words());
            return Some((Some(credentials), Ordering::Greater));
        }
        Some((None, started.cmp(&table.different_since())))
    }

    /// The process of a thread or process, and its parent.
    fn family(&self, process: u32) -> Option<(u32, u32)> {
        let mut text = [0; HEAD];
        let text = self.head_of(process, b"/status\0", &mut text)?;
        let field = |name: &[u8]| {
            let mut lines = text.split(|&byte| byte == b'\n');
            number_of(lines.find_map(|line| line.strip_prefix(name))?)
        };
        Some((field(b"Tgid:\t")?, field(b"PPid:\t")?))
    }

    /// When a process started: as [`Guest::ticks`].
    fn started(&self, process: u32) -> Option<u64> {
        let [started] = self.stat_of(process, [22])?;
        Some(started)
    }

    /// Numbers of `/proc/PID/stat`, by the fields' numbers in its manual page, from 4 on.
    pub(crate) fn stat_of<const N: usize>(
        &self,
        process: u32,
        fields: [usize; N],
    ) -> Option<[u64; N]> {
        let mut text = [0; HEAD];
        let text = self.head_of(process, b"/stat\0", &mut text)?;
        // The name, in parentheses, is the second.
        let name = text.iter().rposition(|&byte| byte == b')')?;
        let rest = text.get(name + 2..)?;
        let mut values = [0; N];
        for (value, field) in values.iter_mut().zip(fields) {
            let text = rest.split(|&byte| byte == b' ').nth(field.checked_sub(3)?)?;
            *value = core::str::from_utf8(text).ok()?.parse().ok()?;
        }
        Some(values)
    }

    /// The first bytes of a file of a process; `name` begins with a slash and ends with NUL.
    fn head_of<'t>(&self, process: u32, name: &[u8], text: &'t mut [u8]) -> Option<&'t [u8]> {
        let proc = self.config.mounted_at(b"/proc")?;
        let (mut digits, mut path) = ([0; 10], [0; 20]);
        let digits = decimal(process, &mut digits);
        let (number, rest) = path.split_at_mut_checked(digits.len())?;
        number.copy_from_slice(digits);
        rest.get_mut(..name.len())?.copy_from_slice(name);
        let path = CPath::new(path.get(..digits.len() + name.len())?)?;
        let file = self.guest.openat(proc.fd, path, O_RDONLY | O_CLOEXEC, 0).ok()?;
        let length = self.guest.read_head(file, text);
        self.guest.close(file);
        text.get(..length.ok()?)
    }
}

const _: () = assert!(ROOM >= 8 + 8 + 1 + 32, "a usual number of groups is shown");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_about_processes() {
        assert_eq!(process_of(b"/proc/12"), Some(12));
        assert_eq!(process_of(b"/proc/12/task/13/fd"), Some(12));
        for path in [&b"/proc"[..], b"/proc/", b"/proc/self/fd", b"/proc/+1", b"/pro/1", b""] {
            assert_eq!(process_of(path), None);
        }
    }
}
