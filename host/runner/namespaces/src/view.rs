//! Builds, in a new mount namespace, the file system that a step sees.
//!
//! Runs after `clone`: nothing here allocates. Everything is attached by descriptor, and every path
//! of the image is opened below its root, so that no symlink of the image leads a mount elsewhere.
//!
//! Nothing that the step can write to lets a device node work (`nodev`, or [`crate::tmpfs`]): there is
//! no device cgroup that would refuse one. The usable nodes are bind mounts, each on a file of `/dev`.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstat, makedev, mkdirat,
    mknodat, openat, openat2, statx, symlinkat,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{fchdir, pivot_root};

use crate::plan::{PlannedSource, View};
use crate::report::{At, Failure, Stage};
use crate::sys;
use crate::tmpfs::detached;

/// Set-up races with mounts and renames anywhere on the machine make `openat2` give `EAGAIN`; so
/// often that it cannot be a race any more.
const MAX_RETRIES: u32 = 1000;

const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;
const RDONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
/// What holds data and no programs.
const DATA: MountAttrFlags = NOSUID.union(NODEV).union(NOEXEC);

/// Docker's size of `/dev/shm`.
const DEFAULT_SHM_SIZE: &CStr = c"65536k";

/// The device nodes: name in `/dev`, path on the host, major, minor, whether a step can do without.
const DEVICES: [(&CStr, &CStr, u32, u32, bool); 6] = [
    (c"null", c"/dev/null", 1, 3, false),
    (c"zero", c"/dev/zero", 1, 5, false),
    (c"full", c"/dev/full", 1, 7, false),
    (c"random", c"/dev/random", 1, 8, false),
    (c"urandom", c"/dev/urandom", 1, 9, false),
    (c"tty", c"/dev/tty", 5, 0, true),
];

const DEV_LINKS: [(&CStr, &CStr); 5] = [
    (c"/proc/self/fd", c"fd"),
    (c"/proc/self/fd/0", c"stdin"),
    (c"/proc/self/fd/1", c"stdout"),
    (c"/proc/self/fd/2", c"stderr"),
    (c"pts/ptmx", c"ptmx"),
];

/// Hidden, as the OCI runtimes do: what tells of the host or reaches into it.
const MASKED: [&CStr; 12] = [
    c"proc/acpi",
    c"proc/asound",
    c"proc/interrupts",
    c"proc/kcore",
    c"proc/keys",
    c"proc/latency_stats",
    c"proc/sched_debug",
    c"proc/scsi",
    c"proc/timer_list",
    c"proc/timer_stats",
    c"sys/devices/virtual/powercap",
    c"sys/firmware",
];

/// Readable only, for root as well: here `/proc` is the machine's and not the namespace's.
const READ_ONLY: [&CStr; 5] =
    [c"proc/bus", c"proc/fs", c"proc/irq", c"proc/sys", c"proc/sysrq-trigger"];

/// Builds the view and makes it the root of this process.
///
/// # Errors
/// The stage that failed and why.
pub(crate) fn set_up(view: &View) -> Result<(), Failure> {
    rustix::process::umask(Mode::empty());
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .at(Stage::PrivateMounts)?;
    // Over "/": a directory that is there on every machine. It is seen through its descriptor alone,
    // and goes away with the old root.
    let staging = tmpfs(NOSUID | NOEXEC, c"0700", None).at(Stage::Staging)?;
    attach(&staging, CWD, c"/").at(Stage::Staging)?;
    mkdirat(&staging, c"root", Mode::RWXU).at(Stage::Staging)?;

    let empty;
    let root = match &view.root {
        Some(tree) => tree.as_fd(),
        None => {
            empty = tmpfs(MountAttrFlags::empty(), c"0755", None).at(Stage::Root)?;
            for name in [c"proc", c"sys", c"dev"] {
                mkdirat(&empty, name, Mode::RWXU).at(Stage::Root)?;
            }
            empty.as_fd()
        }
    };
    sys::mount::make_private_with(root, NODEV).at(Stage::RootFlags)?;
    attach(root, staging.as_fd(), c"root").at(Stage::Root)?;

    proc(root).at(Stage::Proc)?;
    sysfs(root).at(Stage::Sys)?;
    dev(root, &staging, view.default_shm)?;
    etc_files(view, root, &staging).at(Stage::EtcFiles)?;
    // Before the step's mounts: what they put into /dev must not be what hides files of /proc.
    mask(root).at(Stage::Masks)?;
    for (index, mount) in view.mounts.iter().enumerate() {
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        step_mount(mount, root).map_err(|errno| Failure {
            stage: Stage::StepMount,
            index,
            errno,
        })?;
    }

    fchdir(root).at(Stage::Pivot)?;
    // The old root lands on the new one (pivot_root(2), notes), with the staging on top of it.
    pivot_root(c".", c".").at(Stage::Pivot)?;
    detach_old_root().at(Stage::Detach)?;
    rustix::process::chdir(c"/").at(Stage::Detach)
}

