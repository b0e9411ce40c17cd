//! The first process of a step: starts the first program, reaps everything, ends everything.
//!
//! It is outside the step's Landlock domain, so no guest can signal it, and the parent of every
//! orphan. When it reports, no other process of the step is left.

use kiln_emulated_core::abi::AT_FDCWD;
use kiln_emulated_core::arch::nr;
use kiln_emulated_core::buf::{CPath, PathBuf};
use kiln_emulated_core::config::{RULES_FD, STATUS_FD};
use kiln_emulated_core::errno::{Errno, Result};
use kiln_emulated_core::guest::Guest;

use crate::exec::{Strings, execute};
use crate::guest::InProcess;
use crate::process::{self, config, world};
use crate::sharing::own;
use crate::slots::{Slot, claim_slot};
use crate::system::{call, checked, die, exit, fd, plain};
use crate::{handler, slots};

const SIGKILL: usize = 9;
const SIGTERM: usize = 15;
const SIGCHLD: usize = 17;
/// `WNOHANG`
const NO_HANG: usize = 1;

/// The low byte of a wait status that is no end.
const STOPPED: u32 = 0x7f;

/// What is reported: that the step ended, with a wait status; or that it could not start.
#[derive(Clone, Copy)]
enum Report {
    Ended(u32),
    NoDirectory(Errno),
    NoProgram(Errno),
    NoFilter(Errno),
    NoDomain(Errno),
}

fn report(report: Report) {
    let (kind, value) = match report {
        Report::Ended(status) => (0u32, status),
        Report::NoDirectory(errno) => (1, errno.0 as u32),
        Report::NoProgram(errno) => (2, errno.0 as u32),
        Report::NoFilter(errno) => (3, errno.0 as u32),
        Report::NoDomain(errno) => (4, errno.0 as u32),
    };
    let words = [kind, value];
    // SAFETY: eight bytes of a local.
    unsafe { call(nr::WRITE, [fd(STATUS_FD), words.as_ptr() as usize, 8, 0, 0, 0]) };
}

/// The first process, started by the builder.
pub fn run() -> ! {
    /// `PR_SET_PDEATHSIG`
    const SET_PDEATHSIG: usize = 1;
    /// `PR_SET_CHILD_SUBREAPER`
    const SET_CHILD_SUBREAPER: usize = 36;
    process::set_up();
    if let Some(processes) = process::processes() {
        processes.set_first(InProcess.pid());
    }
    let _ = plain(nr::SETSID, [0; 6]);
    if plain(nr::PRCTL, [SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0]).is_err() {
        die("prctl(PR_SET_CHILD_SUBREAPER) was refused");
    }
    let _ = plain(nr::PRCTL, [SET_PDEATHSIG, SIGTERM, 0, 0, 0, 0]);
    set_mask(u64::MAX);
    match plain(nr::CLONE, [SIGCHLD, 0, 0, 0, 0, 0]) {
        Ok(0) => start_step(),
        Ok(child) => supervise(child),
        Err(_) => die("clone was refused"),
    }
}

fn set_mask(mask: u64) {
    let mask = core::ptr::from_ref(&mask) as usize;
    // SAFETY: eight bytes of a local.
    unsafe { call(nr::RT_SIGPROCMASK, [2, mask, 0, 8, 0, 0]) };
}

fn supervise(child: usize) -> ! {
    InProcess.close(RULES_FD);
    let mut ended = None;
    while ended.is_none() {
        if wait_for_signal() == SIGTERM {
            break;
        }
        while let Some((pid, status)) = reap(NO_HANG) {
            if pid == child {
                ended = Some(status);
            }
        }
    }
    while let Some((pid, status)) = end_one() {
        if pid == child && ended.is_none() {
            ended = Some(status);
        }
    }
    report(Report::Ended(ended.unwrap_or(SIGKILL as u32)));
    exit(0)
}

fn wait_for_signal() -> usize {
    let set: u64 = 1 << (SIGTERM - 1) | 1 << (SIGCHLD - 1);
    let set = core::ptr::from_ref(&set) as usize;
    // SAFETY: eight bytes of a local; no information, no time-out.
    unsafe { checked(nr::RT_SIGTIMEDWAIT, [set, 0, 0, 8, 0, 0]) }.unwrap_or(0)
}

fn reap(options: usize) -> Option<(usize, u32)> {
    let mut status = 0u32;
    let to = core::ptr::from_mut(&mut status) as usize;
    /// `__WALL`: children made by clone(2) without SIGCHLD too.
    const ALL: usize = 0x4000_0000;
    loop {
        // SAFETY: four bytes of a local; no usage wanted.
        let pid = unsafe { checked(nr::WAIT4, [usize::MAX, to, options | ALL, 0, 0, 0]) }.ok()?;
        if pid > 0 && status & 0xff == STOPPED {
            let_go(pid, status);
            continue;
        }
        return (pid > 0).then_some((pid, status));
    }
}

/// A child that asked to be traced by its parent, us, has stopped: it goes on untraced, with the
/// signal that it stopped for.
fn let_go(pid: usize, status: u32) {
    /// `PTRACE_DETACH`, `SIGTRAP`
    const DETACH: usize = 17;
    const SIGTRAP: usize = 5;
    let signal = (status >> 8) as usize & 0x7f;
    let signal = if signal == SIGTRAP { 0 } else { signal };
    let _ = plain(nr::PTRACE, [DETACH, pid, 0, signal, 0, 0]);
}

