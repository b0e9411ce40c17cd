//! Entering a user namespace in which kiln is root and has a range of ids, as `podman unshare` does.
//!
//! The kernel lets an unprivileged process map its own id alone; the setuid programs `newuidmap` and
//! `newgidmap` (shadow) add the ranges that /etc/subuid and /etc/subgid give to the user.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kiln_runner::{Unavailable, errno_name};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::CapabilitySet;

use crate::availability::missing_capabilities;
use crate::id_map::{Range, subordinate, user_name};
use crate::seal::{self, Program};
use crate::sys::process::{Side, clone, enter_user_namespace, exit};
use crate::sys::signal::{self, Blocked};

/// Where the map programs are looked for when kiln has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Ids that an image may expect: the sixteen-bit ones, without root, whom kiln's user stands for.
const NEEDED_IDS: u64 = 65535;

/// Kiln has the capabilities that it needs where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyPrivileged;

/// Makes kiln root of a new user and mount namespace, where it lacks capabilities that the namespaces
/// runner needs, and executes it again from a read-only mount, so that no step can change its
/// program, with the same arguments and environment: on success this does not return. Does nothing
/// where kiln has both, as after the second start.
///
/// `path` is kiln's `PATH`, where `newuidmap` and `newgidmap` are looked for. Call it before any
/// thread is started: `unshare(CLONE_NEWUSER)` wants a process that has one thread.
///
/// It is first tried out in a child process, so that an error leaves kiln as it was.
///
/// # Errors
/// What is missing: the programs, the ranges of ids, or the kernel's consent.
pub fn reexec_in_user_namespace(path: Option<&OsStr>) -> Result<AlreadyPrivileged, Unavailable> {
    let program = Program::find();
    if missing_capabilities().is_empty() {
        if seal::is_sealed()? {
            // Started by a descriptor's number, it is called so.
            let _shown_only = rustix::thread::set_name(c"kiln");
            return Ok(AlreadyPrivileged);
        }
    } else {
        probe(path)?.enter()?;
    }
    Err(program?.execute())
}

/// Finds out, in a child process, whether a user namespace with ranges of ids can be had.
///
/// # Errors
/// What is missing.
pub(crate) fn probe(path: Option<&OsStr>) -> Result<Mapper, Unavailable> {
    let (held_reader, held) = cloexec_pipe()?;
    let (result, result_writer) = cloexec_pipe()?;
    let blocked = Blocked::all();
    let side = clone(libc::CLONE_NEWUSER | libc::CLONE_NEWNS);
    if let Ok(Side::Child) = side {
        signal::reset_dispositions();
        // The child's copy; the end of the pipe is what it waits for.
        drop(held);
        let mut end = [0];
        let _waited = rustix::io::read(&held_reader, &mut end);
        let tried = mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC);
        let errno = tried.err().map_or(0, Errno::raw_os_error);
        let _told = rustix::io::write(&result_writer, &errno.to_le_bytes());
        exit(0);
    }
    drop(blocked);
    drop(result_writer);
    let (pidfd, pid) = match side {
        Ok(Side::Parent { pidfd, pid }) => (pidfd, pid),
        Ok(Side::Child) => exit(0),
        Err(errno) => return Err(namespace_refused("clone(CLONE_NEWUSER|CLONE_NEWNS)", errno)),
    };
    // Only now: where the kernel refuses, no program and no range would help.
    let mapped = Mapper::find(path).and_then(|mapper| mapper.map(pid).map(|()| mapper));
    drop(held);
    let mut answer = [0; 4];
    let answered = std::fs::File::from(result).read_exact(&mut answer);
    let _ended_by_itself = pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
    let _reaped = waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)), WaitIdOptions::EXITED);
    let mapper = mapped?;
    answered.map_err(|error| Unavailable {
        call: "clone(CLONE_NEWUSER|CLONE_NEWNS)".into(),
        errno_name: format!("the child was killed: {error}"),
        remedy: "check the kernel log for a seccomp violation".into(),
    })?;
    match i32::from_le_bytes(answer) {
        0 => Ok(mapper),
        number => Err(Unavailable {
            call: "mount(MS_REC|MS_PRIVATE) in a new user namespace".into(),
            errno_name: errno_name(Errno::from_raw_os_error(number)),
            remedy: "user namespaces have no rights here: allow them for kiln in its AppArmor \
                     profile, or set kernel.apparmor_restrict_unprivileged_userns=0"
                .into(),
        }),
    }
}