/// Makes `path` of the view the working directory; no link of `/proc` may lead to it.
///
/// # Errors
/// As chdir(2); `ELOOP` for `/proc/self/fd/7` and the like.
pub(crate) fn enter(path: &CStr) -> Result<(), Errno> {
    let root = openat(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    fchdir(open_in(root.as_fd(), path, OFlags::PATH | OFlags::DIRECTORY)?)
}

/// The staging and the old root.
const MOUNTS_OVER_ROOT: u32 = 2;

/// Takes away all that is mounted over the new root: whatever stayed there could be reached by `/..`.
fn detach_old_root() -> Result<(), Errno> {
    for _ in 0..MOUNTS_OVER_ROOT {
        unmount(c".", UnmountFlags::DETACH)?;
    }
    // `..` of the root leads to what is mounted over it.
    if mount_id(c"/")? == mount_id(c"/..")? { Ok(()) } else { Err(Errno::BUSY) }
}

fn mount_id(path: &CStr) -> Result<u64, Errno> {
    Ok(statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)?.stx_mnt_id)
}

fn proc(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let context = fsopen(c"proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, c"source", c"proc")?;
    fsconfig_create(&context)?;
    let proc = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, DATA)?;
    attach(&proc, root, c"proc")
}

/// A new sysfs shows the network namespace of the step, if that is ours to show; else the one that
/// the machine has mounted.
fn sysfs(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let mounted = fsopen(c"sysfs", FsOpenFlags::FSOPEN_CLOEXEC).and_then(|context| {
        fsconfig_set_string(&context, c"source", c"sysfs")?;
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, DATA | RDONLY)
    });
    let sysfs = match mounted {
        Err(Errno::PERM | Errno::ACCESS) => {
            let tree = clone_tree(CWD, c"/sys")?;
            sys::mount::make_private_with(&tree, DATA | RDONLY)?;
            tree
        }
        other => other?,
    };
    attach(&sysfs, root, c"sys")
}

fn dev(root: BorrowedFd<'_>, staging: &OwnedFd, default_shm: bool) -> Result<(), Failure> {
    let dev = tmpfs(NOSUID | NODEV, c"0755", Some(c"65536k")).at(Stage::Dev)?;
    attach(&dev, root, c"dev").at(Stage::Dev)?;
    let directory = Mode::from_raw_mode(0o755);
    for name in [c"pts", c"shm", c"mqueue"] {
        mkdirat(&dev, name, directory).at(Stage::Dev)?;
    }
    for (target, name) in DEV_LINKS {
        symlinkat(target, &dev, name).at(Stage::Dev)?;
    }
    for (name, host, major, minor, optional) in DEVICES {
        match device(&dev, staging, name, host, makedev(major, minor)) {
            Err(Errno::NOENT) if optional => {}
            result => result.at(Stage::Devices)?,
        }
    }
    let pts = pts(c"5").or_else(|errno| match errno {
        // Group 5 (tty) has no mapping in this user namespace.
        Errno::INVAL => pts(c"0"),
        other => Err(other),
    });
    pts.and_then(|pts| attach(&pts, dev.as_fd(), c"pts")).at(Stage::Pts)?;
    if default_shm {
        detached(c"shm", DATA, c"1777", Some(DEFAULT_SHM_SIZE))
            .and_then(|shm| attach(&shm, dev.as_fd(), c"shm"))
            .at(Stage::Shm)?;
    }
    // Left out where the kernel has no POSIX message queues.
    let queues = fsopen(c"mqueue", FsOpenFlags::FSOPEN_CLOEXEC).and_then(|context| {
        fsconfig_set_string(&context, c"source", c"mqueue")?;
        fsconfig_create(&context)?;
        let queues = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, DATA)?;
        attach(&queues, dev.as_fd(), c"mqueue")
    });
    match queues {
        Ok(()) | Err(Errno::NODEV | Errno::PERM) => Ok(()),
        Err(errno) => Err(errno).at(Stage::Dev),
    }
}

