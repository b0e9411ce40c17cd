//! The runner for pods where the kernel grants nothing: no namespaces, no mounts, no chroot.
//!
//! Three layers, each with one job:
//! - **Landlock is the wall** ([`landlock`]): a domain, put on before the step's first program, that
//!   holds the rootfs, the step's mounts, a few devices and /proc for reading.
//! - **seccomp is the small door** ([`filter`]): what no build needs is refused; calls that carry
//!   paths or identity go to a handler.
//! - **The view is emulated in the process**: a small static loader (`loader/`, built by the build
//!   script and embedded) runs every program of the step and answers its trapped calls with the
//!   logic of `kiln-emulated-core`. The loader is executed from a sealed memory file.
#![cfg(target_arch = "x86_64")]

mod binds;
mod broker;
mod config;
mod filter;
mod landlock;
mod probe;
mod spawn;
mod sysv;
mod trial;

use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kiln_emulated_core::config::{
    BROKER_FD, CONFIG_FD, LEDGER_FD, LOADER_FD, ROOT_FD, RULES_FD, STATE_FD, STATUS_FD,
};
use kiln_rootfs::{Ownership, Rootfs};
use kiln_runner::{Kind, Network, Outcome, OutputSink, RunError, Runner, Step, Unavailable};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::binds::Stage;
use crate::landlock::{Access, Rules};
use crate::spawn::Report;

/// The runner.
#[derive(Debug, Default)]
pub struct EmulatedRunner {
    _private: (),
}

impl EmulatedRunner {
    /// A runner; nothing is tried yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl Runner for EmulatedRunner {
    fn kind(&self) -> Kind {
        Kind::Emulated
    }

    fn available(&self) -> Result<(), Unavailable> {
        probe::available()
    }

    fn checks(&self, work_dir: &std::path::Path) -> Vec<kiln_runner::Check> {
        probe::checks(work_dir)
    }

    fn runs_foreign(&self, architecture: &str) -> bool {
        architecture == "386"
    }

    fn eligible(&self, rootfs: &Rootfs, _step: &Step) -> Result<(), String> {
        if rootfs.ownership() == Ownership::Kernel {
            return Err("the rootfs keeps owners in the kernel; this runner needs a ledger".into());
        }
        Ok(())
    }

    fn run(
        &self,
        rootfs: &Rootfs,
        step: &Step,
        output: &dyn OutputSink,
    ) -> Result<Outcome, RunError> {
        self.available()?;
        self.eligible(rootfs, step).map_err(RunError::Limit)?;
        let recover =
            || rootfs.recover_ledger().map_err(|error| RunError::Limit(error.to_string()));
        recover()?;
        let stage = Stage::prepare(rootfs, step)?;
        let reports = run_step(rootfs, step, &stage, output);
        // The step's processes are dead: what they did to the ledger's length is put right.
        let recovered = recover();
        let undone = stage.finish();
        let reports = reports?;
        recovered?;
        undone?;
        outcome(step, &reports)
    }
}

fn run_step(
    rootfs: &Rootfs,
    step: &Step,
    stage: &Stage<'_>,
    output: &dyn OutputSink,
) -> Result<Vec<Report>, RunError> {
    let abi = landlock::abi().map_err(|errno| io("landlock_create_ruleset", errno))?;
    let rules = Rules::deny_all(abi).map_err(|errno| io("landlock_create_ruleset", errno))?;
    let rule = |fd, is_dir, access| {
        rules.allow(fd, is_dir, access).map_err(|errno| io("landlock_add_rule", errno))
    };
    rule(rootfs.root_fd(), true, Access::Full)?;
    for bind in &stage.binds {
        let is_dir = bind.kind != kiln_emulated_core::config::BindKind::File;
        rule(bind.source.as_fd(), is_dir, bind.access)?;
    }
    let loader = probe::loader()?;
    let token = random_token()?;
    let scoped = abi >= landlock::SCOPING_ABI;
    let configuration = config::write(rootfs, step, stage, scoped, &token)?;
    let state = config::state()?;
    let (status, status_writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| io("make a pipe", errno))?;
    let scope = landlock::scope_only(abi).map_err(|errno| io("landlock_create_ruleset", errno))?;
    let (broker, broker_end) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(|errno| io("make a socket pair", errno))?;
    // So that the kernel says who asks.
    rustix::net::sockopt::set_socket_passcred(&broker, true)
        .map_err(|errno| io("setsockopt(SO_PASSCRED)", errno))?;
    let broker = Broker::start(broker, rules_of_broker(rootfs, step, stage, token)?)?;
    let mut descriptors = vec![
        (rootfs.root_fd(), ROOT_FD),
        (loader.as_fd(), LOADER_FD),
        (rootfs.ledger_fd(), LEDGER_FD),
        (configuration.as_fd(), CONFIG_FD),
        (state.as_fd(), STATE_FD),
        (broker_end.as_fd(), BROKER_FD),
        (status_writer.as_fd(), STATUS_FD),
        (rules.fd(), RULES_FD),
    ];
    descriptors.extend(stage.binds.iter().map(|bind| (bind.source.as_fd(), bind.fd)));
    let child = spawn::spawn(&descriptors, scope.as_ref(), &step.limits.ulimits)?;
    broker.knows(&child);
    // Else the end of the step's reports would never come.
    drop(status_writer);
    drop(broker_end);
    let reports = spawn::supervise(child, status, step, output);
    broker.end();
    reports
}

