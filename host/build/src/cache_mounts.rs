//! The directories of RUN --mount=type=cache: `<work-dir>/cache-mounts/<digest of the id>/`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::PathBuf;

use kiln_dockerfile::instruction::{Mount, Sharing};
use kiln_image::digest::Digest;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};

/// Private copies of one cache that may be in use at the same time.
const MAX_PRIVATE: u32 = 1000;

/// A cache directory in use; the lock ends with it.
#[derive(Debug)]
pub(crate) struct CacheMount {
    dir: PathBuf,
    _lock: Option<File>,
}

impl CacheMount {
    /// Opens the cache of this id, creating it with the mount's owner and mode.
    pub(crate) fn open(cx: &Engine<'_>, id: &str, mount: &Mount) -> Result<Self> {
        let name = Digest::of(id.as_bytes()).hex();
        let parent = cx.request.work_dir.join("cache-mounts");
        match mount.sharing.unwrap_or(Sharing::Shared) {
            Sharing::Shared => Self::at(parent.join(name), mount, None),
            Sharing::Locked => {
                let lock = lock_file(&parent, &format!("{name}.lock"))?;
                flock(&lock, FlockOperation::LockExclusive)
                    .context(ErrorKind::Environment, || format!("lock cache {id}"))?;
                Self::at(parent.join(name), mount, Some(lock))
            }
            Sharing::Private => {
                for number in 0..MAX_PRIVATE {
                    let name = format!("{name}.{number}");
                    let lock = lock_file(&parent, &format!("{name}.lock"))?;
                    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                        return Self::at(parent.join(name), mount, Some(lock));
                    }
                }
                Err(BuildError::failed(format!("cache {id}: too many private users")))
            }
        }
    }

    fn at(dir: PathBuf, mount: &Mount, lock: Option<File>) -> Result<Self> {
        let what = || format!("create cache directory {}", dir.display());
        if !dir.is_dir() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(dir.parent().unwrap_or(&dir))
                .context(ErrorKind::Environment, what)?;
            match std::fs::create_dir(&dir) {
                Ok(()) => set_owner(&dir, mount)?,
                // Another build was faster.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).context(ErrorKind::Environment, what),
            }
        }
        Ok(Self { dir, _lock: lock })
    }

    /// The directory, to be mounted.
    pub(crate) fn fd(&self) -> Result<OwnedFd> {
        rustix::fs::open(
            &self.dir,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .context(ErrorKind::Environment, || format!("open {}", self.dir.display()))
    }
}

fn set_owner(dir: &std::path::Path, mount: &Mount) -> Result<()> {
    let what = || format!("set owner and mode of {}", dir.display());
    let mode = mount.mode.unwrap_or(0o755) & 0o7777;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode))
        .context(ErrorKind::Environment, what)?;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir, Some(mount.uid.unwrap_or(0)), Some(mount.gid.unwrap_or(0)))
            .context(ErrorKind::Environment, what)?;
    }
    Ok(())
}

fn lock_file(parent: &std::path::Path, name: &str) -> Result<File> {
    let what = || format!("create {}", parent.join(name).display());
    std::fs::create_dir_all(parent).context(ErrorKind::Environment, what)?;
    File::create(parent.join(name)).context(ErrorKind::Environment, what)
}