/// One usable device node: our own where we may make it, so that a `chmod` in the step does not
/// reach the host's, else the host's, which then belongs to a user that the step cannot be.
fn device(
    dev: &OwnedFd,
    staging: &OwnedFd,
    name: &CStr,
    host: &CStr,
    number: u64,
) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(0o666);
    let made = mknodat(staging, name, FileType::CharacterDevice, mode, number)
        // In a user namespace the call may succeed and the node be dead.
        .and_then(|()| openat(staging, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()));
    let tree = match made {
        // /dev/tty of a process that has no terminal.
        Ok(_) | Err(Errno::NXIO) => clone_tree(staging.as_fd(), name)?,
        Err(Errno::PERM | Errno::ACCESS) => {
            let tree = clone_tree(CWD, host)?;
            sys::mount::make_private_with(&tree, NOSUID | NOEXEC | RDONLY)?;
            tree
        }
        Err(errno) => return Err(errno),
    };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    openat(dev, name, flags, mode)?;
    attach(&tree, dev.as_fd(), name)
}

fn pts(group: &CStr) -> Result<OwnedFd, Errno> {
    let context = fsopen(c"devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, c"source", c"devpts")?;
    for (key, value) in [(c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", group)] {
        fsconfig_set_string(&context, key, value)?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, NOSUID | NOEXEC)
}

fn etc_files(view: &View, root: BorrowedFd<'_>, staging: &OwnedFd) -> Result<(), Errno> {
    for (file, target) in &view.etc_files {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let fd = openat(staging, &*file.name, flags, Mode::from_raw_mode(0o644))?;
        let mut rest = &file.content[..];
        while !rest.is_empty() {
            let written = rustix::io::retry_on_intr(|| rustix::io::write(&fd, rest))?;
            rest = rest.get(written..).unwrap_or_default();
        }
        let tree = clone_tree(staging.as_fd(), &file.name)?;
        sys::mount::make_private_with(&tree, DATA | RDONLY)?;
        attach(&tree, root, target)?;
    }
    Ok(())
}

fn step_mount(mount: &crate::plan::PlannedMount, root: BorrowedFd<'_>) -> Result<(), Errno> {
    for part in &mount.create {
        match open_in(root, &part.path, OFlags::PATH) {
            Err(Errno::NOENT) => {
                let parent = open_in(root, &part.parent, OFlags::PATH | OFlags::DIRECTORY)?;
                if part.directory {
                    mkdirat(&parent, &*part.name, Mode::from_raw_mode(0o755))?;
                } else {
                    let mode = Mode::from_raw_mode(0o644);
                    mknodat(&parent, &*part.name, FileType::RegularFile, mode, 0)?;
                }
            }
            found => drop(found?),
        }
    }
    match &mount.source {
        PlannedSource::Tree(tree) => {
            sys::mount::make_private_with(tree, mount.flags)?;
            attach(tree, root, &mount.target)
        }
        PlannedSource::Tmpfs(size) => {
            let tmpfs = tmpfs(mount.flags, c"1777", size.as_deref())?;
            attach(&tmpfs, root, &mount.target)
        }
    }
}

fn mask(root: BorrowedFd<'_>) -> Result<(), Errno> {
    for path in READ_ONLY {
        let Some(place) = optional(open_in(root, path, OFlags::PATH))? else { continue };
        let tree = open_tree(&place, c"", TREE | OpenTreeFlags::AT_EMPTY_PATH)?;
        sys::mount::make_private_with(&tree, RDONLY)?;
        attach_at(&tree, &place)?;
    }
    for path in MASKED {
        let Some(place) = optional(open_in(root, path, OFlags::PATH))? else { continue };
        if FileType::from_raw_mode(fstat(&place)?.st_mode) == FileType::Directory {
            attach_at(&tmpfs(DATA | RDONLY, c"0555", Some(c"4k"))?, &place)?;
        } else {
            attach_at(&clone_tree(root, c"dev/null")?, &place)?;
        }
    }
    Ok(())
}

fn optional<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn tmpfs(flags: MountAttrFlags, mode: &CStr, size: Option<&CStr>) -> Result<OwnedFd, Errno> {
    detached(c"tmpfs", flags, mode, size)
}

const TREE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_RECURSIVE);

fn clone_tree(directory: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    open_tree(directory, path, TREE)
}

/// Mounts `tree` on `path`, which is followed below `directory` only, unless that is the namespace's
/// own root.
fn attach(tree: impl AsFd, directory: BorrowedFd<'_>, path: &CStr) -> Result<(), Errno> {
    if path == c"/" {
        return move_mount(tree, c"", directory, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
    }
    attach_at(tree, open_in(directory, path, OFlags::PATH)?)
}

fn attach_at(tree: impl AsFd, place: impl AsFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, c"", place, c"", flags)
}

fn open_in(root: BorrowedFd<'_>, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut retries = 0;
    loop {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if retries < MAX_RETRIES => retries += 1,
            result => return result,
        }
    }
}
