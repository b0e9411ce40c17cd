//! Opening what is no plain file: terminals, and files of /proc that tell of the pod's world.

use kiln_ledger::Owner;

use crate::abi::{
    AT_SYMLINK_NOFOLLOW, O_ACCMODE, O_CLOEXEC, O_PATH, O_RDONLY, RESOLVE_IN_ROOT, Statx,
};
use crate::buf::CPath;
use crate::config::BindKind;
use crate::cred::ENCODED_LEN;
use crate::descriptors::{are_listed_in, may_be_descriptors};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::walk::Place;
use crate::world::{WalkBuffers, World};

/// Where terminals are.
const TERMINALS: &[u8] = b"/dev/pts";
/// The group of terminals in every Debian-like image, and what container runtimes mount them with.
const TTY_GROUP: u32 = 5;
/// Files of /proc/PID in which paths, mounts or ids of the pod's would show.
const TRANSLATED: [&[u8]; 6] =
    [b"maps", b"smaps", b"numa_maps", b"mounts", b"mountinfo", b"status"];
/// Files of /proc/PID that a kernel without audit does not have: a step has no audit, and could not
/// write the first, as those who begin a session do.
const AUDIT: [&[u8]; 2] = [b"loginuid", b"sessionid"];
/// The host's name, which is the step's.
const HOSTNAME: &[u8] = b"sys/kernel/hostname";
/// System V objects, which are the step's.
const OBJECTS: [&[u8]; 3] = [b"sysvipc/shm", b"sysvipc/sem", b"sysvipc/msg"];

impl<G: Guest> World<'_, G> {
    /// A magic link of /proc: the kernel follows it, save to a terminal.
    pub(crate) fn open_magic(
        &self,
        walk: &mut WalkBuffers,
        place: &Place<'_>,
        flags: u64,
    ) -> Result<i32> {
        match self.guest.openat(place.base, place.path(walk), flags, 0) {
            Err(Errno::ACCES) if flags & O_PATH == 0 => {}
            other => return other,
        }
        let length =
            self.guest.readlinkat(place.base, walk.here.tail(place.start), walk.link.space())?;
        walk.link.filled(length);
        let name = walk.link.bytes().strip_prefix(TERMINALS);
        let number = name.and_then(|name| number_of(name.strip_prefix(b"/")?));
        let number = number.ok_or(Errno::ACCES)?;
        self.guest.open_terminal(Some(number), flags).map(|(fd, _)| fd)
    }

    /// Opens a terminal, or their directory; `None` when the place is neither.
    pub(crate) fn open_terminal(
        &self,
        walk: &WalkBuffers,
        place: &Place<'_>,
        flags: u64,
    ) -> Option<Result<i32>> {
        let bind = place.bind.filter(|_| flags & O_PATH == 0)?;
        match bind.kind {
            BindKind::TerminalMaker => Some(self.new_terminal(flags)),
            BindKind::Terminals if place.is_mount_point(walk) => Some(self.terminals(flags)),
            BindKind::Terminals => {
                let name = place.path(walk);
                Some(match number_of(name.bytes()) {
                    Some(number) => self.guest.open_terminal(Some(number), flags).map(|(fd, _)| fd),
                    None if name.bytes() == b"ptmx" => self.new_terminal(flags),
                    None => Err(Errno::NOENT),
                })
            }
            _ => None,
        }
    }

    /// The directory as an empty one of the step's: other terminals are none of its business.
    fn terminals(&self, flags: u64) -> Result<i32> {
        let dev = self.config.mounted_at(b"/dev").ok_or(Errno::NOENT)?;
        let name = CPath::new(b"pts\0").ok_or(Errno::NOENT)?;
        self.resolve(dev.fd, name, flags, 0, RESOLVE_IN_ROOT)
    }

    /// A new terminal belongs to who opened it.
    fn new_terminal(&self, flags: u64) -> Result<i32> {
        let (fd, number) = self.guest.open_terminal(None, flags)?;
        let owner = Owner { uid: self.cred.user.fs(), gid: TTY_GROUP };
        let adopted = self.terminal_inode(number).and_then(|disk| {
            self.update(&disk, |record| {
                record.owner = Some(owner);
                record.mode = None;
            })
        });
        adopted.map(|()| fd).inspect_err(|_| self.guest.close(fd))
    }

    fn terminal_inode(&self, number: u32) -> Result<Statx> {
        let terminals = self.config.mounted_at(TERMINALS).ok_or(Errno::NOENT)?;
        let (mut digits, mut name) = ([0; 10], [0; 11]);
        let digits = crate::buf::decimal(number, &mut digits);
        name.get_mut(..digits.len()).ok_or(Errno::NOENT)?.copy_from_slice(digits);
        let name = name.get(..=digits.len()).and_then(CPath::new).ok_or(Errno::NOENT)?;
        self.guest.statx(terminals.fd, name, AT_SYMLINK_NOFOLLOW)
    }

    /// Whether `here` is the `exe` link of another process of the step: the kernel's leads to the
    /// loader, so its program, by the first file that it has mapped, is left in `link`, as the host
    /// calls it.
    pub(crate) fn program_of_other(&self, walk: &mut WalkBuffers, place: &Place<'_>) -> bool {
        /// Enough for what lies before a program's last segment.
        const HEAD: usize = 2048;
        let here = walk.here.bytes();
        let Some(process) = here.strip_suffix(b"exe").filter(|_| !self.is_own_exe(here)) else {
            return false;
        };
        let process = process.get(place.start..).unwrap_or(&[]);
        if walk.link.set(process).and_then(|()| walk.link.push(b"maps")).is_err()
            || !is_translated(walk.link.bytes())
        {
            return false;
        }
        let Ok(maps) = self.guest.openat(place.base, walk.link.c(), O_RDONLY | O_CLOEXEC, 0) else {
            return false;
        };
        let mut text = [0; HEAD];
        let length = self.guest.read_head(maps, &mut text).unwrap_or(0);
        self.guest.close(maps);
        let text = text.get(..length).unwrap_or(&[]);
        let mut files = text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| {
            let start = line.iter().position(|&byte| byte == b'/')?;
            line.get(start..)?.strip_suffix(b"\n")
        });
        let program = files.find(|file| self.config.to_guest(file).is_some());
        program.is_some_and(|program| walk.link.set(program).is_ok())
    }

    /// A file of /proc; where it would show the pod's world, in the guest's words.
    pub(crate) fn open_proc(&self, base: i32, path: CPath<'_>, flags: u64) -> Result<i32> {
        let fd = self.guest.openat(base, path, flags, 0)?;
        if flags & (O_PATH | O_ACCMODE) != O_RDONLY {
            return Ok(fd);
        }
        if are_listed_in(path.bytes()) {
            return Ok(self.guest.as_listing(fd, flags));
        }
        if !is_translated(path.bytes()) {
            return Ok(fd);
        }
        let mut credentials = [0; ENCODED_LEN];
        let process = path.bytes().split(|&byte| byte == b'/').next().and_then(number_of);
        let length = self.encode_credentials_of(process, &mut credentials);
        let text = credentials.get(..length).unwrap_or(&[]);
        let translated = self.guest.proc_text(fd, text, flags);
        self.guest.close(fd);
        translated
    }
}

