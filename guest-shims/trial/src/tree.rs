//! A directory tree as lines of text, such that equal trees give equal lines.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// A time older than this, in seconds, was set on purpose and must be equal; younger ones are "now".
const OLD: i64 = 3600;

/// The lines for all that is below a directory, and for the directory itself.
pub(crate) fn describe(root: &Path) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut first_names = BTreeMap::new();
    walk(root, "", &mut lines, &mut first_names)?;
    Ok(lines)
}

fn walk(
    path: &Path,
    name: &str,
    lines: &mut Vec<String>,
    first_names: &mut BTreeMap<u64, String>,
) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    let kind = meta.file_type();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let age = i64::try_from(now).unwrap_or(i64::MAX) - meta.mtime();
    let time = if (-60..OLD).contains(&age) {
        "now".to_owned()
    } else {
        format!("{}.{:09}", meta.mtime(), meta.mtime_nsec())
    };
    let mut line = format!("{name:?} {:o} {}:{} {time}", meta.mode(), meta.uid(), meta.gid());
    if kind.is_symlink() {
        line += &format!(" -> {:?}", fs::read_link(path)?);
    } else if kind.is_file() {
        let contents = fs::read(path)?;
        line += &format!(" {:?}", String::from_utf8_lossy(&contents));
    } else if kind.is_block_device() || kind.is_char_device() {
        line += &format!(" device {}", meta.rdev());
    }
    if !kind.is_dir() && meta.nlink() > 1 {
        let first = first_names.entry(meta.ino()).or_insert_with(|| name.to_owned());
        line += &format!(" {} links, first {first:?}", meta.nlink());
    }
    lines.push(line);
    if kind.is_dir() {
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let below = String::from_utf8_lossy(entry.file_name().as_bytes()).into_owned();
            walk(&entry.path(), &format!("{name}/{below}"), lines, first_names)?;
        }
    }
    Ok(())
}
