//! RUN --mount: what a step sees besides its root file system.

mod key;

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln_dockerfile::instruction::{Mount, MountType, Run, Script, Sharing};
use kiln_rootfs::Rootfs;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{self as engine, CopyOptions, Source};
use kiln_runner::{Mount as StepMount, MountSource};
use rustix::fs::OFlags;

use self::key::{cache_name, source_path};
use super::StageRun;
use super::sources::SourceTree;
use super::workdir::absolute;
use crate::cache_mounts::CacheMount;
use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::request::Secret;
use crate::ssh_agent::AgentSocket;

/// The build argument that keeps the caches of one user from another's, as in BuildKit.
const CACHE_NAMESPACE_ARG: &str = "BUILDKIT_CACHE_MOUNT_NS";
/// The mode of a secret's file.
const SECRET_MODE: u32 = 0o400;

/// The mounts of one step, checked.
pub(super) struct StepMounts {
    mounts: Vec<Planned>,
    /// The file of a heredoc that names its own interpreter.
    script: Option<(String, String)>,
}

enum Planned {
    Tmpfs { target: String, size: Option<u64> },
    Cache { target: String, id: String, from: Option<SourceTree>, mount: Box<Mount> },
    Bind { target: String, from: SourceTree, path: String, writable: bool },
    Secret { id: String, target: Option<String>, variable: Option<String>, mount: Box<Mount> },
    Ssh { target: String, socket: PathBuf, mount: Box<Mount> },
}

/// The mounts of one step, open; what they hold is released when this is dropped.
#[derive(Default)]
pub(super) struct Mounted {
    mounts: Vec<StepMount>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where the mounted files lie, each with a ledger of its own, and at which path.
    rootfs: Vec<(Arc<Rootfs>, String)>,
    /// Locked until the step has ended.
    caches: Vec<CacheMount>,
    /// Served until the step has ended.
    agents: Vec<AgentSocket>,
}

impl StepMounts {
    /// Checks the mounts of a RUN and finds what they are made from.
    pub(super) fn resolve(stage: &StageRun<'_>, run: &Run, script: &Script) -> Result<Self> {
        let mut mounts = Vec::new();
        for mount in run.mounts.iter().flatten() {
            let planned = match mount.kind {
                MountType::Tmpfs => Some(Planned::Tmpfs {
                    target: target(stage, mount)?,
                    size: u64::try_from(mount.size).ok().filter(|size| *size > 0),
                }),
                MountType::Cache => Some(cache(stage, mount)?),
                MountType::Bind => Some(Planned::Bind {
                    target: target(stage, mount)?,
                    from: stage.open_source(mount.from.as_deref())?,
                    path: source_path(mount),
                    writable: !mount.readonly,
                }),
                MountType::Secret => secret(stage, mount)?,
                MountType::Ssh => ssh(stage, mount, mounts.len())?,
            };
            mounts.extend(planned);
        }
        let script = match script {
            Script::File { name, content } => Some((name.clone(), content.clone())),
            Script::Exec(_) | Script::Shell(_) => None,
        };
        Ok(Self { mounts, script })
    }

