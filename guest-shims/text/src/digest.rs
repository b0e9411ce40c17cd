//! `md5sum` and its kin.

use std::io::{self, BufRead, Read, Write};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use shim::{
    BLOCK, Context, Input, Outcome, Stop,
    args::{self, NO, Opt, Order, flag},
    native, sys,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[
    flag('b', "binary"),
    flag('c', "check"),
    flag('t', "text"),
    flag('z', "zero"),
    flag('s', ""),
    flag('w', "warn"),
    flag(NO, "ignore-missing"),
    flag(NO, "quiet"),
    flag(NO, "status"),
    flag(NO, "strict"),
    flag(NO, "tag"),
];

type Hash = fn(&mut dyn Read) -> io::Result<String>;

fn hash<D: Digest>(input: &mut dyn Read) -> io::Result<String> {
    let mut digest = D::new();
    let mut block = vec![0; BLOCK];
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            break;
        }
        digest.update(&block[..len]);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(crate) fn md5sum(context: &mut Context) -> Outcome {
    run(context, hash::<Md5>, "MD5", 32)
}

pub(crate) fn sha1sum(context: &mut Context) -> Outcome {
    run(context, hash::<Sha1>, "SHA1", 40)
}

pub(crate) fn sha224sum(context: &mut Context) -> Outcome {
    run(context, hash::<Sha224>, "SHA224", 56)
}

pub(crate) fn sha256sum(context: &mut Context) -> Outcome {
    run(context, hash::<Sha256>, "SHA256", 64)
}

pub(crate) fn sha384sum(context: &mut Context) -> Outcome {
    run(context, hash::<Sha384>, "SHA384", 96)
}

pub(crate) fn sha512sum(context: &mut Context) -> Outcome {
    run(context, hash::<Sha512>, "SHA512", 128)
}

fn run(context: &mut Context, hash: Hash, label: &str, digits: usize) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    if has("c") {
        let check = Check {
            hash,
            digits,
            ignore_missing: has("ignore-missing"),
            quiet: has("quiet"),
            silent: has("status") || has("s"),
            strict: has("strict"),
        };
        return check.run(context, &parsed.operands);
    }
    let (tag, binary, end) = (has("tag"), has("b"), if has("z") { b'\0' } else { b'\n' });
    let all = each_input(context, &parsed.operands, |context, mut input, name| {
        let sum = hash(&mut input)?;
        if name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r')) {
            return Err(native("a name with a backslash or a newline"));
        }
        if tag {
            context.out.write_all(format!("{label} (").as_bytes())?;
            context.out.write_all(name)?;
            context.out.write_all(format!(") = {sum}").as_bytes())?;
        } else {
            let mark = if binary { " *" } else { "  " };
            context.out.write_all(format!("{sum}{mark}").as_bytes())?;
            context.out.write_all(name)?;
        }
        context.out.write_all(&[end])?;
        Ok(())
    })?;
    Ok(u8::from(!all))
}

struct Check {
    hash: Hash,
    digits: usize,
    ignore_missing: bool,
    quiet: bool,
    silent: bool,
    strict: bool,
}

#[derive(Default)]
struct Found {
    lines: u64,
    malformed: u64,
    unreadable: u64,
    wrong: u64,
    right: u64,
}

impl Check {
    fn run(&self, context: &mut Context, operands: &[Vec<u8>]) -> Outcome {
        let mut good = true;
        let all = each_input(context, operands, |context, input, name| {
            good &= self.list(context, input, name)?;
            Ok(())
        })?;
        Ok(u8::from(!(all && good)))
    }

    fn list(&self, context: &mut Context, mut input: Input, list: &[u8]) -> Result<bool, Stop> {
        let mut found = Found::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            line.pop_if(|last| *last == b'\n');
            line.pop_if(|last| *last == b'\r');
            if line.starts_with(b"#") {
                continue;
            }
            match self.parse(&line) {
                Some((sum, name)) => self.file(context, &sum, &name, &mut found)?,
                None if sys::is_busybox() => return Err(native("a line without a checksum")),
                None => found.malformed += 1,
            }
        }
        let list = String::from_utf8_lossy(list).into_owned();
        if found.lines == 0 {
            context.warn(format_args!("{list}: no properly formatted checksum lines found"));
            return Ok(false);
        }
        if !self.silent {
            for (count, what) in [
                (found.malformed, "line is improperly formatted"),
                (found.unreadable, "listed file could not be read"),
                (found.wrong, "computed checksum did NOT match"),
            ] {
                if count > 0 {
                    context.warn(format_args!("WARNING: {count} {what}"));
                }
            }
            if self.ignore_missing && found.right == 0 {
                context.warn(format_args!("{list}: no file was verified"));
            }
        }
        Ok(found.unreadable == 0
            && found.wrong == 0
            && (found.malformed == 0 || !self.strict)
            && (!self.ignore_missing || found.right > 0))
    }

    /// The sum and the name in a line, in either format.
    fn parse(&self, line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let line = line.trim_ascii_start();
        let is_sum = |sum: &[u8]| sum.len() == self.digits && sum.iter().all(u8::is_ascii_hexdigit);
        if let Some(at) = line.windows(2).position(|pair| pair == b" (") {
            let rest = &line[at + 2..];
            let end = rest.windows(4).rposition(|window| window == b") = ");
            if let Some(end) = end.filter(|end| is_sum(&rest[end + 4..])) {
                return Some((rest[end + 4..].to_ascii_lowercase(), rest[..end].to_vec()));
            }
        }
        let sum = line.get(..self.digits).filter(|sum| is_sum(sum))?;
        let rest = &line[self.digits..];
        let name = rest
            .strip_prefix(b"  ")
            .or_else(|| rest.strip_prefix(b" *"))
            .or_else(|| rest.strip_prefix(b" "))?;
        (!name.is_empty()).then(|| (sum.to_ascii_lowercase(), name.to_vec()))
    }

    fn file(
        &self,
        context: &mut Context,
        sum: &[u8],
        name: &[u8],
        found: &mut Found,
    ) -> Result<(), Stop> {
        found.lines += 1;
        let verdict = match context.input(name).and_then(|mut input| (self.hash)(&mut input)) {
            Ok(actual) if actual.as_bytes() == sum => {
                found.right += 1;
                if self.quiet { None } else { Some("OK") }
            }
            Ok(_) => {
                found.wrong += 1;
                Some("FAILED")
            }
            Err(error) if self.ignore_missing && error.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            Err(error) => {
                found.unreadable += 1;
                let shown = String::from_utf8_lossy(name).into_owned();
                context.warn(format_args!("{shown}: {}", sys::reason(&error)));
                Some(if sys::is_busybox() { "FAILED" } else { "FAILED open or read" })
            }
        };
        if let Some(verdict) = verdict.filter(|_| !self.silent) {
            context.out.write_all(name)?;
            writeln!(context.out, ": {verdict}")?;
        }
        Ok(())
    }
}
