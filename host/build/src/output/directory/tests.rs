//! Writing into directories of the user's.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

/// A root file system with some of everything.
fn rootfs(dir: &Path) -> std::sync::Arc<Rootfs> {
    let rootfs = Rootfs::create(&dir.join("rootfs")).unwrap();
    rootfs.mkdir_all(b"/a/b", 0o755).unwrap();
    let options = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = rootfs.open(b"/a/b/file", options, 0o644).unwrap();
    std::io::Write::write_all(&mut File::from(file), b"content").unwrap();
    rootfs.set_mode(b"/a/b/file", 0o4751).unwrap();
    rootfs.hard_link(b"/a/b/file", b"/a/twin", false).unwrap();
    rootfs.symlink(b"/a/b", b"/link").unwrap();
    let time = kiln_rootfs::Timestamp { secs: 1_000_000, nanos: 0 };
    for path in [&b"/a/b/file"[..], b"/a/b", b"/a"] {
        rootfs.set_times(path, Some(time), Some(time), false).unwrap();
    }
    // A directory that nobody may write to.
    rootfs.set_mode(b"/a/b", 0o555).unwrap();
    std::sync::Arc::new(rootfs)
}

fn tree(dir: &Path) -> Vec<Tree> {
    vec![Tree { rootfs: rootfs(dir), dir: String::new(), epoch: None }]
}

#[test]
fn everything_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("above/dest");
    write(&tree(dir.path()), &dest, &Cancel::default()).unwrap();
    let file = std::fs::metadata(dest.join("a/b/file")).unwrap();
    assert_eq!(std::fs::read(dest.join("a/b/file")).unwrap(), b"content");
    assert_eq!((file.mode() & 0o7777, file.mtime(), file.nlink()), (0o4751, 1_000_000, 2));
    assert_eq!(std::fs::metadata(dest.join("a/twin")).unwrap().ino(), file.ino());
    let inner = std::fs::metadata(dest.join("a/b")).unwrap();
    assert_eq!((inner.mode() & 0o7777, inner.mtime()), (0o555, 1_000_000));
    assert_eq!(std::fs::read_link(dest.join("link")).unwrap(), Path::new("/a/b"));
    assert_eq!(std::fs::read_dir(dir.path().join("above")).unwrap().count(), 1);
}

#[test]
fn what_was_there_stays_and_symlinks_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (dest, outside) = (dir.path().join("dest"), dir.path().join("outside"));
    std::fs::create_dir_all(&dest).unwrap();
    std::fs::create_dir_all(outside.join("b")).unwrap();
    std::fs::write(outside.join("b/file"), "mine").unwrap();
    std::fs::write(dest.join("other"), "stays").unwrap();
    std::fs::write(dest.join("link"), "goes").unwrap();
    symlink(&outside, dest.join("a")).unwrap();
    write(&tree(dir.path()), &dest, &Cancel::default()).unwrap();
    assert_eq!(std::fs::read(outside.join("b/file")).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(std::fs::read(dest.join("a/b/file")).unwrap(), b"content");
    assert_eq!(std::fs::read(dest.join("other")).unwrap(), b"stays");
    assert!(dest.join("link").is_symlink());
}

#[test]
fn a_directory_in_the_way_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dest = dir.path().join("dest");
    std::fs::create_dir_all(dest.join("a/twin/kept")).unwrap();
    let error = write(&tree(dir.path()), &dest, &Cancel::default()).unwrap_err();
    assert!(error.to_string().ends_with("dest/a/twin"), "{error}");
    assert!(dest.join("a/twin/kept").is_dir());
}

#[test]
fn a_failure_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let dest = dir.path().join("dest");
    write(&tree(dir.path()), &dest, &cancel).unwrap_err();
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["rootfs"]);
}

#[test]
fn several_platforms_get_a_directory_each() {
    let dir = tempfile::tempdir().unwrap();
    let mut trees = tree(dir.path());
    trees[0].dir = "linux_amd64".to_owned();
    trees[0].epoch = Some(1000);
    let dest = dir.path().join("dest");
    write(&trees, &dest, &Cancel::default()).unwrap();
    let file = std::fs::metadata(dest.join("linux_amd64/a/b/file")).unwrap();
    assert_eq!(file.mtime(), 1000, "no file is newer than SOURCE_DATE_EPOCH");
    assert!(dest.metadata().unwrap().permissions().mode() & 0o500 == 0o500);
}

#[test]
fn a_stand_in_for_one_user_is_not_root() {
    assert!(root_is_one_user(
        "         0       1000          1\n         1     100000      65536\n"
    ));
    assert!(!root_is_one_user("         0          0 4294967295\n"));
    assert!(!root_is_one_user("         0     100000      65536\n"));
    assert!(!root_is_one_user(""));
}