/// The two programs, and what they are to map.
#[derive(Debug)]
pub(crate) struct Mapper {
    users: MapProgram,
    groups: MapProgram,
}

#[derive(Debug)]
struct MapProgram {
    program: PathBuf,
    /// The arguments behind the process id.
    arguments: Vec<String>,
}

impl Mapper {
    /// Finds the programs in `path` and the ranges of kiln's user.
    ///
    /// # Errors
    /// What is missing, and how to get it.
    pub(crate) fn find(path: Option<&OsStr>) -> Result<Self, Unavailable> {
        let uid = rustix::process::getuid().as_raw();
        let gid = rustix::process::getgid().as_raw();
        let name = user_name(uid);
        let path = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH));
        let find = |program, file, own| {
            let program = find_program(program, path)?;
            let ranges = ranges(file, name.as_deref(), uid)?;
            Ok(MapProgram { program, arguments: arguments(own, &ranges) })
        };
        Ok(Self {
            users: find("newuidmap", "/etc/subuid", uid)?,
            groups: find("newgidmap", "/etc/subgid", gid)?,
        })
    }

    /// Gives the user namespace of `pid` its ids.
    fn map(&self, pid: i32) -> Result<(), Unavailable> {
        for MapProgram { program, arguments } in [&self.users, &self.groups] {
            let mut command = Command::new(program);
            command.arg(pid.to_string()).args(arguments).stdin(Stdio::null());
            let output = command.output().map_err(|error| map_failed(program, &error))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(map_failed(program, &said.trim()));
            }
        }
        Ok(())
    }

    /// Puts this process into a new user namespace, mapped by a child that stays outside.
    fn enter(&self) -> Result<(), Unavailable> {
        let (entered_reader, entered) = cloexec_pipe()?;
        let (result, result_writer) = cloexec_pipe()?;
        let own_pid = rustix::process::getpid().as_raw_nonzero().get();
        let blocked = Blocked::all();
        // A process of its own, and not a thread: a thread would keep the namespace from being made.
        // There is no other thread, so that this copy may do what any program may.
        let side = clone(0);
        if let Ok(Side::Child) = side {
            drop((blocked, entered, result));
            let mut go = [0];
            let said = match rustix::io::read(&entered_reader, &mut go) {
                Ok(1) => self.map(own_pid).err().map(|error| error.errno_name),
                _ => Some("kiln did not enter the namespace".to_owned()),
            };
            if let Some(said) = said {
                let _told = rustix::io::write(&result_writer, said.as_bytes());
            }
            exit(0);
        }
        drop(blocked);
        drop((entered_reader, result_writer));
        let Ok(Side::Parent { pidfd, .. }) = side else {
            return Err(namespace_refused("clone", Errno::AGAIN));
        };
        enter_user_namespace()
            .map_err(|errno| namespace_refused("unshare(CLONE_NEWUSER|CLONE_NEWNS)", errno))?;
        let _told = rustix::io::write(&entered, &[1]);
        drop(entered);
        let mut said = String::new();
        let read = std::fs::File::from(result).read_to_string(&mut said);
        let _reaped =
            waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)), WaitIdOptions::EXITED);
        match read {
            Ok(0) => Ok(()),
            Ok(_) => Err(map_failed(&self.users.program, &said)),
            Err(error) => Err(map_failed(&self.users.program, &error)),
        }
    }
}

