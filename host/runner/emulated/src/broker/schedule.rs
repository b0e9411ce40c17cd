//! Priorities, policies, processors and limits of other threads of the step.
//!
//! Landlock guards none of these, and the uid is the pod's, so the filter leaves a thread its own
//! alone; the rest is asked of the builder, which proves first that the thread is the step's. A
//! number proves nothing by itself: its thread may end, and the kernel give it to a process of the
//! pod's before the call is made. So the thread is traced and stopped while it is looked at and
//! changed: who is traced keeps its number until its tracer has waited for it or gone, unless a
//! program is executed by several threads, of which the one that executes takes the number of the
//! first. Who is stopped does not, and a first one that has others beside it is left alone. The tracer
//! is a thread of its own, whose end lets go: no signal is lost, no stop is seen, and what waits in
//! the kernel goes on as after SIGSTOP and SIGCONT.
#![expect(unsafe_code, reason = "rustix has neither ptrace(2) nor most of these calls")]

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use kiln_emulated_core::arch::nr;
use kiln_emulated_core::sysv::Call;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Longest structure or mask: what the kernel reads of a `struct sched_attr` ends with a page.
const LONGEST: usize = 4096;
/// How deep below the first process a thread's process may lie; a step can nest as many as it likes.
const DEEPEST: usize = 256;
/// How often ancestors are looked for again when some of them ended meanwhile.
const TRIES: usize = 4;
/// How long a thread's stop is waited for, and the end of its tracer: a thread stops when it has its
/// turn, and an idle one beside busy ones seldom has.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often they are looked for, at first and at last.
const PAUSES: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(5)];

/// A step's first process, the ancestor of all others.
#[derive(Debug)]
pub(crate) struct First {
    pid: i32,
    /// Its directory in /proc, which is empty once it has been waited for.
    directory: OwnedFd,
}

impl First {
    /// Of a child that has not been waited for.
    pub(crate) fn new(pid: i32) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())?;
        Ok(Self { pid, directory })
    }

    /// Fails when the number can be another's.
    fn still_there(&self) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.directory, "stat", flags, Mode::empty())?;
        rustix::io::read(file.as_fd(), &mut [0; 1]).map(drop)
    }
}

/// Makes a call about another thread of the step; what prlimit(2) tells.
///
/// The first process is told as soon as it is there; `None`: nothing is known of it.
pub(super) fn schedule(first: &OnceLock<Option<First>>, call: &Call<'_>) -> Result<Vec<u8>, Errno> {
    let thread = about(call)?;
    let first = first.wait().as_ref().ok_or(Errno::PERM)?;
    // So that nobody of the pod's is traced, and below not stopped, unless its number was the
    // step's a moment before.
    require_descendant(thread, first)?;
    std::thread::scope(|scope| {
        let tracer = std::thread::Builder::new().spawn_scoped(scope, || {
            let own = rustix::thread::gettid();
            let result = seize(thread)
                .and_then(|()| require_descendant(thread, first))
                .and_then(|()| stop(thread, own))
                .and_then(|()| require_descendant(thread, first))
                .and_then(|()| make(call));
            (own, result)
        });
        let (tracer, result) = tracer.map_err(|_| Errno::AGAIN)?.join().map_err(|_| Errno::IO)?;
        // It is joined a little before it lets go, and whoever comes next could not trace.
        let tracer = format!("/proc/self/task/{}", tracer.as_raw_nonzero());
        wait_for(|| (!Path::new(&tracer).exists()).then_some(()));
        result
    })
}

/// Whom a call is about. `EPERM` for groups and users, whose members may not be the step's.
fn about(call: &Call<'_>) -> Result<i32, Errno> {
    /// `PRIO_PROCESS`, `IOPRIO_WHO_PROCESS`
    const ONE: [usize; 2] = [0, 1];
    let [first, second, ..] = call.a;
    let thread = match call.number {
        nr::SETPRIORITY if first == ONE[0] => second,
        nr::IOPRIO_SET if first == ONE[1] => second,
        nr::SETPRIORITY | nr::IOPRIO_SET => return Err(Errno::PERM),
        nr::SCHED_SETPARAM
        | nr::SCHED_SETSCHEDULER
        | nr::SCHED_SETAFFINITY
        | nr::SCHED_SETATTR
        | nr::PRLIMIT64 => first,
        _ => return Err(Errno::NOSYS),
    };
    // Zero would be the builder itself.
    i32::try_from(thread).ok().filter(|&thread| thread > 0).ok_or(Errno::SRCH)
}

