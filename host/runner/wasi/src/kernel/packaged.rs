//! Whether a tool of the image is the one that its distribution ships, by dpkg's records.
//!
//! A guest stands for the distribution's tool. Who puts a program of his own in a tool's place means
//! that program. Images without such records (BusyBox, distroless, rpm) are believed.

use crate::fs::Fs;
use kiln_rootfs::{Metadata, path};
use md5::{Digest, Md5};
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

/// Where dpkg keeps the digests of a package's files: `HASH  PATH` a line, without the first slash.
const RECORDS: &[u8] = b"/var/lib/dpkg/info";

/// Bytes of one package's records; a kernel's modules make the longest.
const MAX_RECORDS: u64 = 8 << 20;

/// Bytes of a tool; none is larger.
const MAX_TOOL: u64 = 64 << 20;

/// Tools whose answer is kept.
const MAX_KNOWN: usize = 4096;

/// Packages that hold nearly all tools, asked first.
const USUAL: [&str; 12] = [
    "coreutils",
    "dash",
    "sed",
    "grep",
    "passwd",
    "findutils",
    "tar",
    "bash",
    "adduser",
    "gzip",
    "debianutils",
    "libc-bin",
];

/// What the records say of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is a package's, unchanged.
    Package,
    /// It is no package's, or was changed.
    Other,
    /// The image has no such records.
    Unknown,
}

/// Answers given before, by inode and change time, which nobody can set back.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<Inode, Origin>>);

/// Device, inode, change time (seconds, nanoseconds).
type Inode = ((u32, u32), u64, (i64, u32));

/// Where the file at this canonical path comes from.
pub(super) fn origin(fs: &Fs, at: &[u8], file: &Metadata) -> Origin {
    let key = (file.dev, file.ino, (file.ctime.secs, file.ctime.nanos));
    let lock = || fs.known().0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(origin) = lock().get(&key) {
        return *origin;
    }
    let origin = look_up(fs, at);
    let mut known = lock();
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    known.insert(key, origin);
    origin
}

fn look_up(fs: &Fs, at: &[u8]) -> Origin {
    let Ok(all) = fs.rootfs().read_dir(RECORDS) else { return Origin::Unknown };
    let suffix = b".md5sums";
    let is_usual =
        |name: &[u8]| USUAL.iter().any(|usual| name.strip_suffix(suffix) == Some(usual.as_bytes()));
    let names: Vec<&[u8]> =
        all.iter().map(|entry| &entry.name[..]).filter(|name| name.ends_with(suffix)).collect();
    if names.is_empty() {
        return Origin::Unknown;
    }
    let first = names.iter().filter(|name| is_usual(name));
    let rest = names.iter().filter(|name| !is_usual(name));
    for name in first.chain(rest) {
        let Ok(records) = fs.rootfs().read_small(&path::join(RECORDS, name), MAX_RECORDS) else {
            continue;
        };
        if let Some(recorded) = recorded(&records, at) {
            return match digest(fs, at) {
                Some(digest) if recorded == digest.as_bytes() => Origin::Package,
                _ => Origin::Other,
            };
        }
    }
    Origin::Other
}

/// The digest that the records have for a path. Packages may have it in `/bin`, where it is in
/// `/usr/bin` now.
fn recorded<'a>(records: &'a [u8], at: &[u8]) -> Option<&'a [u8]> {
    let short = at.strip_prefix(b"usr/").unwrap_or(at);
    records.split(|&byte| byte == b'\n').find_map(|line| {
        let (digest, path) = line.split_at_checked(32)?;
        let path = path.strip_prefix(b"  ")?;
        (path == at || path == short).then_some(digest)
    })
}

fn digest(fs: &Fs, at: &[u8]) -> Option<String> {
    let fd = fs.rootfs().open(at, OFlags::RDONLY | OFlags::NOFOLLOW, 0).ok()?;
    let mut file = File::from(fd).take(MAX_TOOL);
    let mut hash = Md5::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_either_path() {
        let records = b"7987cf330ff5bb94015dfbb9eae5a99f  bin/ls\n\
            aa9201e747658fdd2deaec71c60327b1  usr/bin/sort\nshort\n";
        assert_eq!(
            recorded(records, b"usr/bin/ls"),
            Some(&b"7987cf330ff5bb94015dfbb9eae5a99f"[..])
        );
        assert!(recorded(records, b"usr/bin/sort").is_some_and(|hash| hash.starts_with(b"aa92")));
        assert_eq!(recorded(records, b"usr/bin/l"), None);
    }
}
