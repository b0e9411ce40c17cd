//! `tar`: the command line, and the list of an archive.

use std::io::{self, BufRead, Write};

use shim::{
    Context, Input, Outcome, Stop,
    args::{self, NO, Opt, Order, flag, optional, value},
    glob::{self, Rules},
    native, number, sys,
};

use crate::{
    extract::Extract,
    header::{Header, Reader},
    open::{Format, detect, expand},
};

const OPTIONS: &[Opt] = &[
    flag('x', "extract"),
    flag(NO, "get"),
    flag('t', "list"),
    flag('c', "create"),
    value('f', "file"),
    value('C', "directory"),
    flag('z', "gzip"),
    flag(NO, "gunzip"),
    flag('j', "bzip2"),
    flag('J', "xz"),
    flag(NO, "zstd"),
    flag('a', "auto-compress"),
    flag('v', "verbose"),
    flag('p', "preserve-permissions"),
    flag(NO, "same-permissions"),
    flag(NO, "no-same-permissions"),
    flag(NO, "same-owner"),
    flag(NO, "no-same-owner"),
    flag('o', ""),
    flag(NO, "numeric-owner"),
    value(NO, "strip-components"),
    value(NO, "exclude"),
    flag('m', "touch"),
    flag('O', "to-stdout"),
    flag('k', "keep-old-files"),
    flag(NO, "skip-old-files"),
    flag(NO, "overwrite"),
    flag(NO, "no-overwrite-dir"),
    flag(NO, "wildcards"),
    flag('h', "dereference"),
    optional(NO, "warning"),
];

/// An operand with the directory that it is extracted to.
pub(crate) struct Wanted {
    name: Vec<u8>,
    found: bool,
}

