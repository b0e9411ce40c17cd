//! `unzip`, as Info-ZIP or BusyBox has it.

use std::io::{self, Read, Write};

use shim::{
    BLOCK, Context, Outcome, Stop,
    glob::{self, Rules},
    native, paths,
    sys::{self, SetTime, Time},
    time::{Civil, require_utc},
};

use crate::extract::make_parents;
use crate::zip::{Archive, Entry};

/// What to do with the entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Extract,
    List,
    Names,
    Print,
    Test,
}

struct Unzip {
    mode: Mode,
    quiet: u8,
    overwrite: Option<bool>,
    junk: bool,
    keep_bits: bool,
    /// `-D` and `-DD`: times of directories, of all, are not restored.
    no_times: u8,
    dir: Vec<u8>,
    wanted: Vec<Vec<u8>>,
    excluded: Vec<Vec<u8>>,
    busybox: bool,
    status: u8,
    /// Symlinks are made when all else is there, so that nothing is written through them.
    links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Directories get their attributes when nothing more is put into them.
    dirs: Vec<(Vec<u8>, Entry)>,
}

/// The longest target of a symlink, in bytes.
const MAX_TARGET: u64 = 4096;

pub(crate) fn main(context: &mut Context) -> Outcome {
    let busybox = sys::is_busybox();
    let (mut unzip, name) = read(&context.args, busybox)?;
    let file = match open(&name) {
        Ok(file) => file,
        Err(_) => {
            let name = String::from_utf8_lossy(&name).into_owned();
            let message = format!("cannot find or open {name}, {name}.zip or {name}.ZIP.");
            return Err(Stop::Fail(if busybox { 1 } else { 9 }, message));
        }
    };
    let mut archive = Archive::open(file)
        .map_err(|error| Stop::Fail(if busybox { 1 } else { 9 }, sys::reason(&error)))?;
    let entries: Vec<Entry> =
        archive.entries.iter().filter(|entry| unzip.takes(&entry.name)).cloned().collect();
    let matched = !entries.is_empty() || unzip.wanted.is_empty();
    if unzip.quiet == 0 && !matches!(unzip.mode, Mode::Names | Mode::Print) {
        let shown = String::from_utf8_lossy(&name).into_owned();
        writeln!(context.out, "Archive:  {shown}")?;
    }
    if archive.begins_late && busybox {
        return Err(Stop::Fail(1, "the archive begins behind other bytes".to_owned()));
    }
    if archive.begins_late {
        context.warn("the archive begins behind other bytes (attempting to process anyway)");
        unzip.status = 1;
    }
    match unzip.mode {
        Mode::List => unzip.list(context, &entries, archive.entries.len())?,
        Mode::Names => {
            for entry in &entries {
                context.out.write_all(&entry.name)?;
                context.out.write_all(b"\n")?;
            }
        }
        Mode::Print => {
            for entry in entries.iter().filter(|entry| !entry.is_dir()) {
                copy(&mut archive, entry, &mut context.out)??;
            }
        }
        Mode::Test => {
            for entry in entries.iter().filter(|entry| !entry.is_dir()) {
                copy(&mut archive, entry, &mut io::sink())??;
            }
            if unzip.quiet < 2 {
                return Err(native("the report of unzip -t"));
            }
        }
        Mode::Extract => unzip.extract_all(context, &mut archive, &entries)?,
    }
    if !matched && !busybox {
        for name in &unzip.wanted {
            let name = String::from_utf8_lossy(name);
            let text = format!("caution: filename not matched:  {name}\n");
            io::stderr().write_all(text.as_bytes())?;
        }
        unzip.status = 11;
    }
    Ok(unzip.status)
}

/// The archive itself, or with the suffix that may be left out.
fn open(name: &[u8]) -> io::Result<std::fs::File> {
    let file = sys::open(name);
    if file.is_ok() && sys::stat(name).is_ok_and(|stat| stat.is_file()) {
        return file;
    }
    sys::open(&[name, b".zip"].concat()).or_else(|_| sys::open(&[name, b".ZIP"].concat()))
}

