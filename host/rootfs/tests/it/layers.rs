//! Unpacking and writing layers.

use std::path::Path;

use crate::image::{
    dir, entry, file, hard_link, layer_of, names, paths_of, symlink, tar, unpack, view,
};
use kiln_image::layer::{Entry, Kind, Mtime};
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff};
use kiln_rootfs::index::Index;
use kiln_rootfs::{FileType, Ownership, Rootfs};
use rustix::fs::OFlags;

fn rootfs(dir: &Path, name: &str) -> Rootfs {
    Rootfs::create(&dir.join(name)).unwrap()
}

/// Everything a layer can hold, sorted and with all parents: what comes out must be what went in,
/// byte for byte, whoever holds the owners.
fn everything() -> Vec<Entry> {
    let mut capable = entry("bin/ping", Kind::File { size: 8 }, 0o755, 0, 0);
    let capability = vec![1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    capable.xattrs.insert(b"security.capability".to_vec(), capability);
    capable.xattrs.insert(b"user.note".to_vec(), b"\0\xff".to_vec());
    let mut noted = entry("home", Kind::Dir, 0o2775, 1000, 1001);
    noted.xattrs.insert(b"user.note".to_vec(), b"dir".to_vec());
    let mut precise = file("home/precise");
    precise.mtime = Mtime { secs: 1_234_567_890, nanos: 123_456_789 };
    let mut odd = file("odd");
    odd.path = b"home/\xff\xfe name".to_vec();
    odd.kind = Kind::File { size: 5 };
    let long = format!("home/{}", "long".repeat(60));
    vec![
        dir("bin"),
        capable,
        entry("bin/su", Kind::File { size: 6 }, 0o4755, 0, 0),
        entry("bin/wall", Kind::File { size: 8 }, 0o2755, 0, 5),
        dir("dev"),
        entry("dev/null", Kind::Char { major: 1, minor: 3 }, 0o666, 0, 0),
        entry("dev/pipe", Kind::Fifo, 0o620, 7, 8),
        entry("dev/sda", Kind::Block { major: 8, minor: 0 }, 0o660, 0, 6),
        noted,
        entry("home/file", Kind::File { size: 9 }, 0, 1000, 1000),
        Entry { mode: 0, uid: 1000, gid: 1000, ..hard_link("home/link", "home/file") },
        file(&long),
        precise,
        entry("home/root", Kind::Symlink { target: b"/../..".to_vec() }, 0o777, 1000, 0),
        odd,
        entry("locked", Kind::Dir, 0, 0, 0),
        entry("locked/in", Kind::Dir, 0o500, 65534, 65534),
        entry("locked/in/file", Kind::File { size: 14 }, 0o200, u32::MAX - 1, 0),
        entry("tmp", Kind::Dir, 0o1777, 0, 0),
    ]
}

#[test]
fn what_goes_in_comes_out() {
    crate::modes::in_all_modes("layers::what_goes_in_comes_out", |dir| {
        let rootfs = rootfs(dir, "a");
        let index = Index::take(&rootfs).unwrap();
        assert!(index.is_empty());
        let stats = unpack(&rootfs, &everything()).unwrap();
        assert_eq!((stats.entries, stats.dropped_xattrs), (19, 0));
        let (changes, after) = diff(index, &rootfs).unwrap();
        assert_eq!(after.len(), 19);
        let written = layer_of(&rootfs, &changes, &WriteOptions::default());
        assert!(written == tar(&everything()), "the layers differ");
        // And it is stable: unpacked over itself nothing changes in content.
        let before = view(&rootfs);
        unpack(&rootfs, &everything()).unwrap();
        assert_eq!(view(&rootfs), before);
        rootfs.remove().unwrap();
    });
}

#[test]
fn whiteouts() {
    let base = [
        dir("a"),
        file("a/one"),
        file("a/two"),
        dir("a/sub"),
        file("a/sub/x"),
        file("b"),
        dir("c"),
    ];
    let cases: &[(&str, &[Entry], &[&str])] = &[
        ("file", &[file("a/.wh.one")], &["a", "a/sub", "a/sub/x", "a/two", "b", "c"]),
        ("directory", &[file(".wh.a")], &["b", "c"]),
        (
            "missing",
            &[file("c/.wh.nothing"), file("new/.wh.x")],
            &["a", "a/one", "a/sub", "a/sub/x", "a/two", "b", "c", "new"],
        ),
        (
            "opaque first",
            &[dir("a"), file("a/.wh..wh..opq"), file("a/new")],
            &["a", "a/new", "b", "c"],
        ),
        (
            "opaque last",
            &[dir("a"), file("a/new"), file("a/sub/y"), file("a/.wh..wh..opq")],
            &["a", "a/new", "a/sub", "a/sub/y", "b", "c"],
        ),
        ("opaque root", &[file(".wh..wh..opq"), file("only")], &["only"]),
        (
            "removed and made again",
            &[file(".wh.a"), dir("a"), file("a/z")],
            &["a", "a/z", "b", "c"],
        ),
        (
            "made again, then removed",
            &[dir("a"), file("a/z"), file(".wh.a")],
            &["a", "a/z", "b", "c"],
        ),
        (
            "aufs",
            &[file(".wh..wh.aufs"), dir(".wh..wh.plnk"), file(".wh..wh.plnk/1.2")],
            &["a", "a/one", "a/sub", "a/sub/x", "a/two", "b", "c"],
        ),
        ("file over directory", &[file("a")], &["a", "b", "c"]),
        (
            "directory over file",
            &[dir("b"), file("b/x")],
            &["a", "a/one", "a/sub", "a/sub/x", "a/two", "b", "b/x", "c"],
        ),
        ("symlink over directory", &[symlink("a", "c"), file("a/x")], &["a", "b", "c", "c/x"]),
        (
            "later wins",
            &[file("c/x"), dir("c/x"), file("c/x/y"), symlink("c/x", "y")],
            &["a", "a/one", "a/sub", "a/sub/x", "a/two", "b", "c", "c/x"],
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, layer, expected) in cases {
        let rootfs = rootfs(dir.path(), name);
        unpack(&rootfs, &base).unwrap();
        unpack(&rootfs, layer).unwrap();
        assert_eq!(names(&rootfs), *expected, "{name}");
    }
}

#[test]
fn hostile_layers() {
    let refused: &[(&str, &[Entry])] = &[
        ("nameless whiteout", &[file(".wh.")]),
        ("whiteout of dot", &[file("a/.wh..")]),
        ("whiteout of dotdot", &[file("a/.wh...")]),
        ("link to nothing", &[hard_link("x", "y")]),
        ("link outside", &[hard_link("x", "etc/../../../../../../etc/passwd")]),
        ("link to directory", &[dir("d"), hard_link("x", "d")]),
        ("file as parent", &[file("x"), file("x/y")]),
        ("symlink to file as parent", &[file("x"), symlink("l", "x"), file("l/y")]),
        ("symlink loop as parent", &[symlink("l", "l"), file("l/y")]),
    ];
    let temp = tempfile::tempdir().unwrap();
    for (name, layer) in refused {
        let rootfs = rootfs(temp.path(), name);
        if let Ok(tar) = std::panic::catch_unwind(|| tar(layer)) {
            let limits = kiln_rootfs::unpack::Limits::default();
            let result = kiln_rootfs::unpack::unpack_layer(&rootfs, &mut tar.as_slice(), &limits);
            assert!(result.is_err(), "{name}");
        }
    }
    let canary = temp.path().join("canary");
    std::fs::create_dir(&canary).unwrap();
    let escape = format!("../../../../../../../../..{}", canary.display());
    let rootfs = rootfs(temp.path(), "escape");
    unpack(
        &rootfs,
        &[
            symlink("absolute", canary.to_str().unwrap()),
            file("absolute/one"),
            symlink("relative", &escape),
            file("relative/two"),
            dir("relative/dir"),
            hard_link("relative/three", "relative/two"),
            symlink("relative/four", "x"),
            file("relative/.wh..wh..opq"),
            file("relative/.wh.two"),
            symlink("final", canary.join("five").to_str().unwrap()),
            file("final"),
        ],
    )
    .unwrap();
    assert_eq!(std::fs::read_dir(&canary).unwrap().count(), 0);
    assert_eq!(rootfs.metadata(b"final", false).unwrap().file_type, FileType::File);
    assert!(rootfs.exists(canary.join("one").to_str().unwrap().as_bytes()).unwrap());
}

#[test]
fn mtimes_of_directories_survive_their_content() {
    let dir_ = tempfile::tempdir().unwrap();
    let rootfs = rootfs(dir_.path(), "a");
    unpack(&rootfs, &[dir("a"), dir("a/b"), file("a/b/c"), file("a/d"), dir("e"), file("a/b/f")])
        .unwrap();
    unpack(&rootfs, &[file("a/b/g"), file("a/.wh.d"), file("e/.wh..wh..opq"), file("e/x")])
        .unwrap();
    for path in ["a", "a/b", "e"] {
        let secs = 1_600_000_000 + path.len() as i64;
        assert_eq!(rootfs.metadata(path.as_bytes(), true).unwrap().mtime.secs, secs, "{path}");
    }
}

fn touch(rootfs: &Rootfs, path: &[u8], content: &[u8]) {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    let fd = rootfs.open(path, flags, 0o644).unwrap();
    rustix::io::write(&fd, content).unwrap();
}

#[test]
fn changes_of_a_step() {
    crate::modes::in_all_modes("layers::changes_of_a_step", |dir| {
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
    let (rest, _) = diff(index, &rootfs).unwrap();
    assert_eq!(rest, ChangeSet::new());
}

#[test]
fn modes_set_behind_our_back_are_taken_over() {
    crate::modes::in_all_modes("layers::modes_set_behind_our_back_are_taken_over", |dir| {
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
fn options_of_writing() {
    let dir_ = tempfile::tempdir().unwrap();
    let rootfs = rootfs(dir_.path(), "a");
    let mut changes = ChangeSet::new();
    unpack(&rootfs, &[dir("etc"), file("etc/hosts"), file("etc/passwd"), dir("run")]).unwrap();
    for path in ["etc/hosts", "etc/passwd", "etc/.x/../hosts", "run"] {
        changes.add(path.as_bytes());
    }
    let exclude = vec![b"etc/hosts".to_vec(), b"run".to_vec()];
    let options = WriteOptions { clamp_mtime: Some(1_600_000_000), exclude };
    let written = layer_of(&rootfs, &changes, &options);
    assert_eq!(paths_of(&written), ["etc", "etc/passwd"]);
    let mut reader = kiln_image::layer::read::LayerReader::new(written.as_slice());
    assert_eq!(reader.next_entry().unwrap().unwrap().mtime, Mtime::from_secs(1_600_000_000));
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
