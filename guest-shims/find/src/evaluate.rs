//! What an expression says of a file, and does with it.

use std::io::Write;

use shim::{
    Context, Stop,
    escape::{self, Escaped, Style},
    glob::{self, Rules},
    mode, native, paths,
    sys::{self, Launch},
    time,
};

use crate::{
    expression::{Bits, Node, Program, Which},
    walk::{Entry, State, complain},
};

/// How many bytes of names go to one program with `-exec … +` and `xargs`.
pub(crate) const MAX_ARGUMENTS: usize = 128 * 1024;

/// Whether an expression holds; its actions are done on the way.
pub(crate) fn evaluate(
    context: &mut Context,
    node: &Node,
    state: &mut State,
    entry: &Entry,
) -> Result<bool, Stop> {
    if state.quit {
        return Ok(false);
    }
    let stat = &entry.stat;
    Ok(match node {
        Node::And(a, b) => {
            evaluate(context, a, state, entry)? && evaluate(context, b, state, entry)?
        }
        Node::Or(a, b) => {
            evaluate(context, a, state, entry)? || evaluate(context, b, state, entry)?
        }
        Node::Comma(a, b) => {
            evaluate(context, a, state, entry)?;
            evaluate(context, b, state, entry)?
        }
        Node::Not(inner) => !evaluate(context, inner, state, entry)?,
        Node::True => true,
        Node::False => false,
        Node::Name(pattern, ignore_case) => {
            let rules = Rules { ignore_case: *ignore_case, ..Rules::default() };
            glob::matches(pattern, paths::base_name(&entry.path), rules)
        }
        Node::Path(pattern, ignore_case) => {
            let rules = Rules { ignore_case: *ignore_case, ..Rules::default() };
            glob::matches(pattern, &entry.path, rules)
        }
        Node::LinkName(pattern, ignore_case) => {
            let rules = Rules { ignore_case: *ignore_case, ..Rules::default() };
            stat.is_symlink() && glob::matches(pattern, &sys::readlink(&entry.path)?, rules)
        }
        Node::Regex(regex) => {
            regex.is_match(&entry.path).map_err(|error| native(error.to_string()))?
        }
        Node::Type(letters) => letters.contains(&type_letter(stat)),
        Node::Perm(bits) => match *bits {
            Bits::Exactly(wanted) => stat.permissions() == wanted,
            Bits::All(wanted) => stat.permissions() & wanted == wanted,
            Bits::Any(0) => true,
            Bits::Any(wanted) => stat.permissions() & wanted != 0,
        },
        Node::Size(asked, unit) => {
            asked.holds(i64::try_from(stat.size.div_ceil(*unit)).unwrap_or(i64::MAX))
        }
        Node::Empty => match stat.kind() {
            sys::S_IFREG => stat.size == 0,
            sys::S_IFDIR => sys::read_dir(&entry.path).is_ok_and(|names| names.is_empty()),
            _ => false,
        },
        Node::Newer(which, than) => time_of(*which, stat) > *than,
        Node::Age(which, asked, unit) => {
            let age = sys::now().secs - time_of(*which, stat).secs;
            // Minutes round up to the next, days down.
            asked.holds(if *unit == 60 { (age + 59) / 60 } else { age.div_euclid(*unit) })
        }
        Node::User(uid) => stat.uid == *uid,
        Node::Group(gid) => stat.gid == *gid,
        Node::NoUser => state.accounts.user_by_id(stat.uid).is_none(),
        Node::NoGroup => state.accounts.group_by_id(stat.gid).is_none(),
        Node::Links(asked) => asked.holds(i64::try_from(stat.nlink).unwrap_or(i64::MAX)),
        Node::Inode(asked) => asked.holds(i64::try_from(stat.ino).unwrap_or(i64::MAX)),
        Node::SameFile(dev, ino) => stat.dev == *dev && stat.ino == *ino,
        Node::May(bits) => sys::stat(&entry.path).is_ok_and(|stat| sys::may(&stat, *bits)),
        Node::Print(end) => {
            context.out.write_all(&entry.path)?;
            context.out.write_all(&[*end])?;
            true
        }
        Node::PrintFormat(format) => {
            let shown = formatted(format, state, entry)?;
            context.out.write_all(&shown)?;
            true
        }
        Node::Delete => {
            // The current directory stays, like its name.
            if entry.path == b"." {
                return Ok(true);
            }
            let gone =
                if stat.is_dir() { sys::rmdir(&entry.path) } else { sys::unlink(&entry.path) };
            if let Err(error) = &gone {
                complain(context, state, &entry.path, error);
            }
            gone.is_ok()
        }
        Node::Prune => {
            state.prune = true;
            true
        }
        Node::Quit => {
            state.quit = true;
            true
        }
        Node::Exec(program) => execute(context, program, state, entry)?,
    })
}

fn type_letter(stat: &sys::Stat) -> u8 {
    match stat.kind() {
        sys::S_IFDIR => b'd',
        sys::S_IFLNK => b'l',
        sys::S_IFCHR => b'c',
        sys::S_IFBLK => b'b',
        sys::S_IFIFO => b'p',
        sys::S_IFSOCK => b's',
        _ => b'f',
    }
}

fn time_of(which: Which, stat: &sys::Stat) -> sys::Time {
    match which {
        Which::Access => stat.atime,
        Which::Modify => stat.mtime,
        Which::Change => stat.ctime,
    }
}

