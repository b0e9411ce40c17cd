//! Everything that the processes of a step need, prepared before they exist.
//!
//! After `clone` a copy of a process with threads can neither allocate nor fail with more than a
//! number, so all strings, descriptors and decisions are made here.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kiln_runner::etc_files::{self, EtcFile};
use kiln_runner::{Credentials, Mount, MountSource, Network, RunError, Step, Ulimit};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use rustix::process::{Gid, Uid};

use crate::placeholder::Placeholders;
use crate::resolve::{Resolved, resolve};
use crate::sys::process::{CommandLine, StringArray};
use crate::tmpfs::{Deviceless, deviceless};

/// Mounts of one step: what [`crate::report::Failure`] can count.
const MAX_MOUNTS: usize = 255;

/// Directories of `PATH` that are searched: what a report can count.
const MAX_CANDIDATES: usize = 255;

/// What init sets up, and what it then starts.
pub(crate) struct Plan {
    pub(crate) view: View,
    pub(crate) program: Program,
    pub(crate) filter: Vec<libc::sock_filter>,
    pub(crate) command_line: Option<CommandLine>,
}

/// What the step sees of the machine.
pub(crate) struct View {
    /// The stage's file system as a detached mount; `None` is an empty one, to try the calls.
    pub(crate) root: Option<OwnedFd>,
    /// The files, each with where in the root it is mounted.
    pub(crate) etc_files: Vec<(EtcFile, CString)>,
    pub(crate) mounts: Vec<PlannedMount>,
    /// Whether `/dev/shm` is Docker's; else it is one of the mounts.
    pub(crate) default_shm: bool,
    pub(crate) hostname: Vec<u8>,
    /// Whether the step has a network namespace of its own, with loopback alone.
    pub(crate) own_network: bool,
}

/// One of the step's mounts.
pub(crate) struct PlannedMount {
    pub(crate) target: CString,
    pub(crate) source: PlannedSource,
    pub(crate) flags: MountAttrFlags,
    /// What must be made below an earlier mount so that the target exists, outermost first.
    pub(crate) create: Vec<Part>,
}

/// A mountpoint, or a directory on the way to one, that only exists while the step runs.
pub(crate) struct Part {
    pub(crate) path: CString,
    pub(crate) parent: CString,
    pub(crate) name: CString,
    pub(crate) directory: bool,
}

pub(crate) enum PlannedSource {
    /// A detached mount.
    Tree(OwnedFd),
    /// Bytes, as tmpfs wants them.
    Tmpfs(Option<CString>),
}

/// The step's first process.
pub(crate) struct Program {
    /// Where the program is looked for, in order.
    pub(crate) candidates: Vec<CString>,
    /// Whether they come from `PATH`.
    pub(crate) searched: bool,
    pub(crate) argv: StringArray,
    pub(crate) env: StringArray,
    pub(crate) cwd: CString,
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    pub(crate) groups: Vec<Gid>,
    pub(crate) ulimits: Vec<Ulimit>,
}

impl Plan {
    /// Prepares `step` on the directory `root`, and makes the mountpoints that it lacks.
    ///
    /// # Errors
    /// What is wrong with the step, or the call that failed.
    pub(crate) fn new(root: BorrowedFd<'_>, step: &Step) -> Result<(Self, Placeholders), RunError> {
        let program = Program::new(step)?;
        let files = etc_files::files(&step.hostname, &step.extra_hosts).map_err(invalid)?;
        if step.mounts.len() >= MAX_MOUNTS {
            return Err(RunError::Limit(format!("{MAX_MOUNTS} mounts in one step")));
        }
        let mut targets = Targets { root, placeholders: Placeholders::default(), covered: vec![] };
        for name in ["proc", "sys", "dev"] {
            targets.virtual_directory(name)?;
        }
        let mut etc_files = Vec::with_capacity(files.len());
        for file in files {
            if let Some(target) = targets.etc_file(&file)? {
                etc_files.push((file, target));
            }
        }
        // A size that was given makes it a mount like the step's own, as in BuildKit.
        let shm = step.limits.shm_size.and_then(bounded).map(|size| Mount {
            target: b"/dev/shm".to_vec(),
            source: MountSource::Tmpfs { size: Some(size) },
            read_only: false,
        });
        let mounts: Vec<_> = shm
            .iter()
            .chain(&step.mounts)
            .map(|mount| targets.mount(mount))
            .collect::<Result<_, _>>()?;
        let default_shm = mounts.iter().all(|mount| mount.target.as_c_str() != c"dev/shm");
        let tree = detached(root).map_err(|errno| failed("open_tree of the rootfs", errno))?;
        let view = View {
            root: Some(tree),
            etc_files,
            mounts,
            default_shm,
            hostname: step.hostname.clone().into_bytes(),
            own_network: step.network == Network::None,
        };
        let plan =
            Self { view, program, filter: crate::deny::program(), command_line: command_line() };
        Ok((plan, targets.placeholders))
    }

