//! Which guest a command is, decided by what the image has at its path.

use super::Kernel;
use super::packaged::{Origin, origin};
use crate::fs::{Found, Fs, FsError, Identity};
use crate::imports::Fault;
use crate::kernel::Process;
use kiln_guest_abi::wire::errno;
use kiln_rootfs::{FileType, path};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use wasmtime::{Engine, Instance, InstancePre, Store};

/// A guest that can be instantiated.
#[derive(Clone)]
pub(crate) struct Program {
    pre: InstancePre<Process>,
    shim: Option<&'static str>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Program").field(&self.shim).finish()
    }
}

impl Program {
    /// A guest of ours, or the image's when `shim` is none.
    pub(crate) const fn new(pre: InstancePre<Process>, shim: Option<&'static str>) -> Self {
        Self { pre, shim }
    }

    /// The guest's name when it is one of ours.
    pub(crate) const fn shim(&self) -> Option<&'static str> {
        self.shim
    }

    pub(super) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    pub(super) fn instantiate(&self, store: &mut Store<Process>) -> wasmtime::Result<Instance> {
        self.pre.instantiate(store)
    }
}

/// Whose tool a guest replaces; the numbers are those of the import `flavor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// GNU's or Debian's.
    Gnu = 0,
    /// BusyBox's.
    BusyBox = 1,
    /// A shell that is bash.
    Bash = 2,
}

/// What a command name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Resolved {
    /// One of our guests under this command name.
    Shim {
        /// The command, as the table of guests has it.
        command: String,
        /// Whose tool it replaces.
        flavor: Flavor,
        /// The path in the image.
        path: Vec<u8>,
    },
    /// `busybox APPLET …`
    BusyBox {
        /// The path in the image.
        path: Vec<u8>,
    },
    /// A WebAssembly program of the image or context, at a canonical path.
    Wasm {
        /// Where it is.
        path: Vec<u8>,
    },
    /// A program that only a native run can execute.
    Native {
        /// The path in the image.
        path: Vec<u8>,
        /// Why.
        why: String,
    },
    /// A script: interpreter and its argument, and the script's path as found.
    Script {
        /// The interpreter's path.
        interpreter: Vec<u8>,
        /// The one argument that Linux allows on the line.
        argument: Option<Vec<u8>>,
        /// The script.
        path: Vec<u8>,
        /// As the caller named it: what the interpreter is told, as execve(2) does.
        spelled: Vec<u8>,
    },
}

/// Where distributions put their tools.
const STANDARD: [&[u8]; 4] = [b"bin", b"sbin", b"usr/bin", b"usr/sbin"];

/// Tools that are scripts in Debian or Ubuntu; they count as the distribution's where dpkg's records
/// say so.
const SCRIPTS: [&str; 16] = [
    "addgroup",
    "adduser",
    "delgroup",
    "deluser",
    "egrep",
    "fgrep",
    "gunzip",
    "gzexe",
    "ldconfig",
    "locale-gen",
    "update-ca-certificates",
    "update-rc.d",
    "which",
    "which.debianutils",
    "zcat",
    "zgrep",
];

/// Bytes read of a program: Linux reads no more of a `#!` line.
const HEAD: usize = 256;

/// The name of a program's loader is a path, with the byte that ends it.
const MAX_LOADER: usize = 4096;

/// Whether the image has a shell.
pub(crate) fn has_shell(fs: &Fs) -> bool {
    fs.rootfs().exists(b"/bin/sh").unwrap_or(false)
}

impl Kernel {
    /// What `name` is, looked up in `search` (the value of `PATH`) when it has no slash.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, or `Native` for a path that leads out of the image.
    pub(crate) fn resolve_program(
        &self,
        who: &Identity,
        cwd: &[u8],
        name: &[u8],
        search: &[u8],
    ) -> Result<Resolved, Fault> {
        resolve(
            &self.fs,
            self.has_shell,
            &|command| self.machine.has(command),
            who,
            cwd,
            name,
            search,
        )
    }
}

