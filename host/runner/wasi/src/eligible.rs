//! Whether a step can run here, decided from its text and the image before anything runs.
//!
//! What the text does not say (a command's name in a variable, a command that the step itself makes)
//! is left to the run: a step that meets what only a native run can do is taken back whole.

use crate::fs::{Fs, Identity};
use crate::imports::Fault;
use crate::kernel::{Flavor, Resolved, has_shell, resolve};
use kiln_runner::Step;
use kiln_sh_syntax::{Dialect, Parser, commands};
use std::cell::RefCell;
use std::collections::HashSet;

/// Builtins of the shell guest that are not also looked up in the image.
const BUILTINS: [&str; 35] = [
    ".", ":", "[", "break", "cd", "chdir", "command", "continue", "echo", "eval", "exec", "exit",
    "export", "false", "getopts", "hash", "kill", "local", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "source", "test", "times", "trap", "true", "type", "ulimit", "umask",
    "unset", "wait",
];

/// Builtins of shells that the shell guest does not have.
const UNSUPPORTED: [&str; 20] = [
    "alias",
    "bg",
    "builtin",
    "compgen",
    "complete",
    "declare",
    "dirs",
    "enable",
    "fc",
    "fg",
    "jobs",
    "let",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "shopt",
    "suspend",
    "typeset",
    "unalias",
];

/// Scripts inside scripts; deeper ones are left to a native run.
const MAX_DEPTH: usize = 8;

/// Bytes of a script file that is read to look for commands.
const MAX_SCRIPT: u64 = 1 << 20;

/// Checks a step.
///
/// # Errors
/// Why it cannot run here, in one line.
pub(crate) fn check(fs: &Fs, is_shim: &dyn Fn(&str) -> bool, step: &Step) -> Result<(), String> {
    if !step.mounts.is_empty() {
        return Err("the step has mounts".to_owned());
    }
    if !step.limits.ulimits.is_empty() {
        return Err("the step has resource limits of a native process".to_owned());
    }
    let user = &step.user;
    let search = step.env.iter().find(|(name, _)| name == b"PATH");
    let image = Image {
        fs,
        is_shim,
        has_shell: has_shell(fs),
        who: Identity { uid: user.uid, gid: user.gid, groups: user.groups.clone() },
        cwd: kiln_rootfs::path::clean(&step.cwd),
        search: search.map(|(_, value)| value.clone()).unwrap_or_default(),
        seen: RefCell::default(),
    };
    if image.has_shell {
        fs.check_mount_points()?;
        if !fs.rootfs().exists(b"/etc").unwrap_or(false) {
            return Err("the image has no /etc".to_owned());
        }
    }
    let Some((name, args)) = step.argv.split_first() else {
        return Err("the step has no command".to_owned());
    };
    match image.resolve(name)? {
        None => Err(format!("{} is not in the image", String::from_utf8_lossy(name))),
        Some(found) => image.command(found, Some(args), 0),
    }
}

struct Image<'a> {
    fs: &'a Fs,
    is_shim: &'a dyn Fn(&str) -> bool,
    has_shell: bool,
    who: Identity,
    cwd: Vec<u8>,
    search: Vec<u8>,
    /// Script files that were looked into, so that none is twice.
    seen: RefCell<HashSet<Vec<u8>>>,
}

