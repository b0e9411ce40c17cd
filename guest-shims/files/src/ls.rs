//! `ls`, as it prints to a pipe or a file.

use std::{
    cmp::{Ordering, Reverse},
    io::{self, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, optional, value},
    locale::{self, Locale},
    mode, native, paths,
    sys::{self, Stat},
    time,
    users::Accounts,
};

const OPTIONS: &[Opt] = &[
    flag('1', ""),
    flag('a', "all"),
    flag('A', "almost-all"),
    flag('d', "directory"),
    flag('F', ""),
    optional(NO, "color"),
    flag('g', ""),
    flag('G', "no-group"),
    flag('h', "human-readable"),
    flag('i', "inode"),
    flag('l', ""),
    flag('L', "dereference"),
    flag('n', "numeric-uid-gid"),
    flag('o', ""),
    flag('p', ""),
    flag('r', "reverse"),
    flag('R', "recursive"),
    flag('S', ""),
    flag('t', ""),
    flag('U', ""),
    value(NO, "time-style"),
    flag(NO, "full-time"),
];

#[derive(Default)]
struct Ls {
    all: bool,
    almost_all: bool,
    directory: bool,
    classify: bool,
    slash: bool,
    human: bool,
    inode: bool,
    long: bool,
    follow: bool,
    numeric: bool,
    no_owner: bool,
    no_group: bool,
    reverse: bool,
    recursive: bool,
    by_size: bool,
    by_time: bool,
    unsorted: bool,
    style: Vec<u8>,
    accounts: Accounts,
}

struct Entry {
    name: Vec<u8>,
    path: Vec<u8>,
    stat: Stat,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut ls = Ls { accounts: Accounts::read(), ..Ls::default() };
    for option in &parsed.options {
        match option.name() {
            "1" => {}
            "a" => ls.all = true,
            "A" => ls.almost_all = true,
            "d" => ls.directory = true,
            "F" => ls.classify = true,
            "g" => (ls.long, ls.no_owner) = (true, true),
            "G" => ls.no_group = true,
            "h" => ls.human = true,
            "i" => ls.inode = true,
            "l" => ls.long = true,
            "L" => ls.follow = true,
            "n" => (ls.long, ls.numeric) = (true, true),
            "o" => (ls.long, ls.no_group) = (true, true),
            "p" => ls.slash = true,
            "r" => ls.reverse = true,
            "R" => ls.recursive = true,
            "S" => (ls.by_size, ls.by_time) = (true, false),
            "t" => (ls.by_time, ls.by_size) = (true, false),
            "U" => ls.unsorted = true,
            "full-time" => {
                ls.long = true;
                ls.style = b"full-iso".to_vec();
            }
            "time-style" => ls.style = option.bytes().to_vec(),
            "color" if option.bytes() == b"always" => return Err(native("--color=always")),
            "color" => {}
            name => return Err(native(format!("option {name}"))),
        }
    }
    if ls.unsorted {
        return Err(native("the order of the directory itself"));
    }
    if locale::of(&context.env, "LC_COLLATE") == Locale::Language {
        return Err(native("a language's order"));
    }
    if ls.long {
        time::require_utc(context)?;
    }
    ls.list(context, parsed.operands)
}

impl Ls {
    fn list(&self, context: &mut Context, mut operands: Vec<Vec<u8>>) -> Outcome {
        if operands.is_empty() {
            operands.push(b".".to_vec());
        }
        let several = operands.len() > 1 || self.recursive;
        let mut status = 0;
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        for operand in operands {
            let through = self.follow || !self.long && !self.classify && !self.directory;
            let stat = match sys::stat(&operand) {
                Ok(stat)
                    if through
                        || stat.is_dir() && !self.directory && !self.long && !self.classify =>
                {
                    Ok(stat)
                }
                _ => sys::lstat(&operand),
            };
            match stat {
                Ok(stat) => {
                    let entry = Entry { name: operand.clone(), path: operand, stat };
                    if entry.stat.is_dir() && !self.directory { &mut dirs } else { &mut files }
                        .push(entry);
                }
                Err(error) => {
                    context.warn_path("cannot access", &operand, &error);
                    status = trouble();
                }
            }
        }
        self.sort(&mut files);
        self.sort(&mut dirs);
        self.print(context, &files)?;
        let mut first = files.is_empty();
        for dir in dirs {
            self.list_dir(context, &dir.path, several, &mut first, &mut status)?;
        }
        Ok(status)
    }

