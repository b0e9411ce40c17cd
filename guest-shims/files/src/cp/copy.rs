//! Copies files and trees as `cp` does.

mod data;

use std::{
    collections::HashMap,
    io::{self, Write},
};

use shim::{
    Context, Stop, native, paths,
    sys::{self, SetTime, Stat},
    walk_aloud,
};

use crate::target::Made;

pub(crate) use self::data::copy_contents;

/// Which symlinks are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Follow {
    /// All.
    #[default]
    Always,
    /// Those on the command line.
    Named,
    /// None.
    Never,
}

/// Which attributes a copy takes over.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keep {
    pub(crate) mode: bool,
    pub(crate) owner: bool,
    pub(crate) times: bool,
    pub(crate) links: bool,
    pub(crate) xattrs: bool,
    /// `--no-preserve=mode`: modes as for new files.
    pub(crate) default_mode: bool,
}

impl Keep {
    pub(crate) const fn everything() -> Self {
        Self {
            mode: true,
            owner: true,
            times: true,
            links: true,
            xattrs: true,
            default_mode: false,
        }
    }
}

/// Some builds of BusyBox write into a file that is there, others replace it (its option
/// `FEATURE_NON_POSIX_CP`, which Debian's has not and Alpine's has).
const CHOICE: &str = "cp over what BusyBox writes into or replaces, as it was built";

/// How to copy, and what was copied so far.
#[derive(Default)]
pub(crate) struct Copier {
    pub(crate) recursive: bool,
    pub(crate) follow: Follow,
    pub(crate) keep: Keep,
    pub(crate) force: bool,
    pub(crate) no_clobber: bool,
    pub(crate) update: bool,
    pub(crate) verbose: bool,
    pub(crate) hard_links: bool,
    pub(crate) symlinks: bool,
    pub(crate) remove_destination: bool,
    pub(crate) guard_made: bool,
    pub(crate) umask: u32,
    /// What this run made.
    pub(crate) made: Made,
    /// Where the first name of an inode with several went.
    pub(crate) links: HashMap<(u64, u64), Vec<u8>>,
    /// The directory that the running copy made first, lest it copies itself.
    pub(crate) root: Option<(u64, u64)>,
}

impl Copier {
    /// Copies what an operand names; false when something failed.
    pub(crate) fn copy_named(
        &mut self,
        context: &mut Context,
        source: &[u8],
        to: &[u8],
    ) -> Result<bool, Stop> {
        self.root = None;
        self.copy(context, source, to, true)
    }

    fn copy(
        &mut self,
        context: &mut Context,
        source: &[u8],
        to: &[u8],
        named: bool,
    ) -> Result<bool, Stop> {
        let follow = match self.follow {
            Follow::Always => true,
            Follow::Named => named,
            Follow::Never => false,
        };
        let from = match if follow { sys::stat(source) } else { sys::lstat(source) } {
            Ok(from) => from,
            Err(error) => {
                context.warn_path("cannot stat", source, &error);
                return Ok(false);
            }
        };
        if from.is_dir() && !self.recursive {
            let shown = paths::quoted(source);
            context.warn(format_args!("-r not specified; omitting directory {shown}"));
            return Ok(false);
        }
        let there = match self.make_room(context, source, &from, to, named)? {
            Room::Free => None,
            Room::Taken(there) => Some(there),
            Room::Skip => return Ok(true),
            Room::Failed => return Ok(false),
        };
        if from.is_dir() {
            return self.copy_dir(context, source, &from, to, there.as_ref());
        }
        self.announce(context, source, to)?;
        let key = (from.dev, from.ino);
        // BusyBox keeps links whenever it does not follow symlinks.
        let keeps_links = self.keep.links || sys::is_busybox() && self.follow == Follow::Never;
        if keeps_links && (from.nlink > 1 || self.follow != Follow::Never) {
            if let Some(first) = self.links.get(&key) {
                let first = first.clone();
                return Ok(self.link_again(context, &first, to)?);
            }
            self.links.insert(key, to.to_vec());
        }
        if let Err((what, error)) = self.copy_one(source, &from, to, there.as_ref()) {
            let path = if what.ends_with("reading") { source } else { to };
            context.warn_path(&what, path, &error);
            return Ok(false);
        }
        if named {
            self.made.add(to);
        }
        if self.hard_links || self.symlinks {
            return Ok(true);
        }
        Ok(self.keep_attributes_of(context, source, &from, to)?)
    }

    fn link_again(&mut self, context: &mut Context, first: &[u8], to: &[u8]) -> io::Result<bool> {
        let gone = match sys::lstat(to) {
            Ok(_) => sys::unlink(to),
            Err(_) => Ok(()),
        };
        if let Err(error) = gone.and_then(|()| sys::link(first, to, false)) {
            context.warn_path("cannot create hard link", to, &error);
            return Ok(false);
        }
        Ok(true)
    }

