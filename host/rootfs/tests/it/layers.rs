//! Unpacking and writing layers.

use crate::image::{
    dir, everything, file, hard_link, layer_of, names, paths_of, rootfs, symlink, tar, unpack, view,
};
use kiln_image::layer::{Entry, Mtime};
use kiln_rootfs::FileType;
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff};
use kiln_rootfs::index::Index;

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
        assert!(unpack(&rootfs, layer).is_err(), "{name}");
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