    /// Opens the mounts for a step.
    pub(super) fn open(&self, stage: &StageRun<'_>) -> Result<Mounted> {
        let cx = stage.cx;
        let mut open = Mounted::default();
        let mut locked: BTreeMap<String, Arc<Rootfs>> = BTreeMap::new();
        for planned in &self.mounts {
            match planned {
                Planned::Tmpfs { target, size } => {
                    open.add(target, MountSource::Tmpfs { size: *size }, false);
                }
                Planned::Cache { target, id, from, mount } => {
                    let id = &cache_name(cx, id, from.as_ref(), mount)?;
                    // A step would wait for ever for a lock that it holds itself.
                    if let Some(held) = locked.get(id) {
                        open.add_files(target, Arc::clone(held), "/", mount.readonly)?;
                        continue;
                    }
                    let fill = |rootfs: &Rootfs| fill_cache(cx, from.as_ref(), mount, rootfs);
                    let cache = CacheMount::open(cx, id, mount, &fill)?;
                    open.add_files(target, cache.rootfs(), "/", mount.readonly)?;
                    if mount.sharing == Some(Sharing::Locked) {
                        locked.insert(id.clone(), cache.rootfs());
                    }
                    open.caches.push(cache);
                }
                Planned::Bind { target, from, path, writable } => {
                    let rootfs = match from {
                        SourceTree::Image(source) if !writable => source.rootfs(cx)?,
                        SourceTree::Image(source) => copied(cx, source.rootfs(cx)?.as_ref(), path)?,
                        SourceTree::Context(context) => copied(cx, context.as_ref(), path)?,
                    };
                    open.add_files(target, rootfs, path, !writable)?;
                }
                Planned::Secret { id, target, variable, mount } => {
                    let Some(Secret(value)) = cx.request.secrets.get(id) else { continue };
                    if let Some(variable) = variable {
                        open.env.push((variable.clone().into_bytes(), value.clone()));
                    }
                    if let Some(target) = target {
                        open.add_files(target, private_file(cx, value, mount)?, SECRET, true)?;
                    }
                }
                Planned::Ssh { target, socket, mount } => {
                    let agent = AgentSocket::open(cx, socket, mount)?;
                    open.add_files(target, agent.rootfs(), AgentSocket::PATH, false)?;
                    open.agents.push(agent);
                    if open.env.iter().all(|(name, _)| name != b"SSH_AUTH_SOCK") {
                        open.env.push((b"SSH_AUTH_SOCK".to_vec(), target.clone().into_bytes()));
                    }
                }
            }
        }
        if let Some((name, content)) = &self.script {
            open.mounts.push(script_mount(cx, name, content)?);
        }
        Ok(open)
    }
}

fn target(stage: &StageRun<'_>, mount: &Mount) -> Result<String> {
    let written = mount.target.as_deref().unwrap_or_default();
    let target = absolute(&stage.config.config.working_dir, written);
    if written.is_empty() || target == "/" {
        return Err(BuildError::input(format!("invalid mount target \"{target}\""))
            .with_focus(written)
            .with_hint("say where it is mounted: target=PATH"));
    }
    Ok(target)
}

fn cache(stage: &StageRun<'_>, mount: &Mount) -> Result<Planned> {
    let target = target(stage, mount)?;
    // As written: two working directories share the cache of one relative target, as in BuildKit.
    let written = || match mount.target.as_deref().unwrap_or_default() {
        path if path.starts_with('/') => absolute("/", path),
        path => absolute("/", path).trim_start_matches('/').to_owned(),
    };
    let id = mount.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(written);
    let id = match stage.cx.request.build_args.get(CACHE_NAMESPACE_ARG) {
        Some(namespace) if !namespace.is_empty() => format!("{namespace}/{id}"),
        _ => id,
    };
    let from = mount.from.as_deref().map(|from| stage.open_source(Some(from))).transpose()?;
    Ok(Planned::Cache { target, id, from, mount: Box::new(mount.clone()) })
}

fn secret(stage: &StageRun<'_>, mount: &Mount) -> Result<Option<Planned>> {
    let written = mount.target.as_deref().filter(|target| !target.is_empty());
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let id = match mount.source.as_ref().or(mount.id.as_ref()) {
        Some(id) => id.clone(),
        None => base(written.ok_or_else(|| {
            BuildError::input("RUN --mount=type=secret: one of source, target required")
        })?),
    };
    if !stage.cx.request.secrets.contains_key(&id) {
        if mount.required {
            return Err(BuildError::input(format!("secret {id}: not found"))
                .with_hint(format!("pass it with --secret id={id},src=FILE")));
        }
        return Ok(None);
    }
    let in_working_dir = |path: &str| absolute(&stage.config.config.working_dir, path);
    let target = match written {
        Some(target) => Some(in_working_dir(target)),
        None if mount.env.is_none() => Some(format!("/run/secrets/{}", base(&id))),
        None => None,
    };
    let variable = mount.env.clone();
    Ok(Some(Planned::Secret { id, target, variable, mount: Box::new(mount.clone()) }))
}

fn ssh(stage: &StageRun<'_>, mount: &Mount, number: usize) -> Result<Option<Planned>> {
    let id = mount.id.as_deref().unwrap_or("default");
    let Some(socket) = stage.cx.request.ssh.get(id) else {
        if mount.required {
            return Err(BuildError::input(format!("ssh agent {id}: not found"))
                .with_hint("pass it with --ssh default, or --ssh ID=SOCKET"));
        }
        return Ok(None);
    };
    let target = match mount.target.as_deref() {
        Some(target) => absolute(&stage.config.config.working_dir, target),
        None => format!("/run/buildkit/ssh_agent.{number}"),
    };
    Ok(Some(Planned::Ssh { target, socket: socket.clone(), mount: Box::new(mount.clone()) }))
}

