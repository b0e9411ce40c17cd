//! System V IPC: what the kernel's does, and only within one step.

use std::process::Command;

use crate::support::{Image, as_pod, works_here};
use crate::truth::truth;

fn image() -> Option<Image> {
    let image = Image::small()?;
    image.compile("sysv", include_str!("sysv.c"), &[]).then_some(image)
}

#[test]
fn it_is_as_the_kernels() {
    if !works_here() {
        return;
    }
    let Some((ours, program, _image)) = as_pod(|| {
        let image = image()?;
        let ours = image.run(&Image::step(&["sysv"]));
        assert_eq!(ours.ok().lines().filter(|line| line.contains("ENOSYS")).count(), 0);
        Some((ours.out, image.root().join("usr/bin/sysv"), image))
    }) else {
        return;
    };
    let Some(native) = truth("sysv", || {
        // In a name space of its own: this machine's objects are not the test's.
        let native = Command::new("unshare").arg("--ipc").arg(program).output().unwrap();
        native.status.success().then(|| String::from_utf8(native.stdout).unwrap())
    }) else {
        return println!("skipped: only root can compare with the kernel");
    };
    assert!(native.lines().count() > 150, "{native}");
    let pairs = ours.lines().zip(native.lines()).enumerate();
    let differ: Vec<_> = pairs.filter(|(_, (ours, native))| ours != native).collect();
    assert!(differ.is_empty(), "{differ:#?}");
    assert_eq!(ours.lines().count(), native.lines().count());
}

#[test]
fn a_step_finds_nothing_of_another() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = image() else { return };
        let first = image.sh("sysv >/dev/null; sysv find");
        assert!(!first.ok().contains("ENOENT"), "{}", first.out);
        let second =
            image.sh("sysv find; cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg");
        let lines: Vec<&str> = second.ok().lines().collect();
        assert_eq!(lines[..3], ["segment: ENOENT", "set: ENOENT", "queue: ENOENT"]);
        assert_eq!(lines.len(), 6, "{lines:?}");
    });
}
