//! A file system in memory that has run full.

use std::process::Command;

use crate::support::{Image, as_pod, works_here};

/// The variable by which the test, executed again, knows that its directory is such a file system.
const MARK: &str = "KILN_TEST_IN_MEMORY";

/// Mounts for that: a tmpfs, and an overlay on one.
const MOUNTS: [&str; 2] = [
    "mount -t tmpfs -o size=128m none $0",
    "mount -t tmpfs -o size=128m none $0 && mkdir $0/u $0/w $0/l $0/m && chmod 777 $0/u &&
     mount -t overlay -o lowerdir=$0/l,upperdir=$0/u,workdir=$0/w none $0/m",
];

#[test]
#[expect(clippy::disallowed_methods, reason = "the test tells itself where it is")]
fn owners_without_room_are_an_error() {
    if !works_here() {
        return;
    }
    if std::env::var_os(MARK).is_some() {
        return as_pod(without_room);
    }
    let itself = |command: &mut Command| {
        let run = command
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "full::owners_without_room_are_an_error", "--nocapture"])
            .env(MARK, "1")
            .output()
            .unwrap();
        let unable = run.status.code() == Some(99);
        if unable || String::from_utf8_lossy(&run.stderr).contains("unshare") {
            println!("skipped: nothing can be mounted here: {run:?}");
            return false;
        }
        assert!(run.status.success(), "{run:?}");
        true
    };
    // Where we were put has them: `tests/restricted.sh` does that.
    if let Some(ready) = std::env::var_os("KILN_SMALL") {
        for place in std::env::split_paths(&ready) {
            itself(Command::new("env").arg(format!("TMPDIR={}", place.display())));
        }
        return;
    }
    // Without root in a user namespace, as who we are.
    let is_root = rustix::process::geteuid().is_root();
    let namespaces = if is_root { "-m" } else { "-cm" };
    for (mount, below) in MOUNTS.into_iter().zip(["", "/m"]) {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("{mount} || exit 99; chmod 1777 $0{below}; TMPDIR=$0{below} \"$@\"");
        let mut unshare = Command::new("unshare");
        unshare.args([namespaces, "sh", "-c", &script]).arg(dir.path());
        if !itself(&mut unshare) {
            return;
        }
    }
}

fn without_room() {
    let Some(image) = Image::small() else { return };
    // More than what there is room for in what is reserved for the index.
    let script = "cd /tmp; touch $(seq 12000)
        head -c 200M /dev/zero > filling 2>/dev/null || echo full
        chown 33:33 $(seq 12000) 2>/tmp/said || echo $?
        rm filling; chown 33:33 $(seq 12000); stat -c %u 12000
        chown 33:33 nothing 2>/dev/null || echo $?";
    let ran = image.sh(script);
    assert_eq!(ran.ok(), "full\n1\n33\n1\n", "{}", ran.err);
}
