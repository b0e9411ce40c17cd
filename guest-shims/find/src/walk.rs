//! Goes through the trees.

use std::io::Write;

use shim::{Context, Outcome, Stop, paths, sys, users::Accounts};

use crate::expression::Find;

/// A file that was found.
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    /// The starting point that led to it.
    pub(crate) start: Vec<u8>,
    pub(crate) depth: u64,
    pub(crate) stat: sys::Stat,
}

/// What an expression has done so far.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) failed: bool,
    pub(crate) prune: bool,
    pub(crate) quit: bool,
    /// What `-exec … +` collects.
    pub(crate) batches: Vec<Vec<Vec<u8>>>,
    pub(crate) accounts: Accounts,
}

pub(crate) fn run(context: &mut Context, mut find: Find) -> Outcome {
    let mut state = State { accounts: Accounts::read(), ..State::default() };
    state.batches.resize(find.batches, Vec::new());
    let starts = std::mem::take(&mut find.starts);
    for start in &starts {
        let read = if find.follow_named {
            sys::stat(start).or_else(|_| sys::lstat(start))
        } else {
            sys::lstat(start)
        };
        match read {
            Ok(stat) => {
                let entry = Entry { path: start.clone(), start: start.clone(), depth: 0, stat };
                visit(context, &find, &mut state, &entry, &mut Vec::new())?;
            }
            Err(error) => complain(context, &mut state, start, &error),
        }
        if state.quit {
            break;
        }
    }
    crate::evaluate::finish(context, &find.node, &mut state)?;
    context.out.flush()?;
    Ok(u8::from(state.failed))
}

/// Says that a file could not be read.
pub(crate) fn complain(
    context: &mut Context,
    state: &mut State,
    path: &[u8],
    error: &std::io::Error,
) {
    context.warn(format_args!("{}: {}", paths::quoted(path), sys::reason(error)));
    state.failed = true;
}

fn visit(
    context: &mut Context,
    find: &Find,
    state: &mut State,
    entry: &Entry,
    above: &mut Vec<(u64, u64)>,
) -> Result<(), Stop> {
    let counts = entry.depth >= find.min_depth;
    state.prune = false;
    if counts && !find.depth_first {
        crate::evaluate::evaluate(context, &find.node, state, entry)?;
    }
    let enters =
        entry.stat.is_dir() && entry.depth < find.max_depth && (find.depth_first || !state.prune);
    if enters && !state.quit {
        let key = (entry.stat.dev, entry.stat.ino);
        if above.contains(&key) {
            let shown = paths::quoted(&entry.path);
            context.warn(format_args!("File system loop detected; {shown} is part of it"));
            state.failed = true;
            return Ok(());
        }
        above.push(key);
        descend(context, find, state, entry, above)?;
        above.pop();
    }
    if counts && find.depth_first && !state.quit {
        crate::evaluate::evaluate(context, &find.node, state, entry)?;
    }
    Ok(())
}

fn descend(
    context: &mut Context,
    find: &Find,
    state: &mut State,
    entry: &Entry,
    above: &mut Vec<(u64, u64)>,
) -> Result<(), Stop> {
    let names = match sys::read_dir(&entry.path) {
        Ok(names) => names,
        Err(error) => {
            complain(context, state, &entry.path, &error);
            return Ok(());
        }
    };
    for name in names {
        let path = paths::join(&entry.path, &name);
        let read = if find.follow_all {
            sys::stat(&path).or_else(|_| sys::lstat(&path))
        } else {
            sys::lstat(&path)
        };
        match read {
            Ok(stat) => {
                let other_device = find.one_device && stat.dev != entry.stat.dev;
                let below =
                    Entry { path, start: entry.start.clone(), depth: entry.depth + 1, stat };
                if !other_device || below.stat.is_dir() {
                    if other_device {
                        // The mount point itself is seen, what is below it is not.
                        if below.depth >= find.min_depth {
                            crate::evaluate::evaluate(context, &find.node, state, &below)?;
                        }
                    } else {
                        visit(context, find, state, &below, above)?;
                    }
                }
            }
            // It went while the others were seen to.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => complain(context, state, &path, &error),
        }
        if state.quit {
            break;
        }
    }
    Ok(())
}
