//! COPY between trees: what BuildKit's copier does, in all modes.

use std::path::Path;

use crate::image::{dir, entry, file, hard_link, symlink, unpack, view};
use kiln_image::layer::{Entry, Kind};
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{Choice, CopyOptions, HostDir, copy, make_directory, write_file};
use kiln_rootfs::{FileType, Rootfs, Timestamp};

fn trees(at: &Path) -> (Rootfs, Rootfs) {
    let from = Rootfs::create(&at.join("from")).unwrap();
    let to = Rootfs::create(&at.join("to")).unwrap();
    unpack(&from, &source()).unwrap();
    unpack(&to, &destination()).unwrap();
    (from, to)
}

fn source() -> Vec<Entry> {
    let mut capable = entry("src/capable", Kind::File { size: 11 }, 0o4755, 10, 20);
    let value = vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    capable.xattrs.insert(b"security.capability".to_vec(), value);
    capable.xattrs.insert(b"user.note".to_vec(), b"1".to_vec());
    vec![
        file("file"),
        symlink("link", "/src"),
        entry("src", Kind::Dir, 0o750, 10, 20),
        capable,
        entry("src/null", Kind::Char { major: 1, minor: 3 }, 0o666, 0, 0),
        file("src/one"),
        hard_link("src/other", "src/one"),
        entry("src/out", Kind::Symlink { target: b"../../x".to_vec() }, 0o777, 10, 20),
        entry("src/pipe", Kind::Fifo, 0o600, 0, 0),
        entry("src/sub", Kind::Dir, 0o700, 10, 20),
        file("src/sub/deep"),
    ]
}

fn destination() -> Vec<Entry> {
    vec![
        entry("app", Kind::Dir, 0o711, 1, 2),
        file("app/keep"),
        file("app/one"),
        entry("app/sub", Kind::Dir, 0o555, 1, 2),
        symlink("away", "/../app"),
        symlink("dangling", "made/later"),
        file("plain"),
    ]
}

/// Copies and gives the changed paths.
fn run(at: &Path, from: &str, dest: &str, options: &CopyOptions<'_>) -> (Rootfs, Vec<String>) {
    let (source, rootfs) = trees(at);
    let mut changes = ChangeSet::new();
    copy(&source, from.as_bytes(), &rootfs, dest.as_bytes(), options, &mut changes).unwrap();
    source.remove().unwrap();
    let paths = changes.iter().map(|(path, _)| String::from_utf8(path.to_vec()).unwrap()).collect();
    (rootfs, paths)
}

#[test]
fn what_a_symlink_leads_to_gets_the_links_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("real"), "x").unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("name")).unwrap();
    let source = HostDir::open(dir.path()).unwrap();
    let rootfs = Rootfs::create(&dir.path().join("to")).unwrap();
    let mut changes = ChangeSet::new();
    copy(&source, b"/name", &rootfs, b"/in/", &CopyOptions::default(), &mut changes).unwrap();
    let paths: Vec<_> = changes.iter().map(|(path, _)| path.to_vec()).collect();
    assert_eq!(paths, [&b"in"[..], b"in/name"]);
    assert_eq!(rootfs.metadata(b"in/name", false).unwrap().file_type, FileType::File);
    rootfs.remove().unwrap();
}

