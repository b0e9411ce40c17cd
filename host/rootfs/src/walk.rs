//! The walk behind an index: two threads, one statx(2) per name.

use std::hash::{DefaultHasher, Hasher};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags, StatxAttributes, openat};
use rustix::io::Errno;

use crate::error::{At, Result, RootfsError};
use crate::index::{Dir, Index, MAX_ENTRIES, NONE, Node, too_many};
use crate::list::for_each_name;
use crate::path;
use crate::rootfs::{Rootfs, stat_at, stat_fd};

/// A walk waits for the disk and for the kernel's locks; more threads than this gain nothing.
const THREADS: usize = 2;
/// Directories held open at once for their children's sake; beyond it they are opened by path. The
/// usual soft limit of a process is 1024 descriptors.
const MAX_OPEN: usize = 256;

/// Most bytes of all paths together: sets of changes hold each of them whole, and in a deep directory
/// every name costs four thousand. A tree of five million files with paths of a hundred bytes has them.
const MAX_PATH_BYTES: usize = 512 << 20;

/// A directory to read.
struct Task {
    number: u32,
    path: Vec<u8>,
    /// The directory above, if it is still open.
    above: Option<Arc<Above>>,
}

/// An open directory with subdirectories still to be read.
struct Above {
    fd: OwnedFd,
    open: Arc<AtomicUsize>,
}

impl Drop for Above {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Queue {
    /// Last in, first out: few directories are open at a time.
    tasks: Vec<Task>,
    /// Tasks taken and not finished.
    active: usize,
    next_number: u32,
    entries: usize,
    path_bytes: usize,
    done: Vec<(u32, Dir)>,
    failed: Option<RootfsError>,
}

struct Walk<'a> {
    rootfs: &'a Rootfs,
    queue: Mutex<Queue>,
    changed: Condvar,
    open: Arc<AtomicUsize>,
    max_path_bytes: usize,
}

/// Reads the tree at `top`, a canonical path of a directory.
pub(crate) fn walk(rootfs: &Rootfs, top: &[u8]) -> Result<Index> {
    walk_within(rootfs, top, MAX_PATH_BYTES)
}

fn walk_within(rootfs: &Rootfs, top: &[u8], max_path_bytes: usize) -> Result<Index> {
    let first = Task { number: 0, path: top.to_vec(), above: None };
    let walk = Walk {
        rootfs,
        queue: Mutex::new(Queue { tasks: vec![first], next_number: 1, ..Queue::default() }),
        changed: Condvar::new(),
        open: Arc::new(AtomicUsize::new(0)),
        max_path_bytes,
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(|| walk.work());
        }
        walk.work();
    });
    let queue = walk.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = queue.failed {
        return Err(error);
    }
    let mut dirs = vec![Dir::default(); queue.next_number as usize];
    for (number, dir) in queue.done {
        dirs[number as usize] = dir;
    }
    Ok(Index { dirs, root: root_node(rootfs)?, unsettled: None })
}

/// The node of the root directory itself.
pub(crate) fn root_node(rootfs: &Rootfs) -> Result<Node> {
    let root = rootfs.root_fd();
    let stat = stat_fd(root).at("stat", b"")?;
    Ok(Node { child: 0, ..Node::new(rootfs, &stat) })
}