/// As [`Kernel::resolve_program`], for use before there is a kernel.
pub(crate) fn resolve(
    fs: &Fs,
    has_shell: bool,
    is_shim: &dyn Fn(&str) -> bool,
    who: &Identity,
    cwd: &[u8],
    name: &[u8],
    search: &[u8],
) -> Result<Resolved, Fault> {
    if name.is_empty() {
        return Err(Fault::Errno(errno::ENOENT));
    }
    let mut failure = errno::ENOENT;
    for candidate in candidates(name, search) {
        let found = match fs.resolve(who, cwd, &candidate, true) {
            Ok(found) => found,
            Err(FsError::Errno(errno::ENOENT | errno::ENOTDIR)) => continue,
            Err(FsError::Errno(other)) => {
                failure = other;
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        let Some(file) = &found.metadata else { continue };
        if file.file_type != FileType::File || found.device.is_some() || who.may(file, 1).is_err() {
            failure = errno::EACCES;
            continue;
        }
        return classify(fs, is_shim, who, cwd, &candidate, &found);
    }
    let (directory, command) = path::split(name);
    let standard = !name.contains(&b'/') || STANDARD.contains(&&path::clean(directory)[..]);
    if !has_shell
        && standard
        && failure == errno::ENOENT
        && let Ok(command) = std::str::from_utf8(command)
        && is_shim(command)
    {
        let path = [b"/bin/", command.as_bytes()].concat();
        return Ok(Resolved::Shim { command: command.to_owned(), flavor: Flavor::Gnu, path });
    }
    Err(Fault::Errno(failure))
}

fn candidates(name: &[u8], search: &[u8]) -> Vec<Vec<u8>> {
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    search
        .split(|&byte| byte == b':')
        .map(|directory| {
            let directory: &[u8] = if directory.is_empty() { b"." } else { directory };
            let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
            [directory, slash, name].concat()
        })
        .collect()
}

fn classify(
    fs: &Fs,
    is_shim: &dyn Fn(&str) -> bool,
    who: &Identity,
    cwd: &[u8],
    spelled: &[u8],
    found: &Found,
) -> Result<Resolved, Fault> {
    let (head, file) = read_head(fs, &found.path)?;
    let path = if spelled.starts_with(b"/") {
        spelled.to_vec()
    } else {
        [b"/", &path::join(cwd, &path::clean(spelled))[..]].concat()
    };
    if head.starts_with(b"\0asm") {
        return Ok(Resolved::Wasm { path: found.path.clone() });
    }
    let (directory, name) = path::split(spelled);
    let command = String::from_utf8_lossy(name).into_owned();
    let (real_directory, real_name) = path::split(&found.path);
    let elf = head.starts_with(b"\x7fELF");
    if elf
        && let Some(loader) = loader(&head, &file)
        && !matches!(fs.resolve(who, b"", &loader, true), Ok(Found { metadata: Some(_), .. }))
    {
        // Whoever executes it is told that it is not there.
        let why = format!("the image lost its loader {}", String::from_utf8_lossy(&loader));
        return Ok(Resolved::Native { path, why });
    }
    if elf && real_name == b"busybox" {
        if name == b"busybox" {
            return Ok(Resolved::BusyBox { path });
        }
        let command = if command == "ash" { "sh".to_owned() } else { command };
        return shim(is_shim, command, Flavor::BusyBox, path);
    }
    // `/bin` may be a link to `/usr/bin`.
    let directory: &[u8] = if directory.is_empty() { b"/" } else { directory };
    let spelled_in = fs.resolve(who, cwd, directory, true).map_err(Fault::from)?.path;
    let standard = STANDARD.contains(&&spelled_in[..]) && STANDARD.contains(&real_directory);
    if standard
        && (elf || SCRIPTS.contains(&command.as_str()))
        && let Some(file) = &found.metadata
    {
        let origin = origin(fs, &found.path, file);
        if elf && origin == Origin::Other {
            let shown = String::from_utf8_lossy(&path).into_owned();
            return Ok(Resolved::Native {
                path,
                why: format!("{shown} is not the distribution's"),
            });
        }
        if elf || origin == Origin::Package {
            return tool(is_shim, command, real_name, path);
        }
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(line, path, spelled);
    }
    let why = format!("{} is a program of the image", String::from_utf8_lossy(&path));
    Ok(Resolved::Native { path, why })
}

/// The guest for a tool of the distribution.
fn tool(
    is_shim: &dyn Fn(&str) -> bool,
    command: String,
    real_name: &[u8],
    path: Vec<u8>,
) -> Result<Resolved, Fault> {
    match (command.as_str(), real_name) {
        ("sh", b"dash") => shim(is_shim, command, Flavor::Gnu, path),
        ("sh" | "bash", b"bash") => shim(is_shim, "sh".into(), Flavor::Bash, path),
        ("dash", _) => shim(is_shim, "sh".into(), Flavor::Gnu, path),
        ("sh", other) => {
            let why = format!("the image's shell is {}", String::from_utf8_lossy(other));
            Ok(Resolved::Native { path, why })
        }
        _ => shim(is_shim, command, Flavor::Gnu, path),
    }
}

fn shim(
    is_shim: &dyn Fn(&str) -> bool,
    command: String,
    flavor: Flavor,
    path: Vec<u8>,
) -> Result<Resolved, Fault> {
    if is_shim(&command) {
        Ok(Resolved::Shim { command, flavor, path })
    } else {
        Ok(Resolved::Native { path, why: format!("there is no shim for {command}") })
    }
}

/// Splits a `#!` line as Linux does: interpreter, and all the rest as one argument.
fn script(line: &[u8], path: Vec<u8>, spelled: &[u8]) -> Result<Resolved, Fault> {
    let end = line.iter().position(|&byte| byte == b'\n');
    // A file that ends before its line does has the whole line.
    let whole = line.len() + b"#!".len() < HEAD;
    let Some(end) = end.or(whole.then_some(line.len())) else {
        return Err(Fault::Errno(errno::ENOEXEC));
    };
    // Spaces and tabs alone: a carriage return belongs to the name, which then is nowhere.
    let line = trim(&line[..end]);
    let cut = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(cut);
    if interpreter.is_empty() {
        // The shell that was to execute it reads it itself.
        let why = format!("{} names no interpreter", String::from_utf8_lossy(&path));
        return Ok(Resolved::Native { path, why });
    }
    let argument = trim(argument);
    let argument = (!argument.is_empty()).then(|| argument.to_vec());
    let (interpreter, spelled) = (interpreter.to_vec(), spelled.to_vec());
    Ok(Resolved::Script { interpreter, argument, path, spelled })
}

fn trim(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
}

/// The first bytes of a program, and the program.
fn read_head(fs: &Fs, path: &[u8]) -> Result<(Vec<u8>, File), Fault> {
    let fd = fs.rootfs().open(path, OFlags::RDONLY | OFlags::NOFOLLOW, 0).map_err(FsError::from)?;
    let (mut head, mut file) = (vec![0; HEAD], File::from(fd));
    let count = file.read(&mut head).map_err(|_| Fault::Errno(errno::EIO))?;
    head.truncate(count);
    Ok((head, file))
}

/// What the `PT_INTERP` header of a 64-bit ELF program names, as far as its first bytes have the
/// header (elf(5)); linkers put it first or second.
fn loader(head: &[u8], file: &File) -> Option<Vec<u8>> {
    const PT_INTERP: u64 = 3;
    let number = |bytes: &[u8], at: usize, length: usize| {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0_u64, |number, &byte| number << 8 | u64::from(byte)))
    };
    let (table, size) = (number(head, 32, 8)?, number(head, 54, 2)?);
    let headers =
        head.get(usize::try_from(table).ok()?..)?.chunks(usize::try_from(size).ok()?.max(1));
    let header = headers
        .take(usize::try_from(number(head, 56, 2)?).ok()?)
        .find(|header| number(header, 0, 4) == Some(PT_INTERP))?;
    let (offset, length) = (number(header, 8, 8)?, number(header, 32, 8)?);
    let mut name = vec![0; usize::try_from(length).ok().filter(|&length| length <= MAX_LOADER)?];
    file.read_exact_at(&mut name, offset).ok()?;
    name.truncate(name.iter().position(|&byte| byte == 0)?);
    Some(name)
}
