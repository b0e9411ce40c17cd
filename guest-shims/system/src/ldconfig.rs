//! glibc's `ldconfig`: links for shared libraries by their names, and the loader's cache.

mod cache;
mod elf;

use std::{cmp::Ordering, io};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    glob::{self, Rules},
    native, paths, sys,
};

use cache::Entry;

const OPTIONS: &[Opt] =
    &[flag('n', ""), flag('N', ""), flag('X', ""), value('C', ""), value('f', "")];

/// What the program calls itself in the cache begins and ends so.
const GENERATOR: &[u8] = b"ldconfig (";

/// How deep configuration files may include each other.
const MAX_INCLUDES: usize = 16;

/// What an empty cache of what was seen of the libraries is, in the forms that glibc had: the next
/// run of the real program fills it. What it has otherwise, times and inodes, no two runs share.
const SEEN: [&[u8]; 2] = [b"glibc-ld.so.auxcache-2.0", b"glibc-ld.so.auxcache-1.0"];

struct Ldconfig {
    links: bool,
    /// Directories with their identity, in the order of the search.
    dirs: Vec<(Vec<u8>, (u64, u64))>,
    entries: Vec<Entry>,
}

/// A name in a directory that has a library.
struct Candidate {
    soname: Vec<u8>,
    file: Vec<u8>,
    flags: u32,
    is_link: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    const PROGRAM: &[u8] = b"/sbin/ldconfig";
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let given = |name: &str, default: &[u8]| {
        let found = parsed.options.iter().rfind(|option| option.name() == name);
        found.map_or(default.to_vec(), |option| option.bytes().to_vec())
    };
    let program = sys::read_small(PROGRAM).map_err(|error| native(sys::reason(&error)))?;
    if !program.starts_with(b"\x7fELF") {
        return Err(native("an ldconfig that is a script"));
    }
    let generator = generator(&program)
        .ok_or_else(|| native("an ldconfig that does not say what it calls itself"))?;
    let mut ldconfig = Ldconfig { links: !has("X"), dirs: Vec::new(), entries: Vec::new() };
    for dir in &parsed.operands {
        if !dir.starts_with(b"/") {
            return Err(Stop::Fail(1, "relative path used to build cache".to_owned()));
        }
        ldconfig.add(dir)?;
    }
    let only = has("n");
    if !only {
        ldconfig.configuration(&given("f", b"/etc/ld.so.conf"), 0)?;
        let triple = match program.get(18) {
            Some(62) => "x86_64-linux-gnu",
            Some(183) => "aarch64-linux-gnu",
            _ => return Err(native("ldconfig of another machine")),
        };
        for dir in [format!("/lib/{triple}"), format!("/usr/lib/{triple}")] {
            ldconfig.add(dir.as_bytes())?;
        }
        ldconfig.add(b"/lib")?;
        ldconfig.add(b"/usr/lib")?;
    }
    for (dir, _) in ldconfig.dirs.clone() {
        ldconfig.search(&dir)?;
    }
    if !only && !has("N") {
        let target = given("C", b"/etc/ld.so.cache");
        let contents = cache::write(std::mem::take(&mut ldconfig.entries), &generator);
        replace(&target, &contents, 0o644)
            .map_err(|error| native(format!("ldconfig: {}", sys::reason(&error))))?;
        note_seen(&program)?;
    }
    Ok(0)
}

fn generator(program: &[u8]) -> Option<Vec<u8>> {
    let at = program.windows(GENERATOR.len()).position(|window| window == GENERATOR)?;
    let text = &program[at..];
    let text = &text[..text.iter().position(|&byte| byte == 0)?];
    let version = b" release version ";
    text.windows(version.len()).any(|window| window == version).then(|| text.to_vec())
}