impl Image<'_> {
    /// What a command is; `None` when the image has none of that name.
    fn resolve(&self, name: &[u8]) -> Result<Option<Resolved>, String> {
        let found = resolve(
            self.fs,
            self.has_shell,
            self.is_shim,
            &self.who,
            &self.cwd,
            name,
            &self.search,
        );
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Fault::Native(why)) => Err(why),
            Err(_) => Ok(None),
        }
    }

    /// A command that the image has, with its arguments where they are the step's own.
    fn command(
        &self,
        found: Resolved,
        args: Option<&[Vec<u8>]>,
        depth: usize,
    ) -> Result<(), String> {
        match (found, args) {
            (Resolved::Shim { command, flavor, .. }, Some(args)) if command == "sh" => {
                self.shell(flavor, args, depth)
            }
            (Resolved::BusyBox { .. }, Some(args)) => match args.split_first() {
                Some((applet, args)) if applet == b"sh" || applet == b"ash" => {
                    self.shell(Flavor::BusyBox, args, depth)
                }
                Some((applet, _)) => self.applet(applet),
                None => Err("busybox without an applet".to_owned()),
            },
            (Resolved::Shim { .. } | Resolved::BusyBox { .. } | Resolved::Wasm { .. }, _) => Ok(()),
            (Resolved::Native { why, .. }, _) => Err(why),
            (Resolved::Script { interpreter, path, .. }, _) => {
                let Some(Resolved::Shim { command, flavor, .. }) = self.resolve(&interpreter)?
                else {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    return Err(format!("{path} is a script for a program of the image"));
                };
                if command == "sh" { self.file(&path, dialect(flavor), depth) } else { Ok(()) }
            }
        }
    }

    fn applet(&self, applet: &[u8]) -> Result<(), String> {
        let applet = String::from_utf8_lossy(applet);
        if (self.is_shim)(&applet) || matches!(&applet[..], "sh" | "ash") {
            return Ok(());
        }
        Err(format!("there is no shim for busybox {applet}"))
    }

    /// A shell and its arguments.
    fn shell(&self, flavor: Flavor, args: &[Vec<u8>], depth: usize) -> Result<(), String> {
        let dialect = dialect(flavor);
        let mut rest = args.iter();
        let mut command = false;
        let mut operand = None;
        while let Some(arg) = rest.next() {
            if arg.len() < 2 || !matches!(arg[0], b'-' | b'+') {
                operand = Some(arg);
                break;
            }
            if !arg.starts_with(b"--") {
                command |= arg.contains(&b'c');
                if arg.ends_with(b"o") {
                    rest.next();
                }
            }
        }
        match operand {
            None => Ok(()),
            Some(text) if command => self.script(text, dialect, depth),
            Some(file) => self.file(file, dialect, depth),
        }
    }

    /// A script file; one that is not there yet is left to the run.
    fn file(&self, file: &[u8], dialect: Dialect, depth: usize) -> Result<(), String> {
        let path = match file.starts_with(b"/") {
            true => file.to_vec(),
            false => [b"/", &self.cwd[..], b"/", file].concat(),
        };
        if !self.seen.borrow_mut().insert(path.clone()) {
            return Ok(());
        }
        match self.fs.rootfs().read_small(&path, MAX_SCRIPT) {
            Ok(text) => self.script(&text, dialect, depth + 1).map_err(|why| {
                let path = String::from_utf8_lossy(&path);
                format!("{path}: {why}")
            }),
            Err(_) => Ok(()),
        }
    }

    fn script(&self, text: &[u8], dialect: Dialect, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("scripts inside scripts".to_owned());
        }
        let mut list = Vec::new();
        let mut parser = Parser::new(text, dialect);
        while let Some(line) = parser.next_line().map_err(|error| format!("line {error}"))? {
            list.extend(line);
        }
        let found = commands(&list);
        found.names.iter().try_for_each(|name| self.name(name, depth))?;
        found.applets.iter().try_for_each(|applet| self.applet(applet))?;
        found.scripts.iter().try_for_each(|script| self.script(script, dialect, depth + 1))?;
        found.files.iter().try_for_each(|file| self.file(file, dialect, depth))
    }

    fn name(&self, name: &[u8], depth: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(name);
        if BUILTINS.contains(&&text[..]) {
            return Ok(());
        }
        if UNSUPPORTED.contains(&&text[..]) {
            return Err(format!("the builtin {text}"));
        }
        match self.resolve(name)? {
            None => Ok(()),
            Some(found) => self.command(found, None, depth),
        }
    }
}

const fn dialect(flavor: Flavor) -> Dialect {
    match flavor {
        Flavor::Gnu => Dialect::Dash,
        Flavor::BusyBox => Dialect::Ash,
        Flavor::Bash => Dialect::Bash,
    }
}
