//! Which files are read.

use std::io;

use shim::{
    Context, Outcome, Stop,
    glob::{self, Rules},
    paths, sys,
};

use crate::{options::Grep, scan};

/// Greps all operands; the status is 0 for a match, 1 for none, 2 for an error.
pub(crate) fn run(context: &mut Context, grep: &mut Grep, mut operands: Vec<Vec<u8>>) -> Outcome {
    if operands.is_empty() {
        operands.push(if grep.recursive { b".".to_vec() } else { b"-".to_vec() });
    }
    let mut found = Found::default();
    let bare = grep.recursive && operands == [b".".to_vec()];
    for operand in &operands {
        let kind = sys::stat(operand);
        if operand != b"-" && grep.recursive && kind.as_ref().is_ok_and(|stat| stat.is_dir()) {
            let skipped = paths::base_name(operand);
            if matches_any(&grep.exclude_dir, skipped) && skipped != b"." {
                continue;
            }
            directory(
                context,
                grep,
                operand,
                bare && context.args.last() != Some(operand),
                &mut found,
            )?;
        } else if selected(grep, operand) || operand == b"-" {
            file(context, grep, operand, &mut found)?;
        }
        if found.done {
            break;
        }
    }
    Ok(match found {
        Found { matched: true, done: true, .. } => 0,
        Found { failed: true, .. } => 2,
        Found { matched: true, .. } => 0,
        _ => 1,
    })
}

#[derive(Default)]
struct Found {
    matched: bool,
    failed: bool,
    done: bool,
}

fn matches_any(globs: &[Vec<u8>], name: &[u8]) -> bool {
    globs.iter().any(|glob| glob::matches(glob, name, Rules::default()))
}

fn selected(grep: &Grep, path: &[u8]) -> bool {
    let name = paths::base_name(path);
    let included = grep.include.is_empty() || matches_any(&grep.include, name);
    included && !matches_any(&grep.exclude, name)
}

fn directory(
    context: &mut Context,
    grep: &mut Grep,
    dir: &[u8],
    bare: bool,
    found: &mut Found,
) -> Result<(), Stop> {
    let names = match sys::read_dir(dir) {
        Ok(names) => names,
        Err(error) => {
            complain(context, grep, dir, &error, found);
            return Ok(());
        }
    };
    for name in names {
        let path = if bare { name.clone() } else { paths::join(dir, &name) };
        let Ok(link) = sys::lstat(&path) else { continue };
        if link.is_symlink() && !grep.follow {
            continue;
        }
        let Ok(stat) = sys::stat(&path) else { continue };
        if stat.is_dir() {
            if !matches_any(&grep.exclude_dir, &name) {
                directory(context, grep, &path, false, found)?;
            }
        } else if stat.is_file() && selected(grep, &path) {
            file(context, grep, &path, found)?;
        }
        if found.done {
            break;
        }
    }
    Ok(())
}

fn complain(context: &mut Context, grep: &Grep, path: &[u8], error: &io::Error, found: &mut Found) {
    if !grep.silent {
        let shown = String::from_utf8_lossy(path).into_owned();
        context.warn(format_args!("{shown}: {}", sys::reason(error)));
    }
    found.failed = true;
}

fn file(
    context: &mut Context,
    grep: &mut Grep,
    path: &[u8],
    found: &mut Found,
) -> Result<(), Stop> {
    if path != b"-" && sys::stat(path).is_ok_and(|stat| stat.is_dir()) {
        if !grep.silent {
            let shown = String::from_utf8_lossy(path).into_owned();
            context.warn(format_args!("{shown}: Is a directory"));
        }
        found.failed = true;
        return Ok(());
    }
    let input = match context.input(path) {
        Ok(input) => input,
        Err(error) => {
            complain(context, grep, path, &error, found);
            return Ok(());
        }
    };
    let name = if path == b"-" { grep.label.clone() } else { path.to_vec() };
    match scan::scan(context, grep, &name, input)? {
        Ok(matched) => {
            // With -L a file counts when it has no match, as since GNU grep 3.5.
            found.matched |= matched != grep.without_match;
            found.done = grep.quiet && found.matched;
        }
        Err(error) => complain(context, grep, path, &error, found),
    }
    Ok(())
}
