//! `mkdir`.

use std::io::{self, Write};

use shim::{
    Context, Outcome,
    args::{self, Opt, Order, flag, value},
    mode::{Changes, Dialect},
    paths, sys,
};

const OPTIONS: &[Opt] = &[flag('p', "parents"), value('m', "mode"), flag('v', "verbose")];

struct Mkdir {
    parents: bool,
    verbose: bool,
    mode: Option<Changes>,
    umask: u32,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut mkdir = Mkdir { parents: false, verbose: false, mode: None, umask: sys::umask() };
    for option in &parsed.options {
        match option.name() {
            "p" => mkdir.parents = true,
            "v" => mkdir.verbose = true,
            _ => {
                let Some(mode) = Changes::parse(option.bytes(), dialect()) else {
                    context.warn(format_args!("invalid mode {}", paths::quoted(option.bytes())));
                    return Ok(1);
                };
                mkdir.mode = Some(mode);
            }
        }
    }
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    let mut status = 0;
    for dir in &parsed.operands {
        if let Err((path, error)) = mkdir.make(context, dir)? {
            context.warn_path("cannot create directory", &path, &error);
            status = 1;
        }
    }
    Ok(status)
}

/// How the image's tools treat octal modes of directories.
pub(crate) fn dialect() -> Dialect {
    if sys::is_busybox() { Dialect::BusyBox } else { Dialect::Gnu }
}

type Made = Result<(), (Vec<u8>, io::Error)>;

impl Mkdir {
    fn make(&self, context: &mut Context, dir: &[u8]) -> io::Result<Made> {
        if self.parents {
            for parent in ancestors(dir) {
                match make_parent(parent, self.umask) {
                    Ok(true) => self.announce(context, parent)?,
                    Ok(false) => {}
                    Err(error) => return Ok(Err((parent.to_vec(), error))),
                }
            }
        }
        let (mode, decided) =
            self.mode.as_ref().map_or((0o777, 0), |mode| mode.adjust(0o777, true, self.umask));
        match sys::mkdir(dir, mode) {
            Ok(()) => {}
            Err(_) if self.parents && sys::stat(dir).is_ok_and(|stat| stat.is_dir()) => {
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err((dir.to_vec(), error))),
        }
        self.announce(context, dir)?;
        // GNU's leaves it at what the umask made of a mode that sets no permission and no setid bit.
        if decided & 0o6000 != 0 || mode & decided & 0o777 != 0 {
            let kept = match dialect() {
                Dialect::Gnu => sys::lstat(dir).map_or(0, |stat| stat.permissions() & !decided),
                Dialect::BusyBox => 0,
            };
            if let Err(error) = sys::chmod(dir, mode | kept) {
                return Ok(Err((dir.to_vec(), error)));
            }
        }
        Ok(Ok(()))
    }

    fn announce(&self, context: &mut Context, dir: &[u8]) -> io::Result<()> {
        if self.verbose {
            let shown = paths::quoted(dir);
            writeln!(context.out, "{}: created directory {shown}", context.name)?;
        }
        Ok(())
    }
}

/// The directories that a path goes through before its last component, outermost first.
pub(crate) fn ancestors(path: &[u8]) -> Vec<&[u8]> {
    let trimmed = paths::trim_slashes(path);
    let mut found = Vec::new();
    for at in 1..trimmed.len() {
        if trimmed[at] == b'/' && trimmed[at - 1] != b'/' {
            found.push(&trimmed[..at]);
        }
    }
    found
}

/// Makes a directory on the way to another; false when it is there already. Its owner must be able
/// to go on, whatever the umask.
pub(crate) fn make_parent(dir: &[u8], umask: u32) -> io::Result<bool> {
    match sys::mkdir(dir, 0o777) {
        Ok(()) => {
            if umask & 0o300 != 0 {
                sys::chmod(dir, 0o777 & !umask | 0o300)?;
            }
            Ok(true)
        }
        Err(error) => match sys::stat(dir) {
            Ok(stat) if stat.is_dir() => Ok(false),
            Ok(_) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::from(io::ErrorKind::NotADirectory))
            }
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_leave_out_the_path_itself() {
        for (path, expected) in [
            ("a", vec![]),
            ("a/b/c", vec!["a", "a/b"]),
            ("/a/b/", vec!["/a"]),
            ("a//b", vec!["a"]),
            ("/", vec![]),
        ] {
            let expected: Vec<&[u8]> = expected.iter().map(|part| part.as_bytes()).collect();
            assert_eq!(ancestors(path.as_bytes()), expected, "{path}");
        }
    }
}