/// What a cache with from= starts with.
fn fill_cache(
    cx: &Engine<'_>,
    from: Option<&SourceTree>,
    mount: &Mount,
    cache: &Rootfs,
) -> Result<()> {
    let Some(from) = from else { return Ok(()) };
    let path = source_path(mount);
    let opened = from.open(cx)?;
    let mut changes = ChangeSet::new();
    let source = opened.source();
    engine::copy(source, path.as_bytes(), cache, b"/", &CopyOptions::default(), &mut changes)
        .context(ErrorKind::Input, || format!("mount source {path}"))
}

/// A copy of what is at a path, in a root file system of its own: a step sees it with the owners
/// that the image's files have, without what the ignore file hides, and may write to it.
fn copied(cx: &Engine<'_>, source: &dyn Source, path: &str) -> Result<Arc<Rootfs>> {
    let what = || format!("mount source {path}");
    let rootfs = cx.scratch.new_rootfs()?;
    let options = CopyOptions::default();
    let mut changes = ChangeSet::new();
    engine::copy(source, path.as_bytes(), &rootfs, path.as_bytes(), &options, &mut changes)
        .context(ErrorKind::Input, what)?;
    Ok(Arc::new(rootfs))
}

/// The name of a secret's file in the rootfs that holds it alone.
const SECRET: &str = "/secret";

/// A file that nobody but the step's user can read; it goes with the build's directory.
fn private_file(cx: &Engine<'_>, value: &[u8], mount: &Mount) -> Result<Arc<Rootfs>> {
    let what = || "write the secret for the step".to_owned();
    let rootfs = cx.scratch.new_rootfs()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file =
        rootfs.open(SECRET.as_bytes(), flags, 0o600).context(ErrorKind::Environment, what)?;
    let mut file = std::fs::File::from(file);
    std::io::Write::write_all(&mut file, value).context(ErrorKind::Environment, what)?;
    let (uid, gid) = (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
    rootfs
        .set_owner_fd(file.as_fd(), Some(uid), Some(gid))
        .and_then(|()| rootfs.set_mode_fd(file.as_fd(), mount.mode.unwrap_or(SECRET_MODE) & 0o777))
        .context(ErrorKind::Environment, what)?;
    Ok(Arc::new(rootfs))
}

fn open_path(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, rustix::fs::Mode::empty())
        .context(ErrorKind::Environment, || format!("open {}", path.display()))
}

impl Mounted {
    fn add(&mut self, target: &str, source: MountSource, read_only: bool) {
        self.mounts.push(StepMount { target: target.as_bytes().to_vec(), source, read_only });
    }

    fn add_files(
        &mut self,
        target: &str,
        rootfs: Arc<Rootfs>,
        path: &str,
        read_only: bool,
    ) -> Result<()> {
        let fd = open_below(&rootfs, path)?;
        self.rootfs.push((rootfs, path.to_owned()));
        self.add(target, MountSource::Host(Arc::new(fd)), read_only);
        Ok(())
    }

    /// The mounts, in their order.
    pub(super) fn mounts(&self) -> Vec<StepMount> {
        self.mounts.clone()
    }

    /// Lets the stage's ledger know the owners of what is mounted.
    pub(super) fn lend_records(&self, stage: &Rootfs) -> Result<()> {
        let what = || "record the owners of mounted files".to_owned();
        self.rootfs
            .iter()
            .try_for_each(|(files, path)| stage.adopt_records(files, path.as_bytes()))
            .context(ErrorKind::Environment, what)
    }

    /// Keeps the owners that a step gave to files of caches: its processes are dead.
    pub(super) fn keep_records(&self, stage: &Rootfs) -> Result<()> {
        let what = || "record the owners of cached files".to_owned();
        self.caches
            .iter()
            .try_for_each(|cache| stage.return_records(&cache.rootfs()))
            .context(ErrorKind::Environment, what)
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
    let fd = open_path(&dir)?;
    Ok(StepMount {
        target: Script::DIR.as_bytes().to_vec(),
        source: MountSource::Host(Arc::new(fd)),
        read_only: true,
    })
}
