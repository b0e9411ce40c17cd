//! The terminals of a step. The pod's own lie in the same directory, so no step opens one by itself.

use std::os::fd::{AsRawFd as _, OwnedFd};

use kiln_emulated_core::broker::Request;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// Most terminals of one step; the oldest are forgotten.
const MOST: usize = 64;

/// Those that were made for the step: number, and the inode, open by its path alone. Such a
/// descriptor keeps no terminal alive, and when the number is given away again it is another inode.
#[derive(Debug, Default)]
pub(super) struct Terminals(Vec<(u32, OwnedFd)>);

impl Terminals {
    /// Opens a new terminal, or one of the step's.
    pub(super) fn open(&mut self, request: &Request) -> Result<(u32, OwnedFd), Errno> {
        let asked = OFlags::from_bits_retain(request.flags);
        let access =
            if asked.contains(OFlags::RDWR) { OFlags::RDWR } else { asked & OFlags::WRONLY };
        // Never the builder's own terminal.
        let flags = access | (asked & OFlags::NONBLOCK) | OFlags::NOCTTY | OFlags::CLOEXEC;
        if request.used().is_empty() {
            return self.make(flags);
        }
        let number = request.used().try_into().map_err(|_| Errno::INVAL)?;
        let number = u32::from_ne_bytes(number);
        let known = self.0.iter().rev().find(|(known, _)| *known == number);
        let (_, inode) = known.ok_or(Errno::ACCESS)?;
        let path = format!("/proc/self/fd/{}", inode.as_raw_fd());
        openat(CWD, path, flags, Mode::empty()).map(|file| (number, file))
    }

    fn make(&mut self, flags: OFlags) -> Result<(u32, OwnedFd), Errno> {
        let master = openat(CWD, "/dev/ptmx", flags, Mode::empty())?;
        let number = number_of(&master).ok_or(Errno::IO)?;
        let path = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inode = openat(CWD, format!("/dev/pts/{number}"), path, Mode::empty())?;
        self.0.retain(|(known, _)| *known != number);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push((number, inode));
        Ok((number, master))
    }
}

/// The number of a terminal, by its master.
fn number_of(master: &OwnedFd) -> Option<u32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", master.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("tty-index:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use kiln_emulated_core::broker::TERMINAL;

    use super::*;

    fn request(number: Option<u32>) -> Request {
        let mut request = Request { flags: OFlags::RDWR.bits(), ..Request::new(TERMINAL) };
        if let Some(number) = number {
            request.payload[..4].copy_from_slice(&number.to_ne_bytes());
            request.len = 4;
        }
        request
    }

    #[test]
    fn only_ones_own_terminals_open() {
        let (mut ours, mut others) = (Terminals::default(), Terminals::default());
        let (number, master) = match ours.open(&request(None)) {
            Ok(opened) => opened,
            Err(errno) => return println!("skipped: no terminals here: {errno}"),
        };
        // Nobody has unlocked it: the kernel knows it, and says so.
        assert_eq!(ours.open(&request(Some(number))).unwrap_err(), Errno::IO);
        assert_eq!(others.open(&request(Some(number))).unwrap_err(), Errno::ACCESS);
        drop(master);
        let path = format!("/proc/self/fd/{}", ours.0.first().unwrap().1.as_raw_fd());
        let name = std::fs::read_link(path).unwrap();
        assert!(name.to_string_lossy().ends_with("(deleted)"), "{}", name.display());
    }
}
