//! execve(2): which file is really executed, with which arguments, as whom.

use crate::abi::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, S_IFREG,
    S_ISGID, S_ISUID,
};
use crate::buf::{CPath, PATH_MAX, PathBuf};
use crate::errno::{Errno, Result};
use crate::guest::Guest;
use crate::world::{MAY_EXEC, Scratch, World, key};

/// Most interpreters of interpreters (the kernel's limit).
pub const MAX_SCRIPTS: usize = 5;
/// How much of a file's head decides what it is (`BINPRM_BUF_SIZE`).
pub const HEAD: usize = 256;

/// What is to be executed.
#[derive(Debug)]
pub struct Image {
    /// The program, open for reading without `O_CLOEXEC`.
    pub fd: i32,
    /// Owner to become, from the file's set-id bits.
    pub set_user: Option<u32>,
    /// Group to become.
    pub set_group: Option<u32>,
    /// The arguments that scripts put before the guest's `argv[1]`.
    pub scripts: Scripts,
}

/// The `#!` lines that were met, innermost last, as NUL-terminated strings.
#[derive(Debug)]
pub struct Scripts {
    text: [u8; MAX_SCRIPTS * HEAD],
    used: usize,
    lines: [(usize, Option<usize>); MAX_SCRIPTS],
    count: usize,
}

impl Scripts {
    const fn new() -> Self {
        Self { text: [0; MAX_SCRIPTS * HEAD], used: 0, lines: [(0, None); MAX_SCRIPTS], count: 0 }
    }

    /// How many scripts.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Interpreter and its argument of the nth script.
    #[must_use]
    pub fn line(&self, index: usize) -> Option<(CPath<'_>, Option<CPath<'_>>)> {
        let &(interpreter, argument) = self.lines.get(..self.count)?.get(index)?;
        Some((self.string(interpreter)?, argument.and_then(|start| self.string(start))))
    }

    fn string(&self, start: usize) -> Option<CPath<'_>> {
        let tail = self.text.get(start..)?;
        let end = tail.iter().position(|&byte| byte == 0)?;
        CPath::new(tail.get(..=end)?)
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<usize> {
        let start = self.used;
        let end = start + bytes.len();
        self.text.get_mut(start..end)?.copy_from_slice(bytes);
        *self.text.get_mut(end)? = 0;
        self.used = end + 1;
        Some(start)
    }

    fn add(&mut self, interpreter: &[u8], argument: Option<&[u8]>) -> Result<()> {
        if self.count >= MAX_SCRIPTS {
            return Err(Errno::LOOP);
        }
        let interpreter = self.keep(interpreter).ok_or(Errno::TOOBIG)?;
        let argument = match argument {
            Some(argument) => Some(self.keep(argument).ok_or(Errno::TOOBIG)?),
            None => None,
        };
        let line = self.lines.get_mut(self.count).ok_or(Errno::LOOP)?;
        *line = (interpreter, argument);
        self.count += 1;
        Ok(())
    }
}

/// The interpreter of a script and its one argument.
pub type ScriptLine<'a> = (&'a [u8], Option<&'a [u8]>);

/// Interpreter and argument of a `#!` line; `None` when the head is no script.
///
/// # Errors
/// `ENOEXEC` for a line without an interpreter.
pub fn parse_script(head: &[u8]) -> Result<Option<ScriptLine<'_>>> {
    let Some(line) = head.strip_prefix(b"#!") else { return Ok(None) };
    let end = line.iter().position(|&byte| byte == b'\n' || byte == 0).unwrap_or(line.len());
    let line = line.get(..end).unwrap_or(&[]);
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let line = trim(line, blank);
    if line.is_empty() {
        return Err(Errno::NOEXEC);
    }
    let cut = line.iter().position(blank).unwrap_or(line.len());
    let (interpreter, rest) = line.split_at(cut);
    let argument = trim(rest, blank);
    Ok(Some((interpreter, (!argument.is_empty()).then_some(argument))))
}

