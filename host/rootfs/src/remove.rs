//! Removing trees of any depth and any modes with a bounded number of descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, chmodat, openat, unlinkat};
use rustix::io::Errno;

use crate::error::{Result, RootfsError};
use crate::list::for_each_name;
use crate::rootfs::{proc_path, stat_fd};

/// Removes a directory of the host with all below it, whatever the modes and however deep; missing
/// is fine. For what is left of a rootfs whose builder was killed.
///
/// # Errors
/// The first removal that failed.
pub fn remove_dir_all(dir: &Path) -> Result<()> {
    let removed = match (dir.parent(), dir.file_name()) {
        (Some(above), Some(name)) => {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(CWD, above, flags, Mode::empty())
                .and_then(|above| remove_tree(above.as_fd(), name.as_bytes()))
        }
        _ => Err(Errno::INVAL),
    };
    removed.map_err(|errno| RootfsError::Setup {
        dir: dir.display().to_string(),
        what: "remove the directory",
        errno,
    })
}

/// Removes `name` in `parent` and all below it; missing is fine.
fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    remove_tree_with(parent, name, |dir, name, flags| unlinkat(dir, name, flags))
}

/// A directory on the way down: its name above and its identity, checked on the way back up.
struct Level {
    name: Vec<u8>,
    parent: (u32, u32, u64),
}

/// As [`remove_tree`] with another unlinkat(2).
///
/// Goes down with one descriptor and comes back up by `..`, so that a tree nested a million deep
/// costs neither descriptors nor stack.
pub(crate) fn remove_tree_with(
    parent: BorrowedFd<'_>,
    name: &[u8],
    remove: impl Fn(BorrowedFd<'_>, &[u8], AtFlags) -> rustix::io::Result<()>,
) -> rustix::io::Result<()> {
    match remove(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR) => return remove(parent, name, AtFlags::empty()),
        Err(_) => {}
    }
    let mut here = enter(parent, name)?;
    let mut levels: Vec<Level> = Vec::new();
    loop {
        if let Some(child) = clear(here.as_fd(), &remove)? {
            let parent = identity(here.as_fd())?;
            let below = enter(here.as_fd(), &child)?;
            levels.push(Level { name: child, parent });
            here = below;
            continue;
        }
        let Some(level) = levels.pop() else { break };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = openat(&here, c"..", flags, Mode::empty())?;
        if identity(above.as_fd())? != level.parent {
            // Moved away under our hands.
            return Err(Errno::BUSY);
        }
        here = above;
        remove(here.as_fd(), &level.name, AtFlags::REMOVEDIR)?;
    }
    drop(here);
    remove(parent, name, AtFlags::REMOVEDIR)
}

/// Removes what can be removed at once, up to the first subdirectory that is to be cleared, if any.
/// To go on past it would try each of its full siblings once more for every one of them.
fn clear(
    dir: BorrowedFd<'_>,
    remove: &impl Fn(BorrowedFd<'_>, &[u8], AtFlags) -> rustix::io::Result<()>,
) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut full = None;
    rustix::fs::seek(dir, rustix::fs::SeekFrom::Start(0))?;
    let listed = for_each_name(dir, |name, kind| {
        if kind != rustix::fs::FileType::Directory {
            match remove(dir, name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) if kind == rustix::fs::FileType::Unknown => {}
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        match remove(dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                full = Some(name.to_vec());
                // Ends the listing.
                Err(Errno::CANCELED)
            }
            Err(errno) => Err(errno),
        }
    });
    match (full, listed) {
        (Some(name), _) => Ok(Some(name)),
        (None, listed) => listed.map(|()| None),
    }
}

/// Opens a directory for clearing; makes it ours to write first if its mode forbids.
fn enter(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let only_dir = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = openat(parent, name, OFlags::PATH | only_dir, Mode::empty())?;
    if u32::from(stat_fd(found.as_fd())?.stx_mode) & 0o700 != 0o700 {
        // Best effort: as root we get in anyway, and what really fails fails at openat.
        let _ = chmodat(CWD, proc_path(found.as_fd()), Mode::RWXU, AtFlags::empty());
    }
    openat(parent, name, OFlags::RDONLY | only_dir, Mode::empty())
}

fn identity(dir: BorrowedFd<'_>) -> rustix::io::Result<(u32, u32, u64)> {
    let stat = stat_fd(dir)?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_full_directories_cost_a_few_calls_each() {
        const COUNT: usize = 500;
        let dir = tempfile::tempdir().unwrap();
        for number in 0..COUNT {
            let below = dir.path().join("top").join(number.to_string());
            std::fs::create_dir_all(&below).unwrap();
            std::fs::write(below.join("file"), "").unwrap();
        }
        let above = std::fs::File::open(dir.path()).unwrap();
        let calls = std::cell::Cell::new(0);
        remove_tree_with(above.as_fd(), b"top", |dir, name, flags| {
            calls.set(calls.get() + 1);
            unlinkat(dir, name, flags)
        })
        .unwrap();
        assert!(!dir.path().join("top").exists());
        assert!(calls.get() < 5 * COUNT, "{}", calls.get());
    }
}