impl Walk<'_> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.queue();
        loop {
            if queue.failed.is_some() {
                break;
            }
            if let Some(task) = queue.tasks.pop() {
                queue.active += 1;
                drop(queue);
                let read = self.read(&task);
                queue = self.queue();
                queue.active -= 1;
                match read {
                    Ok((dir, fd)) => self.finish(&mut queue, task, dir, fd),
                    Err(error) => queue.failed = Some(error),
                }
                self.changed.notify_all();
            } else if queue.active == 0 {
                break;
            } else {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
        self.changed.notify_all();
    }

    /// Numbers the subdirectories and puts them into the queue.
    fn finish(&self, queue: &mut Queue, task: Task, mut dir: Dir, fd: OwnedFd) {
        queue.entries += dir.nodes.len();
        if queue.entries > MAX_ENTRIES {
            queue.failed = Some(too_many());
            return;
        }
        queue.path_bytes += dir.names.len() + dir.nodes.len() * (task.path.len() + 1);
        if queue.path_bytes > self.max_path_bytes {
            let limit = self.max_path_bytes as u64;
            queue.failed = Some(RootfsError::Limit { what: "bytes in all paths", limit });
            return;
        }
        let mut above = None;
        let mut fd = Some(fd);
        for position in 0..dir.nodes.len() {
            if !dir.nodes[position].is_dir() {
                continue;
            }
            let number = queue.next_number;
            queue.next_number += 1;
            dir.nodes[position].child = number;
            let path = path::join(&task.path, dir.name(&dir.nodes[position]));
            if path.len() > path::MAX_PATH {
                let limit = path::MAX_PATH as u64;
                queue.failed = Some(RootfsError::Limit { what: "bytes in a path", limit });
                return;
            }
            if self.open.load(Ordering::Relaxed) < MAX_OPEN
                && let Some(fd) = fd.take()
            {
                self.open.fetch_add(1, Ordering::Relaxed);
                above = Some(Arc::new(Above { fd, open: Arc::clone(&self.open) }));
            }
            queue.tasks.push(Task { number, path, above: above.clone() });
        }
        queue.done.push((task.number, dir));
    }

    fn read(&self, task: &Task) -> Result<(Dir, OwnedFd)> {
        let fd = self.open(task).at("open", &task.path)?;
        let dir = self.list(fd.as_fd()).at("list", &task.path)?;
        Ok((dir, fd))
    }

    fn open(&self, task: &Task) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match &task.above {
            Some(above) => openat(&above.fd, path::split(&task.path).1, flags, Mode::empty()),
            None => self.rootfs.resolve(&task.path, flags, Mode::empty()),
        }
    }

    fn list(&self, fd: BorrowedFd<'_>) -> rustix::io::Result<Dir> {
        let mut dir = Dir { xattrs: xattr_hash(self.rootfs, fd)?, ..Dir::default() };
        for_each_name(fd, |name, _| {
            let mut stat = match stat_at(fd, name) {
                Err(Errno::NOENT) => return Ok(()),
                other => other?,
            };
            // What is mounted here belongs to the step's surroundings, not to the image.
            if stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
                return Ok(());
            }
            if self.rootfs.locks_us_out(&stat) {
                self.rootfs.unlock(self.rootfs.path_at(fd, name)?.as_fd(), &stat)?;
                stat = stat_at(fd, name)?;
            }
            let node = Node::new(self.rootfs, &stat);
            let node = dir.intern(name, node);
            dir.nodes.push(node);
            Ok(())
        })?;
        let Dir { nodes, names, .. } = &mut dir;
        let name = |node: &Node| {
            let start = node.name_start as usize;
            &names[start..start + usize::from(node.name_length)]
        };
        nodes.sort_unstable_by(|a, b| name(a).cmp(name(b)));
        nodes.shrink_to_fit();
        names.shrink_to_fit();
        debug_assert!(nodes.iter().all(|node| node.child == NONE), "numbered later");
        Ok(dir)
    }
}

/// A hash of the extended attributes that layers hold; 0 when there are none.
pub(crate) fn xattr_hash(rootfs: &Rootfs, fd: BorrowedFd<'_>) -> rustix::io::Result<u32> {
    let names = rootfs.xattr_names(fd)?;
    let mut list = Vec::new();
    for name in names.into_iter().filter(|name| crate::xattr::is_content(name)) {
        let value = rootfs.xattr(fd, &name)?;
        list.push((name, value));
    }
    Ok(hash_xattrs(list.iter().map(|(name, value)| (name, value))))
}

/// As [`xattr_hash`], of a sorted list.
pub(crate) fn hash_xattrs<'a>(list: impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)>) -> u32 {
    let mut all = Vec::new();
    for (name, value) in list {
        all.extend_from_slice(name);
        all.push(0);
        all.extend_from_slice(&value.len().to_le_bytes());
        all.extend_from_slice(value);
    }
    if all.is_empty() { 0 } else { hash(&all) }
}

/// A hash that is never 0.
#[expect(clippy::cast_possible_truncation, reason = "half of a hash is a hash")]
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    (hasher.finish() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_bounded_together() {
        let dir = tempfile::tempdir().unwrap();
        let rootfs = Rootfs::create(&dir.path().join("rootfs")).unwrap();
        let deep = [b"d".repeat(200), b"e".repeat(200)].join(&b'/');
        rootfs.mkdir_all(&deep, 0o755).unwrap();
        for number in 0..20 {
            rootfs.mkdir(&path::join(&deep, number.to_string().as_bytes()), 0o755).unwrap();
        }
        assert_eq!(walk_within(&rootfs, b"", 10_000).unwrap().len(), 22);
        let refused = walk_within(&rootfs, b"", 8000);
        assert!(matches!(refused, Err(RootfsError::Limit { .. })), "{refused:?}");
    }
}
