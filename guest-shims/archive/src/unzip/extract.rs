//! What `unzip` puts where, and what it says of it.

use std::io::{self, Write};

use shim::{
    Context, Stop, native, paths,
    sys::{self, SetTime, Time},
    time::require_utc,
};

use super::{Unzip, copy};
use crate::extract::make_parents;
use crate::zip::{Archive, Entry};

/// The longest target of a symlink, in bytes.
const MAX_TARGET: u64 = 4096;

impl Unzip {
    fn say(&self, context: &mut Context, what: &str, path: &[u8]) -> io::Result<()> {
        if self.quiet > 0 {
            return Ok(());
        }
        write!(context.out, "{what:>11}: ")?;
        context.out.write_all(path)?;
        // Info-ZIP leaves room to overwrite what it says of files.
        if !self.busybox && what != "creating" {
            let missing = 22_usize.saturating_sub(path.len().min(22));
            write!(context.out, "{:missing$}  ", "")?;
        }
        context.out.write_all(b"\n")
    }

    /// The path that an entry is extracted to; nothing when it is not.
    fn place(&mut self, context: &mut Context, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut name = name;
        if name.starts_with(b"/") {
            if !self.busybox {
                let shown = String::from_utf8_lossy(name).into_owned();
                context.warn(format_args!("stripped absolute path spec from {shown}"));
                self.status = 1;
            }
            name = &name[name.iter().position(|&byte| byte != b'/').unwrap_or(name.len())..];
        }
        let parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').collect();
        let mut name = name.to_vec();
        if parts.contains(&&b".."[..]) {
            let shown = String::from_utf8_lossy(&name).into_owned();
            if !self.busybox {
                // Unlike its other warnings this one goes to standard output.
                if self.quiet == 0 {
                    let what = "skipped \"../\" path component(s) in";
                    writeln!(context.out, "warning:  {what} {shown}")?;
                }
                self.status = 1;
            }
            let kept: Vec<&[u8]> = parts.into_iter().filter(|part| *part != b"..").collect();
            name = kept.join(&b'/');
        }
        if self.junk {
            if name.ends_with(b"/") {
                return Ok(None);
            }
            name = paths::base_name(&name).to_vec();
        }
        let path = if self.dir.is_empty() { name } else { paths::join(&self.dir, &name) };
        Ok((!path.is_empty()).then_some(path))
    }

    pub(super) fn extract_all(
        &mut self,
        context: &mut Context,
        archive: &mut Archive,
        entries: &[Entry],
    ) -> Result<(), Stop> {
        if entries.iter().any(|entry| entry.mtime.is_none()) {
            // The times of DOS are local.
            require_utc(context)?;
        }
        if !self.dir.is_empty() {
            make_parents(&[&self.dir, &b"/"[..]].concat())?;
            // BusyBox names the files as they are seen from there.
            if self.busybox {
                sys::change_dir(&std::mem::take(&mut self.dir))?;
            }
        }
        for entry in entries {
            let Some(path) = self.place(context, &entry.name)? else { continue };
            if let Err(error) = self.one(context, archive, entry, &path)? {
                let shown = String::from_utf8_lossy(&path).into_owned();
                return Err(Stop::Fail(
                    if self.busybox { 1 } else { 2 },
                    format!("{shown}: {}", sys::reason(&error)),
                ));
            }
        }
        self.finish(context)
    }

