//! The runner's own descriptors, which a step does not see: not in /proc, and not by the calls that
//! tell whether a descriptor is open.
//!
//! A directory of /proc that lists descriptors is opened under one of a few high numbers, of which
//! alone getdents64(2) traps: the kernel lists all others. Where none is left the listing is the
//! kernel's; the names in it still lead nowhere.

use crate::abi::{O_ACCMODE, O_PATH, O_RDONLY, device};
use crate::config::{FIRST_FD, FIRST_LISTING_FD};
use crate::errno::Result;
use crate::guest::Guest;
use crate::special::{is_of_process, number_of};
use crate::world::{WalkBuffers, World};

/// Directories of /proc/PID that have a name for each descriptor.
const DIRECTORIES: [&[u8]; 2] = [b"fd", b"fdinfo"];

/// Enough of an entry of a directory for its name, when that is one of ours.
const ENTRY: usize = 24;

/// Whether a path below /proc is a directory that lists descriptors.
pub(crate) fn are_listed_in(path: &[u8]) -> bool {
    is_of_process(path, &DIRECTORIES)
}

/// Whether a name could be one of the runner's descriptors.
pub(crate) fn may_be_own(name: &[u8]) -> bool {
    number(name).is_some_and(|number| (FIRST_FD..FIRST_LISTING_FD).contains(&number))
}

/// Whether a name could be that of descriptors, or of one of the runner's.
pub(crate) fn may_be_descriptors(name: &[u8]) -> bool {
    DIRECTORIES.contains(&name) || may_be_own(name)
}

fn number(name: &[u8]) -> Option<i32> {
    let is_short = name.len() == 3 && name.first() == Some(&b'9');
    number_of(name).filter(|_| is_short)?.try_into().ok()
}

impl<G: Guest> World<'_, G> {
    /// Whether a path below /proc is that of a descriptor of the runner's.
    pub(crate) fn is_own_descriptor(&self, path: &[u8]) -> bool {
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else { return false };
        let (directory, name) = path.split_at(slash);
        let number = name.get(1..).and_then(number);
        number.is_some_and(|number| self.config.is_own(number)) && are_listed_in(directory)
    }

    /// Whether an open directory lists descriptors.
    pub(crate) fn lists_descriptors(&self, walk: &mut WalkBuffers, directory: i32) -> bool {
        self.guest_path(walk, directory).is_ok()
            && walk.here.bytes().strip_prefix(b"/proc/").is_some_and(are_listed_in)
    }

    /// The current directory, or another's `.`, as it was opened: it may be one of descriptors.
    pub(crate) fn opened_here(&self, walk: &mut WalkBuffers, fd: i32, flags: u64) -> i32 {
        let is_read = flags & (O_PATH | O_ACCMODE) == O_RDONLY;
        let is_in_proc = || {
            self.disk_of(fd)
                .is_ok_and(|disk| device(disk.dev_major, disk.dev_minor) == self.config.proc_device)
        };
        if is_read && is_in_proc() && self.lists_descriptors(walk, fd) {
            return self.guest.as_listing(fd, flags);
        }
        fd
    }

    /// Takes the runner's descriptors out of entries that getdents64(2) has written; what is left.
    pub(crate) fn hide_own_descriptors(
        &self,
        buffer: usize,
        length: usize,
        name_at: usize,
    ) -> Result<usize> {
        let (mut from, mut to) = (0, 0);
        while from < length {
            let mut entry = [0; ENTRY];
            let left = length - from;
            let head = entry.get_mut(..left.min(ENTRY)).unwrap_or(&mut []);
            self.guest.read(buffer + from, head)?;
            let [.., low, high, _, _, _, _, _, _] = entry;
            // Another thread can have changed it.
            let size = usize::from(u16::from_ne_bytes([low, high])).clamp(ENTRY, left.max(ENTRY));
            let size = size.min(left);
            let name = entry.get(name_at..).unwrap_or(&[]);
            let name = name.split(|&byte| byte == 0).next().unwrap_or(&[]);
            if !number(name).is_some_and(|number| self.config.is_own(number)) {
                self.move_back(buffer, from, to, size)?;
                to += size;
            }
            from += size;
        }
        Ok(to)
    }

    fn move_back(&self, buffer: usize, from: usize, to: usize, size: usize) -> Result<()> {
        let mut piece = [0; 64];
        for start in (0..size).step_by(piece.len()).filter(|_| from != to) {
            let piece = piece.get_mut(..(size - start).min(64)).unwrap_or(&mut []);
            self.guest.read(buffer + from + start, piece)?;
            self.guest.write(buffer + to + start, piece)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_descriptors_are_told_from_others() {
        for path in [&b"7/fd"[..], b"7/fdinfo", b"7/task/9/fd"] {
            assert!(are_listed_in(path));
        }
        for path in [&b"7"[..], b"fd", b"7/fd/3", b"self/fd", b"7/maps"] {
            assert!(!are_listed_in(path));
        }
        for name in [&b"900"[..], b"985"] {
            assert!(may_be_own(name) && may_be_descriptors(name));
        }
        for name in [&b"899"[..], b"986", b"0900", b"+90", b"90", b"9000", b"x", b""] {
            assert!(!may_be_own(name));
        }
        assert!(may_be_descriptors(b"fd") && !may_be_descriptors(b"fds"));
    }
}
