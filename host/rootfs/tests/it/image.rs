//! Layers and views of trees for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use kiln_image::layer::read::LayerReader;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layer::{Entry, Kind, Mtime};
use kiln_rootfs::changes::{ChangeSet, WriteOptions, write_layer};
use kiln_rootfs::unpack::{Limits, Stats, unpack_layer};
use kiln_rootfs::{FileType, Result, Rootfs};
use rustix::fs::OFlags;

/// An entry of a test's layer; files have their own path as content.
pub(crate) fn entry(path: &str, kind: Kind, mode: u32, uid: u32, gid: u32) -> Entry {
    let mut entry = Entry::new(path.as_bytes(), kind, mode);
    (entry.uid, entry.gid) = (uid, gid);
    entry.mtime = Mtime { secs: 1_600_000_000 + path.len() as i64, nanos: 0 };
    entry
}

pub(crate) fn file(path: &str) -> Entry {
    entry(path, Kind::File { size: path.len() as u64 }, 0o644, 0, 0)
}

pub(crate) fn dir(path: &str) -> Entry {
    entry(path, Kind::Dir, 0o755, 0, 0)
}

pub(crate) fn symlink(path: &str, target: &str) -> Entry {
    entry(path, Kind::Symlink { target: target.into() }, 0o777, 0, 0)
}

pub(crate) fn hard_link(path: &str, target: &str) -> Entry {
    entry(path, Kind::HardLink { target: target.into() }, 0o644, 0, 0)
}

/// The entries as tar.
pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new()).nanoseconds(true);
    for entry in entries {
        let data = &entry.path[..usize::try_from(entry.size()).unwrap()];
        writer.append(entry, &mut &*data).unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn unpack(rootfs: &Rootfs, entries: &[Entry]) -> Result<Stats> {
    unpack_layer(rootfs, &mut tar(entries).as_slice(), &Limits::default())
}

/// The changes as tar.
pub(crate) fn layer_of(rootfs: &Rootfs, changes: &ChangeSet, options: &WriteOptions) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new()).nanoseconds(true);
    write_layer(rootfs, changes, options, &mut writer).unwrap();
    writer.finish().unwrap()
}

/// The paths of a tar, hard links with their target.
pub(crate) fn paths_of(tar: &[u8]) -> Vec<String> {
    let mut reader = LayerReader::new(tar);
    let mut paths = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut path = String::from_utf8(entry.path).unwrap();
        if let Kind::HardLink { target } = entry.kind {
            write!(path, " = {}", String::from_utf8(target).unwrap()).unwrap();
        }
        reader.data().read_to_end(&mut Vec::new()).unwrap();
        paths.push(path);
    }
    paths
}

/// All of a tree as text, path by path; names of one inode share a number.
pub(crate) fn view(rootfs: &Rootfs) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut inodes: BTreeMap<u64, usize> = BTreeMap::new();
    let mut pending = vec![Vec::new()];
    while let Some(path) = pending.pop() {
        let found = rootfs.metadata(&path, false).unwrap();
        let mut text =
            format!("{:?} {:o} {}:{}", found.file_type, found.mode, found.uid, found.gid);
        match found.file_type {
            FileType::Dir => {
                for child in rootfs.read_dir(&path).unwrap().into_iter().rev() {
                    pending.push(kiln_rootfs::path::join(&path, &child.name));
                }
            }
            FileType::File => {
                let content = rootfs.read_small(&path, 1 << 20).unwrap();
                write!(text, " {:?} {:?}", String::from_utf8_lossy(&content), found.mtime).unwrap();
            }
            FileType::Symlink => {
                let target = rootfs.readlink(&path).unwrap();
                write!(text, " -> {}", String::from_utf8_lossy(&target)).unwrap();
            }
            FileType::Char | FileType::Block => write!(text, " {:?}", found.rdev).unwrap(),
            FileType::Fifo | FileType::Socket => {}
        }
        if !found.is_dir() && found.nlink > 1 {
            let next = inodes.len();
            write!(text, " inode {}", inodes.entry(found.ino).or_insert(next)).unwrap();
        }
        if matches!(found.file_type, FileType::File | FileType::Dir) {
            for name in rootfs.list_xattr(&path, false).unwrap() {
                let value = rootfs.get_xattr(&path, &name, false).unwrap();
                write!(text, " {}={value:?}", String::from_utf8_lossy(&name)).unwrap();
            }
        }
        all.insert(String::from_utf8_lossy(&path).into_owned(), text);
    }
    all
}

/// The paths of a tree.
pub(crate) fn names(rootfs: &Rootfs) -> Vec<String> {
    view(rootfs).into_keys().filter(|path| !path.is_empty()).collect()
}

pub(crate) fn rootfs(dir: &Path, name: &str) -> Rootfs {
    Rootfs::create(&dir.join(name)).unwrap()
}

/// Everything a layer can hold, sorted and with all parents: what comes out must be what went in,
/// byte for byte, whoever holds the owners.
pub(crate) fn everything() -> Vec<Entry> {
    let mut capable = entry("bin/ping", Kind::File { size: 8 }, 0o755, 0, 0);
    let capability = vec![1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    capable.xattrs.insert(b"security.capability".to_vec(), capability);
    capable.xattrs.insert(b"user.note".to_vec(), b"\0\xff".to_vec());
    let mut noted = entry("home", Kind::Dir, 0o2775, 1000, 1001);
    noted.xattrs.insert(b"user.note".to_vec(), b"dir".to_vec());
    let mut precise = file("home/precise");
    precise.mtime = Mtime { secs: 1_234_567_890, nanos: 123_456_789 };
    let mut odd = file("odd");
    odd.path = b"home/\xff\xfe name".to_vec();
    odd.kind = Kind::File { size: 5 };
    let long = format!("home/{}", "long".repeat(60));
    vec![
        dir("bin"),
        capable,
        entry("bin/su", Kind::File { size: 6 }, 0o4755, 0, 0),
        entry("bin/wall", Kind::File { size: 8 }, 0o2755, 0, 5),
        dir("dev"),
        entry("dev/null", Kind::Char { major: 1, minor: 3 }, 0o666, 0, 0),
        entry("dev/pipe", Kind::Fifo, 0o620, 7, 8),
        entry("dev/sda", Kind::Block { major: 8, minor: 0 }, 0o660, 0, 6),
        noted,
        entry("home/file", Kind::File { size: 9 }, 0, 1000, 1000),
        Entry { mode: 0, uid: 1000, gid: 1000, ..hard_link("home/link", "home/file") },
        file(&long),
        precise,
        entry("home/root", Kind::Symlink { target: b"/../..".to_vec() }, 0o777, 1000, 0),
        odd,
        entry("locked", Kind::Dir, 0, 0, 0),
        entry("locked/in", Kind::Dir, 0o500, 65534, 65534),
        entry("locked/in/file", Kind::File { size: 14 }, 0o200, u32::MAX - 1, 0),
        entry("tmp", Kind::Dir, 0o1777, 0, 0),
    ]
}

pub(crate) fn touch(rootfs: &Rootfs, path: &[u8], content: &[u8]) {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let fd = rootfs.open(path, flags, 0o644).unwrap();
    rustix::io::write(&fd, content).unwrap();
}
