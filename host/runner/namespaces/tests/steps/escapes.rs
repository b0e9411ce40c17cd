//! Ways out that a hostile image or Dockerfile would try: through kiln's own open files, through
//! its program, through what is mounted over `/dev`.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use kiln_runner::{ExitStatus, Mount, MountSource, RunError};

use crate::support::{BUSYBOX, fixture, sh, step};

/// A directory of the machine with a file that no step may see.
fn machine() -> (tempfile::TempDir, OwnedFd) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "of the machine\n").unwrap();
    fs::copy(BUSYBOX, dir.path().join("busybox")).unwrap();
    let open = open(dir.path());
    (dir, open)
}

fn open(path: &Path) -> OwnedFd {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap()
}

#[test]
fn the_working_directory_is_no_file_of_kilns() {
    let Some(fixture) = fixture() else { return };
    let (_machine, fd) = machine();
    let through = format!("/proc/self/fd/{}", fd.as_raw_fd());
    symlink(&through, fixture.at("way")).unwrap();
    for cwd in [&through[..], "/way", "/proc/self/fd/../../self/cwd", "/proc/1/root"] {
        let mut step = sh("cat secret; ls");
        step.cwd = cwd.into();
        let ran = fixture.run(&step);
        assert!(matches!(ran.result, Err(RunError::Io { .. })), "{cwd}: {ran:?}");
    }
}

#[test]
fn the_program_is_no_file_of_kilns() {
    let Some(fixture) = fixture() else { return };
    let (_machine, fd) = machine();
    let through = format!("/proc/self/fd/{}/busybox", fd.as_raw_fd());
    symlink(&through, fixture.at("bin/way")).unwrap();
    fixture.write("bin/script", &format!("#!{through} sh\nexit 0\n"));
    fixture.output("chmod 755 /bin/script");
    for program in [&through[..], "/bin/way", "way", "/bin/script"] {
        let ran = fixture.run(&step(&[program, "true"]));
        assert!(!matches!(ran.result, Ok(ExitStatus::Code(0))), "{program}: {ran:?}");
    }
}

#[test]
fn what_is_mounted_on_dev_leads_nowhere() {
    let Some(fixture) = fixture() else { return };
    // Not below /dev, where the image's would be hidden.
    let machine = tempfile::tempdir_in("/var/tmp").unwrap();
    let secret = machine.path().join("secret");
    fs::write(&secret, "of the machine\n").unwrap();
    // The link leads to a file both in the image and on the machine.
    let inside = fixture.at(secret.strip_prefix("/").unwrap().to_str().unwrap());
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    fs::write(inside, "of the image\n").unwrap();
    let hostile = tempfile::tempdir().unwrap();
    symlink(&secret, hostile.path().join("null")).unwrap();
    let mut step = sh("cat /dev/null; for f in keys timer_list kcore; do cat /proc/$f; done; true");
    step.mounts = vec![Mount {
        target: b"/dev".into(),
        source: MountSource::Host(Arc::new(open(hostile.path()))),
        read_only: true,
    }];
    let ran = fixture.run(&step);
    assert_eq!(ran.stdout, "of the image\n", "{ran:?}");
}
