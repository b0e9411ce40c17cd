//! How often segments are attached: the kernel's own word, from the mappings of the processes.
//!
//! fork(2), execve(2), exit(2) and munmap(2) change it without anybody being asked.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Most that is read for one count: a step that has more mappings gets too small a number.
const MOST: u64 = 64 << 20;

/// A memory file: device (as /proc writes it) and inode.
pub(super) type Inode = (String, u64);

/// How many mappings each segment has, in all processes that may be looked at.
pub(super) fn counts() -> HashMap<Inode, u64> {
    let mut counts = HashMap::new();
    let mut left = MOST;
    let Ok(processes) = std::fs::read_dir("/proc") else { return counts };
    for process in processes.flatten() {
        let name = process.file_name();
        if name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            count(&process.path().join("maps"), &mut counts, &mut left);
        }
    }
    counts
}

fn count(maps: &Path, counts: &mut HashMap<Inode, u64>, left: &mut u64) {
    let Ok(file) = std::fs::File::open(maps) else { return };
    let mut file = BufReader::with_capacity(64 << 10, file.take(*left));
    let mut line = Vec::new();
    while let Ok(read @ 1..) = file.read_until(b'\n', &mut line) {
        *left = left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        if let Some(inode) = std::str::from_utf8(&line).ok().and_then(segment) {
            *counts.entry(inode).or_default() += 1;
        }
        line.clear();
    }
}

/// The inode of a line of /proc/PID/maps that is a segment's.
fn segment(line: &str) -> Option<Inode> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let (device, inode, path) = (fields.next()?, fields.next()?, fields.next()?);
    let segment = std::str::from_utf8(kiln_emulated_core::sysv::SEGMENT_PATH).ok()?;
    path.starts_with(segment).then_some(())?;
    Some((device.to_owned(), inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_segments_count() {
        let line =
            "7f00-7f01 rw-s 00000000 00:01 77                  /memfd:SYSV0000002a (deleted)\n";
        assert_eq!(segment(line), Some(("00:01".to_owned(), 77)));
        assert_eq!(segment("7f00-7f01 rw-s 00000000 00:01 77 /memfd:other (deleted)\n"), None);
        assert_eq!(segment("7f00-7f01 rw-p 00000000 00:00 0\n"), None);
    }
}
