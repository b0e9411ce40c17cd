//! Indexes and change sets.

use crate::image::{dir, everything, file, layer_of, paths_of, rootfs, touch, unpack, view};
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff};
use kiln_rootfs::index::Index;
use kiln_rootfs::{FileType, Ownership, Rootfs};

#[test]
fn changes_of_a_step() {
    crate::modes::in_all_modes("index::changes_of_a_step", |dir| {
        type Step = fn(&Rootfs);
        let cases: &[(&str, Step, &[&str])] = &[
            ("nothing", |_| {}, &[]),
            (
                "come and gone",
                |r| {
                    touch(r, b"tmp/x", b"");
                    r.unlink(b"tmp/x").unwrap();
                },
                &[],
            ),
            ("new file", |r| touch(r, b"home/new", b"x"), &["home", "home/new"]),
            ("same size", |r| touch(r, b"bin/su", b"bin/SU"), &["bin", "bin/su"]),
            (
                "same size and time",
                |r| {
                    let time = r.metadata(b"bin/su", true).unwrap().mtime;
                    touch(r, b"bin/su", b"bin/SU");
                    r.set_mode(b"bin/su", 0o4755).unwrap();
                    r.set_times(b"bin/su", None, Some(time), true).unwrap();
                },
                &["bin", "bin/su"],
            ),
            ("nothing, all over", to_itself, &[]),
            ("mode", |r| r.set_mode(b"bin/su", 0o6711).unwrap(), &["bin", "bin/su"]),
            ("owner", |r| r.set_owner(b"tmp", Some(9), None, true).unwrap(), &["tmp"]),
            (
                "link's owner",
                |r| r.set_owner(b"home/root", Some(9), None, false).unwrap(),
                &["home", "home/root"],
            ),
            ("device's mode", |r| r.set_mode(b"dev/null", 0o600).unwrap(), &["dev", "dev/null"]),
            ("locked", |r| r.set_mode(b"home", 0).unwrap(), &["home"]),
            (
                "capability",
                |r| {
                    let value = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                    r.set_xattr(b"bin/su", b"security.capability", &value, true).unwrap();
                },
                &["bin", "bin/su"],
            ),
            (
                "directory's xattr",
                |r| r.set_xattr(b"tmp", b"user.x", b"1", true).unwrap(),
                &["tmp"],
            ),
            ("removed directory", |r| r.remove_all(b"locked").unwrap(), &[".wh.locked"]),
            (
                "new name",
                |r| r.hard_link(b"bin/su", b"tmp/su", false).unwrap(),
                &["bin", "bin/su", "tmp", "tmp/su = bin/su"],
            ),
            (
                "all names of a changed inode",
                |r| r.set_mode(b"home/file", 0o611).unwrap(),
                &["home", "home/file", "home/link = home/file"],
            ),
            (
                "directory for a file",
                |r| {
                    r.unlink(b"bin/su").unwrap();
                    r.mkdir(b"bin/su", 0o755).unwrap();
                    touch(r, b"bin/su/x", b"");
                },
                &["bin", "bin/su", "bin/su/x"],
            ),
            (
                "file for a directory",
                |r| {
                    r.remove_all(b"locked").unwrap();
                    touch(r, b"locked", b"");
                },
                &["locked"],
            ),
            (
                "directory made again",
                |r| {
                    r.remove_all(b"locked").unwrap();
                    r.mkdir(b"locked", 0).unwrap();
                    touch(r, b"locked/other", b"");
                },
                &["locked", "locked/.wh.in", "locked/other"],
            ),
            (
                "moved directory",
                |r| {
                    r.rename(b"locked/in", b"tmp/in", rustix::fs::RenameFlags::empty()).unwrap();
                },
                &["locked", "locked/.wh.in", "tmp", "tmp/in", "tmp/in/file"],
            ),
            ("socket", |r| r.mknod(b"tmp/s", FileType::Socket, 0o600, (0, 0)).unwrap(), &["tmp"]),
            ("root", |r| r.set_mode(b"/", 0o700).unwrap(), &[""]),
        ];
        for (name, step, expected) in cases {
            let rootfs = rootfs(dir, "a");
            unpack(&rootfs, &everything()).unwrap();
            let before = Index::take(&rootfs).unwrap();
            step(&rootfs);
            let (changes, after) = diff(before, &rootfs).unwrap();
            let written = layer_of(&rootfs, &changes, &WriteOptions::default());
            let mut found = paths_of(&written);
            found.retain(|path| !path.contains(char::REPLACEMENT_CHARACTER));
            assert_eq!(found, *expected, "{name}");
            let (again, _) = diff(after, &rootfs).unwrap();
            assert!(again.is_empty(), "{name}: {again:?}");
            // The layer does to the base what the step did.
            let twin = self::rootfs(dir, "b");
            unpack(&twin, &everything()).unwrap();
            let limits = kiln_rootfs::unpack::Limits::default();
            kiln_rootfs::unpack::unpack_layer(&twin, &mut written.as_slice(), &limits).unwrap();
            let mut wanted = view(&rootfs);
            wanted.retain(|_, text| !text.starts_with("Socket"));
            assert_eq!(view(&twin), wanted, "{name}");
            rootfs.remove().unwrap();
            twin.remove().unwrap();
        }
    });
}

