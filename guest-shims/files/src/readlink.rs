//! `readlink`, `realpath` and the resolution of paths that they share with `ln -r`.

use std::io::{self, Write};

use shim::{
    Context, Outcome,
    args::{self, NO, Opt, Order, flag, value},
    native, paths, sys,
};

/// Which components of a path may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// None.
    Nothing,
    /// The last.
    Last,
    /// Any.
    Any,
}

/// How many symlinks a path may go through, as in Linux: a loop must end.
const MAX_LINKS: usize = 40;

/// The absolute path without symlinks, `.` and `..`.
pub(crate) fn canonical(path: &[u8], missing: Missing) -> io::Result<Vec<u8>> {
    if path.is_empty() {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    let mut real = if path[0] == b'/' { b"/".to_vec() } else { sys::current_dir()? };
    let mut rest: Vec<Vec<u8>> = Vec::new();
    push_components(&mut rest, path);
    let must_be_dir = path.ends_with(b"/");
    let mut links = 0;
    let mut last_is_dir = true;
    while let Some(component) = rest.pop() {
        match component.as_slice() {
            b"." => continue,
            b".." => {
                real = paths::dir_name(&real).to_vec();
                continue;
            }
            _ => {}
        }
        if !last_is_dir && missing != Missing::Any {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        let next = paths::join(&real, &component);
        match sys::lstat(&next) {
            Ok(stat) if stat.is_symlink() => {
                links += 1;
                if links > MAX_LINKS {
                    if missing == Missing::Any {
                        real = next;
                        continue;
                    }
                    return Err(io::Error::other("Too many levels of symbolic links"));
                }
                let target = sys::readlink(&next)?;
                if target.first() == Some(&b'/') {
                    real = b"/".to_vec();
                }
                push_components(&mut rest, &target);
            }
            Ok(stat) => {
                last_is_dir = stat.is_dir();
                real = next;
            }
            Err(error) => {
                let may = match missing {
                    Missing::Nothing => false,
                    Missing::Last => {
                        error.kind() == io::ErrorKind::NotFound
                            && rest.iter().all(|part| part == b".")
                    }
                    Missing::Any => true,
                };
                if !may {
                    return Err(error);
                }
                real = next;
            }
        }
    }
    if must_be_dir && !last_is_dir && missing != Missing::Any {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    Ok(real)
}

/// Puts the components of a path on the stack, the first on top.
fn push_components(stack: &mut Vec<Vec<u8>>, path: &[u8]) {
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    stack.extend(parts.into_iter().rev());
}

/// The way from a directory to a path, both canonical.
pub(crate) fn relative(path: &[u8], dir: &[u8]) -> Vec<u8> {
    let parts = |path: &[u8]| -> Vec<Vec<u8>> {
        let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
        parts.map(<[u8]>::to_vec).collect()
    };
    let (path, dir) = (parts(path), parts(dir));
    let common = path.iter().zip(&dir).take_while(|(a, b)| a == b).count();
    let mut way = vec![b"..".to_vec(); dir.len() - common];
    way.extend(path[common..].iter().cloned());
    if way.is_empty() { b".".to_vec() } else { way.join(&b'/') }
}

const READLINK: &[Opt] = &[
    flag('f', "canonicalize"),
    flag('e', "canonicalize-existing"),
    flag('m', "canonicalize-missing"),
    flag('n', "no-newline"),
    flag('z', "zero"),
    flag('q', "quiet"),
    flag('s', "silent"),
    flag('v', "verbose"),
];

pub(crate) fn readlink(context: &mut Context) -> Outcome {
    let parsed = args::parse(READLINK, &context.args, Order::Permute)?;
    let (mut how, mut newline, mut end, mut verbose) = (None, true, b'\n', false);
    for option in &parsed.options {
        match option.name() {
            "f" => how = Some(Missing::Last),
            "e" => how = Some(Missing::Nothing),
            "m" => how = Some(Missing::Any),
            "n" => newline = false,
            "z" => end = 0,
            "v" => verbose = true,
            _ => verbose = false,
        }
    }
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    newline |= parsed.operands.len() > 1;
    let mut status = 0;
    for path in &parsed.operands {
        match how.map_or_else(|| sys::readlink(path), |how| canonical(path, how)) {
            Ok(found) => {
                context.out.write_all(&found)?;
                if newline {
                    context.out.write_all(&[end])?;
                }
            }
            Err(error) => {
                if verbose {
                    context.warn_path("", path, &error);
                }
                status = 1;
            }
        }
    }
    Ok(status)
}

const REALPATH: &[Opt] = &[
    flag('e', "canonicalize-existing"),
    flag('m', "canonicalize-missing"),
    flag('q', "quiet"),
    flag('z', "zero"),
    flag('P', "physical"),
    flag('s', "strip"),
    flag(NO, "no-symlinks"),
    value(NO, "relative-to"),
];

pub(crate) fn realpath(context: &mut Context) -> Outcome {
    let parsed = args::parse(REALPATH, &context.args, Order::Permute)?;
    let (mut how, mut end, mut quiet, mut from) = (Missing::Last, b'\n', false, None);
    for option in &parsed.options {
        match option.name() {
            "e" => how = Missing::Nothing,
            "m" => how = Missing::Any,
            "z" => end = 0,
            "q" => quiet = true,
            "P" => {}
            "relative-to" => from = Some(canonical(option.bytes(), how)?),
            name => return Err(native(format!("option {name}"))),
        }
    }
    if parsed.operands.is_empty() {
        context.warn("missing operand");
        return Ok(1);
    }
    let mut status = 0;
    for path in &parsed.operands {
        match canonical(path, how) {
            Ok(found) => {
                let found = from.as_ref().map_or(found.clone(), |from| relative(&found, from));
                context.out.write_all(&found)?;
                context.out.write_all(&[end])?;
            }
            Err(error) => {
                if !quiet {
                    context.warn_path("", path, &error);
                }
                status = 1;
            }
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_ways_go_up_and_down() {
        for (path, dir, way) in [
            ("/a/b/c", "/a/b", "c"),
            ("/a/b", "/a/c/d", "../../b"),
            ("/a", "/a", "."),
            ("/", "/a/b", "../.."),
            ("/x", "/", "x"),
        ] {
            assert_eq!(relative(path.as_bytes(), dir.as_bytes()), way.as_bytes());
        }
    }
}