/// Reads the command line: options, the archive, names, `-x` with names, `-d` with a directory.
fn read(args: &[Vec<u8>], busybox: bool) -> Result<(Unzip, Vec<u8>), Stop> {
    let mut unzip = Unzip {
        mode: Mode::Extract,
        quiet: 0,
        overwrite: None,
        junk: false,
        keep_bits: busybox,
        no_times: 0,
        dir: Vec::new(),
        wanted: Vec::new(),
        excluded: Vec::new(),
        busybox,
        status: 0,
        links: Vec::new(),
        dirs: Vec::new(),
    };
    let mut archive: Option<Vec<u8>> = None;
    let mut excluding = false;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
            match (&archive, excluding) {
                (None, _) => archive = Some(arg.clone()),
                (_, true) => unzip.excluded.push(arg.clone()),
                _ => unzip.wanted.push(arg.clone()),
            }
            continue;
        };
        for (at, letter) in letters.iter().enumerate() {
            match letter {
                b'd' => {
                    let attached = &letters[at + 1..];
                    let dir = if attached.is_empty() { args.next() } else { None };
                    unzip.dir = match dir {
                        Some(dir) => dir.clone(),
                        None if !attached.is_empty() => attached.to_vec(),
                        None => return Err(native("-d without a directory")),
                    };
                    break;
                }
                b'x' => excluding = true,
                b'q' => unzip.quiet = unzip.quiet.saturating_add(1),
                b'o' => unzip.overwrite = Some(true),
                b'n' => unzip.overwrite = Some(false),
                b'j' => unzip.junk = true,
                b'l' => unzip.mode = Mode::List,
                b'p' => unzip.mode = Mode::Print,
                b't' => unzip.mode = Mode::Test,
                b'K' if !busybox => unzip.keep_bits = true,
                b'D' if !busybox => unzip.no_times += 1,
                b'Z' if letters == b"Z1" && !busybox => unzip.mode = Mode::Names,
                b'1' if letters == b"Z1" => {}
                _ => return Err(native(format!("option -{}", char::from(*letter)))),
            }
        }
    }
    let archive = archive.ok_or_else(|| native("unzip without an archive"))?;
    if archive == b"-" || archive.iter().any(|byte| b"*?[".contains(byte)) {
        return Err(native("an archive that is a pattern or standard input"));
    }
    Ok((unzip, archive))
}

fn copy(archive: &mut Archive, entry: &Entry, to: &mut dyn Write) -> Result<io::Result<()>, Stop> {
    if entry.is_encrypted() {
        return Err(native("an encrypted entry"));
    }
    let mut contents = match archive.contents(entry) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            return Err(native(format!("compression method {}", entry.method)));
        }
        Err(error) => return Ok(Err(error)),
    };
    let mut block = vec![0; BLOCK];
    loop {
        let len = match contents.read(&mut block) {
            Ok(0) => return Ok(Ok(())),
            Ok(len) => len,
            // What it says and leaves behind is its own.
            Err(_) => return Err(native("a damaged entry")),
        };
        if let Err(error) = to.write_all(&block[..len]) {
            return Ok(Err(error));
        }
    }
}

impl Unzip {
    /// A pattern's `*` goes over slashes.
    fn takes(&self, name: &[u8]) -> bool {
        let is = |pattern: &Vec<u8>| glob::matches(pattern, name, Rules::default());
        (self.wanted.is_empty() || self.wanted.iter().any(is)) && !self.excluded.iter().any(is)
    }

    fn list(&self, context: &mut Context, entries: &[Entry], all: usize) -> Result<(), Stop> {
        require_utc(context)?;
        let total: u64 = entries.iter().map(|entry| entry.size).sum();
        if self.quiet < 2 {
            context.out.write_all(
                b"  Length      Date    Time    Name\n---------  ---------- -----   ----\n",
            )?;
        }
        for entry in entries {
            // Only Info-ZIP's knows the extra field.
            let secs = entry.mtime.filter(|_| !self.busybox).unwrap_or(entry.dos);
            let Civil { year, month, day, hour, minute, .. } = Civil::from_secs(secs);
            let date = if self.busybox {
                format!("{month:02}-{day:02}-{year:04}")
            } else {
                format!("{year:04}-{month:02}-{day:02}")
            };
            write!(context.out, "{:9}  {date} {hour:02}:{minute:02}   ", entry.size)?;
            context.out.write_all(&entry.name)?;
            context.out.write_all(b"\n")?;
        }
        if self.quiet < 2 {
            let gap = if self.busybox { " --------" } else { "---------" };
            // BusyBox counts also what it did not show.
            let count = if self.busybox { all } else { entries.len() };
            let files = if count == 1 && !self.busybox { "file" } else { "files" };
            writeln!(
                context.out,
                "{gap}                     -------\n{total:9}                     {count} {files}"
            )?;
        }
        Ok(())
    }

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

    fn extract_all(
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