    /// A plan on an empty root that starts nothing: every call of the set-up, for nothing.
    pub(crate) fn probe(own_network: bool) -> Self {
        let nothing = || StringArray::new(vec![]);
        Self {
            view: View {
                root: None,
                etc_files: vec![],
                mounts: vec![],
                default_shm: true,
                hostname: b"kiln".to_vec(),
                own_network,
            },
            program: Program {
                candidates: vec![],
                searched: false,
                argv: nothing(),
                env: nothing(),
                cwd: c"/".into(),
                uid: Uid::ROOT,
                gid: Gid::ROOT,
                groups: vec![],
                ulimits: vec![],
            },
            filter: crate::deny::program(),
            command_line: None,
        }
    }
}

impl Program {
    fn new(step: &Step) -> Result<Self, RunError> {
        let first = step.argv.first().filter(|name| !name.is_empty());
        let name = first.ok_or_else(|| invalid("the step names no program"))?;
        let searched = !name.contains(&b'/');
        let candidates =
            if searched { candidates(name, &step.env)? } else { vec![c_string(name)?] };
        if candidates.len() > MAX_CANDIDATES {
            return Err(RunError::Limit(format!("{MAX_CANDIDATES} directories in PATH")));
        }
        let argv = step.argv.iter().map(|arg| c_string(arg)).collect::<Result<_, _>>()?;
        let variable = |(name, value): &(Vec<u8>, Vec<u8>)| {
            c_string(&[name.as_slice(), b"=", value.as_slice()].concat())
        };
        let env = step.env.iter().map(variable).collect::<Result<_, _>>()?;
        let Credentials { uid, gid, groups } = &step.user;
        // All ones means "leave it" to the kernel's calls.
        if [*uid, *gid].iter().chain(groups).any(|&id| id == u32::MAX) {
            return Err(invalid(format!("{} is not a user or group id", u32::MAX)));
        }
        Ok(Self {
            candidates,
            searched,
            argv: StringArray::new(argv),
            env: StringArray::new(env),
            cwd: c_string(&step.cwd)?,
            uid: Uid::from_raw(*uid),
            gid: Gid::from_raw(*gid),
            groups: groups.iter().map(|&group| Gid::from_raw(group)).collect(),
            ulimits: step.limits.ulimits.clone(),
        })
    }
}

/// Where `name` is looked for: an empty entry of `PATH` is the working directory (execvp(3)).
fn candidates(name: &[u8], env: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<CString>, RunError> {
    let Some((_, path)) = env.iter().find(|(key, _)| key == b"PATH") else {
        return Ok(vec![]);
    };
    path.split(|&byte| byte == b':')
        .map(|directory| if directory.is_empty() { &b"."[..] } else { directory })
        .map(|directory| c_string(&[directory, b"/", name].concat()))
        .collect()
}

/// Finds, and makes where needed, what the step's mounts are mounted on.
struct Targets<'a> {
    root: BorrowedFd<'a>,
    placeholders: Placeholders,
    /// The directories that something is mounted on already.
    covered: Vec<Vec<Vec<u8>>>,
}