    fn list_dir(
        &self,
        context: &mut Context,
        dir: &[u8],
        titled: bool,
        first: &mut bool,
        status: &mut u8,
    ) -> Result<(), Stop> {
        let mut names = match sys::read_dir(dir) {
            Ok(names) => names,
            Err(error) => {
                context.warn_path("cannot open directory", dir, &error);
                *status = trouble();
                return Ok(());
            }
        };
        if !*first {
            context.out.write_all(b"\n")?;
        }
        *first = false;
        if titled {
            context.out.write_all(dir)?;
            context.out.write_all(b":\n")?;
        }
        if self.all {
            names.extend([b".".to_vec(), b"..".to_vec()]);
        } else if !self.almost_all {
            names.retain(|name| !name.starts_with(b"."));
        }
        let mut entries = Vec::new();
        for name in names {
            let path = paths::join(dir, &name);
            let stat = if self.follow {
                sys::stat(&path).or_else(|_| sys::lstat(&path))
            } else {
                sys::lstat(&path)
            };
            match stat {
                Ok(stat) => entries.push(Entry { name, path, stat }),
                Err(error) => {
                    context.warn_path("cannot access", &path, &error);
                    *status = 1;
                }
            }
        }
        self.sort(&mut entries);
        if self.long {
            let blocks: u64 = entries.iter().map(|entry| entry.stat.blocks).sum();
            let total = if self.human { human(blocks * 512) } else { (blocks / 2).to_string() };
            if self.human && sys::is_busybox() {
                writeln!(context.out, "total {total:<7}")?;
            } else {
                writeln!(context.out, "total {total}")?;
            }
        }
        self.print(context, &entries)?;
        if self.recursive {
            for entry in entries {
                if entry.stat.is_dir() && entry.name != b"." && entry.name != b".." {
                    self.list_dir(context, &entry.path, true, first, status)?;
                }
            }
        }
        Ok(())
    }

    fn sort(&self, entries: &mut [Entry]) {
        entries.sort_by(|a, b| {
            let special = match (self.by_size, self.by_time) {
                (true, _) => Reverse(a.stat.size).cmp(&Reverse(b.stat.size)),
                (_, true) => Reverse(a.stat.mtime).cmp(&Reverse(b.stat.mtime)),
                _ => Ordering::Equal,
            };
            let order = special.then_with(|| a.name.cmp(&b.name));
            if self.reverse { order.reverse() } else { order }
        });
    }

    fn print(&self, context: &mut Context, entries: &[Entry]) -> Result<(), Stop> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for entry in entries {
            rows.push(self.columns(entry)?);
        }
        if sys::is_busybox() && (self.long || self.inode) {
            for (entry, row) in entries.iter().zip(&rows) {
                self.busybox_row(context, row)?;
                context.out.write_all(&entry.name)?;
                self.mark(context, entry)?;
                context.out.write_all(b"\n")?;
            }
            return Ok(());
        }
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
        for (entry, row) in entries.iter().zip(&rows) {
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let left = self.long
                    && !self.numeric
                    && (at == 2 + usize::from(self.inode) || at == 3 + usize::from(self.inode));
                let left =
                    left && !cell.ends_with(|last: char| last.is_ascii_digit() && self.is_size(at));
                if left {
                    write!(context.out, "{cell:<width$} ")?;
                } else {
                    write!(context.out, "{cell:>width$} ")?;
                }
            }
            context.out.write_all(&entry.name)?;
            self.mark(context, entry)?;
            context.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// BusyBox's columns have widths of their own, whatever is in them.
    fn busybox_row(&self, context: &mut Context, row: &[String]) -> io::Result<()> {
        let mut cells = row.iter();
        if self.inode
            && let Some(number) = cells.next()
        {
            write!(context.out, "{number:>7} ")?;
        }
        let cells: Vec<&String> = cells.collect();
        let [mode, links, owners @ .., size, time] = cells.as_slice() else { return Ok(()) };
        write!(context.out, "{mode:<10} {links:>4} ")?;
        for owner in owners {
            // A number in place of a name is shown whole.
            if owner.bytes().all(|byte| byte.is_ascii_digit()) {
                write!(context.out, "{owner:<8} ")?;
            } else {
                write!(context.out, "{owner:<8.8} ")?;
            }
        }
        if let Some((major, minor)) = size.split_once(", ") {
            write!(context.out, "{major:>4},{minor:>4} ")?;
        } else {
            let width = if self.human { 7 } else { 9 };
            write!(context.out, "{size:>width$} ")?;
        }
        write!(context.out, "{time} ")
    }