/// Writes a file beside its place and moves it there.
fn replace(target: &[u8], contents: &[u8], mode: u32) -> io::Result<()> {
    use io::Write;
    let new = [target, b"~"].concat();
    match sys::unlink(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sys::create_new(&new, 0o600)?.write_all(contents)?;
    sys::chmod(&new, mode)?;
    sys::rename(&new, target)
}

/// Empties the cache of what was seen, in the form of this version.
fn note_seen(program: &[u8]) -> Result<(), Stop> {
    const FILE: &[u8] = b"/var/cache/ldconfig/aux-cache";
    if sys::lstat(paths::dir_name(FILE)).is_err() {
        return Err(native("ldconfig without its directory of what was seen"));
    }
    let form = SEEN
        .into_iter()
        .find(|form| program.windows(form.len()).any(|window| window == *form))
        .ok_or_else(|| native("an ldconfig of another form"))?;
    replace(FILE, &[form, &[0; 8]].concat(), 0o600)
        .map_err(|error| native(format!("ldconfig: {}", sys::reason(&error))))
}

impl Ldconfig {
    fn add(&mut self, dir: &[u8]) -> Result<(), Stop> {
        let dir = paths::trim_slashes(dir);
        let Some(stat) = sys::stat(dir).ok().filter(sys::Stat::is_dir) else { return Ok(()) };
        let identity = (stat.dev, stat.ino);
        if !self.dirs.iter().any(|(_, known)| *known == identity) {
            if sys::lstat(&paths::join(dir, b"glibc-hwcaps")).is_ok() {
                return Err(native("libraries for kinds of processors"));
            }
            self.dirs.push((dir.to_vec(), identity));
        }
        Ok(())
    }

    fn configuration(&mut self, file: &[u8], depth: usize) -> Result<(), Stop> {
        if depth > MAX_INCLUDES {
            return Err(native("configuration that includes itself"));
        }
        let Ok(text) = sys::read_small(file) else { return Ok(()) };
        for line in text.split(|&byte| byte == b'\n') {
            let line = line.split(|&byte| byte == b'#').next().unwrap_or_default().trim_ascii();
            if let Some(pattern) = line.strip_prefix(b"include") {
                for pattern in pattern.split(u8::is_ascii_whitespace) {
                    self.include(file, pattern, depth)?;
                }
            } else if line.starts_with(b"hwcap") || line.contains(&b'=') {
                return Err(native("a line of that kind in ld.so.conf"));
            } else if line.starts_with(b"/") {
                self.add(line)?;
            }
        }
        Ok(())
    }

    fn include(&mut self, file: &[u8], pattern: &[u8], depth: usize) -> Result<(), Stop> {
        if pattern.is_empty() {
            return Ok(());
        }
        let pattern = if pattern.starts_with(b"/") {
            pattern.to_vec()
        } else {
            paths::join(paths::dir_name(file), pattern)
        };
        let (dir, name) = (paths::dir_name(&pattern), paths::base_name(&pattern));
        if dir.iter().any(|byte| b"*?[".contains(byte)) {
            return Err(native("a pattern for directories in ld.so.conf"));
        }
        for found in sys::read_dir(dir).unwrap_or_default() {
            let hidden = found.starts_with(b".") && !name.starts_with(b".");
            if !hidden && glob::matches(name, &found, Rules::default()) {
                self.configuration(&paths::join(dir, &found), depth + 1)?;
            }
        }
        Ok(())
    }

    fn search(&mut self, dir: &[u8]) -> Result<(), Stop> {
        let fail = |error: io::Error| native(format!("ldconfig: {}", sys::reason(&error)));
        let mut found: Vec<Candidate> = Vec::new();
        for name in sys::read_dir(dir).map_err(fail)? {
            if !is_library(&name) {
                continue;
            }
            let path = paths::join(dir, &name);
            let mut is_link = sys::lstat(&path).map_err(fail)?.is_symlink();
            match sys::stat(&path) {
                Ok(stat) if stat.is_file() => {}
                // A link to what is gone goes, too.
                Err(_) if is_link && self.links && has_version(&name) => {
                    sys::unlink(&path).map_err(fail)?;
                    continue;
                }
                _ => continue,
            }
            let read = sys::open(&path).and_then(elf::read).map_err(fail)?;
            let Some(library) = read.map_err(native)? else { continue };
            let mut soname = library.soname.unwrap_or_else(|| name.clone());
            // A link counts as one when it bears the library's name, or is the one for linking.
            is_link &= name == soname || name.ends_with(b".so") && soname.starts_with(&name);
            if is_link {
                soname.clone_from(&name);
            }
            let candidate = Candidate { soname, file: name, flags: library.flags, is_link };
            match found.iter_mut().find(|known| known.soname == candidate.soname) {
                None => found.push(candidate),
                Some(known) => {
                    let newer = known.is_link == candidate.is_link
                        && cache::compare(&known.file, &candidate.file) == Ordering::Less;
                    if !candidate.is_link && known.is_link || newer {
                        *known = candidate;
                    }
                }
            }
        }
        for library in found {
            if self.links && !library.is_link {
                link(dir, &library.file, &library.soname).map_err(fail)?;
            }
            self.entries.push(Entry {
                path: paths::join(dir, &library.soname),
                name: library.soname,
                flags: library.flags,
            });
        }
        Ok(())
    }
}

/// Whether a name goes on behind `.so`.
fn has_version(name: &[u8]) -> bool {
    name.windows(4).any(|window| window == b".so.")
}

fn is_library(name: &[u8]) -> bool {
    let other = [&b".dpkg-new"[..], b".dpkg-tmp", b"-gdb.py"];
    (name.starts_with(b"lib") || name.starts_with(b"ld-"))
        && name.windows(3).any(|window| window == b".so")
        && !other.iter().any(|end| name.ends_with(end))
        && !name.contains(&b';')
}

/// Makes the library's name lead to its file, unless it does or is no link.
fn link(dir: &[u8], file: &[u8], soname: &[u8]) -> io::Result<()> {
    if file == soname || soname.contains(&b'/') {
        return Ok(());
    }
    let (target, link) = (paths::join(dir, file), paths::join(dir, soname));
    if let Ok(there) = sys::lstat(&link) {
        let same = sys::stat(&link).and_then(|to| Ok(to.same_file(&sys::stat(&target)?)));
        if same.unwrap_or(false) || !there.is_symlink() {
            return Ok(());
        }
        sys::unlink(&link)?;
    }
    sys::symlink(file, &link)
}
