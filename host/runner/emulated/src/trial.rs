//! A trial: everything that a step needs, up to its first program, which does not exist.

use std::path::Path;

use kiln_rootfs::{Ownership, Rootfs};
use kiln_runner::{
    Cancel, Credentials, Limits, Network, OutputSink, RunError, Runner as _, Step, Stream,
    Unavailable, errno_name,
};
use rustix::io::Errno;

use crate::EmulatedRunner;

/// A program that no image has.
const NOTHING: &[u8] = b"/kiln-doctor/nothing";
/// What a shell says of it.
const NOT_FOUND: i32 = 127;

/// Starts a step in an empty rootfs below `work_dir`.
///
/// # Errors
/// The first call that was refused.
pub(crate) fn run(work_dir: &Path) -> Result<String, Unavailable> {
    let dir = work_dir.join(format!("doctor-{}", std::process::id()));
    let rootfs = Rootfs::create(&dir).map_err(|error| Unavailable {
        call: format!("make a root file system in {}", work_dir.display()),
        errno_name: error.to_string(),
        remedy: "choose a --work-dir that kiln can write to, such as an emptyDir volume".into(),
    })?;
    let result = match rootfs.ownership() {
        Ownership::Kernel => Err(Unavailable {
            call: "geteuid".into(),
            errno_name: "root, whose files keep their owners by themselves".into(),
            remedy: "none needed: this runner is for other uids, root has the others".into(),
        }),
        Ownership::Ledger => start(&rootfs),
    };
    // What cannot be removed is removed by the next build.
    let _ = rootfs.remove();
    result
}

fn start(rootfs: &Rootfs) -> Result<String, Unavailable> {
    let step = Step {
        argv: vec![NOTHING.to_vec()],
        env: Vec::new(),
        cwd: b"/".to_vec(),
        user: Credentials::default(),
        mounts: Vec::new(),
        network: Network::Default,
        hostname: "doctor".to_owned(),
        extra_hosts: Vec::new(),
        limits: Limits { timeout: Some(std::time::Duration::from_secs(10)), ..Limits::default() },
        cancel: Cancel::default(),
    };
    match EmulatedRunner::new().run(rootfs, &step, &Nowhere) {
        Err(RunError::CannotStart { code: NOT_FOUND, .. }) => Ok("starts".to_owned()),
        Err(RunError::Unavailable(refusal)) => Err(refusal),
        Err(RunError::Io { what, source }) => {
            let errno = Errno::from_io_error(&source);
            let name = errno.map_or_else(|| source.to_string(), errno_name);
            Err(Unavailable { remedy: remedy(&what).into(), call: what, errno_name: name })
        }
        Err(error) => Err(unexpected(error.to_string())),
        Ok(outcome) => Err(unexpected(format!("{:?}", outcome.status))),
    }
}

fn unexpected(result: String) -> Unavailable {
    Unavailable {
        call: "a trial step".to_owned(),
        errno_name: result,
        remedy: "look for a security module's refusal in the node's kernel log".to_owned(),
    }
}

fn remedy(what: &str) -> &'static str {
    match what {
        "start the step's first process" => {
            "kiln executes its loader from memory: vm.memfd_noexec must be below 2, and a security \
             module (SELinux, AppArmor, IMA) must allow it"
        }
        what if what.starts_with("landlock") || what.starts_with("seccomp") => {
            "a seccomp profile that allows the call, as RuntimeDefault does"
        }
        _ => "look for a security module's refusal in the node's kernel log",
    }
}

struct Nowhere;

impl OutputSink for Nowhere {
    fn write(&self, _: Stream, _: &[u8]) {}
}
