//! `mv`.

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    paths,
    sys::{self, Stat},
};

use crate::{
    cp::copy::{Copier, Follow, Keep},
    rm,
    target::{Made, Target},
};

const OPTIONS: &[Opt] = &[
    flag('f', "force"),
    flag('n', "no-clobber"),
    flag('u', "update"),
    flag('v', "verbose"),
    flag('T', "no-target-directory"),
    value('t', "target-directory"),
    flag(NO, "strip-trailing-slashes"),
];

#[derive(Default)]
struct Mv {
    no_clobber: bool,
    update: bool,
    verbose: bool,
    guard_made: bool,
    made: Made,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut mv = Mv::default();
    let mut target = Target::default();
    let mut strip = false;
    for option in &parsed.options {
        match option.name() {
            "f" => mv.no_clobber = false,
            "n" => mv.no_clobber = true,
            "u" => mv.update = true,
            "v" => mv.verbose = true,
            "T" => target.is_file = true,
            "t" => target.directory = option.value.clone(),
            _ => strip = true,
        }
    }
    let mut operands = parsed.operands;
    if strip {
        for operand in &mut operands {
            *operand = paths::trim_slashes(operand).to_vec();
        }
    }
    // Renaming a directory onto itself must not look like moving it into itself.
    if let [source, last] = operands.as_slice() {
        let same = match (sys::lstat(source), sys::lstat(last)) {
            (Ok(a), Ok(b)) => a.same_file(&b) && a.is_dir(),
            _ => false,
        };
        if same && target.directory.is_none() && !target.is_file {
            let shown = paths::quoted(source);
            let into = paths::quoted(&paths::join(last, paths::base_name(source)));
            context.warn(format_args!("cannot move {shown} to a subdirectory of itself, {into}"));
            return Ok(1);
        }
    }
    let plan = target.plan(operands)?;
    mv.guard_made = plan.into_directory && plan.pairs.len() > 1;
    let mut done = true;
    for (source, to) in &plan.pairs {
        done &= mv.one(context, source, to)?;
    }
    Ok(u8::from(!done))
}

impl Mv {
    fn one(&mut self, context: &mut Context, source: &[u8], to: &[u8]) -> Result<bool, Stop> {
        let from = match sys::lstat(source) {
            Ok(from) => from,
            Err(error) => {
                context.warn_path("cannot stat", source, &error);
                return Ok(false);
            }
        };
        if let Ok(there) = sys::lstat(to) {
            match self.judge(context, source, &from, to, &there)? {
                Judged::Go => {}
                Judged::Skip => return Ok(true),
                Judged::Failed => return Ok(false),
            }
        }
        match sys::rename(source, to) {
            Ok(()) => {
                if self.verbose {
                    writeln!(
                        context.out,
                        "renamed {} -> {}",
                        paths::quoted(source),
                        paths::quoted(to)
                    )?;
                }
                self.made.add(to);
                Ok(true)
            }
            Err(error) if sys::is_cross_device(&error) => self.across(context, source, &from, to),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && from.is_dir() => {
                let (source, to) = (paths::quoted(source), paths::quoted(to));
                context
                    .warn(format_args!("cannot move {source} to a subdirectory of itself, {to}"));
                Ok(false)
            }
            Err(error) => {
                let what = format!("cannot move {} to", paths::quoted(source));
                context.warn_path(&what, to, &error);
                Ok(false)
            }
        }
    }

    fn judge(
        &self,
        context: &mut Context,
        source: &[u8],
        from: &Stat,
        to: &[u8],
        there: &Stat,
    ) -> io::Result<Judged> {
        if from.same_file(there) {
            // BusyBox leaves it to rename(2), which does nothing for two names of one inode.
            if sys::is_busybox() {
                return Ok(Judged::Go);
            }
            let (source, to) = (paths::quoted(source), paths::quoted(to));
            context.warn(format_args!("{source} and {to} are the same file"));
            return Ok(Judged::Failed);
        }
        let through = from.is_symlink() && there.nlink == 1 && !sys::is_busybox();
        if through && sys::stat(source).is_ok_and(|stat| stat.same_file(there)) {
            let (source, to) = (paths::quoted(source), paths::quoted(to));
            context.warn(format_args!("{source} and {to} are the same file"));
            return Ok(Judged::Failed);
        }
        if self.no_clobber || self.update && !from.is_dir() && there.mtime >= from.mtime {
            return Ok(Judged::Skip);
        }
        if from.is_dir() && !there.is_dir() {
            let (source, to) = (paths::quoted(source), paths::quoted(to));
            context
                .warn(format_args!("cannot overwrite non-directory {to} with directory {source}"));
            return Ok(Judged::Failed);
        }
        if !from.is_dir() && there.is_dir() {
            let (source, to) = (paths::quoted(source), paths::quoted(to));
            context
                .warn(format_args!("cannot overwrite directory {to} with non-directory {source}"));
            return Ok(Judged::Failed);
        }
        if self.guard_made && self.made.has(there) {
            let (source, to) = (paths::quoted(source), paths::quoted(to));
            context.warn(format_args!("will not overwrite just-created {to} with {source}"));
            return Ok(Judged::Failed);
        }
        Ok(Judged::Go)
    }

    /// To another file system, such as a cache mount: a copy with everything, then the source goes.
    fn across(
        &self,
        context: &mut Context,
        source: &[u8],
        from: &Stat,
        to: &[u8],
    ) -> Result<bool, Stop> {
        if let Ok(there) = sys::lstat(to) {
            let gone =
                if there.is_dir() && from.is_dir() { sys::rmdir(to) } else { sys::unlink(to) };
            if let Err(error) = gone {
                context.warn_path("inter-device move failed; unable to remove target", to, &error);
                return Ok(false);
            }
        }
        let mut copier = Copier {
            recursive: true,
            follow: Follow::Never,
            keep: Keep::everything(),
            umask: sys::umask(),
            ..Copier::default()
        };
        if !copier.copy_named(context, source, to)? {
            return Ok(false);
        }
        if self.verbose {
            writeln!(context.out, "copied {} -> {}", paths::quoted(source), paths::quoted(to))?;
        }
        rm::remove_tree(context, source)
    }
}

/// Whether a move may go on.
enum Judged {
    Go,
    Skip,
    Failed,
}
