//! `RUN --mount`: what is mounted is seen, is bounded, and is gone afterwards.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use kiln_runner::{Mount, MountSource, Step};

use crate::support::{fixture, sh};

fn host(path: &Path, target: &str, read_only: bool) -> Mount {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let fd: OwnedFd = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap();
    Mount { target: target.into(), source: MountSource::Host(Arc::new(fd)), read_only }
}

fn tmpfs(target: &str, size: Option<u64>) -> Mount {
    Mount { target: target.into(), source: MountSource::Tmpfs { size }, read_only: false }
}

fn with(mounts: Vec<Mount>, script: &str) -> Step {
    let mut step = sh(script);
    step.mounts = mounts;
    step
}

#[test]
fn directories_and_files() {
    let Some(fixture) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "content").unwrap();
    let step = with(
        vec![
            host(dir.path(), "/cache/deep", false),
            host(dir.path(), "/context", true),
            host(&dir.path().join("file"), "/run/secrets/token", true),
        ],
        "cat /run/secrets/token /context/file; echo new > /cache/deep/new
        touch /context/x || echo refused; echo x > /run/secrets/token || echo refused",
    );
    let ran = fixture.run(&step);
    assert_eq!(ran.stdout, "contentcontentrefused\nrefused\n", "{ran:?}");
    assert_eq!(fs::read(dir.path().join("new")).unwrap(), b"new\n");
    for path in ["cache", "context", "run"] {
        assert!(!fixture.at(path).exists(), "{path}");
    }
}

#[test]
fn memory() {
    let Some(fixture) = fixture() else { return };
    fixture.write("tmp/under", "");
    let step = with(
        vec![tmpfs("/tmp", Some(1 << 20))],
        "ls /tmp; stat -c %a /tmp; dd if=/dev/zero of=/tmp/x bs=1k count=2000 2>&1 | grep -o 'No space'
        cp /bin/busybox /tmp/e; rm /tmp/*; cp /bin/true /tmp/sh 2>/dev/null; mknod /tmp/null c 1 3
        cat /tmp/null || echo dead",
    );
    let ran = fixture.run(&step);
    assert_eq!(ran.stdout, "1777\nNo space\ndead\n", "{ran:?}");
    assert!(fixture.at("tmp/under").exists());
    assert!(!fixture.at("tmp/x").exists());
}

#[test]
fn one_inside_the_other() {
    let Some(fixture) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "content\n").unwrap();
    let step = with(
        vec![
            tmpfs("/a/tmp", None),
            host(dir.path(), "/a/tmp/b/c", true),
            host(&dir.path().join("file"), "/a/tmp/d/file", true),
            host(&dir.path().join("file"), "/dev/token", true),
        ],
        "cat /a/tmp/b/c/file /a/tmp/d/file /dev/token",
    );
    let ran = fixture.run(&step);
    assert_eq!(ran.stdout, "content\n".repeat(3), "{ran:?}");
    assert!(!fixture.at("a").exists());
}

#[test]
fn setuid_programs_of_a_mount_are_dead() {
    let Some(fixture) = fixture() else { return };
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let su = dir.path().join("su");
    fs::copy(fixture.at("bin/busybox"), &su).unwrap();
    fs::set_permissions(&su, PermissionsExt::from_mode(0o4755)).unwrap();
    fixture.write("etc/passwd", "root::0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n");
    let mut step = with(vec![host(dir.path(), "/mnt", false)], "/mnt/su -c 'id -u'");
    step.user.uid = 1000;
    assert_ne!(fixture.run(&step).code(), 0);
}

#[test]
fn targets_follow_the_images_links_and_stay_inside() {
    let Some(fixture) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "content\n").unwrap();
    std::os::unix::fs::symlink("/../../../../srv/data", fixture.at("link")).unwrap();
    std::os::unix::fs::symlink("/absent/resolv.conf", fixture.at("etc/resolv.conf")).unwrap();
    let step = with(vec![host(dir.path(), "/link/here", true)], "cat /srv/data/here/file");
    let ran = fixture.run(&step);
    assert_eq!(ran.stdout, "content\n", "{ran:?}");
    assert!(!fixture.at("srv").exists() && !fixture.at("absent").exists());
}

#[test]
fn bad_targets_are_named() {
    let Some(fixture) = fixture() else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (mount, expected) in [
        (host(dir.path(), "/", false), "root of the file system"),
        (host(dir.path(), "/proc/sys", false), "/proc or /sys"),
        (host(dir.path(), "/etc/passwd", false), "/etc/passwd: Not a directory"),
        (host(&dir.path().join("file"), "/etc", false), "/etc: Is a directory"),
    ] {
        let error = fixture.run(&with(vec![mount], "true")).result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let step = with(vec![host(dir.path(), "/ro", true), tmpfs("/ro/x", None)], "true");
    let error = fixture.run(&step).result.unwrap_err().to_string();
    assert!(error.contains("mounting on /ro/x: Read-only"), "{error}");
}

#[test]
fn a_symlink_for_proc_is_refused() {
    let Some(fixture) = fixture() else { return };
    std::os::unix::fs::symlink("/etc", fixture.at("proc")).unwrap();
    let error = fixture.run(&sh("true")).result.unwrap_err().to_string();
    assert!(error.contains("/proc of the image is a symbolic link"), "{error}");
    assert!(!fixture.at("sys").exists());
}
