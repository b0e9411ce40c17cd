//! `mktemp`.

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, optional, value},
    paths, sys,
};

const OPTIONS: &[Opt] = &[
    flag('d', "directory"),
    flag('u', "dry-run"),
    flag('q', "quiet"),
    value('p', ""),
    optional(NO, "tmpdir"),
    flag('t', ""),
    value(NO, "suffix"),
];

/// How many names are tried before giving up: others may hold them.
const TRIES: u64 = 100;

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let (directory, dry, quiet, legacy) = (has("d"), has("u"), has("q"), has("t"));
    let mut dir = None;
    let mut suffix = Vec::new();
    for option in &parsed.options {
        match option.name() {
            "p" | "tmpdir" => dir = Some(option.bytes().to_vec()),
            "suffix" => suffix = option.bytes().to_vec(),
            _ => {}
        }
    }
    let template = match parsed.operands.as_slice() {
        [] => {
            dir.get_or_insert_default();
            b"tmp.XXXXXXXXXX".to_vec()
        }
        [template] => template.clone(),
        _ => return Err(Stop::Fail(1, "too many templates".into())),
    };
    let (head, marks, tail) = split(&template, suffix).ok_or_else(|| {
        Stop::Fail(1, format!("too few X's in template {}", paths::quoted(&template)))
    })?;
    let from_env = context.env.filled("TMPDIR").unwrap_or(b"/tmp").to_vec();
    let dir = match dir {
        _ if legacy => Some(context.env.filled("TMPDIR").map_or_else(
            || dir.filter(|dir| !dir.is_empty()).unwrap_or_else(|| b"/tmp".to_vec()),
            <[u8]>::to_vec,
        )),
        Some(dir) if dir.is_empty() => Some(from_env),
        other => other,
    };
    for round in 0..TRIES {
        let name = [head.as_slice(), &random(marks, round), &tail].concat();
        let path = dir.as_ref().map_or(name.clone(), |dir| paths::join(dir, &name));
        let made = if dry {
            if sys::lstat(&path).is_ok() { continue } else { Ok(()) }
        } else if directory {
            sys::mkdir(&path, 0o700)
        } else {
            sys::create_new(&path, 0o600).map(drop)
        };
        match made {
            Ok(()) => {
                context.out.write_all(&path)?;
                context.out.write_all(b"\n")?;
                return Ok(0);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                if !quiet {
                    context.warn_path("failed to create via template", &path, &error);
                }
                return Ok(1);
            }
        }
    }
    Err(Stop::Fail(1, "every name that was tried exists".into()))
}

/// What stands before, how many X's there are, and what stands after them.
fn split(template: &[u8], suffix: Vec<u8>) -> Option<(Vec<u8>, usize, Vec<u8>)> {
    let last = template.iter().rposition(|&byte| byte == b'X')?;
    let tail = &template[last + 1..];
    if tail.contains(&b'/') || !suffix.is_empty() && !tail.is_empty() {
        return None;
    }
    let first = template[..=last].iter().rposition(|&byte| byte != b'X').map_or(0, |at| at + 1);
    let marks = last + 1 - first;
    let tail = if suffix.is_empty() { tail.to_vec() } else { suffix };
    (marks >= 3).then(|| (template[..first].to_vec(), marks, tail))
}

fn random(marks: usize, round: u64) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let source = RandomState::new();
    let letters = LETTERS.len() as u64;
    (0..marks as u64)
        .map(|at| {
            let chosen = source.hash_one((round, at)) % letters;
            LETTERS[usize::try_from(chosen).unwrap_or(0)]
        })
        .collect()
}
