//! `gunzip`, `zcat`, `xz -d` and their kin.

use std::io::{self, BufRead, Read, Write};

use shim::{
    BLOCK, Context, Outcome, Stop,
    args::{self, Opt, Order, flag},
    native, paths,
    sys::{self, SetTime},
};

use crate::open::{Format, detect, expand};

const OPTIONS: &[Opt] = &[
    flag('c', "stdout"),
    flag('\0', "to-stdout"),
    flag('d', "decompress"),
    flag('\0', "uncompress"),
    flag('f', "force"),
    flag('k', "keep"),
    flag('q', "quiet"),
    flag('t', "test"),
    flag('n', "no-name"),
];

/// What a command's name says: the format, whether it expands, whether to standard output.
fn from_name(name: &str) -> (Format, bool, bool) {
    match name {
        "gzip" => (Format::Gzip, false, false),
        "gunzip" => (Format::Gzip, true, false),
        "zcat" => (Format::Gzip, true, true),
        "bunzip2" => (Format::Bzip2, true, false),
        "bzcat" => (Format::Bzip2, true, true),
        "xz" => (Format::Xz, false, false),
        "unxz" => (Format::Xz, true, false),
        "xzcat" => (Format::Xz, true, true),
        "unzstd" => (Format::Zstd, true, false),
        _ => (Format::Zstd, true, true),
    }
}

struct Expand {
    format: Format,
    to_stdout: bool,
    force: bool,
    keep: bool,
    test: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let (format, expands, to_stdout) = from_name(&context.name);
    if !(expands || has("d") || has("uncompress") || has("t")) {
        return Err(native("compressing"));
    }
    let expand = Expand {
        format,
        to_stdout: to_stdout || has("c") || has("to-stdout"),
        force: has("f"),
        // zstd keeps what it expands.
        keep: has("k") || format == Format::Zstd,
        test: has("t"),
    };
    let operands = if parsed.operands.is_empty() { vec![b"-".to_vec()] } else { parsed.operands };
    let mut status = 0;
    for operand in &operands {
        match expand.one(context, operand)? {
            Ok(0) => {}
            Ok(warning) => status = status.max(warning),
            Err(error) => {
                let shown = String::from_utf8_lossy(operand).into_owned();
                context.warn(format_args!("{shown}: {}", sys::reason(&error)));
                status = 1;
            }
        }
    }
    Ok(status)
}

/// The name of the expanded file.
fn target(name: &[u8], format: Format) -> Option<Vec<u8>> {
    let suffixes: &[(&[u8], &[u8])] = match format {
        Format::Gzip => {
            &[(b".gz", b""), (b".tgz", b".tar"), (b"-gz", b""), (b".z", b""), (b".taz", b".tar")]
        }
        Format::Bzip2 => &[(b".bz2", b""), (b".tbz2", b".tar"), (b".tbz", b".tar"), (b".bz", b"")],
        Format::Xz => &[(b".xz", b""), (b".txz", b".tar")],
        _ => &[(b".zst", b""), (b".tzst", b".tar")],
    };
    let found = suffixes.iter().find_map(|(suffix, by)| Some((name.strip_suffix(*suffix)?, *by)));
    found
        .filter(|(stem, _)| !paths::base_name(stem).is_empty())
        .map(|(stem, by)| [stem, by].concat())
}

impl Expand {
    fn one(&self, context: &mut Context, operand: &[u8]) -> Result<io::Result<u8>, Stop> {
        let from_stdin = operand == b"-";
        let to = target(operand, self.format);
        if to.is_none() && !(self.test || self.to_stdout || from_stdin) {
            context.warn(format_args!(
                "{}: unknown suffix -- ignored",
                String::from_utf8_lossy(operand)
            ));
            return Ok(Ok(self.warning()));
        }
        let mut input = match context.input(operand) {
            Ok(input) => input,
            Err(error) => return Ok(Err(error)),
        };
        let begin = match input.fill_buf() {
            Ok(begin) => begin,
            Err(error) => return Ok(Err(error)),
        };
        if begin.is_empty() && sys::is_busybox() {
            return Err(native("an empty file"));
        }
        if detect(begin) != self.format {
            // `zcat -f` and compress(1)'s format are the native tool's.
            if self.force || begin.starts_with(b"\x1f\x9d") {
                return Err(native("input in another format"));
            }
            return Ok(Err(io::Error::other("file format not recognized")));
        }
        let mut stream = match expand(input, self.format) {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        if self.test {
            return Ok(copy(&mut *stream, &mut io::sink()).map(|()| 0));
        }
        if self.to_stdout || from_stdin {
            return Ok(copy(&mut *stream, &mut context.out).map(|()| 0));
        }
        let to = to.unwrap_or_default();
        if sys::lstat(&to).is_ok() && !self.force {
            context.warn(format_args!("{} already exists", String::from_utf8_lossy(&to)));
            return Ok(Ok(self.warning()));
        }
        Ok(self.file(&mut *stream, operand, &to).map(|()| 0))
    }

    /// The status of what gzip takes for a warning and the others for an error.
    fn warning(&self) -> u8 {
        if self.format == Format::Gzip && !sys::is_busybox() { 2 } else { 1 }
    }

    /// The time in gzip's header, in seconds since 1970.
    fn stored_time(&self, file: &[u8]) -> io::Result<Option<i64>> {
        if self.format != Format::Gzip {
            return Ok(None);
        }
        let mut head = [0; 8];
        sys::open(file)?.read_exact(&mut head)?;
        Ok(Some(i64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]))))
    }

    fn file(&self, stream: &mut dyn Read, from: &[u8], to: &[u8]) -> io::Result<()> {
        let stat = sys::lstat(from)?;
        if !stat.is_file() || stat.nlink > 1 && !self.force && !self.keep {
            return Err(io::Error::other("is not a regular file of one name"));
        }
        if sys::lstat(to).is_ok() {
            sys::unlink(to)?;
        }
        let busybox = sys::is_busybox();
        let first_mode = if busybox { stat.permissions() } else { 0o600 };
        let mut output = sys::create_new(to, first_mode)?;
        if let Err(error) = copy(stream, &mut output) {
            sys::unlink(to)?;
            return Err(error);
        }
        drop(output);
        if busybox {
            // It keeps nothing of the file but the time that gzip's header has.
            if let Some(secs) = self.stored_time(from)?.filter(|&secs| secs != 0) {
                let time = SetTime::To(sys::Time { secs, nanos: 0 });
                sys::utimens(to, time, time, true)?;
            }
            return if self.keep { Ok(()) } else { sys::unlink(from) };
        }
        let _ = sys::chown(to, Some(stat.uid), Some(stat.gid));
        sys::chmod(to, stat.permissions())?;
        sys::utimens(to, SetTime::To(stat.atime), SetTime::To(stat.mtime), true)?;
        if self.keep { Ok(()) } else { sys::unlink(from) }
    }
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(()),
            len => to.write_all(&block[..len])?,
        }
    }
}
