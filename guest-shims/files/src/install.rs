//! `install`.

use std::io::{self, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, value},
    mode::Changes,
    paths,
    sys::{self, SetTime},
    users::Accounts,
};

use crate::{
    cp::copy::copy_contents,
    mkdir::{ancestors, dialect},
    target::Target,
};

const OPTIONS: &[Opt] = &[
    flag('c', ""),
    flag('C', "compare"),
    flag('d', "directory"),
    flag('D', ""),
    value('g', "group"),
    value('m', "mode"),
    value('o', "owner"),
    flag('p', "preserve-timestamps"),
    value('t', "target-directory"),
    flag('T', "no-target-directory"),
    flag('v', "verbose"),
    flag(NO, "preserve-root"),
];

struct Install {
    mode: Changes,
    uid: Option<u32>,
    gid: Option<u32>,
    times: bool,
    compare: bool,
    verbose: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let accounts = Accounts::read();
    let fail =
        |what: &str, text: &[u8]| Stop::Fail(1, format!("invalid {what} {}", paths::quoted(text)));
    let mut install = Install {
        mode: Changes::parse(b"755", dialect()).ok_or_else(|| fail("mode", b"755"))?,
        uid: None,
        gid: None,
        times: false,
        compare: false,
        verbose: false,
    };
    let mut target = Target::default();
    let (mut directories, mut leading) = (false, false);
    for option in &parsed.options {
        let text = option.bytes();
        match option.name() {
            "C" => install.compare = true,
            "d" => directories = true,
            "D" => leading = true,
            "g" => install.gid = Some(accounts.find_gid(text).ok_or_else(|| fail("group", text))?),
            "o" => install.uid = Some(accounts.find_uid(text).ok_or_else(|| fail("user", text))?),
            "m" => {
                install.mode = Changes::parse(text, dialect()).ok_or_else(|| fail("mode", text))?
            }
            "p" => install.times = true,
            "t" => target.directory = option.value.clone(),
            "T" => target.is_file = true,
            "v" => install.verbose = true,
            _ => {}
        }
    }
    if parsed.operands.is_empty() {
        context.warn("missing file operand");
        return Ok(1);
    }
    // Modes here are as given, whatever the umask.
    let _ = sys::set_umask(0);
    let mut done = true;
    if directories {
        for dir in &parsed.operands {
            done &= install.directory(context, dir)?;
        }
        return Ok(u8::from(!done));
    }
    if leading {
        match &target.directory {
            Some(dir) => install.make_parents(context, dir, true)?,
            None => match parsed.operands.last() {
                Some(last) if parsed.operands.len() == 2 => {
                    install.make_parents(context, last, false)?
                }
                _ => {}
            },
        }
    }
    let plan = target.plan(parsed.operands)?;
    for (source, to) in &plan.pairs {
        done &= install.file(context, source, to)?;
    }
    Ok(u8::from(!done))
}

/// Whether two paths are one name in one directory.
fn same_name(a: &[u8], b: &[u8]) -> bool {
    let dir = |path: &[u8]| sys::stat(paths::dir_name(path)).ok();
    paths::base_name(a) == paths::base_name(b)
        && matches!((dir(a), dir(b)), (Some(a), Some(b)) if a.same_file(&b))
}

/// The mode of directories made on the way, and of files without `-m`.
const DEFAULT_MODE: u32 = 0o755;

