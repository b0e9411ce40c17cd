//! Archives over files that are there.

use crate::image::{dir, entry, file, hard_link, rootfs, symlink, tar, unpack, view};
use kiln_image::layer::{Entry, Kind};
use kiln_rootfs::Rootfs;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::unpack::{Limits, add_archive};

fn add(rootfs: &Rootfs, directory: &str, entries: &[Entry]) -> Vec<String> {
    let mut changes = ChangeSet::new();
    let tar = tar(entries);
    let (directory, limits) = (directory.as_bytes(), Limits::default());
    add_archive(rootfs, directory, &mut tar.as_slice(), &limits, None, &mut changes).unwrap();
    changes.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
}

#[test]
fn entries_go_through_symlinks_of_the_image() {
    let temp = tempfile::tempdir().unwrap();
    let rootfs = rootfs(temp.path(), "a");
    unpack(&rootfs, &[dir("run"), dir("var"), symlink("var/run", "/run")]).unwrap();
    let payload = [dir("var/run/x"), file("var/run/x/HEAD"), hard_link("l", "var/run/x/HEAD")];
    assert_eq!(add(&rootfs, "/", &payload), ["l", "run/x", "run/x/HEAD"]);
    let found = view(&rootfs);
    assert!(found["run/x/HEAD"].ends_with("inode 0") && found["l"].ends_with("inode 0"));
    assert_eq!(found["var/run"], "Symlink 777 0:0 -> /run");
    // Described itself, the directory replaces the link.
    assert_eq!(add(&rootfs, "/", &[dir("var/run"), file("var/run/y")]), ["var/run", "var/run/y"]);
    assert!(view(&rootfs)["var/run"].starts_with("Dir 755"));
}

#[test]
fn the_destination_is_the_archives_root() {
    let temp = tempfile::tempdir().unwrap();
    let rootfs = rootfs(temp.path(), "a");
    unpack(&rootfs, &[dir("d"), symlink("d/up", "/../.."), symlink("to", "/d")]).unwrap();
    let added = add(&rootfs, "/to", &[entry("", Kind::Dir, 0o700, 7, 7), file("up/x/f")]);
    assert_eq!(added, ["d/x", "d/x/f"]);
    assert!(view(&rootfs)["d"].starts_with("Dir 755 0:0"), "the destination stays as it is");
}

#[test]
fn what_is_in_the_way_is_replaced() {
    crate::modes::in_all_modes("archives::what_is_in_the_way_is_replaced", |at| {
        let rootfs = rootfs(at, "a");
        unpack(&rootfs, &[dir("d"), file("d/in"), file("f"), dir("kept"), file("kept/k")]).unwrap();
        let changed = add(&rootfs, "/", &[file("d"), dir("f"), file("f/in"), dir("kept")]);
        assert_eq!(changed, ["d", "f", "f/in"]);
        let found = view(&rootfs);
        assert!(found["d"].starts_with("File") && found["f"].starts_with("Dir"));
        assert!(found.contains_key("kept/k") && !found.contains_key("d/in"));
    });
}

#[test]
fn what_is_there_already_did_not_change() {
    crate::modes::in_all_modes("archives::what_is_there_already_did_not_change", |at| {
        let rootfs = rootfs(at, "a");
        let owned = entry("owned", Kind::File { size: 5 }, 0o640, 5, 6);
        let all = [dir("d"), file("d/one"), file("d/two"), symlink("d/link", "one"), owned];
        assert_eq!(add(&rootfs, "/", &all).len(), all.len());
        let before = view(&rootfs);
        assert_eq!(add(&rootfs, "/", &all), <[&str; 0]>::default());
        assert_eq!(view(&rootfs), before);
        // The content alone differs, late in the file.
        let mut long = entry(&"n".repeat(200), Kind::File { size: 200 }, 0o644, 0, 0);
        add(&rootfs, "/", &[long.clone()]);
        let mut other = "n".repeat(200);
        other.replace_range(199.., "m");
        let flags = rustix::fs::OFlags::WRONLY;
        let fd = rootfs.open(&long.path, flags, 0).unwrap();
        rustix::io::pwrite(&fd, other.as_bytes(), 0).unwrap();
        let mtime = kiln_rootfs::Timestamp { secs: long.mtime.secs, nanos: 0 };
        rootfs.set_times(&long.path, None, Some(mtime), false).unwrap();
        assert_eq!(add(&rootfs, "/", &[long.clone()]), ["n".repeat(200)]);
        let there = rootfs.read_small(&long.path, 1000).unwrap();
        assert_eq!(there, long.path);
        long.mode = 0o600;
        assert_eq!(add(&rootfs, "/", &[long]).len(), 1);
    });
}

#[test]
fn an_owner_is_everythings_that_is_described() {
    let temp = tempfile::tempdir().unwrap();
    let rootfs = rootfs(temp.path(), "a");
    let mut changes = ChangeSet::new();
    let tar = tar(&[file("implied/f"), symlink("l", "f")]);
    let limits = Limits::default();
    let owner = Some((3, 4));
    add_archive(&rootfs, b"/", &mut tar.as_slice(), &limits, owner, &mut changes).unwrap();
    let found = view(&rootfs);
    assert!(found["implied"].starts_with("Dir 755 0:0"));
    assert!(found["implied/f"].starts_with("File 644 3:4") && found["l"].contains("3:4"));
}