fn trim(mut bytes: &[u8], blank: impl Fn(&u8) -> bool) -> &[u8] {
    while let Some((first, rest)) = bytes.split_first()
        && blank(first)
    {
        bytes = rest;
    }
    while let Some((last, rest)) = bytes.split_last()
        && blank(last)
    {
        bytes = rest;
    }
    bytes
}

impl<G: Guest> World<'_, G> {
    /// Finds what execve(2) of the path in `scratch.path` runs.
    ///
    /// Afterwards `scratch.path` holds the name of the script or program as the guest gave it (for
    /// a descriptor: its path), and `scratch.other` the canonical guest path of the program.
    ///
    /// # Errors
    /// The call's.
    pub fn image(&self, scratch: &mut Scratch, dirfd: i32, flags: u32) -> Result<Image> {
        let mut scripts = Scripts::new();
        let mut fd = self.open_program(scratch, dirfd, flags)?;
        // Where the program is looked for; `None` for a descriptor.
        let by_descriptor = scratch.path.is_empty() || flags & AT_EMPTY_PATH != 0;
        let mut from = (!by_descriptor).then_some(dirfd);
        loop {
            match self.examine(fd, &mut scripts) {
                Ok(None) => {
                    self.guest.close(fd);
                    let line = scripts.line(scripts.count().wrapping_sub(1));
                    let (interpreter, _) = line.ok_or(Errno::NOEXEC)?;
                    let mut name = PathBuf::new();
                    name.set(interpreter.bytes())?;
                    fd = self.open_executable(scratch, AT_FDCWD, &name, true)?;
                    from = Some(AT_FDCWD);
                    scratch.other = name;
                }
                Ok(Some((set_user, set_group))) => {
                    if scripts.count() == 0 {
                        scratch.other.set(scratch.path.bytes())?;
                    }
                    self.name_program(scratch, fd, from).inspect_err(|_| self.guest.close(fd))?;
                    return Ok(Image { fd, set_user, set_group, scripts });
                }
                Err(errno) => {
                    self.guest.close(fd);
                    return Err(errno);
                }
            }
        }
    }

    fn open_program(&self, scratch: &mut Scratch, dirfd: i32, flags: u32) -> Result<i32> {
        if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
            return Err(Errno::INVAL);
        }
        if scratch.path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            scratch.path.set(b"/proc/self/fd/")?;
            scratch.path.push_number(u32::try_from(dirfd).map_err(|_| Errno::BADF)?)?;
            let fd = self.guest.openat(dirfd, scratch.path.c(), O_RDONLY, 0)?;
            let mut name = [0; PATH_MAX / 4];
            let length = self.guest.readlinkat(dirfd, scratch.path.c(), &mut name)?;
            let name = name.get(..length).unwrap_or(&[]);
            if let Some((prefix, rest)) = self.config.to_guest(name) {
                scratch.path.set(prefix)?;
                scratch.path.push(rest)?;
            } else {
                // A file without a name, as memfd_create(2) makes: by its descriptor.
                scratch.path.set(b"/dev/fd/")?;
                scratch.path.push_number(u32::try_from(dirfd).map_err(|_| Errno::BADF)?)?;
            }
            return Ok(fd);
        }
        let name = scratch.path.clone();
        self.open_executable(scratch, dirfd, &name, flags & AT_SYMLINK_NOFOLLOW == 0)
    }

    /// Opens past read permission, which executing does not need.
    fn open_executable(
        &self,
        scratch: &mut Scratch,
        dirfd: i32,
        path: &PathBuf,
        follow: bool,
    ) -> Result<i32> {
        // Only regular files: opening a fifo would wait.
        let disk = if self.cred.is_fs_root() {
            None
        } else {
            Some(self.disk(&mut scratch.walk, dirfd, path, follow)?)
        };
        if let Some(disk) = disk
            && disk.kind() != S_IFREG
        {
            return Err(if disk.is_symlink() { Errno::LOOP } else { Errno::ACCES });
        }
        let flags = O_RDONLY | O_NONBLOCK | if follow { 0 } else { O_NOFOLLOW };
        let walk = &mut scratch.walk;
        if self.cred.is_fs_root() {
            return self.open_existing(walk, dirfd, path, flags, 0);
        }
        let place = self.walk(walk, dirfd, path.bytes(), follow)?;
        if place.disk.is_none() {
            return Err(Errno::NOENT);
        }
        self.open_place(walk, &place, flags, 0)
    }

    /// `Some` = a program with these set-id owners; `None` = a script, added to `scripts`.
    fn examine(
        &self,
        fd: i32,
        scripts: &mut Scripts,
    ) -> Result<Option<(Option<u32>, Option<u32>)>> {
        let disk = self.disk_of(fd)?;
        let seen = self.seen(&disk);
        let mode = u32::from(seen.mode);
        if seen.kind() != S_IFREG || mode & 0o111 == 0 {
            return Err(Errno::ACCES);
        }
        if !self.allows(&seen, MAY_EXEC) && !self.acl_allows(fd, b"", &seen, MAY_EXEC) {
            return Err(Errno::ACCES);
        }
        let mut head = [0; HEAD];
        let length = self.guest.read_head(fd, &mut head)?;
        let head = head.get(..length).unwrap_or(&[]);
        if let Some((interpreter, argument)) = parse_script(head)? {
            scripts.add(interpreter, argument)?;
            return Ok(None);
        }
        if !head.starts_with(b"\x7fELF") {
            return Err(Errno::NOEXEC);
        }
        let set_user = (mode & S_ISUID != 0).then_some(seen.uid);
        let set_group = (mode & (S_ISGID | 0o010) == S_ISGID | 0o010).then_some(seen.gid);
        Ok(Some((set_user, set_group)))
    }

    /// The canonical path of the program whose name is in `scratch.other`, left there.
    fn name_program(&self, scratch: &mut Scratch, fd: i32, from: Option<i32>) -> Result<()> {
        let Scratch { path, other, walk } = scratch;
        // A walk costs less than /proc, which makes an inode for the descriptor first.
        if let Some(dirfd) = from
            && let Ok(place) = self.walk(walk, dirfd, other.bytes(), true)
            && (place.magic, walk.deep) == (None, None)
            && let (Some(found), opened) = (place.disk, self.disk_of(fd)?)
            && key(&found) == key(&opened)
        {
            return other.set(walk.here.bytes());
        }
        let mut link = [0; 32];
        let link = crate::change::descriptor_path(fd, &mut link).ok_or(Errno::BADF)?;
        let length = match self.guest.readlinkat(AT_FDCWD, link, other.space()) {
            Err(Errno::NAMETOOLONG) => return other.set(path.bytes()),
            other => other?,
        };
        other.filled(length);
        if !self.to_guest_path(walk, other)? {
            other.set(path.bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_lines() {
        let plain = |text: &'static [u8]| parse_script(text).unwrap();
        assert_eq!(plain(b"\x7fELF"), None);
        assert_eq!(plain(b"#!/bin/sh\necho"), Some((&b"/bin/sh"[..], None)));
        assert_eq!(plain(b"#! \t/bin/sh \t\n"), Some((&b"/bin/sh"[..], None)));
        assert_eq!(
            plain(b"#!/usr/bin/env  -S a b \n"),
            Some((&b"/usr/bin/env"[..], Some(&b"-S a b"[..])))
        );
        assert_eq!(plain(b"#!/x"), Some((&b"/x"[..], None)));
        assert_eq!(parse_script(b"#!  \n"), Err(Errno::NOEXEC));
    }

    #[test]
    fn scripts_of_scripts_end() {
        let mut scripts = Scripts::new();
        for _ in 0..MAX_SCRIPTS {
            scripts.add(b"/a", Some(b"-x")).unwrap();
        }
        assert_eq!(scripts.add(b"/a", None), Err(Errno::LOOP));
        let (interpreter, argument) = scripts.line(4).unwrap();
        assert_eq!(interpreter.with_nul(), b"/a\0");
        assert_eq!(argument.unwrap().bytes(), b"-x");
    }
}