fn execute(
    context: &mut Context,
    program: &Program,
    state: &mut State,
    entry: &Entry,
) -> Result<bool, Stop> {
    if let Some(batch) = program.batch {
        state.batches[batch].push(entry.path.clone());
        let bytes: usize = state.batches[batch].iter().map(|path| path.len() + 1).sum();
        if bytes > MAX_ARGUMENTS {
            flush(context, program, state)?;
        }
        return Ok(true);
    }
    let (dir, name) = if program.in_dir {
        let base = paths::base_name(&entry.path);
        let dir = paths::dir_name(&entry.path).to_vec();
        let name = if base.starts_with(b"/") { base.to_vec() } else { [b"./", base].concat() };
        (Some(dir), name)
    } else {
        (None, entry.path.clone())
    };
    let words: Vec<Vec<u8>> =
        program.words.iter().map(|word| replace(word, b"{}", &name)).collect();
    Ok(start(context, state, &words, dir)? == 0)
}

/// A word with every occurrence of a mark replaced.
pub(crate) fn replace(word: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut at = 0;
    while at < word.len() {
        if !mark.is_empty() && word[at..].starts_with(mark) {
            replaced.extend_from_slice(by);
            at += mark.len();
        } else {
            replaced.push(word[at]);
            at += 1;
        }
    }
    replaced
}

fn start(
    context: &mut Context,
    state: &mut State,
    words: &[Vec<u8>],
    dir: Option<Vec<u8>>,
) -> Result<u8, Stop> {
    context.out.flush()?;
    match sys::spawn(words, &Launch { dir, ..Launch::default() }) {
        Ok(status) => Ok(status),
        Err(error) => {
            complain(context, state, &words[0], &error);
            state.failed = false;
            Ok(1)
        }
    }
}

fn flush(context: &mut Context, program: &Program, state: &mut State) -> Result<(), Stop> {
    let Some(batch) = program.batch else { return Ok(()) };
    let paths = std::mem::take(&mut state.batches[batch]);
    if paths.is_empty() {
        return Ok(());
    }
    let words = [program.words.clone(), paths].concat();
    if start(context, state, &words, None)? != 0 {
        state.failed = true;
    }
    Ok(())
}

/// Runs what `-exec … +` has collected.
pub(crate) fn finish(context: &mut Context, node: &Node, state: &mut State) -> Result<(), Stop> {
    match node {
        Node::And(a, b) | Node::Or(a, b) | Node::Comma(a, b) => {
            finish(context, a, state)?;
            finish(context, b, state)
        }
        Node::Not(inner) => finish(context, inner, state),
        Node::Exec(program) => flush(context, program, state),
        _ => Ok(()),
    }
}

/// A file as `-printf` shows it.
fn formatted(format: &[u8], state: &State, entry: &Entry) -> Result<Vec<u8>, Stop> {
    let stat = &entry.stat;
    let mut shown = Vec::new();
    let mut at = 0;
    while at < format.len() {
        let byte = format[at];
        at += 1;
        if byte == b'\\' {
            let (escaped, taken) = escape::escape(&format[at..], Style::Printf);
            at += taken;
            match escaped {
                Escaped::Bytes(bytes) => shown.extend_from_slice(&bytes),
                Escaped::End => return Ok(shown),
            }
            continue;
        }
        if byte != b'%' {
            shown.push(byte);
            continue;
        }
        let letter = format.get(at).copied().unwrap_or(b'%');
        at += 1;
        let below = entry.path.get(entry.start.len()..).unwrap_or_default();
        let text: Vec<u8> = match letter {
            b'%' => b"%".to_vec(),
            b'p' => entry.path.clone(),
            b'f' => paths::base_name(&entry.path).to_vec(),
            b'h' => match entry.path.iter().rposition(|&byte| byte == b'/') {
                Some(at) => entry.path[..at].to_vec(),
                None => b".".to_vec(),
            },
            b'P' => below.strip_prefix(b"/").unwrap_or(below).to_vec(),
            b'H' => entry.start.clone(),
            b'd' => entry.depth.to_string().into(),
            b'm' => format!("{:o}", stat.permissions()).into(),
            b'M' => mode::describe(stat.mode).into(),
            b's' => stat.size.to_string().into(),
            b'U' => stat.uid.to_string().into(),
            b'G' => stat.gid.to_string().into(),
            b'u' => match state.accounts.user_by_id(stat.uid) {
                Some(user) => user.name.clone(),
                None => stat.uid.to_string().into(),
            },
            b'g' => match state.accounts.group_by_id(stat.gid) {
                Some(group) => group.name.clone(),
                None => stat.gid.to_string().into(),
            },
            b'l' if stat.is_symlink() => sys::readlink(&entry.path)?,
            b'l' => Vec::new(),
            b'n' => stat.nlink.to_string().into(),
            b'y' => vec![type_letter(stat)],
            b'T' => {
                let kind = format.get(at).copied().unwrap_or(b'@');
                at += 1;
                match kind {
                    b'@' => format!("{}.{:09}0", stat.mtime.secs, stat.mtime.nanos).into(),
                    b'Y' | b'm' | b'd' | b'H' | b'M' | b'j' => {
                        time::format(&[b'%', kind], stat.mtime)?
                    }
                    _ => return Err(native("a time in -printf")),
                }
            }
            _ => return Err(native(format!("-printf %{}", char::from(letter)))),
        };
        shown.extend_from_slice(&text);
    }
    Ok(shown)
}
