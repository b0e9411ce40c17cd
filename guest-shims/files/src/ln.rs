//! `ln` and `link`.

use std::io::{self, Write};

use shim::{
    Context, Outcome,
    args::{self, Opt, Order, flag, value},
    paths, sys,
};

use crate::{
    readlink::{Missing, canonical, relative},
    target::{Made, Target},
};

const OPTIONS: &[Opt] = &[
    flag('s', "symbolic"),
    flag('f', "force"),
    flag('n', "no-dereference"),
    flag('T', "no-target-directory"),
    value('t', "target-directory"),
    flag('v', "verbose"),
    flag('r', "relative"),
    flag('L', "logical"),
    flag('P', "physical"),
];

#[derive(Default)]
struct Ln {
    symbolic: bool,
    force: bool,
    verbose: bool,
    relative: bool,
    follow: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut ln = Ln::default();
    let mut target = Target::default();
    for option in &parsed.options {
        match option.name() {
            "s" => ln.symbolic = true,
            "f" => ln.force = true,
            "n" => target.symlink_is_file = true,
            "T" => target.is_file = true,
            "t" => target.directory = option.value.clone(),
            "v" => ln.verbose = true,
            "r" => ln.relative = true,
            "L" => ln.follow = true,
            _ => ln.follow = false,
        }
    }
    if ln.relative && !ln.symbolic {
        context.warn("cannot do --relative without --symbolic");
        return Ok(1);
    }
    let mut operands = parsed.operands;
    if operands.len() == 1 && target.directory.is_none() && !target.is_file {
        operands.push(b".".to_vec());
    }
    let plan = target.plan(operands)?;
    let mut made = Made::default();
    let mut status = 0;
    for (source, link) in &plan.pairs {
        if ln.make(context, source, link, &mut made)? {
            made.add(link);
        } else {
            status = 1;
        }
    }
    Ok(status)
}

impl Ln {
    fn make(
        &self,
        context: &mut Context,
        source: &[u8],
        link: &[u8],
        made: &mut Made,
    ) -> io::Result<bool> {
        if self.force && !self.clear(context, source, link, made)? {
            return Ok(false);
        }
        let (made, what) = if self.symbolic {
            let stored = if self.relative { self.towards(source, link) } else { source.to_vec() };
            (sys::symlink(&stored, link), "failed to create symbolic link")
        } else {
            match sys::lstat(source) {
                Err(error) => {
                    context.warn_path("failed to access", source, &error);
                    return Ok(false);
                }
                Ok(stat) if stat.is_dir() => {
                    let shown = String::from_utf8_lossy(source).into_owned();
                    context.warn(format_args!("{shown}: hard link not allowed for directory"));
                    return Ok(false);
                }
                Ok(_) => {}
            }
            (sys::link(source, link, self.follow), "failed to create hard link")
        };
        if let Err(error) = made {
            context.warn_path(what, link, &error);
            return Ok(false);
        }
        if self.verbose {
            let arrow = if self.symbolic { "->" } else { "=>" };
            let (link, source) = (paths::quoted(link), paths::quoted(source));
            writeln!(context.out, "{link} {arrow} {source}")?;
        }
        Ok(true)
    }

    /// Makes room for the link; false when that must not be.
    fn clear(
        &self,
        context: &mut Context,
        source: &[u8],
        link: &[u8],
        made: &Made,
    ) -> io::Result<bool> {
        let Ok(there) = sys::lstat(link) else { return Ok(true) };
        if there.is_dir() {
            context.warn(format_args!("{}: cannot overwrite directory", paths::quoted(link)));
            return Ok(false);
        }
        // A symlink that was just made holds nothing that could be lost.
        if !self.symbolic && made.has(&there) {
            let (link, source) = (paths::quoted(link), paths::quoted(source));
            context.warn(format_args!("will not overwrite just-created {link} with {source}"));
            return Ok(false);
        }
        let from =
            if self.symbolic || self.follow { sys::stat(source) } else { sys::lstat(source) };
        if !self.symbolic && from.is_err() {
            // Without a source the old name stays.
            return Ok(true);
        }
        if let Ok(from) = from {
            let same_name = || {
                let dir = |path: &[u8]| sys::stat(paths::dir_name(path)).ok();
                paths::base_name(source) == paths::base_name(link)
                    && matches!((dir(source), dir(link)), (Some(a), Some(b)) if a.same_file(&b))
            };
            if from.same_file(&there) {
                if from.nlink == 1 || same_name() {
                    let (source, link) = (paths::quoted(source), paths::quoted(link));
                    context.warn(format_args!("{source} and {link} are the same file"));
                    return Ok(false);
                }
                if !self.symbolic {
                    return sys::unlink(link).map(|()| true);
                }
            }
            if !self.symbolic && from.is_dir() {
                return Ok(true);
            }
        }
        if let Err(error) = sys::unlink(link) {
            context.warn_path("cannot remove", link, &error);
            return Ok(false);
        }
        Ok(true)
    }

    /// What `-r` stores: the way from the link's directory to the source.
    fn towards(&self, source: &[u8], link: &[u8]) -> Vec<u8> {
        let dir = canonical(paths::dir_name(link), Missing::Any);
        let place = paths::join(paths::dir_name(source), paths::base_name(source));
        match (dir, canonical(&place, Missing::Any)) {
            (Ok(dir), Ok(source)) => relative(&source, &dir),
            _ => source.to_vec(),
        }
    }
}

pub(crate) fn link(context: &mut Context) -> Outcome {
    let parsed = args::parse(&[], &context.args, Order::Permute)?;
    let [source, link] = parsed.operands.as_slice() else {
        context.warn("needs two operands");
        return Ok(1);
    };
    if let Err(error) = sys::link(source, link, false) {
        context.warn_path("cannot create link", link, &error);
        return Ok(1);
    }
    Ok(0)
}