impl Install {
    fn make_parents(&self, context: &mut Context, path: &[u8], whole: bool) -> Result<(), Stop> {
        let mut dirs = ancestors(path);
        if whole {
            dirs.push(path);
        }
        for dir in dirs {
            match sys::mkdir(dir, DEFAULT_MODE) {
                Ok(()) if self.verbose => {
                    writeln!(context.out, "install: creating directory {}", paths::quoted(dir))?;
                }
                Ok(()) => {}
                Err(_) if sys::stat(dir).is_ok_and(|stat| stat.is_dir()) => {}
                Err(error) => {
                    let reason = sys::reason(&error);
                    let shown = paths::quoted(dir);
                    return Err(Stop::Fail(
                        1,
                        format!("cannot create directory {shown}: {reason}"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn directory(&self, context: &mut Context, dir: &[u8]) -> Result<bool, Stop> {
        self.make_parents(context, dir, true)?;
        let result = self.mark(dir, true);
        if let Err(error) = result {
            context.warn_path("cannot change attributes of", dir, &error);
            return Ok(false);
        }
        Ok(true)
    }

    fn mark(&self, path: &[u8], is_dir: bool) -> io::Result<()> {
        if self.uid.is_some() || self.gid.is_some() {
            sys::chown(path, self.uid, self.gid)?;
        }
        // The mode is relative to nothing, but a directory's setgid bit stays unless named.
        let old = if is_dir { sys::stat(path)?.mode & 0o6000 } else { 0 };
        sys::chmod(path, self.mode.apply(old, is_dir, 0))
    }

    fn file(&self, context: &mut Context, source: &[u8], to: &[u8]) -> io::Result<bool> {
        match sys::stat(source) {
            Ok(stat) if stat.is_dir() => {
                context.warn(format_args!("omitting directory {}", paths::quoted(source)));
                return Ok(false);
            }
            Ok(from) => {
                if let Ok(there) = sys::stat(to) {
                    if there.is_dir() {
                        let shown = paths::quoted(to);
                        context.warn(format_args!(
                            "cannot overwrite directory {shown} with non-directory"
                        ));
                        return Ok(false);
                    }
                    let link = sys::lstat(to)?;
                    if link.same_file(&from) && (link.nlink == 1 || same_name(source, to)) {
                        let (source, to) = (paths::quoted(source), paths::quoted(to));
                        context.warn(format_args!("{source} and {to} are the same file"));
                        return Ok(false);
                    }
                    if self.compare && self.is_equal(source, to, &from, &there)? {
                        return Ok(true);
                    }
                }
                if let Err((what, error)) = self.copy(source, &from, to) {
                    context.warn_path(what, to, &error);
                    return Ok(false);
                }
            }
            Err(error) => {
                context.warn_path("cannot stat", source, &error);
                return Ok(false);
            }
        }
        if self.verbose {
            writeln!(context.out, "{} -> {}", paths::quoted(source), paths::quoted(to))?;
        }
        Ok(true)
    }

    fn copy(
        &self,
        source: &[u8],
        from: &sys::Stat,
        to: &[u8],
    ) -> Result<(), (&'static str, io::Error)> {
        if sys::lstat(to).is_ok() {
            sys::unlink(to).map_err(|error| ("cannot remove", error))?;
        }
        let mut input = sys::open(source).map_err(|error| ("cannot open the source of", error))?;
        let mut output =
            sys::create_new(to, 0o600).map_err(|error| ("cannot create regular file", error))?;
        copy_contents(&mut input, &mut output).map_err(|error| ("error writing", error))?;
        drop(output);
        self.mark(to, false).map_err(|error| ("cannot change attributes of", error))?;
        if self.times {
            let (access, modify) = (SetTime::To(from.atime), SetTime::To(from.mtime));
            sys::utimens(to, access, modify, true)
                .map_err(|error| ("cannot set times of", error))?;
        }
        Ok(())
    }

    /// Whether `-C` finds nothing to do.
    fn is_equal(
        &self,
        source: &[u8],
        to: &[u8],
        from: &sys::Stat,
        there: &sys::Stat,
    ) -> io::Result<bool> {
        use std::io::Read;
        let attributes = sys::lstat(to)?.is_file()
            && there.size == from.size
            && there.permissions() == self.mode.apply(0, false, 0)
            && there.uid == self.uid.unwrap_or_else(sys::effective_uid)
            && there.gid == self.gid.unwrap_or_else(sys::effective_gid);
        if !attributes {
            return Ok(false);
        }
        let (mut a, mut b) =
            (io::BufReader::new(sys::open(source)?), io::BufReader::new(sys::open(to)?));
        let (mut left, mut right) = ([0; 4096], [0; 4096]);
        loop {
            let len = a.read(&mut left)?;
            if len == 0 {
                return Ok(true);
            }
            b.read_exact(&mut right[..len])?;
            if left[..len] != right[..len] {
                return Ok(false);
            }
        }
    }
}
