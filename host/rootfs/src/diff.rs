//! Comparing two indexes.

use crate::changes::ChangeSet;
use crate::index::{Dir, Index, NONE, Node};
use crate::metadata::Timestamp;
use crate::path;

/// What changed from `old` to `new`.
///
/// A directory is in the set when it is new or its mode, owner or attributes changed; not when
/// only names in it came or went. A removed directory is one deletion. One that was removed and
/// made again counts as the same, with its vanished content deleted by name.
pub(crate) fn compare(old: &Index, new: &Index) -> ChangeSet {
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
                Some(before) => file_changed(before, after, old.unsettled),
            };
            if changed {
                changes.add(&path);
            }
            if after.is_dir() {
                pending.push((old_child, after.child, path));
            }
        }
    }
    changes
}

fn directory_changed(old: &Index, before: &Node, new: &Index, after: &Node) -> bool {
    let key = |index: &Index, node: &Node| {
        let xattrs = index.dir(node.child).map_or(0, |dir| dir.xattrs);
        (node.mode, node.uid, node.gid, xattrs)
    };
    key(old, before) != key(new, after)
}

fn file_changed(old: &Node, new: &Node, unsettled: Option<Timestamp>) -> bool {
    let key = |node: &Node| {
        let owner = (node.mode, node.uid, node.gid, node.capability);
        (node.ino, node.size, node.ctime(), owner)
    };
    key(old) != key(new) || unsettled.is_some_and(|from| new.ctime() >= from)
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
    fn what_could_not_be_waited_for_counts_as_changed() {
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
            capability: 0,
        };
        assert!(!file_changed(&node, &node, None));
        let from = |secs| Some(Timestamp { secs, nanos: 0 });
        assert!(!file_changed(&node, &node, from(101)));
        assert!(file_changed(&node, &node, from(100)));
        assert!(file_changed(&node, &Node { ctime_nanos: 6, ..node }, None));
    }
}
