//! `diff`.

mod changes;
mod show;

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, optional, value},
    glob::{self, Rules},
    native, number, paths,
    sys::{self, Stat},
    time,
};

use show::Pair;

const OPTIONS: &[Opt] = &[
    flag('q', "brief"),
    flag('u', ""),
    value('U', ""),
    optional(NO, "unified"),
    flag('r', "recursive"),
    flag('N', "new-file"),
    flag('s', "report-identical-files"),
    flag('i', "ignore-case"),
    flag('w', "ignore-all-space"),
    flag('b', "ignore-space-change"),
    flag('a', "text"),
    flag(NO, "normal"),
    flag(NO, "strip-trailing-cr"),
    value('x', "exclude"),
    value('L', "label"),
];

/// The largest file whose lines are compared, in bytes: a hostile one must not take all memory.
const MAX_FILE: u64 = 64 << 20;

/// How deep directories may nest.
const MAX_DEPTH: usize = 200;

struct Diff {
    brief: bool,
    /// Lines around a change in the unified form; without it the form is the normal one.
    unified: Option<usize>,
    recursive: bool,
    new_file: bool,
    identical: bool,
    ignore_case: bool,
    ignore_blanks: bool,
    squeeze_blanks: bool,
    text: bool,
    strip_cr: bool,
    exclude: Vec<Vec<u8>>,
    labels: Vec<Vec<u8>>,
    /// The options as they were given, for the line above each file of a directory.
    given: Vec<Vec<u8>>,
    busybox: bool,
    status: u8,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let busybox = sys::is_busybox();
    let mut diff = Diff {
        brief: false,
        unified: busybox.then_some(3),
        recursive: false,
        new_file: false,
        identical: false,
        ignore_case: false,
        ignore_blanks: false,
        squeeze_blanks: false,
        text: false,
        strip_cr: false,
        exclude: Vec::new(),
        labels: Vec::new(),
        given: context.args.clone(),
        busybox,
        status: 0,
    };
    for option in &parsed.options {
        match option.name() {
            "q" => diff.brief = true,
            "u" => diff.unified = diff.unified.or(Some(3)),
            "U" | "unified" => {
                let lines = match &option.value {
                    Some(lines) => {
                        number::decimal(lines).ok_or_else(|| native("a context of this form"))?
                    }
                    None => 3,
                };
                diff.unified = usize::try_from(lines).ok();
            }
            "r" => diff.recursive = true,
            "N" => diff.new_file = true,
            "s" if busybox => return Err(native("option -s")),
            "s" => diff.identical = true,
            "i" => diff.ignore_case = true,
            "w" => diff.ignore_blanks = true,
            "b" => diff.squeeze_blanks = true,
            "a" => diff.text = true,
            "normal" => diff.unified = None,
            "strip-trailing-cr" => diff.strip_cr = true,
            "x" => diff.exclude.push(option.bytes().to_vec()),
            _ => diff.labels.push(option.bytes().to_vec()),
        }
    }
    let [left, right] = parsed.operands.as_slice() else {
        return Err(native("diff of other than two files"));
    };
    for operand in [right, left] {
        if let Some(at) = diff.given.iter().rposition(|arg| arg == operand) {
            diff.given.remove(at);
        }
    }
    if left == b"-" && right == b"-" {
        return Ok(0);
    }
    let (left, right) = diff.named(left, right);
    diff.compare(context, &left, &right, 0)?;
    Ok(diff.status)
}

impl Diff {
    /// A file beside a directory is compared with the file of that name within.
    fn named(&self, left: &[u8], right: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let is_dir = |path: &[u8]| sys::stat(path).is_ok_and(|stat| stat.is_dir());
        match (is_dir(left), is_dir(right)) {
            (true, false) if right != b"-" => {
                (paths::join(left, paths::base_name(right)), right.to_vec())
            }
            (false, true) if left != b"-" => {
                (left.to_vec(), paths::join(right, paths::base_name(left)))
            }
            _ => (left.to_vec(), right.to_vec()),
        }
    }

    fn trouble(&mut self, context: &mut Context, path: &[u8], error: &io::Error) {
        let shown = String::from_utf8_lossy(path).into_owned();
        context.warn(format_args!("{shown}: {}", sys::reason(error)));
        self.status = 2;
    }