/// Old tar's bundle of letters without a dash becomes options with their values in order.
fn modern(args: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Stop> {
    let Some((first, rest)) = args.split_first() else { return Ok(Vec::new()) };
    if first.starts_with(b"-") {
        return Ok(args.to_vec());
    }
    let mut rest = rest.iter();
    let mut modern = Vec::new();
    for &letter in first {
        modern.push(vec![b'-', letter]);
        if matches!(letter, b'f' | b'C') {
            modern.push(rest.next().ok_or_else(|| native("an option without a value"))?.clone());
        }
    }
    modern.extend(rest.cloned());
    Ok(modern)
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let busybox = sys::is_busybox();
    // The status of a failure.
    let failure = if busybox { 1 } else { 2 };
    let parsed = args::parse(OPTIONS, &modern(&context.args)?, Order::Permute)?;
    let root = sys::effective_uid() == 0;
    if busybox && !root {
        return Err(native("BusyBox's tar for a user other than root"));
    }
    let mut extract = Extract::new(root, busybox);
    let (mut file, mut format, mut mode, mut verbose, mut dirs) =
        (None, None, None, false, Vec::new());
    for option in &parsed.options {
        const BUSYBOX: [&str; 14] = [
            "x",
            "t",
            "f",
            "C",
            "z",
            "j",
            "J",
            "v",
            "p",
            "o",
            "m",
            "O",
            "strip-components",
            "numeric-owner",
        ];
        if busybox && !BUSYBOX.contains(&option.name()) {
            return Err(native(format!("option {}", option.name())));
        }
        match option.name() {
            "x" | "get" => mode = Some('x'),
            "t" => mode = Some('t'),
            "c" => return Err(native("tar -c")),
            "f" => file = option.value.clone(),
            "C" => dirs.push((option.after, option.bytes().to_vec())),
            "z" | "gunzip" => format = Some(Format::Gzip),
            "j" => format = Some(Format::Bzip2),
            "J" => format = Some(Format::Xz),
            "zstd" => format = Some(Format::Zstd),
            "v" => verbose = true,
            "p" | "same-permissions" => extract.permissions = true,
            "no-same-permissions" => extract.permissions = false,
            "same-owner" => extract.owner = true,
            "no-same-owner" | "o" => extract.owner = false,
            "numeric-owner" => extract.numeric = true,
            "strip-components" => {
                let count =
                    number::decimal(option.bytes()).and_then(|count| usize::try_from(count).ok());
                extract.strip =
                    count.ok_or_else(|| Stop::Fail(2, "invalid number of elements".into()))?;
            }
            "exclude" => extract.exclude.push(option.bytes().to_vec()),
            "m" => extract.touch = true,
            "O" => extract.to_stdout = true,
            "k" => return Err(native("tar -k")),
            "a" | "overwrite" | "h" => {
                if option.name() != "a" {
                    return Err(native(format!("option {}", option.name())));
                }
            }
            "warning" => {}
            name => return Err(native(format!("option {name}"))),
        }
    }
    let Some(mode) = mode else { return Err(native("tar without -x or -t")) };
    if dirs.iter().any(|(after, _)| *after > 0) {
        return Err(native("-C between operands"));
    }
    let input = open(context, file.as_deref(), format)?;
    for (_, dir) in &dirs {
        sys::change_dir(dir).map_err(|error| {
            let dir = String::from_utf8_lossy(dir);
            Stop::Fail(failure, format!("{dir}: Cannot open: {}", sys::reason(&error)))
        })?;
    }
    let mut wanted: Vec<Wanted> =
        parsed.operands.into_iter().map(|name| Wanted { name, found: false }).collect();
    extract.verbose = verbose;
    let done = run(context, &mut extract, Reader::new(input), mode == 't', &mut wanted);
    if done.is_err() {
        // What was extracted keeps its attributes also when the archive ends early.
        extract.finish(context);
    }
    let mut status = match done {
        Ok(true) => 0,
        Ok(false) => failure,
        Err(Stop::Stream(error)) if error.kind() == io::ErrorKind::Unsupported => {
            return Err(native("a sparse file in the archive"));
        }
        Err(Stop::Stream(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            context.warn(format_args!("{}", sys::reason(&error)));
            failure
        }
        Err(stop) => return Err(stop),
    };
    for wanted in wanted.iter().filter(|wanted| !wanted.found) {
        context
            .warn(format_args!("{}: Not found in archive", String::from_utf8_lossy(&wanted.name)));
        status = failure;
    }
    Ok(status)
}

fn open(
    context: &Context,
    file: Option<&[u8]>,
    format: Option<Format>,
) -> Result<Box<dyn io::Read>, Stop> {
    // Without -f the archive is standard input, unless the environment names another.
    let file = match file {
        Some(file) => file,
        None if context.env.get("TAPE").is_some() => return Err(native("tar on a tape")),
        None => b"-",
    };
    let failure = if sys::is_busybox() { 1 } else { 2 };
    let fail = |error: io::Error| {
        let file = String::from_utf8_lossy(file);
        Stop::Fail(failure, format!("{file}: Cannot open: {}", sys::reason(&error)))
    };
    let mut input: Input = context.input(file).map_err(fail)?;
    let begin = input.fill_buf().map_err(fail)?;
    if begin.is_empty() && sys::is_busybox() {
        return Err(native("an empty archive"));
    }
    if begin.is_empty() {
        // What a failed download gives. Nothing, compressed, is an archive without files.
        return Err(Stop::Fail(failure, "This does not look like a tar archive".into()));
    }
    let found = detect(begin);
    let format = match format {
        Some(format) if format != found => {
            let message = "the archive is not compressed as the option says";
            return Err(Stop::Fail(failure, message.into()));
        }
        // BusyBox may be built without looking at what it reads.
        None if failure == 1 && found != Format::Plain => {
            return Err(native("a compressed archive without the option for it"));
        }
        None if file == b"-" && found != Format::Plain => {
            return Err(Stop::Fail(2, "Archive is compressed. Use the option for it".into()));
        }
        _ => found,
    };
    let helper = match format {
        Format::Plain => None,
        Format::Gzip => Some("gzip"),
        Format::Bzip2 => Some("bzip2"),
        Format::Xz => Some("xz"),
        Format::Zstd => Some("zstd"),
    };
    // GNU's tar runs a program of the image for it.
    if let Some(helper) = helper
        && !sys::is_busybox()
        && sys::stat(b"/bin/sh").is_ok()
        && !["/bin/", "/usr/bin/", "/usr/local/bin/"]
            .iter()
            .any(|dir| sys::stat(format!("{dir}{helper}").as_bytes()).is_ok())
    {
        return Err(native(format!("tar without {helper} in the image")));
    }
    expand(input, format).map_err(fail)
}

fn run(
    context: &mut Context,
    extract: &mut Extract,
    mut reader: Reader,
    list: bool,
    wanted: &mut [Wanted],
) -> Result<bool, Stop> {
    let mut done = true;
    while let Some(header) = reader.next()? {
        if !is_wanted(&header, wanted) || is_excluded(&header, &extract.exclude) {
            continue;
        }
        if list {
            if extract.verbose {
                return Err(native("tar -tv"));
            }
            context.out.write_all(&shown(&header))?;
            context.out.write_all(b"\n")?;
            continue;
        }
        done &= extract.entry(context, &header, &mut reader)?;
    }
    done &= extract.finish(context);
    Ok(done)
}

/// The name as lists show it.
pub(crate) fn shown(header: &Header) -> Vec<u8> {
    let mut name = header.name.clone();
    if header.kind == b'5' && !name.ends_with(b"/") {
        name.push(b'/');
    }
    name
}

fn is_wanted(header: &Header, wanted: &mut [Wanted]) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let name = header.name.strip_suffix(b"/").unwrap_or(&header.name);
    for wanted in wanted {
        let prefix = wanted.name.strip_suffix(b"/").unwrap_or(&wanted.name);
        let below =
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        if below {
            wanted.found = true;
            return true;
        }
    }
    false
}

/// A pattern matches a name, one of the directories above it, or either after any slash.
fn is_excluded(header: &Header, patterns: &[Vec<u8>]) -> bool {
    let name = header.name.strip_suffix(b"/").unwrap_or(&header.name);
    let mut begins = vec![0];
    begins.extend(name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1));
    let mut ends: Vec<usize> =
        name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).collect();
    ends.push(name.len());
    patterns.iter().any(|pattern| {
        let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
        let matches = |begin: usize, end: usize| {
            begin < end && glob::matches(pattern, &name[begin..end], Rules::default())
        };
        begins.iter().any(|&begin| ends.iter().any(|&end| matches(begin, end)))
    })
}