    fn one(
        &mut self,
        context: &mut Context,
        archive: &mut Archive,
        entry: &Entry,
        path: &[u8],
    ) -> Result<io::Result<()>, Stop> {
        if entry.is_dir() {
            return Ok(self.directory(context, entry, path));
        }
        if let Err(error) = make_parents(path) {
            return Ok(Err(error));
        }
        if let Ok(there) = sys::lstat(path) {
            match self.overwrite {
                Some(false) => return Ok(Ok(())),
                Some(true) if there.is_dir() => return Err(native("a directory in the way")),
                Some(true) => {
                    if let Err(error) = sys::unlink(path) {
                        return Ok(Err(error));
                    }
                }
                // It would ask.
                None => return Err(native("a file that is there already")),
            }
        }
        let kind = entry.mode.map_or(0, |mode| mode & sys::S_IFMT);
        if kind == sys::S_IFLNK && entry.size <= MAX_TARGET {
            let mut target = Vec::new();
            if let Err(error) = copy(archive, entry, &mut target)? {
                return Ok(Err(error));
            }
            if self.busybox {
                self.say(context, "inflating", path)?;
                return Ok(sys::symlink(&target, path));
            }
            if self.quiet == 0 {
                self.say_link(context, "    linking: ", path, &target)?;
            }
            self.links.push((path.to_vec(), target));
            return Ok(Ok(()));
        }
        let stored = entry.method == 0 && !self.busybox;
        self.say(context, if stored { "extracting" } else { "inflating" }, path)?;
        let mut file = match sys::create_new(path, 0o666) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = copy(archive, entry, &mut file)? {
            return Ok(Err(error));
        }
        drop(file);
        Ok(self.mark(entry, path))
    }

    fn say_link(
        &self,
        context: &mut Context,
        what: &str,
        path: &[u8],
        target: &[u8],
    ) -> io::Result<()> {
        let missing = 22_usize.saturating_sub(path.len().min(22));
        write!(context.out, "{what}")?;
        context.out.write_all(path)?;
        write!(context.out, "{:missing$}  -> ", "")?;
        context.out.write_all(target)?;
        context.out.write_all(b" \n")
    }

    fn directory(&mut self, context: &mut Context, entry: &Entry, path: &[u8]) -> io::Result<()> {
        let place = paths::trim_slashes(path).to_vec();
        make_parents(&place)?;
        if sys::stat(&place).is_ok_and(|stat| stat.is_dir()) {
            return Ok(());
        }
        sys::mkdir(&place, 0o777)?;
        self.say(context, "creating", path)?;
        self.dirs.push((place, entry.clone()));
        Ok(())
    }

    fn mark(&self, entry: &Entry, path: &[u8]) -> io::Result<()> {
        match entry.mode {
            Some(mode) => {
                let bits = match (self.busybox, entry.is_dir()) {
                    (true, false) => 0o7777 & !sys::umask(),
                    _ if self.keep_bits => 0o7777,
                    _ => 0o777,
                };
                sys::chmod(path, mode & bits)?;
            }
            None if entry.read_only && !self.busybox => sys::chmod(path, 0o444 & !sys::umask())?,
            None => {}
        }
        let most = if entry.is_dir() { 1 } else { 2 };
        if !self.busybox && self.no_times < most {
            let secs = entry.mtime.unwrap_or(entry.dos);
            let time = SetTime::To(Time { secs, nanos: 0 });
            sys::utimens(path, time, time, true)?;
        }
        Ok(())
    }

    fn finish(&mut self, context: &mut Context) -> Result<(), Stop> {
        if !self.links.is_empty() && self.quiet == 0 {
            context.out.write_all(b"finishing deferred symbolic links:\n")?;
        }
        for (path, target) in std::mem::take(&mut self.links) {
            if self.quiet == 0 {
                self.say_finished(context, &path, &target)?;
            }
            sys::symlink(&target, &path)?;
        }
        // The innermost first.
        let mut dirs = std::mem::take(&mut self.dirs);
        dirs.sort_by(|a, b| b.0.cmp(&a.0));
        for (path, entry) in dirs {
            self.mark(&entry, &path)?;
        }
        Ok(())
    }

    fn say_finished(&self, context: &mut Context, path: &[u8], target: &[u8]) -> io::Result<()> {
        let missing = 22_usize.saturating_sub(path.len().min(22));
        context.out.write_all(b"  ")?;
        context.out.write_all(path)?;
        write!(context.out, "{:missing$} -> ", "")?;
        context.out.write_all(target)?;
        context.out.write_all(b"\n")
    }
}