    fn differ(&mut self) {
        self.status = self.status.max(1);
    }

    fn say(&self, context: &mut Context, parts: &[&[u8]]) -> io::Result<()> {
        context.out.write_all(&parts.concat())?;
        context.out.write_all(b"\n")
    }

    fn compare(
        &mut self,
        context: &mut Context,
        left: &[u8],
        right: &[u8],
        depth: usize,
    ) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(native("directories that nest that deep"));
        }
        let status = |path: &[u8]| if path == b"-" { Ok(Stat::default()) } else { sys::stat(path) };
        let (there, here) = match (status(left), status(right)) {
            (Ok(left), Ok(right)) => (left, right),
            (left_stat, right_stat) => {
                for (path, stat) in [(left, &left_stat), (right, &right_stat)] {
                    if let Err(error) = stat {
                        if self.new_file && error.kind() == io::ErrorKind::NotFound {
                            continue;
                        }
                        self.trouble(context, path, error);
                    }
                }
                if self.status == 2 || !self.new_file || left_stat.is_err() && right_stat.is_err() {
                    self.status = 2;
                    return Ok(());
                }
                (left_stat.unwrap_or_default(), right_stat.unwrap_or_default())
            }
        };
        match (there.is_dir(), here.is_dir()) {
            (true, true) if self.busybox => return Err(native("directories")),
            (true, true) if self.recursive || depth == 0 => {
                return self.directories(context, left, right, depth);
            }
            (true, true) => {
                self.say(context, &[b"Common subdirectories: ", left, b" and ", right])?;
                return Ok(());
            }
            (false, false) => {}
            // With -N what is not there is an empty directory, too.
            (true, false) if here.mode == 0 && right != b"-" => {
                return self.directories(context, left, right, depth);
            }
            (false, true) if there.mode == 0 && left != b"-" => {
                return self.directories(context, left, right, depth);
            }
            _ => return Err(native("a directory beside what is none")),
        }
        let special = |stat: &Stat| stat.mode != 0 && !stat.is_file();
        if special(&there) || special(&here) {
            return Err(native("a file that is neither regular nor a directory"));
        }
        let contents = |context: &Context, path: &[u8], stat: &Stat| {
            if stat.mode == 0 && path != b"-" {
                return Ok(Vec::new());
            }
            let mut bytes = Vec::new();
            context.input(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        let mut read =
            |diff: &mut Self, path: &[u8], stat: &Stat| match contents(context, path, stat) {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    diff.trouble(context, path, &error);
                    None
                }
            };
        let (Some(a), Some(b)) = (read(self, left, &there), read(self, right, &here)) else {
            return Ok(());
        };
        if a.len().max(b.len()) as u64 > MAX_FILE {
            return Err(native("files that large"));
        }
        self.contents(context, (left, &there, &a), (right, &here, &b), depth)
    }

    fn contents(
        &mut self,
        context: &mut Context,
        (left, there, a): (&[u8], &Stat, &[u8]),
        (right, here, b): (&[u8], &Stat, &[u8]),
        depth: usize,
    ) -> Result<(), Stop> {
        let lines = |text| <[u8]>::split_inclusive(text, |&byte| byte == b'\n').collect();
        let pair = Pair { left: lines(a), right: lines(b) };
        let mut known = HashMap::new();
        let mut number = |line: &&[u8]| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            *known.entry(self.key(line)).or_insert(next)
        };
        let numbers: [Vec<u32>; 2] = [
            pair.left.iter().map(&mut number).collect(),
            pair.right.iter().map(&mut number).collect(),
        ];
        if a == b || numbers[0] == numbers[1] {
            if self.identical {
                self.say(context, &[b"Files ", left, b" and ", right, b" are identical"])?;
            }
            return Ok(());
        }
        self.differ();
        let binary = |text: &[u8]| text[..text.len().min(4096)].contains(&0);
        let is_binary = !self.text && (binary(a) || binary(b));
        if self.brief {
            self.say(context, &[b"Files ", left, b" and ", right, b" differ"])?;
            return Ok(());
        }
        if is_binary {
            let what: &[u8] = if self.busybox { b"Files " } else { b"Binary files " };
            self.say(context, &[what, left, b" and ", right, b" differ"])?;
            return Ok(());
        }
        let changes = changes::find(&numbers[0], &numbers[1])
            .ok_or_else(|| native("that many differences"))?;
        if depth > 0 && !self.busybox {
            let mut words = vec![b"diff".to_vec()];
            words.extend(self.given.iter().cloned());
            words.extend([left.to_vec(), right.to_vec()]);
            let words: Vec<Vec<u8>> = words.iter().map(|word| paths::shell_quoted(word)).collect();
            self.say(context, &[&words.join(&b' ')])?;
        }
        match self.unified {
            Some(around) => {
                let heads = [(&b"--- "[..], left, there), (b"+++ ", right, here)];
                for (at, (mark, path, stat)) in heads.into_iter().enumerate() {
                    let head = match self.labels.get(at) {
                        Some(label) => label.clone(),
                        None if self.busybox => path.to_vec(),
                        None => [path, b"\t", &self.stamp(context, stat)?].concat(),
                    };
                    self.say(context, &[mark, &head])?;
                }
                show::unified(&mut context.out, &pair, &changes, around)?;
            }
            None => show::normal(&mut context.out, &pair, &changes)?,
        }
        Ok(())
    }

    fn stamp(&self, context: &Context, stat: &Stat) -> Result<Vec<u8>, Stop> {
        time::require_utc(context)?;
        let at = if stat.mode == 0 && !self.new_file { sys::now() } else { stat.mtime };
        time::format(b"%Y-%m-%d %H:%M:%S.%N +0000", at)
    }

    /// What counts of a line.
    fn key(&self, line: &[u8]) -> Vec<u8> {
        let mut key = line.to_vec();
        if self.strip_cr && key.ends_with(b"\r\n") {
            key.truncate(key.len() - 2);
            key.push(b'\n');
        }
        if self.ignore_case {
            key.make_ascii_lowercase();
        }
        let blank = |byte: u8| matches!(byte, b' ' | 9..=13);
        if self.ignore_blanks {
            key.retain(|&byte| !blank(byte));
        } else if self.squeeze_blanks {
            let mut squeezed: Vec<u8> = Vec::with_capacity(key.len());
            for byte in key {
                if !blank(byte) {
                    squeezed.push(byte);
                } else if squeezed.last() != Some(&b' ') {
                    squeezed.push(b' ');
                }
            }
            squeezed.pop_if(|last| *last == b' ');
            key = squeezed;
        }
        key
    }

    fn directories(
        &mut self,
        context: &mut Context,
        left: &[u8],
        right: &[u8],
        depth: usize,
    ) -> Result<(), Stop> {
        let mut sides = Vec::new();
        for path in [left, right] {
            match sys::read_dir(path) {
                Ok(names) => sides.push(names),
                Err(_) if self.new_file && sys::lstat(path).is_err() => sides.push(Vec::new()),
                Err(error) => {
                    self.trouble(context, path, &error);
                    return Ok(());
                }
            }
        }
        let names: BTreeSet<Vec<u8>> = sides.iter().flatten().cloned().collect();
        for name in names {
            let excluded =
                self.exclude.iter().any(|pattern| glob::matches(pattern, &name, Rules::default()));
            if excluded {
                continue;
            }
            let only = match (sides[0].contains(&name), sides[1].contains(&name)) {
                (true, false) => Some(left),
                (false, true) => Some(right),
                _ => None,
            };
            match only {
                Some(dir) if !self.new_file => {
                    self.differ();
                    self.say(context, &[b"Only in ", dir, b": ", &name])?;
                }
                Some(dir)
                    if !self.recursive
                        && sys::stat(&paths::join(dir, &name)).is_ok_and(|stat| stat.is_dir()) =>
                {
                    return Err(native("a new directory that is not walked"));
                }
                _ => {
                    let (a, b) = (paths::join(left, &name), paths::join(right, &name));
                    self.compare(context, &a, &b, depth + 1)?;
                }
            }
        }
        Ok(())
    }
}