    /// Whether a column holds sizes, which stand to the right.
    fn is_size(&self, column: usize) -> bool {
        let owners = usize::from(!self.no_owner) + usize::from(!self.no_group);
        column == usize::from(self.inode) + 2 + owners
    }

    fn columns(&self, entry: &Entry) -> Result<Vec<String>, Stop> {
        let stat = &entry.stat;
        let mut cells = Vec::new();
        if self.inode {
            cells.push(stat.ino.to_string());
        }
        if !self.long {
            return Ok(cells);
        }
        cells.push(mode::describe(stat.mode));
        cells.push(stat.nlink.to_string());
        let name = |found: Option<&Vec<u8>>, id: u32| match found {
            Some(name) if !self.numeric => String::from_utf8_lossy(name).into_owned(),
            _ => id.to_string(),
        };
        if !self.no_owner {
            cells.push(name(self.accounts.user_by_id(stat.uid).map(|user| &user.name), stat.uid));
        }
        if !self.no_group {
            cells
                .push(name(self.accounts.group_by_id(stat.gid).map(|group| &group.name), stat.gid));
        }
        cells.push(match stat.kind() {
            sys::S_IFCHR | sys::S_IFBLK => {
                format!("{}, {}", sys::major(stat.rdev), sys::minor(stat.rdev))
            }
            _ if self.human => human(stat.size),
            _ => stat.size.to_string(),
        });
        // Half a year of the Gregorian calendar, as ls counts it, in seconds.
        const HALF_YEAR: i64 = 15_778_476;
        let age = sys::now().secs - stat.mtime.secs;
        let recent = (0..=HALF_YEAR).contains(&age);
        let format: &[u8] = match self.style.as_slice() {
            b"" | b"locale" if recent => b"%b %e %H:%M",
            b"" | b"locale" => b"%b %e  %Y",
            b"full-iso" => b"%Y-%m-%d %H:%M:%S.%N %z",
            b"long-iso" => b"%Y-%m-%d %H:%M",
            style => match style.strip_prefix(b"+") {
                Some(format) => format,
                None => return Err(native("this time style")),
            },
        };
        cells.push(String::from_utf8_lossy(&time::format(format, stat.mtime)?).into_owned());
        Ok(cells)
    }

    fn mark(&self, context: &mut Context, entry: &Entry) -> io::Result<()> {
        if self.long && entry.stat.is_symlink() {
            context.out.write_all(b" -> ")?;
            context.out.write_all(&sys::readlink(&entry.path)?)?;
            if let (true, Ok(target)) = (self.classify, sys::stat(&entry.path)) {
                return context.out.write_all(classify(&target));
            }
            return Ok(());
        }
        if self.classify {
            context.out.write_all(classify(&entry.stat))?;
        } else if self.slash && entry.stat.is_dir() {
            context.out.write_all(b"/")?;
        }
        Ok(())
    }
}

fn classify(stat: &Stat) -> &'static [u8] {
    match stat.kind() {
        sys::S_IFDIR => b"/",
        sys::S_IFLNK => b"@",
        sys::S_IFIFO => b"|",
        sys::S_IFSOCK => b"=",
        sys::S_IFREG if stat.mode & 0o111 != 0 => b"*",
        _ => b"",
    }
}

/// The exit status when something asked for is not there.
fn trouble() -> u8 {
    if sys::is_busybox() { 1 } else { 2 }
}

/// A size in units of 1024, rounded up, with one digit below ten.
fn human(size: u64) -> String {
    const UNITS: &[u8] = b"KMGTPE";
    if size < 1024 {
        return size.to_string();
    }
    let mut unit = 1024_u64;
    let mut at = 0;
    while size.div_ceil(unit) >= 1024 && at + 1 < UNITS.len() {
        unit <<= 10;
        at += 1;
    }
    let tenths = (u128::from(size) * 10).div_ceil(u128::from(unit));
    let letter = char::from(UNITS[at]);
    if tenths < 100 {
        format!("{}.{}{letter}", tenths / 10, tenths % 10)
    } else {
        format!("{}{letter}", size.div_ceil(unit))
    }
}
