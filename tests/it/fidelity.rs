//! What a base image holds survives: unpacked, left alone, copied.

use std::path::Path;

use crate::support::{Kiln, base, have, run};

/// A base with everything that a file system can hold, as a tar for ADD.
fn odd_tree(kiln: &Kiln) -> bool {
    if !["setfattr", "setcap", "mknod"].iter().all(|program| have(program)) {
        return false;
    }
    let tree = kiln.path("tree");
    let script = r#"
        mkdir -p dir/deep sticky && cd dir
        echo content > file && ln file hard && ln -s ../dir/file soft && ln -s /absolute abs
        echo s > setuid && chmod 6755 setuid && echo n > none && chmod 0 none
        chown 12:34 file && chown -h 56:78 soft && chmod 3777 ../sticky
        mknod char c 1 3 && mknod block b 7 0 && mkfifo fifo
        cp /bin/true capable && setcap cap_net_raw+ep capable
        setfattr -n user.note -v hello file
        touch -d '2001-02-03 04:05:06.123456789' file && chmod 500 deep
        touch "$(printf 'sp ace\303\251')" "$(printf 'not\377utf8')" "$(printf '%0200d' 7)"
    "#;
    std::fs::create_dir(&tree).unwrap();
    run("sh", &["-ec", script], &tree);
    let tar = kiln.context().join("tree.tar");
    let args =
        ["--xattrs", "--xattrs-include=*", "--format=posix", "-cf", tar.to_str().unwrap(), "."];
    run("tar", &args, &tree);
    true
}

#[test]
fn an_unchanged_rebuild_has_no_spurious_entries() {
    for name in ["debian", "busybox"] {
        let Some(layout) = base(name) else { continue };
        let kiln = Kiln::with("FROM base\nRUN [\"/bin/true\"]\n");
        let image = kiln.build(&["--build-context", &Kiln::base_arg("base", &layout)]);
        assert!(image.last_layer().is_empty(), "{name}: {:?}", image.last_layer().keys());
    }
}

#[test]
fn everything_a_file_system_can_hold_survives() {
    let Some(busybox) = base("busybox") else { return };
    let kiln = Kiln::with(
        "FROM base AS odd\nADD tree.tar /odd/\nRUN [\"/bin/true\"]\n\
         FROM scratch\nCOPY --from=odd /odd /odd\n",
    );
    if !odd_tree(&kiln) {
        return;
    }
    let args = ["--build-context", &Kiln::base_arg("base", &busybox)];
    let odd = kiln.build(&[args[0], args[1], "--target", "odd"]);
    assert!(odd.last_layer().is_empty(), "{:?}", odd.last_layer().keys());
    let added = odd.layer(1);
    let copied = kiln.build(&args).layer(0);
    for layer in [&added, &copied] {
        let entry = |path: &str| &layer[path];
        assert_eq!(entry("odd/dir/setuid").mode, 0o6755);
        assert_eq!(entry("odd/dir/none").mode, 0);
        assert_eq!(entry("odd/sticky").mode, 0o3777);
        assert_eq!(entry("odd/dir/deep").mode, 0o500);
        assert_eq!((entry("odd/dir/file").uid, entry("odd/dir/file").gid), (12, 34));
        assert_eq!((entry("odd/dir/soft").uid, entry("odd/dir/soft").gid), (56, 78));
        assert_eq!(entry("odd/dir/soft").link.as_deref(), Some("../dir/file"));
        assert_eq!(entry("odd/dir/abs").link.as_deref(), Some("/absolute"));
        assert_eq!(entry("odd/dir/hard").link.as_deref(), Some("odd/dir/file"));
        assert_eq!(entry("odd/dir/char").kind, tar::EntryType::Char);
        assert_eq!(entry("odd/dir/block").kind, tar::EntryType::Block);
        assert_eq!(entry("odd/dir/fifo").kind, tar::EntryType::Fifo);
        assert_eq!(entry("odd/dir/file").mtime, 981_173_106);
        assert_eq!(entry("odd/dir/file").pax["SCHILY.xattr.user.note"], b"hello");
        assert!(entry("odd/dir/capable").pax.contains_key("SCHILY.xattr.security.capability"));
        assert!(layer.contains_key("odd/dir/sp ace\u{e9}"));
        assert!(layer.contains_key("odd/dir/not\u{fffd}utf8"));
        assert!(layer.contains_key(&format!("odd/dir/{:0200}", 7)));
    }
    let names =
        |layer: &std::collections::BTreeMap<String, _>| layer.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&added), names(&copied));
}

#[test]
fn hostile_archives_stay_inside() {
    if !have("python3") {
        return;
    }
    let kiln = Kiln::with("FROM scratch\nADD evil.tar /in/\n");
    let script = r#"
import io, tarfile
with tarfile.open("evil.tar", "w") as tar:
    def add(name, kind=tarfile.REGTYPE, link="", data=b"evil"):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        member.size = len(data) if kind == tarfile.REGTYPE else 0
        tar.addfile(member, io.BytesIO(data))
    add("up", tarfile.SYMTYPE, "../../../../../../../../tmp")
    add("up/kiln-escaped-1")
    add("abs", tarfile.SYMTYPE, "/tmp")
    add("abs/kiln-escaped-2")
"#;
    run("python3", &["-c", script], &kiln.context());
    let context = kiln.context();
    let run = kiln.run(["build", context.to_str().unwrap()]);
    for name in ["kiln-escaped-1", "kiln-escaped-2"] {
        assert!(!Path::new("/tmp").join(name).exists(), "{name} was written outside");
    }
    assert!([0, 2].contains(&run.code), "{}", run.stderr);
}