    fn announce(&self, context: &mut Context, source: &[u8], to: &[u8]) -> io::Result<()> {
        if self.verbose {
            writeln!(context.out, "{} -> {}", paths::quoted(source), paths::quoted(to))?;
        }
        Ok(())
    }

    /// Judges what is at the destination, and removes it where it stands in the way.
    fn make_room(
        &self,
        context: &mut Context,
        source: &[u8],
        from: &Stat,
        to: &[u8],
        named: bool,
    ) -> Result<Room, Stop> {
        // A regular file is written through a symlink, anything else replaces the link.
        let replaces = !from.is_file() && !from.is_dir() && (self.recursive || from.is_symlink())
            || self.remove_destination
            || self.hard_links
            || self.symlinks;
        let Ok(link) = sys::lstat(to) else { return Ok(Room::Free) };
        let is_builds = sys::is_busybox() && from.is_file() && !replaces && !self.no_clobber;
        if is_builds && link.is_symlink() {
            return Err(native(CHOICE));
        }
        let there = if link.is_symlink() && !replaces && !from.is_dir() {
            match sys::stat(to) {
                Ok(there) => there,
                Err(_) if self.no_clobber => return Ok(Room::Skip),
                Err(_) => {
                    let shown = paths::quoted(to);
                    context.warn(format_args!("not writing through dangling symlink {shown}"));
                    return Ok(Room::Failed);
                }
            }
        } else {
            link
        };
        if there.same_file(from) && !from.is_dir() {
            // A second name of the source may make way for a copy of it.
            if self.hard_links && !self.symlinks {
                return Ok(Room::Skip);
            }
            let other_name = link.is_symlink() && !from.is_symlink() && self.remove_destination;
            if !other_name {
                let (source, to) = (paths::quoted(source), paths::quoted(to));
                context.warn(format_args!("{source} and {to} are the same file"));
                return Ok(Room::Failed);
            }
        }
        if self.no_clobber && !from.is_dir() {
            return Ok(Room::Skip);
        }
        if self.update && !from.is_dir() && there.mtime >= from.mtime {
            return Ok(Room::Skip);
        }
        if from.is_dir() && !there.is_dir() {
            let (to, source) = (paths::quoted(to), paths::quoted(source));
            context
                .warn(format_args!("cannot overwrite non-directory {to} with directory {source}"));
            return Ok(Room::Failed);
        }
        if !from.is_dir() && there.is_dir() {
            let shown = paths::quoted(to);
            context.warn(format_args!("cannot overwrite directory {shown} with non-directory"));
            return Ok(Room::Failed);
        }
        if from.is_dir() {
            return Ok(Room::Taken(there));
        }
        if named && self.guard_made && self.made.has(&there) {
            let (to, source) = (paths::quoted(to), paths::quoted(source));
            context.warn(format_args!("will not overwrite just-created {to} with {source}"));
            return Ok(Room::Failed);
        }
        if is_builds && !self.is_as_new(from, &there) {
            return Err(native(CHOICE));
        }
        let several = self.keep.links && there.nlink > 1;
        let not_through = self.follow == Follow::Never && !from.is_file();
        if replaces || several || not_through {
            if self.hard_links | self.symlinks && !(self.force || self.remove_destination) {
                let error = io::Error::from(io::ErrorKind::AlreadyExists);
                context.warn_path("cannot create link", to, &error);
                return Ok(Room::Failed);
            }
            if let Err(error) = sys::unlink(to) {
                context.warn_path("cannot remove", to, &error);
                return Ok(Room::Failed);
            }
            return Ok(Room::Free);
        }
        Ok(Room::Taken(there))
    }

    /// Whether a file that is written into is afterwards as one that took its place.
    fn is_as_new(&self, from: &Stat, there: &Stat) -> bool {
        let mode = from.permissions();
        let has_mode = mode & 0o7000 == 0 && there.permissions() == mode & !self.umask;
        let owner = (sys::effective_uid(), sys::effective_gid());
        there.is_file()
            && there.nlink == 1
            && (self.keep.mode || has_mode)
            && (self.keep.owner || (there.uid, there.gid) == owner)
    }