/// Kills what is left and reaps one process; `None` when no child is left.
fn end_one() -> Option<(usize, u32)> {
    if config().scoped {
        // Everybody whom we may signal: by Landlock's scope that is the step alone.
        let _ = plain(nr::KILL, [usize::MAX, SIGKILL, 0, 0, 0, 0]);
    } else {
        kill_children();
    }
    reap(0)
}

/// Kills our own children; theirs become ours, and their turn comes.
fn kill_children() {
    let Ok(list) = CPath::new(b"/proc/thread-self/children\0").ok_or(Errno::INVAL) else { return };
    let Ok(file) = InProcess.openat(AT_FDCWD, list, 0, 0) else { return };
    let mut text = [0u8; 512];
    let mut pid = 0usize;
    loop {
        let to = text.as_mut_ptr() as usize;
        // SAFETY: the buffer is that long.
        let read = unsafe { checked(nr::READ, [fd(file), to, text.len(), 0, 0, 0]) }.unwrap_or(0);
        if read == 0 {
            break;
        }
        for &byte in text.iter().take(read) {
            if byte.is_ascii_digit() {
                pid = pid.wrapping_mul(10).wrapping_add(usize::from(byte - b'0'));
            } else if pid > 0 {
                let _ = plain(nr::KILL, [pid, SIGKILL, 0, 0, 0, 0]);
                pid = 0;
            }
        }
    }
    InProcess.close(file);
}

/// The step's first process, up to its first program.
fn start_step() -> ! {
    const SET_FD: usize = 2;
    slots::set_up();
    handler::set_up();
    set_mask(0);
    let _ = plain(nr::FCNTL, [fd(STATUS_FD), SET_FD, 1, 0, 0, 0]);
    if let Err(errno) = plain(nr::LANDLOCK_RESTRICT_SELF, [fd(RULES_FD), 0, 0, 0, 0, 0]) {
        report(Report::NoDomain(errno));
        exit(126);
    }
    InProcess.close(RULES_FD);
    let start = config().start;
    own().cred.decode(start.credentials);
    // SAFETY: the slot is ours from here on.
    let slot = unsafe { &mut *claim_slot() };
    if let Err(errno) = set_filter() {
        report(Report::NoFilter(errno));
        exit(126);
    }
    let changed = slot.scratch.path.set(start.cwd).and_then(|()| world().chdir(&mut slot.scratch));
    if let Err(errno) = changed {
        report(Report::NoDirectory(errno));
        exit(126);
    }
    let errno = run_program(slot);
    report(Report::NoProgram(errno));
    exit(127)
}

fn set_filter() -> Result<()> {
    /// `SECCOMP_SET_MODE_FILTER`
    const SET_MODE_FILTER: usize = 1;
    /// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`
    const SPEC_ALLOW: usize = 4;
    let filter = config().filter;
    // `struct sock_fprog`: a count of eight-byte instructions, and where they are.
    let program = [filter.len() / 8, filter.as_ptr() as usize];
    let program = program.as_ptr() as usize;
    // SAFETY: the program lies in the configuration, which stays mapped.
    unsafe { checked(nr::SECCOMP, [SET_MODE_FILTER, SPEC_ALLOW, program, 0, 0, 0]) }.map(drop)
}

/// Executes the first program, searching `PATH` as execvp(3) does.
fn run_program(slot: &mut Slot) -> Errno {
    let start = config().start;
    let (argv, count) = pointers(start.argv);
    let (envp, _) = pointers(start.env);
    let strings = Strings { argv, envp, width: size_of::<usize>() };
    let name = start.argv.split(|&byte| byte == 0).next().unwrap_or(&[]);
    if count == 0 || name.is_empty() {
        return Errno::NOENT;
    }
    if name.contains(&b'/') {
        return execute(slot, AT_FDCWD, start.argv.as_ptr() as usize, strings, 0, 0);
    }
    let mut result = Errno::NOENT;
    for directory in start.search.split(|&byte| byte == b':') {
        let mut path = PathBuf::new();
        let directory = if directory.is_empty() { b"." } else { directory };
        let fits =
            path.set(directory).and_then(|()| path.push(b"/")).and_then(|()| path.push(name));
        if fits.is_err() {
            continue;
        }
        let path = path.c().with_nul().as_ptr() as usize;
        match execute(slot, AT_FDCWD, path, strings, 0, 0) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCES => result = Errno::ACCES,
            errno => return errno,
        }
    }
    result
}

/// An array of pointers to the strings of a list, in memory that stays until execve(2).
fn pointers(list: &[u8]) -> (usize, usize) {
    use crate::system::{MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, map};
    let count = list.iter().filter(|&&byte| byte == 0).count();
    let bytes = (count + 1) * size_of::<usize>();
    // SAFETY: a fresh mapping, zeroed, large enough for all pointers and a final NULL.
    unsafe {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS;
        let Ok(start) = map(0, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) else {
            die("no memory for the arguments")
        };
        let mut place = start as *mut usize;
        let mut at = 0;
        for string in list.split_inclusive(|&byte| byte == 0) {
            *place = list.as_ptr() as usize + at;
            place = place.add(1);
            at += string.len();
        }
        (start, count)
    }
}
