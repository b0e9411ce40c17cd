//! Mountpoints that an image lacks: made for one step, gone after it.
//!
//! What a step sees mounted (`/proc`, `/etc/resolv.conf`, a cache) needs something to be mounted on.
//! None of it may end up in a layer, nor may the directories that it was made in look changed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fstat, futimens,
    mkdirat, openat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::resolve::Resolved;

/// All that was made for one step. [`Placeholders::remove`] takes it away; so does dropping it,
/// which cannot tell of errors.
#[derive(Debug, Default)]
pub(crate) struct Placeholders {
    made: Vec<Made>,
    parents: Vec<Parent>,
}

/// One file or directory.
#[derive(Debug)]
struct Made {
    /// Held open: the step may have moved it.
    parent: OwnedFd,
    name: Vec<u8>,
    /// Held open: the number of a removed inode could come back as another file.
    itself: OwnedFd,
    directory: bool,
}

/// A directory that something was made in.
#[derive(Debug)]
struct Parent {
    fd: OwnedFd,
    before: Stat,
}

impl Placeholders {
    /// Makes what is missing of `resolved`: directories, and a directory or an empty file last.
    ///
    /// # Errors
    /// `ENOTDIR` or `EISDIR` when it exists and is of the other sort; else what the calls say.
    pub(crate) fn ensure(&mut self, resolved: Resolved, directory: bool) -> Result<(), Errno> {
        if let Some(found) = resolved.file_type {
            return match (found == FileType::Directory, directory) {
                (true, false) => Err(Errno::ISDIR),
                (false, true) => Err(Errno::NOTDIR),
                _ => Ok(()),
            };
        }
        let missing = resolved.components.get(resolved.existing..).unwrap_or_default();
        let mut parent = open_directory(resolved.deepest.as_fd(), b".")?;
        for (at, name) in missing.iter().enumerate() {
            let directory = directory || at + 1 < missing.len();
            let made = self.make(parent, name, directory)?;
            if !directory {
                break;
            }
            parent = made;
        }
        Ok(())
    }

    /// Makes `name` in `parent` and returns it.
    fn make(&mut self, parent: OwnedFd, name: &[u8], directory: bool) -> Result<OwnedFd, Errno> {
        let before = fstat(&parent)?;
        let itself = if directory {
            // The umask of kiln must not decide what is seen inside.
            mkdirat(&parent, name, Mode::RWXU)?;
            let fd = open_directory(parent.as_fd(), name)?;
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755))?;
            fd
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&parent, name, flags | OFlags::NOFOLLOW, Mode::from_raw_mode(0o644))?
        };
        // The step sees the parent with its old time; and a time that is another one afterwards is
        // the step's doing.
        set_modified(parent.as_fd(), &before)?;
        if !self.parents.iter().any(|known| same(&known.before, &before)) {
            self.parents.push(Parent { fd: parent.try_clone().map_err(errno_of)?, before });
        }
        let handle = itself.try_clone().map_err(errno_of)?;
        self.made.push(Made { parent, name: name.to_vec(), itself, directory });
        Ok(handle)
    }

    /// Removes everything that is still as it was made. A directory that the step put something
    /// into, a file that it wrote to, stay: they are the step's now.
    ///
    /// # Errors
    /// The first error; everything else is still tried.
    pub(crate) fn remove(mut self) -> Result<(), Errno> {
        self.take_away()
    }

    fn take_away(&mut self) -> Result<(), Errno> {
        let parents: Vec<(OwnedFd, Result<Stat, Errno>)> = std::mem::take(&mut self.parents)
            .into_iter()
            .map(|parent| {
                let now = fstat(&parent.fd);
                (parent.fd, now)
            })
            .collect();
        let mut result = Ok(());
        for made in std::mem::take(&mut self.made).into_iter().rev() {
            result = result.and(made.remove());
        }
        for (fd, state) in parents {
            result = result.and(state.and_then(|state| set_modified(fd.as_fd(), &state)));
        }
        result
    }
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        // Reached with something left only when another error is already on its way.
        let _already_failing = self.take_away();
    }
}