fn find_program(name: &str, path: &OsStr) -> Result<PathBuf, Unavailable> {
    path.as_bytes()
        .split(|&byte| byte == b':')
        .map(|directory| Path::new(OsStr::from_bytes(directory)).join(name))
        // A relative directory of PATH must not choose what is run with a user's rights.
        .find(|program| program.is_absolute() && program.is_file())
        .ok_or_else(|| Unavailable {
            call: name.to_owned(),
            errno_name: "not installed".into(),
            remedy: "install it: package uidmap (Debian), shadow-utils (Fedora), shadow-uidmap \
                     (Alpine)"
                .into(),
        })
}

fn ranges(file: &str, name: Option<&str>, uid: u32) -> Result<Vec<Range>, Unavailable> {
    let user = name.map_or_else(|| uid.to_string(), ToOwned::to_owned);
    let remedy = format!(
        "give it one: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
    );
    let missing =
        |errno_name| Unavailable { call: file.to_owned(), errno_name, remedy: remedy.clone() };
    let ranges = subordinate(file, name, uid).map_err(|error| missing(error.to_string()))?;
    let ids: u64 = ranges.iter().map(|range| u64::from(range.count)).sum();
    if ids == 0 {
        return Err(missing(format!("no range for user {user}")));
    }
    if ids < NEEDED_IDS {
        return Err(missing(format!("{ids} ids for user {user}, {NEEDED_IDS} are needed")));
    }
    Ok(ranges)
}

/// Root is kiln's own id; the ids from 1 on are the ranges, one after the other.
fn arguments(own: u32, ranges: &[Range]) -> Vec<String> {
    let mut arguments = vec!["0".to_owned(), own.to_string(), "1".to_owned()];
    let mut inside = 1_u32;
    for range in ranges {
        arguments.extend([inside, range.start, range.count].map(|number| number.to_string()));
        match inside.checked_add(range.count) {
            Some(next) => inside = next,
            None => break,
        }
    }
    arguments
}

fn map_failed(program: &Path, said: &dyn std::fmt::Display) -> Unavailable {
    Unavailable {
        call: program.display().to_string(),
        errno_name: said.to_string(),
        remedy: "newuidmap and newgidmap must be setuid root (or have the capabilities setuid and \
                 setgid), and the process without no_new_privs (allowPrivilegeEscalation: true)"
            .into(),
    }
}

fn namespace_refused(call: &str, errno: Errno) -> Unavailable {
    let remedy = match errno {
        Errno::NOSPC => "raise the limit in /proc/sys/user/max_user_namespaces",
        Errno::INVAL => "the kernel has no user namespaces, or kiln has started a thread already",
        _ => {
            "allow user namespaces: a seccomp profile that has unshare and clone(CLONE_NEWUSER), \
             sysctl kernel.unprivileged_userns_clone=1, or in Kubernetes hostUsers: false with \
             the SYS_ADMIN capability"
        }
    };
    Unavailable { call: call.to_owned(), errno_name: errno_name(errno), remedy: remedy.into() }
}

fn cloexec_pipe() -> Result<(OwnedFd, OwnedFd), Unavailable> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Unavailable {
        call: "pipe2".into(),
        errno_name: errno_name(errno),
        remedy: "raise the limit of open files".into(),
    })
}

/// Names a set for a message.
pub(crate) fn capability_names(set: CapabilitySet) -> String {
    let names: Vec<_> = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    format!("without {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other() {
        let range = |start, count| Range { start, count };
        let arguments = arguments(1000, &[range(100_000, 65_535), range(300_000, 10)]);
        assert_eq!(arguments.join(" "), "0 1000 1 1 100000 65535 65536 300000 10");
    }

    #[test]
    fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = find_program("newuidmap", dir.path().as_os_str()).unwrap_err();
        assert_eq!(error.call, "newuidmap");
        assert!(error.remedy.contains("uidmap"));
        std::fs::write(dir.path().join("newuidmap"), "").unwrap();
        assert!(find_program("newuidmap", dir.path().as_os_str()).is_ok());
        assert!(find_program("newuidmap", OsStr::new("")).is_err());
    }
}
