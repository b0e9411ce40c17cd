//! A step that changes nothing leaves nothing: no file, no mountpoint, no time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kiln_rootfs::changes::{ChangeSet, diff};
use kiln_rootfs::index::Index;
use kiln_runner::{Mount, MountSource};

use crate::support::{Fixture, fixture, sh};

type Listing = BTreeMap<PathBuf, (u32, u32, u64, i64, i64)>;

fn listing(fixture: &Fixture) -> Listing {
    let mut found = Listing::new();
    let mut pending = vec![fixture.at("")];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let (mode, size) = (metadata.mode(), if metadata.is_dir() { 0 } else { metadata.size() });
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let state = (mode, metadata.uid(), size, metadata.mtime(), metadata.mtime_nsec());
        found.insert(path, state);
    }
    found
}

fn age(path: &Path) {
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 999_999_999);
    fs::File::open(path).unwrap().set_modified(old).unwrap();
}

fn tmpfs(target: &str) -> Mount {
    Mount { target: target.into(), source: MountSource::Tmpfs { size: None }, read_only: false }
}

#[test]
fn nothing_changes() {
    let Some(fixture) = fixture() else { return };
    std::os::unix::fs::symlink("../run/resolv/stub.conf", fixture.at("etc/resolv.conf")).unwrap();
    for directory in ["etc", "tmp", ""] {
        age(&fixture.at(directory));
    }
    let before = listing(&fixture);
    let mut step = sh("ls -lR /etc /run > /dev/null; true");
    step.mounts = vec![tmpfs("/var/cache/apt"), tmpfs("/tmp/x/y")];
    assert_eq!(fixture.run(&step).code(), 0);
    assert_eq!(listing(&fixture), before);
    step.argv = vec![b"/absent".to_vec()];
    assert!(fixture.run(&step).result.is_err());
    assert_eq!(listing(&fixture), before, "after a step that could not start");
    step.argv = sh("sleep 9").argv;
    step.limits.timeout = Some(Duration::from_millis(50));
    assert!(fixture.run(&step).result.is_err());
    assert_eq!(listing(&fixture), before, "after a step that was killed");
}

#[test]
fn the_steps_own_changes_stay() {
    let Some(fixture) = fixture() else { return };
    for directory in ["etc", ""] {
        age(&fixture.at(directory));
    }
    let before = listing(&fixture);
    let mut step =
        sh("echo x > /etc/new; mkdir /opt; echo y > /run/pid; rm /etc/hosts; mv /var /old");
    step.mounts = vec![tmpfs("/run/x"), tmpfs("/var/cache")];
    let ran = fixture.run(&step);
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert!(ran.stderr.contains("busy"), "a mountpoint cannot be removed: {ran:?}");
    let after = listing(&fixture);
    let added: Vec<_> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .map(|path| path.strip_prefix(fixture.at("")).unwrap().display().to_string())
        .collect();
    assert_eq!(added, ["etc/new", "old", "opt", "run", "run/pid"]);
    let modified = |path: &str| after[&fixture.at(path)].3;
    assert!(modified("etc") > 1_500_000_000, "the step's own change is seen");
    assert_eq!(fs::read(fixture.at("run/pid")).unwrap(), b"y\n");
}

#[test]
fn the_images_own_files_are_only_covered() {
    let Some(fixture) = fixture() else { return };
    fixture.write("etc/hosts", "the image's\n");
    fs::create_dir(fixture.at("dev")).unwrap();
    fixture.write("dev/null", "a file\n");
    let before = listing(&fixture);
    assert_ne!(fixture.output("cat /etc/hosts; cat /dev/null"), "the image's\na file\n");
    assert_eq!(listing(&fixture), before);
    assert_eq!(fs::read(fixture.at("etc/hosts")).unwrap(), b"the image's\n");
}

/// The paths that a script changes, as the build will see them.
fn changes(fixture: &Fixture, script: &str) -> ChangeSet {
    let before = Index::take(&fixture.rootfs).unwrap();
    fixture.output(script);
    diff(before, &fixture.rootfs).unwrap().0
}

#[test]
fn the_change_set_holds_the_steps_changes_alone() {
    let Some(fixture) = fixture() else { return };
    assert_eq!(changes(&fixture, "true"), ChangeSet::new());
    let mut expected = ChangeSet::new();
    expected.add(b"etc/new");
    expected.delete(b"bin/yes");
    assert_eq!(changes(&fixture, "echo x > /etc/new; rm /bin/yes"), expected);
}