impl Made {
    fn remove(self) -> Result<(), Errno> {
        let mine = fstat(&self.itself)?;
        match statat(&self.parent, &self.name[..], AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if same(&there, &mine) => {}
            Ok(_) | Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        if self.directory {
            match unlinkat(&self.parent, &self.name[..], AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
                Err(errno) => Err(errno),
            }
        } else if mine.st_size == 0 {
            unlinkat(&self.parent, &self.name[..], AtFlags::empty())
        } else {
            Ok(())
        }
    }
}

fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// Gives `fd` the modification time that `state` has.
fn set_modified(fd: BorrowedFd<'_>, state: &Stat) -> Result<(), Errno> {
    futimens(
        fd,
        &Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: state.st_mtime,
                tv_nsec: state.st_mtime_nsec.cast_signed(),
            },
        },
    )
}

fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::resolve::resolve;

    fn old(path: &Path) {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }

    fn modified(path: &Path) -> (i64, i64) {
        let metadata = fs::metadata(path).unwrap();
        (metadata.mtime(), metadata.mtime_nsec())
    }

    const OLD: (i64, i64) = (1_000_000_000, 123_456_789);

    fn fixture() -> (tempfile::TempDir, OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        old(&dir.path().join("etc"));
        old(dir.path());
        let root = rustix::fs::open(dir.path(), OFlags::PATH, Mode::empty()).unwrap();
        (dir, root)
    }

    fn make(root: &OwnedFd, targets: &[(&str, bool)]) -> Placeholders {
        let mut placeholders = Placeholders::default();
        for &(path, directory) in targets {
            let resolved = resolve(root.as_fd(), path.as_bytes(), &[]).unwrap();
            placeholders.ensure(resolved, directory).unwrap();
        }
        placeholders
    }

    #[test]
    fn nothing_remains_and_no_directory_looks_changed() {
        let (dir, root) = fixture();
        let targets = [("/proc", true), ("/etc/hosts", false), ("/run/a/b/secret", false)];
        let placeholders = make(&root, &targets);
        assert!(dir.path().join("run/a/b/secret").is_file());
        assert_eq!(modified(dir.path()), OLD, "the step sees the old time");
        placeholders.remove().unwrap();
        let names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["etc"]);
        assert_eq!(fs::read_dir(dir.path().join("etc")).unwrap().count(), 0);
        assert_eq!((modified(dir.path()), modified(&dir.path().join("etc"))), (OLD, OLD));
    }

    #[test]
    fn what_the_step_did_stays() {
        let (dir, root) = fixture();
        let at = |name: &str| dir.path().join(name);
        let targets =
            [("/run/a/x", false), ("/etc/hosts", false), ("/etc/mine", false), ("/gone", true)];
        let placeholders = make(&root, &targets);
        fs::write(at("run/kept"), "kept").unwrap();
        fs::write(at("etc/mine"), "written").unwrap();
        fs::remove_dir(at("gone")).unwrap();
        fs::write(at("gone"), "another").unwrap();
        fs::rename(at("etc"), at("moved")).unwrap();
        let changed = modified(dir.path());
        assert_ne!(changed, OLD);
        placeholders.remove().unwrap();
        assert_eq!(fs::read(at("run/kept")).unwrap(), b"kept");
        assert!(!at("run/a").exists());
        assert_eq!(fs::read(at("moved/mine")).unwrap(), b"written");
        assert!(!at("moved/hosts").exists(), "found in the directory that the step moved");
        assert_eq!(fs::read(at("gone")).unwrap(), b"another");
        assert_eq!(modified(dir.path()), changed, "the step's change, not ours");
        assert_eq!(modified(&at("moved")), OLD);
    }

    #[test]
    fn the_other_sort_is_an_error_and_dropping_cleans_up() {
        let (dir, root) = fixture();
        let mut placeholders = make(&root, &[("/new", true)]);
        let resolved = resolve(root.as_fd(), b"/etc", &[]).unwrap();
        assert_eq!(placeholders.ensure(resolved, false), Err(Errno::ISDIR));
        drop(placeholders);
        assert!(!dir.path().join("new").exists());
        assert_eq!(modified(dir.path()), OLD);
    }
}