    fn copy_dir(
        &mut self,
        context: &mut Context,
        source: &[u8],
        from: &Stat,
        to: &[u8],
        there: Option<&Stat>,
    ) -> Result<bool, Stop> {
        if self.root == Some((from.dev, from.ino)) {
            let (source, to) = (paths::quoted(source), paths::quoted(to));
            context.warn(format_args!("cannot copy a directory, {source}, into itself, {to}"));
            return Ok(false);
        }
        let mut restore = None;
        if there.is_none() {
            self.announce(context, source, to)?;
            let mode = from.permissions() & 0o1777 | if self.keep.default_mode { 0o777 } else { 0 };
            if let Err(error) = sys::mkdir(to, mode) {
                context.warn_path("cannot create directory", to, &error);
                return Ok(false);
            }
            let made = sys::lstat(to)?;
            if made.mode & 0o700 != 0o700 {
                sys::chmod(to, made.permissions() | 0o700)?;
                restore = Some(made.permissions());
            }
            if sys::is_busybox() {
                // It gives the mode of the source at the end, so that nothing is inherited.
                restore = Some(from.permissions() & !sys::umask());
            }
            self.root.get_or_insert((made.dev, made.ino));
        } else if self.root.is_none() {
            self.root = sys::stat(to).ok().map(|stat| (stat.dev, stat.ino));
            if self.root == Some((from.dev, from.ino)) {
                let (source, to) = (paths::quoted(source), paths::quoted(to));
                context.warn(format_args!("{source} and {to} are the same file"));
                return Ok(false);
            }
        }
        let mut done = true;
        match sys::read_dir(source) {
            Ok(names) => {
                walk_aloud(self.verbose, &names)?;
                for name in names {
                    let (source, to) = (paths::join(source, &name), paths::join(to, &name));
                    done &= self.copy(context, &source, &to, false)?;
                }
            }
            Err(error) => {
                context.warn_path("cannot access", source, &error);
                done = false;
            }
        }
        if let Some(mode) = restore {
            sys::chmod(to, mode)?;
        }
        done &= self.keep_attributes_of(context, source, from, to)?;
        Ok(done)
    }

    fn copy_one(
        &self,
        source: &[u8],
        from: &Stat,
        to: &[u8],
        there: Option<&Stat>,
    ) -> Result<(), (String, io::Error)> {
        let fail = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| (what, error)
        };
        if self.hard_links {
            let follow = self.follow == Follow::Always;
            return sys::link(source, to, follow).map_err(fail("cannot create hard link"));
        }
        if self.symlinks {
            return sys::symlink(source, to).map_err(fail("cannot create symbolic link"));
        }
        if from.is_symlink() {
            let target =
                sys::readlink(source).map_err(fail("cannot read symbolic link, reading"))?;
            return sys::symlink(&target, to).map_err(fail("cannot create symbolic link"));
        }
        if !from.is_file() && self.recursive {
            let mode = from.kind() | from.permissions();
            return sys::mknod(to, mode, from.rdev).map_err(fail("cannot create special file"));
        }
        let mut input = sys::open(source).map_err(fail("cannot open for reading"))?;
        let mode = if self.keep.default_mode { 0o666 } else { from.permissions() & 0o777 };
        let opened = match there {
            None => sys::create_new(to, mode),
            Some(_) => match sys::create_mode(to, mode) {
                Err(_) if self.force => {
                    sys::unlink(to).map_err(fail("cannot remove"))?;
                    sys::create_new(to, mode)
                }
                opened => opened,
            },
        };
        let mut output = opened.map_err(fail("cannot create regular file"))?;
        copy_contents(&mut input, &mut output).map_err(fail("error writing"))
    }

    /// Gives a copy the attributes of its source that are to be kept.
    pub(crate) fn keep_attributes(
        &self,
        context: &mut Context,
        source: &[u8],
        to: &[u8],
    ) -> io::Result<bool> {
        let from = sys::stat(source)?;
        self.keep_attributes_of(context, source, &from, to)
    }

    fn keep_attributes_of(
        &self,
        context: &mut Context,
        source: &[u8],
        from: &Stat,
        to: &[u8],
    ) -> io::Result<bool> {
        let mut done = true;
        let mut permissions = from.permissions();
        let mut report = |what: &str, result: io::Result<()>| {
            if let Err(error) = result {
                context.warn_path(what, to, &error);
                done = false;
            }
        };
        let link = from.is_symlink();
        if self.keep.owner {
            let call = if link { sys::lchown } else { sys::chown };
            let result = call(to, Some(from.uid), Some(from.gid));
            let denied = |error: &io::Error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
                )
            };
            match result {
                // Whoever may not give files away keeps them, without the bits that lend identity.
                Err(error) if denied(&error) && sys::effective_uid() != 0 => {
                    permissions &= !0o6000;
                    let _ = call(to, None, Some(from.gid));
                }
                result => report("failed to preserve ownership for", result),
            }
        }
        if self.keep.xattrs {
            for (name, value) in sys::xattrs(source).unwrap_or_default() {
                // Like `cp -a`, which does not insist on them.
                let _ = sys::set_xattr(to, &name, &value);
            }
        }
        if self.keep.mode && !link {
            report("preserving permissions for", sys::chmod(to, permissions));
        }
        if self.keep.times && !(link && sys::is_busybox()) {
            let (access, modify) = (SetTime::To(from.atime), SetTime::To(from.mtime));
            report("preserving times for", sys::utimens(to, access, modify, !link));
        }
        Ok(done)
    }
}

/// What is at a destination.
enum Room {
    /// Nothing (any more).
    Free,
    /// Something to write into.
    Taken(Stat),
    /// Something that stays.
    Skip,
    /// Something that may not be replaced; the user was told.
    Failed,
}
