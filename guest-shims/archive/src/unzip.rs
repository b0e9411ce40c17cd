//! `unzip`, as Info-ZIP or BusyBox has it.

use std::io::{self, Read, Write};

use shim::{
    BLOCK, Context, Outcome, Stop,
    glob::{self, Rules},
    native, sys,
    time::{Civil, require_utc},
};

use crate::zip::{Archive, Entry};

mod extract;

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
    let opened = Archive::open(file);
    if busybox && opened.is_err() {
        return Err(native("what BusyBox does with a file that is no archive"));
    }
    let mut archive =
        opened.map_err(|error| Stop::Fail(if busybox { 1 } else { 9 }, sys::reason(&error)))?;
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
}
