//! Runs a test's body as we are and, when we are root, again with less privilege.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A program that is being copied cannot be run, and a child forked meanwhile holds it open.
static COPYING: Mutex<()> = Mutex::new(());

/// What the second and later runs lack: everything, and what a user namespace lacks.
const LESS: [&[&str]; 2] = [
    &["--reuid", "65532", "--regid", "65532", "--clear-groups", "--inh-caps=-all"],
    &["--bounding-set=-mknod,-setfcap", "--inh-caps=-all"],
];

/// Runs `body` in a fresh directory; as root also re-executes the test, which has this full name,
/// with less privilege.
pub(crate) fn in_all_modes(name: &str, body: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    body(dir.path());
    let root = rustix::process::geteuid().is_root();
    if root && rustix::thread::capability_is_in_bounding_set(MKNOD).unwrap() {
        LESS.iter().for_each(|less| again(name, less));
    }
}

const MKNOD: rustix::thread::CapabilitySet = rustix::thread::CapabilitySet::MKNOD;

/// Re-executes one test of this binary under setpriv.
#[expect(clippy::print_stdout, reason = "says that a test was skipped")]
fn again(name: &str, arguments: &[&str]) {
    // A copy that the other user can reach, whatever the modes above the target directory.
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let program = dir.path().join("test");
    let alone = COPYING.lock().unwrap_or_else(PoisonError::into_inner);
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(arguments)
        .arg(&program)
        .args(["--exact", name, "--nocapture"])
        .env("TMPDIR", dir.path())
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn();
    drop(alone);
    match child.and_then(std::process::Child::wait_with_output) {
        Ok(output) => assert!(
            output.status.success() && output.stdout.windows(8).any(|text| text == b"1 passed"),
            "{name} failed under setpriv {arguments:?}:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: no setpriv to run {name} with less privilege");
        }
        Err(error) => panic!("setpriv: {error}"),
    }
}