impl Targets<'_> {
    /// A directory of the root that the kernel fills. It must be one: a symlink of the image's could
    /// put what the kernel shows into a place where programs expect the image's own files.
    fn virtual_directory(&mut self, name: &str) -> Result<(), RunError> {
        let what = || format!("making the mountpoint /{name}");
        let resolved =
            resolve(self.root, name.as_bytes(), &[]).map_err(|errno| failed(what(), errno))?;
        if resolved.components != [name.as_bytes()] {
            return Err(failed(format!("/{name} of the image is a symbolic link"), Errno::NOTDIR));
        }
        self.placeholders.ensure(resolved, true).map_err(|errno| failed(what(), errno))?;
        self.covered.push(vec![name.into()]);
        Ok(())
    }

    /// Where in the root a file of `/etc` is to be seen; `None` when the image leads it to `/dev` or
    /// the like.
    fn etc_file(&mut self, file: &EtcFile) -> Result<Option<CString>, RunError> {
        let path = [b"/etc/", file.name.as_bytes()].concat();
        let what = || format!("making the mountpoint {}", path.escape_ascii());
        let failed = |errno| failed(what(), errno);
        let resolved = resolve(self.root, &path, &self.covered).map_err(failed)?;
        if resolved.beyond {
            return Ok(None);
        }
        let target = joined(&resolved.components)?;
        self.placeholders.ensure(resolved, false).map_err(failed)?;
        Ok(Some(target))
    }

    fn mount(&mut self, mount: &Mount) -> Result<PlannedMount, RunError> {
        let shown = mount.target.escape_ascii();
        let failed = |errno| failed(format!("making the mountpoint {shown}"), errno);
        let mut flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        if mount.read_only {
            flags |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        let (source, directory) = match &mount.source {
            MountSource::Tmpfs { size } => {
                let size = size.and_then(bounded).map(decimal);
                let source = match deviceless(size.as_deref()) {
                    Deviceless::Made(tree) => {
                        flags -= MountAttrFlags::MOUNT_ATTR_NODEV;
                        PlannedSource::Tree(tree)
                    }
                    Deviceless::Any => {
                        flags -= MountAttrFlags::MOUNT_ATTR_NODEV;
                        PlannedSource::Tmpfs(size)
                    }
                    Deviceless::None => PlannedSource::Tmpfs(size),
                };
                (source, true)
            }
            MountSource::Host(fd) => {
                let mode = fstat(fd).map_err(failed)?.st_mode;
                let tree = detached(fd.as_fd()).map_err(failed)?;
                (PlannedSource::Tree(tree), FileType::from_raw_mode(mode) == FileType::Directory)
            }
        };
        let resolved = resolve(self.root, &mount.target, &self.covered).map_err(failed)?;
        match resolved.components.first().map(Vec::as_slice) {
            None => return Err(invalid("a mount over the root of the file system")),
            Some(b"proc" | b"sys") => {
                return Err(invalid(format!("a mount in /proc or /sys: {shown}")));
            }
            Some(_) => {}
        }
        let target = joined(&resolved.components)?;
        let components = resolved.components.clone();
        let create = if resolved.beyond {
            parts(&resolved, directory)?
        } else {
            self.placeholders.ensure(resolved, directory).map_err(failed)?;
            vec![]
        };
        if directory {
            self.covered.push(components);
        }
        Ok(PlannedMount { target, source, flags, create })
    }
}

/// What init must make below an earlier mount, none of whose files can be known here.
fn parts(resolved: &Resolved, directory: bool) -> Result<Vec<Part>, RunError> {
    let all = &resolved.components;
    (resolved.existing..all.len())
        .map(|at| {
            Ok(Part {
                path: joined(&all[..=at])?,
                parent: joined(&all[..at])?,
                name: c_string(&all[at])?,
                directory: directory || at + 1 < all.len(),
            })
        })
        .collect()
}

/// A copy of the mount at `fd`, and of those below it, that can be attached in another namespace.
fn detached(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(fd, c"", flags)
}

fn command_line() -> Option<CommandLine> {
    CommandLine::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

fn joined(names: &[Vec<u8>]) -> Result<CString, RunError> {
    c_string(&names.join(&b'/'))
}

fn c_string(bytes: &[u8]) -> Result<CString, RunError> {
    CString::new(bytes).map_err(|_| invalid(format!("a NUL byte in `{}`", bytes.escape_ascii())))
}

/// A size of zero is no bound at all to tmpfs; to Docker it is none that was given.
fn bounded(size: u64) -> Option<u64> {
    (size > 0).then_some(size)
}

fn decimal(number: u64) -> CString {
    CString::new(number.to_string()).unwrap_or_default()
}

fn failed(what: impl Into<String>, errno: Errno) -> RunError {
    RunError::Io { what: what.into(), source: errno.into() }
}

fn invalid(message: impl Into<String>) -> RunError {
    let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, message.into());
    RunError::Io { what: "preparing the step".into(), source }
}
