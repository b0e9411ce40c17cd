//! RUN --mount: what a step sees besides its root file system.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use kiln_dockerfile::instruction::{Mount, MountType, Run, Script};
use kiln_rootfs::Rootfs;
use kiln_runner::{Mount as StepMount, MountSource};
use rustix::fs::OFlags;

use super::StageRun;
use super::sources::SourceTree;
use super::workdir::absolute;
use crate::cache::KeyBuilder;
use crate::cache_mounts::CacheMount;
use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::layers::chain_id;

/// The mounts of one step, checked.
pub(super) struct StepMounts {
    mounts: Vec<Planned>,
    /// The file of a heredoc that names its own interpreter.
    script: Option<(String, String)>,
}

struct Planned {
    target: String,
    mount: Mount,
    source: Option<SourceTree>,
}

/// The mounts of one step, open; what they hold is released when this is dropped.
#[derive(Default)]
pub(super) struct Mounted {
    mounts: Vec<StepMount>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Kept until the step has ended: locks of caches, directories of images.
    held: Vec<Box<dyn std::any::Any>>,
}

impl StepMounts {
    /// Checks the mounts of a RUN and finds what they are made from.
    pub(super) fn resolve(stage: &StageRun<'_>, run: &Run, script: &Script) -> Result<Self> {
        let mut mounts = Vec::new();
        for mount in run.mounts.iter().flatten() {
            let target = absolute(
                &stage.config.config.working_dir,
                mount.target.as_deref().unwrap_or_default(),
            );
            if target == "/" {
                return Err(BuildError::input(format!("invalid mount target \"{target}\"")));
            }
            let source = match mount.kind {
                MountType::Bind => Some(stage.open_source(mount.from.as_deref())?),
                MountType::Cache if mount.from.is_some() => {
                    return Err(unsupported("type=cache with from="));
                }
                MountType::Cache | MountType::Tmpfs => None,
                MountType::Secret => return Err(unsupported("type=secret")),
                MountType::Ssh => return Err(unsupported("type=ssh")),
            };
            if mount.kind == MountType::Bind && !mount.readonly {
                return Err(unsupported("type=bind with rw")
                    .with_hint("copy what is to be written, or leave rw out"));
            }
            if matches!(source, Some(SourceTree::Context(_))) {
                return Err(unsupported("type=bind of the build context")
                    .with_hint("use COPY, or bind from a stage that copied the files"));
            }
            mounts.push(Planned { target, mount: mount.clone(), source });
        }
        let script = match script {
            Script::File { name, content } => Some((name.clone(), content.clone())),
            Script::Exec(_) | Script::Shell(_) => None,
        };
        Ok(Self { mounts, script })
    }

    /// Adds what the mounts show to a step's key. Caches are not part of it, as in BuildKit.
    pub(super) fn add_to_key(&self, key: &mut KeyBuilder) {
        for planned in &self.mounts {
            let Planned { target, mount, source } = planned;
            key.field("mount", format!("{:?} {target}", mount.kind));
            if let Some(SourceTree::Image(stage)) = source {
                key.field("from", chain_id(&stage.layers).to_string());
                key.field("source", mount.source.as_deref().unwrap_or_default());
            }
            if mount.kind == MountType::Tmpfs {
                key.field("size", mount.size.to_string());
            }
        }
        if let Some((name, content)) = &self.script {
            key.field("script", name).field("content", content);
        }
    }

    /// Opens the mounts for a step.
    pub(super) fn open(&self, stage: &StageRun<'_>) -> Result<Mounted> {
        let cx = stage.cx;
        let mut open = Mounted::default();
        for planned in &self.mounts {
            let Planned { target, mount, source } = planned;
            let source = match (mount.kind, source) {
                (MountType::Tmpfs, _) => MountSource::Tmpfs {
                    size: u64::try_from(mount.size).ok().filter(|size| *size > 0),
                },
                (MountType::Cache, _) => {
                    let id = mount.id.clone().unwrap_or_else(|| target.clone());
                    let cache = CacheMount::open(cx, &id, mount)?;
                    let fd = cache.fd()?;
                    open.held.push(Box::new(cache));
                    MountSource::Host(Arc::new(fd))
                }
                (_, Some(SourceTree::Image(source))) => {
                    let rootfs = source.rootfs(cx)?;
                    let fd = open_below(&rootfs, mount.source.as_deref().unwrap_or("/"))?;
                    open.held.push(Box::new(rootfs));
                    MountSource::Host(Arc::new(fd))
                }
                (kind, _) => return Err(unsupported(&format!("type={}", kind.name()))),
            };
            open.mounts.push(StepMount {
                target: target.clone().into_bytes(),
                source,
                read_only: mount.readonly && mount.kind != MountType::Tmpfs,
            });
        }
        if let Some((name, content)) = &self.script {
            open.mounts.push(script_mount(cx, name, content)?);
        }
        Ok(open)
    }
}

impl Mounted {
    /// The mounts, in their order.
    pub(super) fn mounts(&self) -> Vec<StepMount> {
        self.mounts.clone()
    }

    /// Ends the hold on caches and images: the step has ended.
    pub(super) fn release(self) {
        drop(self.held);
    }

    /// Adds the variables that mounts set.
    pub(super) fn add_to_env(&self, env: &mut Vec<(Vec<u8>, Vec<u8>)>) {
        env.extend(self.env.iter().cloned());
    }
}

fn open_below(rootfs: &Rootfs, path: &str) -> Result<OwnedFd> {
    rootfs
        .open(path.as_bytes(), OFlags::PATH | OFlags::CLOEXEC, 0)
        .context(ErrorKind::Input, || format!("mount source {path}"))
}

/// A directory with the one file of a heredoc that starts with `#!`.
fn script_mount(cx: &Engine<'_>, name: &str, content: &str) -> Result<StepMount> {
    use std::os::unix::fs::OpenOptionsExt;
    let dir = cx.scratch.new_dir()?;
    let what = || "write the step's script".to_owned();
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(BuildError::input(format!("a heredoc cannot be named `{name}`")));
    }
    let shared = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&dir, shared).context(ErrorKind::Environment, what)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o755)
        .open(dir.join(name))
        .context(ErrorKind::Environment, what)?;
    std::io::Write::write_all(&mut file, content.as_bytes())
        .context(ErrorKind::Environment, what)?;
    let fd = rustix::fs::open(
        &dir,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )
    .context(ErrorKind::Environment, what)?;
    Ok(StepMount {
        target: Script::DIR.as_bytes().to_vec(),
        source: MountSource::Host(Arc::new(fd)),
        read_only: true,
    })
}

fn unsupported(what: &str) -> BuildError {
    BuildError::input(format!("RUN --mount={what} is not supported yet"))
}
