//! Layers and views of trees for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;

use kiln_image::layer::read::LayerReader;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layer::{Entry, Kind, Mtime};
use kiln_rootfs::changes::{ChangeSet, WriteOptions, write_layer};
use kiln_rootfs::unpack::{Limits, Stats, unpack_layer};
use kiln_rootfs::{FileType, Result, Rootfs};

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