pub(crate) fn number_of(name: &[u8]) -> Option<u32> {
    core::str::from_utf8(name).ok()?.parse().ok().filter(|_| name.first() != Some(&b'+'))
}

/// Whether a path below /proc is one of [`TRANSLATED`] of a process or a thread, or of [`OBJECTS`].
#[must_use]
pub fn is_translated(path: &[u8]) -> bool {
    if OBJECTS.contains(&path) || path == HOSTNAME {
        return true;
    }
    is_of_process(path, &TRANSLATED)
}

/// Whether a path below /proc is one of [`AUDIT`] of a process or a thread.
pub(crate) fn is_absent(path: &[u8]) -> bool {
    is_of_process(path, &AUDIT)
}

/// Whether a relative path could be such a file, by its name: the directory may be one of /proc.
pub(crate) fn may_be_of_proc(path: &[u8]) -> bool {
    let is_object =
        |name| OBJECTS.iter().any(|object| object.strip_prefix(b"sysvipc/") == Some(name));
    let name = path.rsplit(|&byte| byte == b'/').next();
    name.is_some_and(|name| {
        TRANSLATED.contains(&name)
            || AUDIT.contains(&name)
            || is_object(name)
            || may_be_descriptors(name)
            || name == b"hostname"
    })
}

pub(crate) fn is_of_process(path: &[u8], names: &[&[u8]]) -> bool {
    let mut parts = path.rsplit(|&byte| byte == b'/');
    let known = parts.next().is_some_and(|name| names.contains(&name));
    known && parts.next().is_some_and(|id| number_of(id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_processes_are_translated() {
        for path in [&b"7/maps"[..], b"7/task/9/mounts", b"12/status", b"sysvipc/sem"] {
            assert!(is_translated(path));
        }
        for path in
            [&b"mounts"[..], b"self/maps", b"7/stat", b"7/maps/x", b"+7/maps", b"", b"sysvipc"]
        {
            assert!(!is_translated(path));
        }
        for path in [&b"maps"[..], b"self/loginuid", b"shm", b"../mounts"] {
            assert!(may_be_of_proc(path));
        }
        assert!(!may_be_of_proc(b"maps/x") && !may_be_of_proc(b"sysvipc"));
        assert!(is_absent(b"7/loginuid") && is_absent(b"7/task/9/sessionid"));
        assert!(!is_absent(b"loginuid") && !is_absent(b"7/status"));
    }
}
