//! What the tests share: the real binary, a real registry, real bases, and a look into images.

pub mod bases;
pub mod git;
pub mod image;
pub mod kiln;
pub mod registry;
pub mod server;
pub mod sshd;

pub use bases::base;
pub use image::Image;
pub use kiln::{Kiln, Run};
pub use registry::Registry;
pub use server::WebServer;

use std::path::Path;
use std::process::Command;

/// Whether a program is there; prints the line that a skipped test owes when it is not.
pub fn have(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program} >/dev/null")])
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        println!("skipped: {program} is not installed; tests/setup.sh installs it");
    }
    found
}

/// Runs a program to its end and gives its stdout; panics with its stderr when it fails.
pub fn run(program: &str, args: &[&str], dir: &Path) -> String {
    let output = Command::new(program).args(args).current_dir(dir).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Writes a file, with the directories above it.
pub fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}
