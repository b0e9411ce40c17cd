//! `cp`: the command line. The copying itself is in [`copy`], which `mv` and `install` share.

pub(crate) mod copy;

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, Given, NO, Opt, Order, flag, optional, value},
    native, paths, sys,
};

use self::copy::{Copier, Follow, Keep};
use crate::target::Target;

const OPTIONS: &[Opt] = &[
    flag('a', "archive"),
    flag('r', "recursive"),
    flag('R', ""),
    flag('d', ""),
    flag('p', ""),
    optional(NO, "preserve"),
    value(NO, "no-preserve"),
    flag('P', "no-dereference"),
    flag('L', "dereference"),
    flag('H', ""),
    flag('f', "force"),
    flag('n', "no-clobber"),
    flag('u', ""),
    optional(NO, "update"),
    flag('v', "verbose"),
    flag('l', "link"),
    flag('s', "symbolic-link"),
    flag('x', "one-file-system"),
    flag('T', "no-target-directory"),
    value('t', "target-directory"),
    flag(NO, "parents"),
    flag(NO, "remove-destination"),
    flag(NO, "attributes-only"),
    flag(NO, "strip-trailing-slashes"),
    optional(NO, "reflink"),
    value(NO, "sparse"),
];

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut copier = Copier { umask: sys::umask(), ..Copier::default() };
    let mut target = Target::default();
    let (mut follow, mut parents, mut strip) = (None, false, false);
    for option in &parsed.options {
        match option.name() {
            "a" => {
                copier.recursive = true;
                follow = Some(Follow::Never);
                copier.keep = Keep::everything();
            }
            "r" | "R" => copier.recursive = true,
            "d" => {
                follow = Some(Follow::Never);
                copier.keep.links = true;
            }
            "p" => preserve(&mut copier.keep, b"mode,ownership,timestamps", true)?,
            "preserve" => {
                let list = option.value.as_deref().unwrap_or(b"mode,ownership,timestamps");
                preserve(&mut copier.keep, list, true)?;
            }
            "no-preserve" => preserve(&mut copier.keep, option.bytes(), false)?,
            "P" => follow = Some(Follow::Never),
            "L" => follow = Some(Follow::Always),
            "H" => follow = Some(Follow::Named),
            "f" => copier.force = true,
            "n" => copier.no_clobber = true,
            "u" | "update" => copier.update |= update(option)?,
            "v" => copier.verbose = true,
            "l" => copier.hard_links = true,
            "s" => copier.symlinks = true,
            "T" => target.is_file = true,
            "t" => target.directory = option.value.clone(),
            "parents" => parents = true,
            "remove-destination" => copier.remove_destination = true,
            "strip-trailing-slashes" => strip = true,
            "reflink" if option.bytes() == b"always" => return Err(native("--reflink=always")),
            "reflink" | "sparse" => {}
            name => return Err(native(format!("option {name}"))),
        }
    }
    copier.follow = follow.unwrap_or(match (copier.recursive, copier.hard_links) {
        (true, false) => Follow::Never,
        _ => Follow::Always,
    });
    let mut operands = parsed.operands;
    if strip {
        for operand in &mut operands {
            *operand = paths::trim_slashes(operand).to_vec();
        }
    }
    if parents {
        return with_parents(context, &mut copier, &target, operands);
    }
    let plan = target.plan(operands)?;
    copier.guard_made = plan.pairs.len() > 1;
    let mut done = true;
    for (source, destination) in &plan.pairs {
        done &= copier.copy_named(context, source, destination)?;
    }
    Ok(u8::from(!done))
}

/// Sets or clears the attributes of a `--preserve` list.
fn preserve(keep: &mut Keep, list: &[u8], on: bool) -> Result<(), Stop> {
    for word in list.split(|&byte| byte == b',') {
        match word {
            b"mode" => {
                keep.mode = on;
                keep.default_mode = !on;
            }
            b"ownership" => keep.owner = on,
            b"timestamps" => keep.times = on,
            b"links" => keep.links = on,
            b"xattr" => keep.xattrs = on,
            b"context" => {}
            b"all" => {
                *keep = if on { Keep::everything() } else { Keep::default() };
                keep.default_mode = !on;
            }
            _ => {
                let word = String::from_utf8_lossy(word);
                return Err(native(format!("attribute {word} to preserve")));
            }
        }
    }
    Ok(())
}

fn update(option: &Given) -> Result<bool, Stop> {
    match option.value.as_deref() {
        None | Some(b"older") => Ok(true),
        Some(b"all") => Ok(false),
        Some(_) => Err(native("--update with this word")),
    }
}

/// `cp --parents`: the sources keep their directories below the destination.
fn with_parents(
    context: &mut Context,
    copier: &mut Copier,
    target: &Target,
    mut operands: Vec<Vec<u8>>,
) -> Outcome {
    let directory = match &target.directory {
        Some(directory) => directory.clone(),
        None => operands.pop().unwrap_or_default(),
    };
    if operands.is_empty() || !sys::stat(&directory).is_ok_and(|stat| stat.is_dir()) {
        context.warn("with --parents, the destination must be a directory");
        return Ok(1);
    }
    let mut done = true;
    for source in &operands {
        let trimmed = paths::trim_slashes(source);
        let mut made = Vec::new();
        if let Err(error) = make_way(copier, trimmed, &directory, &mut made) {
            context.warn_path("cannot make directory for", trimmed, &error);
            done = false;
            continue;
        }
        let below: Vec<u8> = trimmed.iter().copied().skip_while(|&byte| byte == b'/').collect();
        done &= copier.copy_named(context, trimmed, &paths::join(&directory, &below))?;
        for (from, to) in made.iter().rev() {
            copier.keep_attributes(context, from, to)?;
        }
    }
    context.out.flush()?;
    Ok(u8::from(!done))
}

fn make_way(
    copier: &Copier,
    source: &[u8],
    directory: &[u8],
    made: &mut Vec<(Vec<u8>, Vec<u8>)>,
) -> io::Result<()> {
    for part in crate::mkdir::ancestors(source) {
        let below: Vec<u8> = part.iter().copied().skip_while(|&byte| byte == b'/').collect();
        let to = paths::join(directory, &below);
        if below.is_empty() || sys::stat(&to).is_ok() {
            continue;
        }
        let mode = sys::stat(part)?.permissions();
        sys::mkdir(&to, mode)?;
        if mode & 0o700 != 0o700 {
            sys::chmod(&to, mode & !copier.umask | 0o700)?;
        }
        made.push((part.to_vec(), to));
    }
    Ok(())
}
