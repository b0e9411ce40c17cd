//! A RUN step, ready to be executed: everything is expanded and decided.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ulimit::Ulimit;

/// One RUN step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Program and arguments; `argv[0]` is looked up in the step's `PATH` when it has no slash.
    pub argv: Vec<Vec<u8>>,
    /// The whole environment, in order; names are unique.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Absolute image path; exists.
    pub cwd: Vec<u8>,
    /// Who the step runs as, already looked up in the image.
    pub user: Credentials,
    /// What is mounted over the rootfs while the step runs, in order.
    pub mounts: Vec<Mount>,
    /// The network that the step sees.
    pub network: Network,
    /// `hostname(1)` inside the step.
    pub hostname: String,
    /// Extra lines of `/etc/hosts`: (name, address), from `--add-host`.
    pub extra_hosts: Vec<(String, String)>,
    /// Bounds on the step.
    pub limits: Limits,
    /// Stops the step when set.
    pub cancel: Cancel,
}

/// User and groups, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User id in the image's view.
    pub uid: u32,
    /// Primary group id in the image's view.
    pub gid: u32,
    /// All supplementary group ids, `gid` among them as in Docker; sorted, as the kernel keeps them.
    pub groups: Vec<u32>,
}

/// Something mounted for the length of one step; its target never becomes part of a layer.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Absolute image path; created for the step when it does not exist, and removed after it.
    pub target: Vec<u8>,
    /// What is mounted.
    pub source: MountSource,
    /// Whether the step may not write to it.
    pub read_only: bool,
}

/// What a [`Mount`] shows.
#[derive(Clone, Debug)]
pub enum MountSource {
    /// A directory or a file of kiln's own (a cache, a secret, a piece of the context or of another
    /// stage), as an `O_PATH` descriptor.
    Host(Arc<OwnedFd>),
    /// An empty directory in memory; `size` bytes at the most.
    Tmpfs {
        /// Bytes, `None` for the kernel's default.
        size: Option<u64>,
    },
}

/// The network that a step sees (`RUN --network`, `kiln build --network`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The network of the pod or machine that kiln runs on.
    #[default]
    Default,
    /// Loopback alone.
    None,
}

/// Bounds on one step.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Wall-clock time; `None` is unbounded.
    pub timeout: Option<Duration>,
    /// Bytes of `/dev/shm`; `None` is 64 MiB, as Docker has it.
    pub shm_size: Option<u64>,
    /// Resource limits of the step's processes, from `--ulimit`.
    pub ulimits: Vec<Ulimit>,
}

/// Set once to stop a build; shared by everything that runs for it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everything that holds a clone to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// The flag itself, for code that knows no runners.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Whether [`Cancel::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
