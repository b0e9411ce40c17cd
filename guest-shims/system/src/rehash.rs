//! `openssl rehash`: links by which a certificate is found by its subject.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use shim::{Context, Outcome, Stop, native, paths, sys};

use crate::certificate::{self, Kind};

/// A file that has, or had, a link.
struct Entry {
    file: Vec<u8>,
    fingerprint: Option<[u8; 20]>,
    /// The number of the link that is there.
    old: Option<usize>,
    needed: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let mut args = context.args.iter();
    if args.next().map(Vec::as_slice) != Some(b"rehash") {
        return Err(native("openssl other than rehash"));
    }
    let dirs: Vec<Vec<u8>> = args.cloned().collect();
    if dirs.is_empty() || dirs.iter().any(|dir| dir.starts_with(b"-")) {
        return Err(native("openssl rehash with options or without a directory"));
    }
    let mut status = 0;
    for dir in &dirs {
        status = status.max(rehash(context, dir)?);
    }
    Ok(status)
}

/// Hash and number of a name such as `0a1b2c3d.0` or, of a revocation list, `0a1b2c3d.r0`.
fn link_name(name: &[u8]) -> Option<(Kind, u32, usize)> {
    let (hash, rest) = name.split_at_checked(8)?;
    let rest = rest.strip_prefix(b".")?;
    let (kind, digits) = match rest.strip_prefix(b"r") {
        Some(digits) => (Kind::RevocationList, digits),
        None => (Kind::Certificate, rest),
    };
    let good = hash.iter().all(u8::is_ascii_hexdigit)
        && !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit);
    let hash = str::from_utf8(hash).ok().filter(|_| good)?;
    let number = str::from_utf8(digits).ok()?.parse().ok()?;
    Some((kind, u32::from_str_radix(hash, 16).ok()?, number))
}

fn rehash(context: &mut Context, dir: &[u8]) -> Result<u8, Stop> {
    let fail = |error: &io::Error| native(format!("openssl rehash: {}", sys::reason(error)));
    let mut names = sys::read_dir(dir).map_err(|error| fail(&error))?;
    names.sort();
    let mut groups: BTreeMap<(bool, u32), Vec<Entry>> = BTreeMap::new();
    for name in names {
        let path = paths::join(dir, &name);
        let stat = sys::lstat(&path).map_err(|error| fail(&error))?;
        if stat.is_symlink()
            && let Some((kind, hash, number)) = link_name(&name)
        {
            let file = sys::readlink(&path).map_err(|error| fail(&error))?;
            let entries = groups.entry((kind == Kind::RevocationList, hash)).or_default();
            match entries.iter_mut().find(|entry| entry.file == file) {
                Some(entry) => entry.old = entry.old.min(Some(number)),
                None => {
                    let old = Some(number);
                    entries.push(Entry { file, fingerprint: None, old, needed: false });
                }
            }
            continue;
        }
        add(context, &mut groups, name, &path)?;
    }
    for ((is_list, hash), entries) in groups {
        let letter = if is_list { "r" } else { "" };
        let link =
            |number: usize| paths::join(dir, format!("{hash:08x}.{letter}{number}").as_bytes());
        let needed = entries.iter().filter(|entry| entry.needed).count();
        // Links that are there and low enough stay.
        let stays = |entry: &Entry| entry.old.filter(|&old| old < needed);
        let mut used: Vec<usize> = entries.iter().filter_map(stays).collect();
        for entry in &entries {
            if stays(entry).is_some() {
                continue;
            }
            if entry.needed {
                let number = (0..).find(|number| !used.contains(number)).unwrap_or(0);
                used.push(number);
                let path = link(number);
                let _ = sys::unlink(&path);
                sys::symlink(&entry.file, &path).map_err(|error| fail(&error))?;
            } else if let Some(old) = entry.old {
                sys::unlink(&link(old)).map_err(|error| fail(&error))?;
            }
        }
    }
    Ok(0)
}

fn add(
    context: &mut Context,
    groups: &mut BTreeMap<(bool, u32), Vec<Entry>>,
    name: Vec<u8>,
    path: &[u8],
) -> Result<(), Stop> {
    let extension = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    if !name.contains(&b'.')
        || ![&b"pem"[..], b"crt", b"cer", b"crl"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    {
        return Ok(());
    }
    let text = sys::read_small(path)
        .map_err(|error| native(format!("openssl rehash: {}", sys::reason(&error))))?;
    let found =
        certificate::all(&text).ok_or_else(|| native("a certificate that cannot be read here"))?;
    let [found] = found.as_slice() else {
        let shown = String::from_utf8_lossy(&name);
        let text = format!(
            "rehash: warning: skipping {shown},it does not contain exactly one certificate or CRL\n"
        );
        context.out.flush()?;
        io::stderr().write_all(text.as_bytes())?;
        return Ok(());
    };
    let entries = groups.entry((found.kind == Kind::RevocationList, found.hash)).or_default();
    if entries.iter().any(|entry| entry.fingerprint == Some(found.fingerprint)) {
        let shown = String::from_utf8_lossy(&name);
        let text = format!("rehash: warning: skipping duplicate certificate in {shown}\n");
        io::stderr().write_all(text.as_bytes())?;
        return Ok(());
    }
    match entries.iter_mut().find(|entry| entry.file == name) {
        Some(entry) => {
            entry.needed = true;
            entry.fingerprint = Some(found.fingerprint);
        }
        None => {
            let fingerprint = Some(found.fingerprint);
            entries.push(Entry { file: name, fingerprint, old: None, needed: true });
        }
    }
    Ok(())
}
