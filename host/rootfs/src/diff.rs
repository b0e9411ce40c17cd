//! Comparing two indexes.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use rustix::fs::OFlags;

use crate::changes::ChangeSet;
use crate::error::{At, Result};
use crate::fingerprint::ContentHash;
use crate::index::{Dir, Index, NONE, Node};
use crate::metadata::{FileType, Timestamp};
use crate::path;
use crate::rootfs::Rootfs;
use crate::walk::xattr_hash;

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// What changed from `old` to `new`.
///
/// A directory is in the set when it is new or its mode, owner or attributes changed; not when
/// only names in it came or went. A removed directory is one deletion. One that was removed and
/// made again counts as the same, with its vanished content deleted by name.
///
/// # Errors
/// A file whose content had to be looked at could not be read.
pub(crate) fn compare(old: &Index, new: &Index, rootfs: &Rootfs) -> Result<ChangeSet> {
    let mut changes = ChangeSet::new();
    if directory_changed(old, &old.root, new, &new.root) {
        changes.add(b"");
    }
    let mut pending = vec![(0, 0, Vec::new())];
    while let Some((old_number, new_number, directory)) = pending.pop() {
        let empty = Dir::default();
        let old_dir = old.dir(old_number).unwrap_or(&empty);
        let new_dir = new.dir(new_number).unwrap_or(&empty);
        for (before, after) in merge(old_dir, new_dir) {
            let name = match (before, after) {
                (Some(node), _) => old_dir.name(node),
                (_, Some(node)) => new_dir.name(node),
                (None, None) => continue,
            };
            let path = path::join(&directory, name);
            let Some(after) = after else {
                changes.delete(&path);
                continue;
            };
            let old_child = before.map_or(NONE, |before| before.child);
            let changed = match before {
                None => true,
                Some(before) if after.is_dir() && before.is_dir() => {
                    directory_changed(old, before, new, after)
                }
                Some(before) => match verdict(before, after, old.unsettled) {
                    Verdict::Same => false,
                    Verdict::Changed => true,
                    Verdict::OnlyChangeTime => !content_is_known(rootfs, &path, before, after)?,
                },
            };
            if changed {
                changes.add(&path);
            }
            if after.is_dir() {
                pending.push((old_child, after.child, path));
            }
        }
    }
    Ok(changes)
}

fn directory_changed(old: &Index, before: &Node, new: &Index, after: &Node) -> bool {
    let key = |index: &Index, node: &Node| {
        let xattrs = index.dir(node.child).map_or(0, |dir| dir.xattrs);
        (node.mode, node.uid, node.gid, xattrs)
    };
    key(old, before) != key(new, after)
}

/// What two nodes of the same name say about a file.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same,
    Changed,
    /// Nothing else moved: the content may have changed, but most likely did not.
    OnlyChangeTime,
}

fn verdict(old: &Node, new: &Node, unsettled: Option<Timestamp>) -> Verdict {
    let key = |node: &Node| {
        let owner = (node.mode, node.uid, node.gid, node.capability);
        (node.ino, node.size, node.mtime, owner)
    };
    if key(old) != key(new) {
        Verdict::Changed
    } else if old.ctime() == new.ctime() && unsettled.is_none_or(|from| new.is_settled(from)) {
        Verdict::Same
    } else if old.linked || new.linked {
        // A name of the inode may have come or gone: the link belongs into the layer.
        Verdict::Changed
    } else {
        Verdict::OnlyChangeTime
    }
}

/// Whether a file is known to have the content and attributes that it had before.
fn content_is_known(rootfs: &Rootfs, path: &[u8], before: &Node, after: &Node) -> Result<bool> {
    let file_type = FileType::of_mode(after.mode.into());
    if !matches!(file_type, FileType::File | FileType::Symlink) {
        return Ok(true);
    }
    let mut hash = ContentHash::new();
    let mut xattrs = 0;
    let Some(known) = rootfs.fingerprints.known(before.ino, before.ctime()) else {
        return Ok(false);
    };
    if file_type == FileType::Symlink {
        hash.update(&rootfs.readlink(path)?);
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mut file = File::from(rootfs.open(path, flags, 0)?);
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = file.read(&mut buffer).at("read", path)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
        }
        xattrs = xattr_hash(rootfs, file.as_fd()).at("listxattr", path)?;
    }
    let same = hash.finish(xattrs) == known;
    if same {
        rootfs.fingerprints.remember(after.ino, after.ctime(), known);
    }
    Ok(same)
}

/// Pairs the names of two sorted directories.
fn merge<'a>(
    old: &'a Dir,
    new: &'a Dir,
) -> impl Iterator<Item = (Option<&'a Node>, Option<&'a Node>)> {
    let mut left = old.nodes.iter().peekable();
    let mut right = new.nodes.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return None,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => old.name(a).cmp(new.name(b)),
        };
        Some(match order {
            std::cmp::Ordering::Less => (left.next(), None),
            std::cmp::Ordering::Greater => (None, right.next()),
            std::cmp::Ordering::Equal => (left.next(), right.next()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_waited_for_may_have_changed() {
        let node = Node {
            ino: 1,
            size: 2,
            ctime_secs: 100,
            ctime_nanos: 5,
            uid: 0,
            gid: 0,
            mode: 0o100_644,
            name_length: 0,
            name_start: 0,
            child: NONE,
            linked: false,
            mtime: 9,
            capability: 0,
        };
        let from = |secs| Some(Timestamp { secs, nanos: 0 });
        let touched = Node { ctime_nanos: 6, ..node };
        for (after, unsettled, expected) in [
            (node, None, Verdict::Same),
            (node, from(101), Verdict::Same),
            (node, from(100), Verdict::OnlyChangeTime),
            (Node { linked: true, ..node }, from(100), Verdict::Changed),
            (touched, None, Verdict::OnlyChangeTime),
            (Node { linked: true, ..touched }, None, Verdict::Changed),
            (Node { mtime: 10, ..touched }, None, Verdict::Changed),
            (Node { size: 3, ..touched }, None, Verdict::Changed),
            (Node { capability: 3, ..node }, None, Verdict::Changed),
        ] {
            assert_eq!(verdict(&node, &after, unsettled), expected);
        }
    }
}
