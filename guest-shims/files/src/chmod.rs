//! `chmod`.

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    mode::{Changes, describe},
    native, paths, sys, walk_aloud,
};

use crate::mkdir::dialect;

const OPTIONS: &[Opt] = &[
    flag('R', "recursive"),
    flag('f', "silent"),
    flag(NO, "quiet"),
    flag('v', "verbose"),
    flag('c', "changes"),
    flag(NO, "preserve-root"),
    flag(NO, "no-preserve-root"),
    value(NO, "reference"),
];

struct Chmod {
    changes: Changes,
    /// The mode looked like an option (`-w`), so that the umask may surprise the user.
    surprises: bool,
    recursive: bool,
    quiet: bool,
    verbose: bool,
    changed: bool,
    umask: u32,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let (dashed, rest) = split_modes(&context.args);
    let parsed = args::parse(OPTIONS, &rest, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let reference = parsed.options.iter().find(|option| option.name() == "reference");
    let mut operands = parsed.operands.clone();
    let mode = if let Some(reference) = reference {
        let stat = match sys::stat(reference.bytes()) {
            Ok(stat) => stat,
            Err(error) => {
                context.warn_path("failed to get attributes of", reference.bytes(), &error);
                return Ok(1);
            }
        };
        format!("{:05o}", stat.permissions()).into_bytes()
    } else if !dashed.is_empty() {
        dashed.join(&b',')
    } else if operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    } else {
        operands.remove(0)
    };
    let Some(changes) = Changes::parse(&mode, dialect()) else {
        context.warn(format_args!("invalid mode: {}", paths::quoted(&mode)));
        return Ok(1);
    };
    if operands.is_empty() {
        context.warn(format_args!("missing operand after {}", paths::quoted(&mode)));
        return Ok(1);
    }
    let chmod = Chmod {
        changes,
        surprises: !dashed.is_empty() && !sys::is_busybox(),
        recursive: has("R"),
        quiet: has("f") || has("quiet"),
        verbose: has("v"),
        changed: has("c"),
        umask: sys::umask(),
    };
    if chmod.recursive && has("preserve-root") && operands.iter().any(|path| path == b"/") {
        return Err(native("--preserve-root"));
    }
    let mut status = 0;
    for path in &operands {
        if !chmod.change(context, path, true)? {
            status = 1;
        }
    }
    Ok(status)
}

/// Takes modes that begin with a dash, such as `-w`, out of a command line.
fn split_modes(args: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut modes = Vec::new();
    let mut rest = Vec::new();
    let mut ended = false;
    for arg in args {
        ended |= arg == b"--";
        let dashed = matches!(arg.as_slice(), [b'-', letter, ..] if b"rwxXstugoa,+=01234567".contains(letter));
        if dashed && !ended {
            modes.push(arg.clone());
        } else {
            rest.push(arg.clone());
        }
    }
    (modes, rest)
}

impl Chmod {
    fn change(&self, context: &mut Context, path: &[u8], named: bool) -> Result<bool, Stop> {
        let fail = |context: &mut Context, what: &str, error: &io::Error| {
            if !self.quiet {
                context.warn_path(what, path, error);
            }
        };
        let link = match sys::lstat(path) {
            Ok(stat) => stat,
            Err(error) => {
                fail(context, "cannot access", &error);
                return Ok(false);
            }
        };
        let stat = if link.is_symlink() {
            if !named {
                return Ok(true);
            }
            match sys::stat(path) {
                Ok(stat) => stat,
                Err(error) => {
                    fail(context, "cannot operate on dangling symlink", &error);
                    return Ok(false);
                }
            }
        } else {
            link
        };
        let mode = self.changes.apply(stat.mode, stat.is_dir(), self.umask);
        if let Err(error) = sys::chmod(path, mode) {
            fail(context, "changing permissions of", &error);
            return Ok(false);
        }
        self.report(context, path, stat.permissions(), mode)?;
        let mut done = true;
        if self.surprises {
            let plain = self.changes.apply(stat.mode, stat.is_dir(), 0);
            if mode & !plain != 0 {
                let (new, plain) = (describe(mode), describe(plain));
                let shown = String::from_utf8_lossy(path).into_owned();
                context.warn(format_args!(
                    "{shown}: new permissions are {}, not {}",
                    &new[1..],
                    &plain[1..]
                ));
                done = false;
            }
        }
        // A symlink that was named is walked by GNU's and only changed through by BusyBox's.
        if self.recursive && (link.is_dir() || stat.is_dir() && !sys::is_busybox()) {
            match sys::read_dir(path) {
                Ok(names) => {
                    walk_aloud(self.verbose || self.changed, &names)?;
                    for name in names {
                        done &= self.change(context, &paths::join(path, &name), false)?;
                    }
                }
                Err(error) => {
                    fail(context, "cannot read directory", &error);
                    done = false;
                }
            }
        }
        Ok(done)
    }

    fn report(&self, context: &mut Context, path: &[u8], old: u32, new: u32) -> io::Result<()> {
        let shown = paths::quoted(path);
        if old != new && (self.verbose || self.changed) {
            let (from, to) = (describe(old), describe(new));
            let (from, to) = (&from[1..], &to[1..]);
            writeln!(
                context.out,
                "mode of {shown} changed from {old:04o} ({from}) to {new:04o} ({to})"
            )?;
        } else if self.verbose {
            let bits = describe(new);
            writeln!(context.out, "mode of {shown} retained as {new:04o} ({})", &bits[1..])?;
        }
        Ok(())
    }
}