/// Makes the call on this process, with memory of ours in the place of the guest's.
fn make(call: &Call<'_>) -> Result<Vec<u8>, Errno> {
    let mut memory = [0u8; LONGEST];
    memory.get_mut(..call.data.len()).ok_or(Errno::INVAL)?.copy_from_slice(call.data);
    let read = memory.as_mut_ptr() as usize;
    let mut old = [0u64; 2];
    let [first, second, third, ..] = call.a;
    let arguments = match call.number {
        nr::SETPRIORITY | nr::IOPRIO_SET => [first, second, third, 0],
        nr::SCHED_SETPARAM => [first, read, 0, 0],
        nr::SCHED_SETSCHEDULER => [first, second, read, 0],
        nr::SCHED_SETAFFINITY => [first, call.data.len(), read, 0],
        nr::SCHED_SETATTR => [first, read, third, 0],
        nr::PRLIMIT64 => {
            let new = if call.data.is_empty() { 0 } else { read };
            [first, second, new, old.as_mut_ptr() as usize]
        }
        _ => return Err(Errno::NOSYS),
    };
    system_call(call.number, arguments)?;
    if call.number == nr::PRLIMIT64 {
        return Ok(old.map(u64::to_ne_bytes).concat());
    }
    Ok(Vec::new())
}

/// Traces a thread.
fn seize(thread: i32) -> Result<(), Errno> {
    /// `PTRACE_SEIZE`
    const SEIZE: usize = 0x4206;
    let thread = usize::try_from(thread).map_err(|_| Errno::SRCH)?;
    system_call(nr::PTRACE, [SEIZE, thread, 0, 0])
}

/// Stops a thread that the caller, `own`, traces. Its number stays its own while the caller lives.
fn stop(thread: i32, own: Pid) -> Result<(), Errno> {
    /// `PTRACE_INTERRUPT`
    const INTERRUPT: usize = 0x4207;
    let number = usize::try_from(thread).map_err(|_| Errno::SRCH)?;
    system_call(nr::PTRACE, [INTERRUPT, number, 0, 0])?;
    // It stays to be waited for: a signal that it stops for is its own, and must not be taken.
    let wanted = WaitIdOptions::STOPPED
        | WaitIdOptions::EXITED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT;
    let id = WaitId::Pid(Pid::from_raw(thread).ok_or(Errno::SRCH)?);
    let is_stopped = wait_for(|| match waitid(id.clone(), wanted) {
        Ok(None) => None,
        Ok(Some(status)) => Some(status.trapped() || status.stopped()),
        Err(_) => Some(false),
    });
    match is_stopped {
        Some(true) => {}
        Some(false) => return Err(Errno::SRCH),
        // It cannot be stopped where it waits.
        None => return Err(Errno::PERM),
    }
    let is_ours = status_word(thread, "TracerPid:")? == own.as_raw_nonzero().get();
    let is_first = status_word(thread, "Tgid:")? == thread;
    if is_ours && (!is_first || status_word(thread, "Threads:")? == 1) {
        Ok(())
    } else {
        Err(Errno::PERM)
    }
}

/// What is there in the end; `None`: too late.
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let (start, [mut pause, longest]) = (Instant::now(), PAUSES);
    loop {
        let found = look();
        if found.is_some() || start.elapsed() > PATIENCE {
            return found;
        }
        std::thread::sleep(pause);
        pause = longest.min(pause * 2);
    }
}

/// A number of /proc/PID/status.
fn status_word(thread: i32, name: &str) -> Result<i32, Errno> {
    let text = std::fs::read(format!("/proc/{thread}/status")).map_err(|_| Errno::SRCH)?;
    let word = String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    word.ok_or(Errno::IO)
}

