//! Whether a step can run here, decided from its text and the image before anything runs.

use crate::fs::{Fs, Identity};
use crate::imports::Fault;
use crate::kernel::{Flavor, Resolved, has_shell, resolve};
use kiln_runner::Step;
use kiln_sh_syntax::{Dialect, Parser, commands};

/// Builtins of the shell guest that are not also looked up in the image.
const BUILTINS: [&str; 40] = [
    ".", ":", "[", "break", "cd", "chdir", "command", "continue", "echo", "eval", "exec", "exit",
    "export", "false", "getopts", "hash", "kill", "local", "printf", "pwd", "read", "readonly",
    "return", "set", "shift", "source", "test", "times", "trap", "true", "type", "ulimit", "umask",
    "unset", "wait", "dash", "ash", "sh", "bash", "busybox",
];

/// Scripts inside scripts (`sh -c`); deeper ones are left to a native run.
const MAX_DEPTH: usize = 4;

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
    let user = &step.user;
    let search = step.env.iter().find(|(name, _)| name == b"PATH");
    let image = Image {
        fs,
        is_shim,
        has_shell: has_shell(fs),
        who: Identity { uid: user.uid, gid: user.gid, groups: user.groups.clone() },
        cwd: kiln_rootfs::path::clean(&step.cwd),
        search: search.map(|(_, value)| value.clone()).unwrap_or_default(),
    };
    let Some((name, args)) = step.argv.split_first() else {
        return Err("the step has no command".to_owned());
    };
    match image.resolve(name)? {
        Resolved::Shim { command, flavor, .. } if command == "sh" => image.shell(flavor, args),
        Resolved::Shim { .. } | Resolved::Wasm { .. } => Ok(()),
        Resolved::BusyBox { .. } => match args.split_first() {
            Some((applet, args)) if applet == b"sh" || applet == b"ash" => {
                image.shell(Flavor::BusyBox, args)
            }
            Some((applet, _)) if is_shim(&String::from_utf8_lossy(applet)) => Ok(()),
            _ => Err("busybox without an applet that has a shim".to_owned()),
        },
        Resolved::Native { why, .. } => Err(why),
        Resolved::Script { path, .. } => {
            Err(format!("{} is a script of the image", String::from_utf8_lossy(&path)))
        }
    }
}

struct Image<'a> {
    fs: &'a Fs,
    is_shim: &'a dyn Fn(&str) -> bool,
    has_shell: bool,
    who: Identity,
    cwd: Vec<u8>,
    search: Vec<u8>,
}

impl Image<'_> {
    fn resolve(&self, name: &[u8]) -> Result<Resolved, String> {
        let found = resolve(
            self.fs,
            self.has_shell,
            self.is_shim,
            &self.who,
            &self.cwd,
            name,
            &self.search,
        );
        found.map_err(|fault| match fault {
            Fault::Native(why) => why,
            _ => format!("{} is not in the image", String::from_utf8_lossy(name)),
        })
    }

    /// A shell and its arguments.
    fn shell(&self, flavor: Flavor, args: &[Vec<u8>]) -> Result<(), String> {
        let dialect = match flavor {
            Flavor::Gnu => Dialect::Dash,
            Flavor::BusyBox => Dialect::Ash,
            Flavor::Bash => Dialect::Bash,
        };
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
        let Some(operand) = operand else { return Ok(()) };
        if command {
            return self.script(operand, dialect, 0);
        }
        let path = [b"/", &self.cwd[..], b"/", operand].concat();
        let path = if operand.starts_with(b"/") { operand } else { &path };
        let text = self.fs.rootfs().read_small(path, MAX_SCRIPT).map_err(|e| e.to_string())?;
        self.script(&text, dialect, 0)
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
        if found.dynamic {
            return Err("a command's name is known only when it runs".to_owned());
        }
        for name in &found.names {
            self.name(name)?;
        }
        found.scripts.iter().try_for_each(|script| self.script(script, dialect, depth + 1))
    }

    fn name(&self, name: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(name);
        if BUILTINS.contains(&&text[..]) {
            return Ok(());
        }
        match self.resolve(name)? {
            Resolved::Native { why, .. } => Err(why),
            Resolved::Script { path, .. } => {
                Err(format!("{} is a script of the image", String::from_utf8_lossy(&path)))
            }
            Resolved::Shim { .. } | Resolved::BusyBox { .. } | Resolved::Wasm { .. } => Ok(()),
        }
    }
}