#[test]
fn an_updated_index_equals_a_fresh_one() {
    let dir = tempfile::tempdir().unwrap();
    let rootfs = rootfs(dir.path(), "a");
    unpack(&rootfs, &everything()).unwrap();
    let mut index = Index::take(&rootfs).unwrap();
    let mut changes = ChangeSet::new();
    rootfs.remove_all(b"locked").unwrap();
    changes.delete(b"locked");
    rootfs.mkdir_all(b"new/deep", 0o755).unwrap();
    touch(&rootfs, b"new/deep/file", b"");
    changes.add(b"new/deep/file");
    // The other name of the link has a new change time, too.
    rootfs.unlink(b"home/link").unwrap();
    changes.delete(b"home/link");
    rootfs.hard_link(b"bin/su", b"tmp/su", false).unwrap();
    changes.add(b"tmp/su");
    index.update(&rootfs, &changes).unwrap();
    index.settle();
    let (rest, _) = diff(index, &rootfs).unwrap();
    assert_eq!(rest, ChangeSet::new());
}

#[test]
fn modes_set_behind_our_back_are_taken_over() {
    crate::modes::in_all_modes("index::modes_set_behind_our_back_are_taken_over", |dir| {
        use rustix::fs::{AtFlags, Mode, chmodat};
        let rootfs = rootfs(dir, "a");
        unpack(&rootfs, &[self::dir("d"), file("d/f")]).unwrap();
        let before = Index::take(&rootfs).unwrap();
        for path in ["d/f", "d"] {
            chmodat(rootfs.root_fd(), path, Mode::empty(), AtFlags::empty()).unwrap();
        }
        let (changes, _) = diff(before, &rootfs).unwrap();
        assert_eq!(changes.len(), 2);
        let written = layer_of(&rootfs, &changes, &WriteOptions::default());
        assert_eq!(paths_of(&written), ["d", "d/f"]);
        let modes = [rootfs.metadata(b"d", false), rootfs.metadata(b"d/f", false)];
        assert!(modes.iter().all(|found| found.as_ref().unwrap().mode == 0));
        if rootfs.ownership() == Ownership::Ledger {
            assert_eq!(rootfs.read_small(b"d/f", 10).unwrap(), b"d/f");
        }
    });
}

#[test]
fn a_change_within_the_clocks_tick_shows() {
    let temp = tempfile::tempdir().unwrap();
    let rootfs = rootfs(temp.path(), "a");
    touch(&rootfs, b"file", b"0");
    let mut index = Index::take(&rootfs).unwrap();
    for round in 0..40_u8 {
        touch(&rootfs, b"file", &[round]);
        let (changes, after) = diff(index, &rootfs).unwrap();
        assert_eq!(changes.len(), 1, "round {round}");
        index = after;
    }
}

#[test]
fn walks_of_deep_and_wide_trees() {
    let temp = tempfile::tempdir().unwrap();
    let rootfs = rootfs(temp.path(), "a");
    // More directories with unread neighbours than the walk keeps open.
    let mut path = Vec::new();
    for _ in 0..400 {
        for name in ["x", "y"] {
            let path = kiln_rootfs::path::join(&path, name.as_bytes());
            rootfs.mkdir(&path, 0o755).unwrap();
        }
        path = kiln_rootfs::path::join(&path, b"x");
    }
    let index = Index::take(&rootfs).unwrap();
    assert_eq!(index.len(), 800);
    assert!(diff(index, &rootfs).unwrap().0.is_empty());
    // A path that no process could name.
    let error = loop {
        path = kiln_rootfs::path::join(&path, &[b'n'; 200]);
        if let Err(error) = rootfs.mkdir(&path, 0o755) {
            break error;
        }
    };
    assert_eq!(error.errno(), rustix::io::Errno::NAMETOOLONG);
    assert!(Index::take(&rootfs).unwrap_err().to_string().contains("bytes in a path"));
}

#[test]
fn a_ledger_cut_short_is_mended() {
    let temp = tempfile::tempdir().unwrap();
    let rootfs = rootfs(temp.path(), "a");
    touch(&rootfs, b"file", b"");
    rustix::fs::ftruncate(rootfs.ledger_fd(), 0).unwrap();
    let index = Index::take(&rootfs).unwrap();
    assert_eq!(index.len(), 1);
    assert_eq!(rootfs.metadata(b"file", true).unwrap().uid, 0);
}

/// Sets every mode and owner on disk to what it is, so that every change time moves; but not of
/// hard links, which count as changed then.
fn to_itself(rootfs: &Rootfs) {
    use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat, statat};
    let root = rootfs.root_fd();
    for path in view(rootfs).into_keys().filter(|path| !path.is_empty()) {
        let Ok(stat) = statat(root, &path, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
            rustix::fs::FileType::Symlink => {
                let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
                chownat(root, &path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
            }
            rustix::fs::FileType::RegularFile if stat.st_nlink > 1 => {}
            _ => chmodat(root, &path, Mode::from_raw_mode(stat.st_mode), AtFlags::empty()).unwrap(),
        }
    }
}