fn system_call(number: u32, [a, b, c, d]: [usize; 4]) -> Result<(), Errno> {
    // SAFETY: the callers' arguments are numbers, or point to memory of theirs that is as long as
    // the longest structure that the call reads or writes.
    let result = unsafe { libc::syscall(libc::c_long::from(number), a, b, c, d) };
    if result >= 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// Fails unless a thread is of a process below the first one.
fn require_descendant(thread: i32, first: &First) -> Result<(), Errno> {
    for _ in 0..TRIES {
        if is_descendant(thread, first)? {
            return first.still_there();
        }
    }
    Err(Errno::PERM)
}

/// False: this time nothing is known.
///
/// Up to the first process, and down again by the same numbers. Who is the parent of a process at
/// both times is older than it and was so all the time between, hence kept its number: each step up
/// was made from the process that the step before had named.
fn is_descendant(thread: i32, first: &First) -> Result<bool, Errno> {
    let mut line = vec![thread];
    let mut last = thread;
    while last != first.pid {
        // A thread has the parent of its process, so that of the first process's own is no child.
        let Ok(parent) = parent(last) else {
            return if last == thread { Err(Errno::SRCH) } else { Ok(false) };
        };
        if parent <= 1 && parent != first.pid || line.len() > DEEPEST {
            return Err(Errno::PERM);
        }
        line.push(parent);
        last = parent;
    }
    if last == thread {
        return Err(Errno::PERM);
    }
    Ok(line.windows(2).rev().all(|pair| match pair {
        [child, above] => parent(*child) == Ok(*above),
        _ => false,
    }))
}

/// The parent of a thread's process.
fn parent(thread: i32) -> Result<i32, Errno> {
    let mut text = Vec::new();
    let read = File::open(format!("/proc/{thread}/stat"))
        .and_then(|file| file.take(1024).read_to_end(&mut text));
    read.map_err(|_| Errno::SRCH)?;
    parent_in(&text).ok_or(Errno::IO)
}

/// The fourth field; the second one, a name in parentheses, can be anything.
fn parent_in(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell that has started a process, which says its number.
    fn family() -> (Child, i32) {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & echo $!; wait; sleep 60"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut number = String::new();
        while !number.ends_with('\n') {
            let mut byte = [0];
            shell.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            number.push(char::from(byte[0]));
        }
        (shell, number.trim().parse().unwrap())
    }

    fn pid(child: &Child) -> i32 {
        i32::try_from(child.id()).unwrap()
    }

    fn kill(pid: i32) {
        use rustix::process::{Signal, kill_process};
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn only_descendants_are_the_steps() {
        let (mut shell, child) = family();
        let (mut other, stranger) = family();
        let first = First::new(pid(&shell)).unwrap();
        let judge = |pid| require_descendant(pid, &first);
        assert_eq!(judge(child), Ok(()));
        for foreign in [pid(&shell), pid(&other), stranger, std::process::id().cast_signed(), 1] {
            assert_eq!(judge(foreign), Err(Errno::PERM), "{foreign}");
        }
        assert_eq!(judge(i32::MAX), Err(Errno::SRCH));
        // Once the first process has been waited for, its number can be anybody's.
        let waited = First { pid: pid(&other), directory: first.directory };
        shell.kill().unwrap();
        shell.wait().unwrap();
        assert_eq!(require_descendant(stranger, &waited), Err(Errno::SRCH));
        other.kill().unwrap();
        other.wait().unwrap();
        kill(child);
        kill(stranger);
    }

    #[test]
    fn who_is_traced_keeps_its_number_and_is_let_go() {
        let (mut shell, child) = family();
        let there = || parent(child).is_ok();
        std::thread::scope(|scope| {
            let tracer = scope.spawn(|| {
                seize(child).unwrap();
                stop(child, rustix::thread::gettid()).unwrap();
                kill(child);
                // Its parent waits for it all the time.
                std::thread::sleep(Duration::from_millis(200));
                there()
            });
            assert!(tracer.join().unwrap());
        });
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            !there()
        });
        assert!(gone);
        shell.kill().unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn only_these_calls_are_made_and_about_one() {
        let about = |number, a| about(&Call { number, a, credentials: &[], data: &[] });
        assert_eq!(about(nr::SETPRIORITY, [0, 7, 0, 0, 0]), Ok(7));
        assert_eq!(about(nr::SETPRIORITY, [0, 0, 0, 0, 0]), Err(Errno::SRCH));
        for which in [1, 2, usize::MAX] {
            assert_eq!(about(nr::SETPRIORITY, [which, 7, 0, 0, 0]), Err(Errno::PERM));
        }
        assert_eq!(about(nr::IOPRIO_SET, [1, 7, 0, 0, 0]), Ok(7));
        assert_eq!(about(nr::IOPRIO_SET, [3, 7, 0, 0, 0]), Err(Errno::PERM));
        assert_eq!(about(nr::PRLIMIT64, [1 << 32, 7, 0, 0, 0]), Err(Errno::SRCH));
        assert_eq!(about(nr::KILL, [7, 9, 0, 0, 0]), Err(Errno::NOSYS));
    }

    #[test]
    fn a_name_can_be_anything() {
        assert_eq!(parent_in(b"7 (a) R 1 (b)) S 42 7 7"), Some(42));
        assert_eq!(parent_in(b"7 (a) S"), None);
        assert_eq!(parent_in(b""), None);
    }
}
