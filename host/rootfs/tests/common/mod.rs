//! Runs a test's body as we are and, when we are root, a second time as an unprivileged user.

pub(crate) mod image;

use std::path::Path;
use std::process::Command;

const UID: &str = "65532";

/// Runs `body` in a fresh directory; as root, also re-executes the test `name` without privilege.
pub(crate) fn in_both_modes(name: &str, body: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    body(dir.path());
    if rustix::process::geteuid().is_root() {
        unprivileged(name, &[]);
    }
}

/// Re-executes one test of this binary as an unprivileged user, with extra environment.
pub(crate) fn unprivileged(name: &str, environment: &[(&str, &Path)]) {
    // A copy that the other user can reach, whatever the modes above the target directory.
    let dir = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let program = dir.path().join("test");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", UID, "--regid", UID, "--clear-groups", "--inh-caps=-all"])
        .arg(&program)
        .args(["--exact", name, "--nocapture"])
        .env("TMPDIR", dir.path())
        .envs(environment.iter().copied())
        .current_dir(dir.path());
    match command.output() {
        Ok(output) => assert!(
            output.status.success() && output.stdout.windows(8).any(|text| text == b"1 passed"),
            "{name} failed without privilege:\n{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: no setpriv to run {name} without privilege");
        }
        Err(error) => panic!("setpriv: {error}"),
    }
}