/// Who answers a step's requests.
#[derive(Debug)]
struct Broker {
    socket: Arc<OwnedFd>,
    first: Arc<OnceLock<Option<broker::First>>>,
    over: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl Broker {
    /// How long a request may take that is being answered when the step ends.
    const GRACE: Duration = Duration::from_secs(1);

    fn start(socket: OwnedFd, rules: broker::Rules) -> Result<Self, RunError> {
        let (sender, ended) = std::sync::mpsc::channel();
        let (socket, over) = (Arc::new(socket), Arc::new(AtomicBool::new(false)));
        let first = Arc::new(OnceLock::new());
        let (served, known) = (Arc::clone(&socket), Arc::clone(&first));
        let is_over = Arc::clone(&over);
        let work = move || {
            broker::serve(&served, &rules, &known, &is_over);
            drop(sender);
        };
        std::thread::Builder::new()
            .spawn(work)
            .map_err(|source| RunError::Io { what: "start a thread".to_owned(), source })?;
        Ok(Self { socket, first, over, ended })
    }

    /// The step's first process, not waited for yet.
    fn knows(&self, child: &Child) {
        let pid = i32::try_from(child.id()).ok();
        let _ = self.first.set(pid.and_then(|pid| broker::First::new(pid).ok()));
    }

    /// The step's processes are dead: nothing is done for them any more. Should one of them have
    /// found how to make a call of ours wait, it is left alone with that.
    fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        let _ = self.ended.recv_timeout(Self::GRACE);
    }
}

fn rules_of_broker(
    rootfs: &Rootfs,
    step: &Step,
    stage: &Stage<'_>,
    token: Vec<u8>,
) -> Result<broker::Rules, RunError> {
    let root = binds::host_path(rootfs.root_fd()).map_err(|errno| io("name the rootfs", errno))?;
    let mut rules = broker::Rules {
        names: vec![(root.clone(), Vec::new())],
        writable: vec![root],
        network: step.network == Network::Default,
        resolvers: broker::name_servers(&binds::read_host("/etc/resolv.conf")),
        token,
        hostname: step.hostname.clone().into_bytes(),
        ..broker::Rules::default()
    };
    for bind in &stage.binds {
        rules.names.push((bind.host.clone(), bind.target.clone()));
        match bind.access {
            Access::Full => rules.writable.push(bind.host.clone()),
            Access::Read | Access::Device => rules.readable.push(bind.host.clone()),
            Access::Nothing => {}
        }
    }
    Ok(rules)
}

/// 64 random bits, in hex.
fn random_token() -> Result<Vec<u8>, RunError> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| io("getrandom", errno))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)).into_bytes())
}

fn io(what: &str, errno: Errno) -> RunError {
    RunError::Io { what: what.to_owned(), source: errno.into() }
}

fn outcome(step: &Step, reports: &[Report]) -> Result<Outcome, RunError> {
    let program = step.argv.first().map(|name| String::from_utf8_lossy(name).into_owned());
    let program = program.unwrap_or_default();
    for report in reports {
        let cannot = |what: &str, errno: i32, code| {
            let reason = std::io::Error::from_raw_os_error(errno);
            Err(RunError::CannotStart {
                program: program.clone(),
                reason: format!("{what}{reason}"),
                code,
            })
        };
        match *report {
            Report::NoProgram(errno) => {
                let code = if errno == Errno::NOENT.raw_os_error() { 127 } else { 126 };
                if errno == Errno::NOEXEC.raw_os_error() {
                    let reason =
                        "neither a script nor a program for x86_64 or i386 (ENOEXEC)".to_owned();
                    return Err(RunError::CannotStart { program, reason, code });
                }
                return cannot("", errno, code);
            }
            Report::NoDirectory(errno) => {
                let cwd = String::from_utf8_lossy(&step.cwd).into_owned();
                return cannot(&format!("working directory {cwd}: "), errno, 126);
            }
            Report::NoFilter(errno) => {
                return Err(io(
                    "seccomp(SECCOMP_SET_MODE_FILTER)",
                    Errno::from_raw_os_error(errno),
                ));
            }
            Report::NoDomain(errno) => {
                return Err(io("landlock_restrict_self", Errno::from_raw_os_error(errno)));
            }
            Report::Ended(_) => {}
        }
    }
    match reports.last() {
        Some(&Report::Ended(status)) => {
            Ok(Outcome { status: spawn::exit_status(status), changes: None })
        }
        _ => Err(RunError::Limit("the step's end was not reported".to_owned())),
    }
}
