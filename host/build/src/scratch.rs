//! Where a build's root file systems lie while it runs: `<work-dir>/builds/<random>/`.
//!
//! The name is 128 random bits, so that a step that could reach the work directory's parent by a
//! path still could not name another build's files. Each build holds a lock on its directory;
//! directories without a holder belong to builds that were killed, and the next build removes them.

use std::fs::File;
use std::path::{Path, PathBuf};

use kiln_rootfs::Rootfs;
use rustix::fs::{FlockOperation, flock};

use crate::error::{BuildError, Context, ErrorKind, Result};

/// The lock file inside a build's directory.
const LOCK: &str = "lock";
/// Its name until it is locked: what has the other name and no holder is abandoned.
const NEW_LOCK: &str = "lock.new";

/// A build's own directory; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes a directory for this build and removes what killed builds left.
    pub(crate) fn create(work_dir: &Path) -> Result<Self> {
        let builds = work_dir.join("builds");
        make_private_dir(&builds)?;
        remove_abandoned(&builds);
        let dir = builds.join(random_name()?);
        make_private_dir(&dir)?;
        let (new, path) = (dir.join(NEW_LOCK), dir.join(LOCK));
        let lock = File::create(&new)
            .context(ErrorKind::Environment, || format!("create {}", new.display()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .context(ErrorKind::Environment, || format!("lock {}", new.display()))?;
        std::fs::rename(&new, &path)
            .context(ErrorKind::Environment, || format!("create {}", path.display()))?;
        Ok(Self { dir, _lock: lock })
    }

    /// A new directory for one root file system.
    pub(crate) fn new_dir(&self) -> Result<PathBuf> {
        let dir = self.dir.join(random_name()?);
        make_private_dir(&dir)?;
        Ok(dir)
    }

    /// A new, empty root file system.
    pub(crate) fn new_rootfs(&self) -> Result<Rootfs> {
        let dir = self.new_dir()?;
        Rootfs::create(&dir).context(ErrorKind::Environment, || format!("create {}", dir.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next build.
        let _later = remove_tree(&self.dir);
    }
}

/// Removes the directories of builds that no longer run; failures are the next build's chance.
fn remove_abandoned(builds: &Path) {
    let Ok(entries) = std::fs::read_dir(builds) else { return };
    for entry in entries.flatten() {
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _later = remove_tree(&entry.path());
        }
    }
}

/// Removes a build's directory, root file systems with unreadable directories included.
fn remove_tree(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)?.flatten() {
        if entry.file_type()?.is_dir()
            && let Ok(rootfs) = Rootfs::open_existing(&entry.path())
        {
            let _later = rootfs.remove();
        }
    }
    std::fs::remove_dir_all(dir)
}

/// Makes a directory, and those above it, that nobody else may enter: below it are programs of
/// images that are setuid, and the content of private images.
pub(crate) fn make_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .context(ErrorKind::Environment, || format!("create {}", dir.display()))
        .map_err(|error| error.with_hint("--work-dir must be a directory that kiln can write to"))
}

/// 128 random bits, in hex.
pub(crate) fn random_name() -> Result<String> {
    let mut bytes = [0u8; 16];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .context(ErrorKind::Environment, || "getrandom".to_owned())?;
    if got < bytes.len() {
        return Err(BuildError::new(ErrorKind::Environment, "getrandom: too few random bytes"));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_build_is_left_alone_and_a_dead_one_removed() {
        let work = tempfile::tempdir().unwrap();
        let live = Scratch::create(work.path()).unwrap();
        let dead = work.path().join("builds/dead");
        std::fs::create_dir_all(dead.join("sub")).unwrap();
        std::fs::write(dead.join(LOCK), "").unwrap();
        let other = Scratch::create(work.path()).unwrap();
        assert!(live.dir.exists() && other.dir.exists() && !dead.exists());
        let gone = other.dir.clone();
        drop(other);
        assert!(!gone.exists() && live.dir.exists());
    }

    #[test]
    fn builds_that_start_together_leave_each_other_alone() {
        let work = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let scratch = Scratch::create(work.path()).unwrap();
                        assert!(scratch.dir.join(LOCK).exists());
                    }
                });
            }
        });
    }
}