#[test]
fn where_things_go() {
    let keep = CopyOptions { keep_directory: true, ..CopyOptions::default() };
    let plain = CopyOptions::default();
    let cases: &[(&str, &str, &CopyOptions<'_>, &[&str])] = &[
        ("file", "/new", &plain, &["new"]),
        ("file", "/app", &plain, &["app/file"]),
        ("file", "/app/", &plain, &["app/file"]),
        ("file", "/plain", &plain, &["plain"]),
        ("file", "/x/y/", &plain, &["x", "x/y", "x/y/file"]),
        ("file", "/x/y", &plain, &["x", "x/y"]),
        ("file", "/away", &plain, &["app/file"]),
        ("file", "/away/../../z", &plain, &["z"]),
        ("src/sub", "/app", &plain, &["app/deep"]),
        ("src/sub", "/new", &plain, &["new", "new/deep"]),
        ("src/sub", "/away/new", &plain, &["app/new", "app/new/deep"]),
        ("src/sub", "/app", &keep, &["app/sub/deep"]),
        ("src/sub", "/away/", &keep, &["app/sub/deep"]),
        ("link/sub", "/new/", &plain, &["new", "new/deep"]),
    ];
    let temp = tempfile::tempdir().unwrap();
    for (number, (from, dest, options, expected)) in cases.iter().enumerate() {
        let at = temp.path().join(number.to_string());
        std::fs::create_dir(&at).unwrap();
        let (_rootfs, paths) = run(&at, from, dest, options);
        assert_eq!(paths, *expected, "{from} -> {dest}");
    }
}

#[test]
fn a_tree_is_copied_whole() {
    crate::modes::in_all_modes("copying::a_tree_is_copied_whole", |at| {
        let (rootfs, _) = run(at, "src", "/new", &CopyOptions::default());
        let (copied, original) = (view(&rootfs), Rootfs::create(&at.join("b")).unwrap());
        unpack(&original, &source()).unwrap();
        for (path, text) in view(&original) {
            // The destination itself is made as parents are.
            if let Some(below) = path.strip_prefix("src").filter(|below| !below.is_empty()) {
                assert_eq!(copied.get(&format!("new{below}")), Some(&text), "{path}");
            }
        }
        assert_eq!(copied["new"], "Dir 755 0:0");
        let times = |rootfs: &Rootfs, path: &[u8]| rootfs.metadata(path, false).unwrap().mtime;
        for path in ["", "/sub", "/out"] {
            let (from, to) = (format!("src{path}"), format!("new{path}"));
            assert_eq!(times(&original, from.as_bytes()), times(&rootfs, to.as_bytes()));
        }
    });
}

#[test]
fn merging_into_what_is_there() {
    crate::modes::in_all_modes("copying::merging_into_what_is_there", |at| {
        let (rootfs, paths) = run(at, "src", "/app", &CopyOptions::default());
        let found = view(&rootfs);
        // The destination itself keeps its metadata, directories in it take the source's.
        assert!(found["app"].starts_with("Dir 711 1:2"));
        assert!(found["app/sub"].starts_with("Dir 700 10:20"));
        assert!(found["app/one"].contains("src/one"));
        assert!(found.contains_key("app/keep"));
        assert!(!paths.contains(&"app".to_owned()) && !paths.contains(&"app/keep".to_owned()));
    });
}

#[test]
fn owner_mode_and_parents() {
    crate::modes::in_all_modes("copying::owner_mode_and_parents", |at| {
        let mode = |_, _| 0o640;
        let options = CopyOptions {
            owner: Some((5, 6)),
            mode: Some(&mode),
            parent_mode: Some(0o751),
            parent_time: Some(Timestamp { secs: 9, nanos: 0 }),
            ..CopyOptions::default()
        };
        let (rootfs, _) = run(at, "src/capable", "/x/y/", &options);
        let found = view(&rootfs);
        assert!(found["x"].starts_with("Dir 751 5:6"), "{}", found["x"]);
        assert!(found["x/y/capable"].starts_with("File 640 5:6"));
        assert!(found["x/y/capable"].contains("security.capability"));
        let (file, link) = (rootfs.metadata(b"x/y/capable", false).unwrap(), b"x/l");
        assert_eq!(file.mtime.secs, 1_600_000_011);
        let mut changes = ChangeSet::new();
        write_file(&rootfs, b"n", b"text", link, &options, &mut changes).unwrap();
        assert_eq!(rootfs.read_small(link, 10).unwrap(), b"text");
        let made = make_directory(&rootfs, b"/away/d/", &options, &mut changes).unwrap();
        assert_eq!(made, b"app/d");
    });
}

#[test]
fn what_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (source, rootfs) = trees(temp.path());
    unpack(&rootfs, &[dir("dir"), dir("dir/one"), symlink("dir/sub", "/app")]).unwrap();
    let refused = |from: &str, dest: &str, text: &str| {
        let options = CopyOptions::default();
        let error = copy(
            &source,
            from.as_bytes(),
            &rootfs,
            dest.as_bytes(),
            &options,
            &mut ChangeSet::new(),
        )
        .expect_err(dest);
        assert!(error.to_string().contains(text), "{from} -> {dest}: {error}");
    };
    refused("missing", "/x", "/missing");
    refused("src", "/plain", "non-directory");
    refused("src", "/dir", "cannot");
    refused("file", "/plain/", "/plain");
    assert_eq!(rootfs.metadata(b"dir/sub", false).unwrap().file_type, FileType::Symlink);
}

#[test]
fn filters_choose() {
    let temp = tempfile::tempdir().unwrap();
    let filter = |path: &[u8]| match path {
        b"sub/deep" => Choice::Copy,
        b"sub" => Choice::Look,
        _ => Choice::Skip,
    };
    let options = CopyOptions { filter: Some(&filter), ..CopyOptions::default() };
    let (rootfs, paths) = run(temp.path(), "src", "/new", &options);
    assert_eq!(paths, ["new", "new/sub", "new/sub/deep"]);
    assert!(view(&rootfs)["new/sub"].starts_with("Dir 700 10:20"));
}

#[test]
fn a_context_belongs_to_root_and_ends_at_its_edge() {
    let temp = tempfile::tempdir().unwrap();
    let context = temp.path().join("context");
    std::fs::create_dir_all(context.join("d")).unwrap();
    std::fs::write(temp.path().join("secret"), "s").unwrap();
    std::fs::write(context.join("d/file"), "f").unwrap();
    std::os::unix::fs::symlink("../../secret", context.join("d/link")).unwrap();
    let source = HostDir::open(&context).unwrap();
    let rootfs = Rootfs::create(&temp.path().join("to")).unwrap();
    let mut changes = ChangeSet::new();
    let options = CopyOptions::default();
    copy(&source, b"d", &rootfs, b"/", &options, &mut changes).unwrap();
    assert!(view(&rootfs)["file"].contains(" 0:0 \"f\""));
    assert_eq!(rootfs.readlink(b"link").unwrap(), b"../../secret");
    assert!(copy(&source, b"d/link", &rootfs, b"/x", &options, &mut changes).is_err());
    assert!(copy(&source, b"../secret", &rootfs, b"/x", &options, &mut changes).is_err());
}
