//! `rm` and `unlink`.

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, optional},
    native, paths, sys, walk_aloud,
};

const OPTIONS: &[Opt] = &[
    flag('r', "recursive"),
    flag('R', ""),
    flag('f', "force"),
    flag('v', "verbose"),
    flag('d', "dir"),
    optional(NO, "preserve-root"),
];

#[derive(Clone, Copy, Default)]
struct Rm {
    recursive: bool,
    force: bool,
    verbose: bool,
    directories: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut rm = Rm::default();
    for option in &parsed.options {
        match option.name() {
            "r" | "R" => rm.recursive = true,
            "f" => rm.force = true,
            "v" => rm.verbose = true,
            "d" => rm.directories = true,
            _ if option.value.is_some() => return Err(native("--preserve-root with a value")),
            _ => {}
        }
    }
    if parsed.operands.is_empty() && !rm.force {
        context.warn("missing operand");
        return Ok(1);
    }
    let mut status = 0;
    for path in &parsed.operands {
        // BusyBox takes a link's or file's name with a slash for the name itself.
        let path = if sys::is_busybox() && path.iter().any(|&byte| byte != b'/') {
            paths::trim_slashes(path)
        } else {
            path
        };
        let base = paths::base_name(path);
        if rm.recursive && (base == b"." || base == b"..") {
            context.warn(format_args!("refusing to remove {}: skipping", paths::quoted(path)));
            status = 1;
        } else if rm.recursive && is_root(path) {
            return Err(native("removing the root directory"));
        } else if !rm.remove(context, path)? {
            status = 1;
        }
    }
    Ok(status)
}

fn is_root(path: &[u8]) -> bool {
    match (sys::lstat(path), sys::lstat(b"/")) {
        (Ok(stat), Ok(root)) => stat.is_dir() && stat.same_file(&root),
        _ => false,
    }
}

impl Rm {
    /// Removes a path and what is below it; false when something stays.
    fn remove(self, context: &mut Context, path: &[u8]) -> Result<bool, Stop> {
        let stat = match sys::lstat(path) {
            Ok(stat) => stat,
            Err(error) => {
                let below_file = sys::is_not_directory(&error) && !sys::is_busybox();
                let gone = error.kind() == io::ErrorKind::NotFound || below_file;
                if !(self.force && gone) {
                    context.warn_path("cannot remove", path, &error);
                }
                return Ok(self.force && gone);
            }
        };
        if !stat.is_dir() {
            return Ok(self.finish(context, path, sys::unlink(path), "removed")?);
        }
        if self.recursive {
            let mut all = true;
            match sys::read_dir(path) {
                Ok(names) => {
                    walk_aloud(self.verbose, &names)?;
                    for name in names {
                        all &= self.remove(context, &paths::join(path, &name))?;
                    }
                }
                // An empty directory that may not be read can still be removed.
                Err(error) => {
                    if sys::rmdir(path).is_ok() {
                        return Ok(true);
                    }
                    context.warn_path("cannot remove", path, &error);
                    return Ok(false);
                }
            }
            if !all {
                return Ok(false);
            }
            // Through a trailing slash a symlink looks like a directory, but cannot be removed so.
            if path.ends_with(b"/") && is_symlink(paths::trim_slashes(path)) {
                if !self.force {
                    let error = io::Error::from(io::ErrorKind::NotADirectory);
                    context.warn_path("cannot remove", path, &error);
                }
                return Ok(self.force);
            }
        } else if !self.directories {
            context.warn(format_args!("cannot remove {}: Is a directory", paths::quoted(path)));
            return Ok(false);
        }
        Ok(self.finish(context, path, sys::rmdir(path), "removed directory")?)
    }

    fn finish(
        self,
        context: &mut Context,
        path: &[u8],
        result: io::Result<()>,
        what: &str,
    ) -> io::Result<bool> {
        match result {
            Ok(()) => {
                if self.verbose {
                    writeln!(context.out, "{what} {}", paths::quoted(path))?;
                }
                Ok(true)
            }
            Err(error) => {
                context.warn_path("cannot remove", path, &error);
                Ok(false)
            }
        }
    }
}

fn is_symlink(path: &[u8]) -> bool {
    sys::lstat(path).is_ok_and(|stat| stat.is_symlink())
}

/// Removes a tree without a word, for `mv` across file systems.
pub(crate) fn remove_tree(context: &mut Context, path: &[u8]) -> Result<bool, Stop> {
    Rm { recursive: true, force: true, ..Rm::default() }.remove(context, path)
}

pub(crate) fn unlink(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::Permute)?;
    let [path] = parsed.operands.as_slice() else {
        context.warn("needs one operand");
        return Ok(1);
    };
    if let Err(error) = sys::unlink(path) {
        context.warn_path("cannot unlink", path, &error);
        return Ok(1);
    }
    Ok(0)
}
