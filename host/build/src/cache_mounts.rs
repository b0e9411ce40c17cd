//! The directories of RUN --mount=type=cache: `<work-dir>/cache-mounts/<digest of the id>/`, each a
//! root file system of its own, whose ledger keeps owners that the disk cannot hold.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kiln_dockerfile::instruction::{Mount, Sharing};
use kiln_image::digest::Digest;
use kiln_rootfs::Rootfs;
use kiln_runner::Cancel;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::schedule::cancelled;
use crate::scratch::{Scratch, make_private_dir};

/// Private copies of one cache that may be in use at the same time.
const MAX_PRIVATE: u32 = 1000;

/// How often a build that waits for another one's cache looks again.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// A cache directory in use; the lock ends with it.
#[derive(Debug)]
pub(crate) struct CacheMount {
    rootfs: Arc<Rootfs>,
    _lock: Option<File>,
}

/// Puts a new cache's first files into it.
pub(crate) type Fill<'a> = dyn Fn(&Rootfs) -> Result<()> + 'a;

impl CacheMount {
    /// Opens the cache of this id; a new one gets the mount's owner and mode, and what `fill` puts
    /// there.
    pub(crate) fn open(cx: &Engine<'_>, id: &str, mount: &Mount, fill: &Fill<'_>) -> Result<Self> {
        let name = Digest::of(id.as_bytes()).hex();
        let parent = cx.request.work_dir.join("cache-mounts");
        make_private_dir(&parent)?;
        let at = |name: &str, lock| Self::at(cx, &parent.join(name), mount, fill, lock);
        match mount.sharing.unwrap_or(Sharing::Shared) {
            Sharing::Shared => at(&name, None),
            Sharing::Locked => {
                let lock = lock_file(&parent, &format!("{name}.lock"))?;
                wait_for(&lock, &cx.request.cancel)
                    .context(ErrorKind::Environment, || format!("lock cache {id}"))?;
                if cx.request.cancel.is_cancelled() {
                    return Err(cancelled());
                }
                at(&name, Some(lock))
            }
            Sharing::Private => {
                for number in 0..MAX_PRIVATE {
                    let name = format!("{name}.{number}");
                    let lock = lock_file(&parent, &format!("{name}.lock"))?;
                    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                        return at(&name, Some(lock));
                    }
                }
                Err(BuildError::failed(format!("cache {id}: too many private users")))
            }
        }
    }

    fn at(
        cx: &Engine<'_>,
        dir: &Path,
        mount: &Mount,
        fill: &Fill<'_>,
        lock: Option<File>,
    ) -> Result<Self> {
        if !dir.is_dir() {
            create(&cx.scratch, dir, mount, fill)?;
        }
        let rootfs = Rootfs::open_existing(dir)
            .context(ErrorKind::Environment, || format!("open cache {}", dir.display()))
            .map_err(|error| error.with_hint("remove the directory to start the cache anew"))?;
        Ok(Self { rootfs: Arc::new(rootfs), _lock: lock })
    }

    /// The cache's files.
    pub(crate) fn rootfs(&self) -> Arc<Rootfs> {
        Arc::clone(&self.rootfs)
    }
}

/// Makes a cache that appears whole: other builds may look for it at the same time. Until then it is
/// the build's own, and goes with it when it fails or is killed.
fn create(scratch: &Scratch, dir: &Path, mount: &Mount, fill: &Fill<'_>) -> Result<()> {
    let what = || format!("create cache {}", dir.display());
    let new = scratch.new_dir()?;
    let rootfs = Rootfs::create(&new).context(ErrorKind::Environment, what)?;
    fill(&rootfs)?;
    rootfs
        .set_owner(b"/", Some(mount.uid.unwrap_or(0)), Some(mount.gid.unwrap_or(0)), true)
        .context(ErrorKind::Failed, what)?;
    rootfs.set_mode(b"/", mount.mode.unwrap_or(0o755) & 0o7777).context(ErrorKind::Failed, what)?;
    match rustix::fs::rename(&new, dir) {
        // Another build was faster.
        Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOTEMPTY) => {
            rootfs.remove().context(ErrorKind::Environment, what)
        }
        result => result.context(ErrorKind::Environment, what),
    }
}

/// Waits until nobody else has the lock, or the build is cancelled: another build may never end.
fn wait_for(lock: &File, cancel: &Cancel) -> rustix::io::Result<()> {
    while !cancel.is_cancelled() {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_POLL),
            result => return result,
        }
    }
    Ok(())
}

fn lock_file(parent: &Path, name: &str) -> Result<File> {
    File::create(parent.join(name))
        .context(ErrorKind::Environment, || format!("create {}", parent.join(name).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_cannot_be_filled_leaves_nothing() {
        let work = tempfile::tempdir().unwrap();
        let caches = work.path().join("cache-mounts");
        make_private_dir(&caches).unwrap();
        let scratch = Scratch::create(work.path()).unwrap();
        let dir = caches.join("cache");
        let mount = Mount::default();
        let fails: &Fill<'_> = &|_| Err(BuildError::failed("no"));
        create(&scratch, &dir, &mount, fails).unwrap_err();
        assert_eq!(std::fs::read_dir(&caches).unwrap().count(), 0);
        create(&scratch, &dir, &mount, &|_| Ok(())).unwrap();
        // Another build was faster.
        create(&scratch, &dir, &mount, &|_| Ok(())).unwrap();
        drop(scratch);
        assert_eq!(std::fs::read_dir(&caches).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(work.path().join("builds")).unwrap().count(), 0);
        Rootfs::open_existing(&dir).unwrap();
    }

    #[test]
    fn a_lock_that_is_never_given_back_does_not_hold_a_cancelled_build() {
        let dir = tempfile::tempdir().unwrap();
        let caches = dir.path().join("caches");
        make_private_dir(&caches).unwrap();
        let held = lock_file(&caches, "lock").unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        let mine = lock_file(&caches, "lock").unwrap();
        let cancel = Cancel::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_for(&mine, &cancel));
            std::thread::sleep(2 * LOCK_POLL);
            assert!(!waiting.is_finished());
            cancel.cancel();
            waiting.join().unwrap().unwrap();
        });
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&caches).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "nobody else reaches setuid programs in a cache");
    }
}
