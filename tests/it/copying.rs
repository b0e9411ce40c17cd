//! COPY and ADD.

use std::os::unix::fs::symlink;

use crate::support::{Image, Kiln, have, run};

fn layer(image: &Image, index: usize) -> Vec<String> {
    let layer = image.layer(index);
    layer
        .iter()
        .map(|(path, entry)| format!("{path} {:o} {}:{}", entry.mode, entry.uid, entry.gid))
        .collect()
}

#[test]
fn directories_merge_and_files_land_where_they_should() {
    let kiln = Kiln::with(
        "FROM scratch\n\
         COPY dir /a\n\
         COPY dir/file /b\n\
         COPY dir/file /c/\n\
         COPY dir/file one /d/\n\
         WORKDIR /w/x\n\
         COPY one .\n\
         COPY dir /a/sub\n",
    );
    kiln.file("dir/file", "1").file("dir/sub/deep", "2").file("one", "3");
    let image = kiln.build(&[]);
    let names = |index| image.layer(index).into_keys().collect::<Vec<_>>();
    assert_eq!(names(0), ["a", "a/file", "a/sub", "a/sub/deep"]);
    assert_eq!(names(1), ["b"]);
    assert_eq!(names(2), ["c", "c/file"]);
    assert_eq!(names(3), ["d", "d/file", "d/one"]);
    assert_eq!(names(4), ["w", "w/x"]);
    assert_eq!(names(5), ["w", "w/x", "w/x/one"]);
    assert_eq!(names(6), ["a", "a/sub", "a/sub/file", "a/sub/sub", "a/sub/sub/deep"]);
}

#[test]
fn owners_and_modes() {
    let kiln = Kiln::with(
        "FROM scratch\n\
         COPY passwd /etc/passwd\n\
         COPY group /etc/group\n\
         COPY --chown=app:staff tree /x/y\n\
         COPY --chmod=4750 tree/f /m/f\n\
         COPY --chmod=u+x,go-r tree/f /s\n\
         COPY --chown=7 tree/f /n\n",
    );
    kiln.file("passwd", "app:x:1000:1001::/:\n").file("group", "staff:x:50:\n");
    kiln.file("tree/f", "f").file("tree/d/g", "g");
    run("chmod", &["-R", "u=rwX,go=rX", "."], &kiln.context());
    let image = kiln.build(&[]);
    assert_eq!(
        layer(&image, 2),
        [
            "x 755 1000:50",
            "x/y 755 1000:50",
            "x/y/d 755 1000:50",
            "x/y/d/g 644 1000:50",
            "x/y/f 644 1000:50"
        ]
    );
    assert_eq!(layer(&image, 3), ["m 4750 0:0", "m/f 4750 0:0"]);
    assert_eq!(layer(&image, 4), ["s 700 0:0"]);
    assert_eq!(layer(&image, 5), ["n 644 7:7"]);
}

#[test]
fn wildcards_and_the_ignore_file() {
    let kiln = Kiln::with("FROM scratch\nCOPY *.txt d*/ /t/\nCOPY . /all/\nCOPY none* /z/\n");
    kiln.file("a.txt", "").file("b.txt", "").file("c.md", "").file("dir/x", "").file("dir/y.o", "");
    kiln.file(".dockerignore", "**/*.o\nc.md\n.dockerignore\nDockerfile\n");
    let image = kiln.build(&[]);
    let names = |index| image.layer(index).into_keys().collect::<Vec<_>>();
    assert_eq!(names(0), ["t", "t/a.txt", "t/b.txt", "t/x"]);
    assert_eq!(names(1), ["all", "all/a.txt", "all/b.txt", "all/dir", "all/dir/x"]);
    // A pattern may match nothing; its destination is not made then.
    assert_eq!(names(2), [""; 0]);
}

#[test]
fn a_dockerfiles_own_ignore_file_goes_first() {
    let kiln = Kiln::new();
    kiln.file("a", "").file("b", "").file(".dockerignore", "a\n");
    kiln.file("other.Dockerfile", "FROM scratch\nCOPY a b* /x/\n");
    kiln.file("other.Dockerfile.dockerignore", "b\n");
    let file = kiln.context().join("other.Dockerfile");
    let image = kiln.build(&["--file", file.to_str().unwrap()]);
    assert_eq!(image.last_layer().into_keys().collect::<Vec<_>>(), ["x", "x/a"]);
}

#[test]
fn symlinks_stay_inside_the_context() {
    let kiln = Kiln::with("FROM scratch\nCOPY link /a\nCOPY dir/ /b/\nCOPY up /c\n");
    kiln.file("real", "content").file("dir/f", "");
    symlink("/real", kiln.context().join("link")).unwrap();
    symlink("f", kiln.context().join("dir/l")).unwrap();
    symlink("../../../../../../real", kiln.context().join("up")).unwrap();
    let image = kiln.build(&[]);
    assert_eq!(image.layer(0)["a"].content, b"content");
    assert_eq!(image.layer(1)["b/l"].link.as_deref(), Some("f"));
    assert_eq!(image.layer(2)["c"].content, b"content");
    symlink("/etc/passwd", kiln.context().join("outside")).unwrap();
    kiln.file("Dockerfile", "FROM scratch\nCOPY outside /\n");
    kiln.build_fails(&[]).expect(2, "\"outside\": not found");
}

#[test]
fn destination_symlinks_are_followed_inside_the_image() {
    let kiln = Kiln::with("FROM scratch\nCOPY base /\nCOPY f /var/run/f\nCOPY g /abs/\n");
    kiln.file("base/run/keep", "").file("f", "f").file("g", "g");
    std::fs::create_dir_all(kiln.context().join("base/var")).unwrap();
    symlink("/run", kiln.context().join("base/var/run")).unwrap();
    symlink("../../run", kiln.context().join("base/abs")).unwrap();
    let image = kiln.build(&[]);
    assert_eq!(image.layer(1).into_keys().collect::<Vec<_>>(), ["run", "run/f"]);
    assert_eq!(image.layer(2).into_keys().collect::<Vec<_>>(), ["run", "run/g"]);
}

#[test]
fn link_parents_and_exclude() {
    let kiln = Kiln::with(
        "FROM scratch\n\
         COPY --link a /x/y/a\n\
         COPY --parents d/e/f d/./g/h /p/\n\
         COPY --exclude=*.md --exclude=sub d /q/\n",
    );
    for name in ["a", "d/e/f", "d/g/h", "d/k.md", "d/sub/s"] {
        kiln.file(name, name);
    }
    let image = kiln.build(&[]);
    let names = |index| image.layer(index).into_keys().collect::<Vec<_>>();
    assert_eq!(names(0), ["x", "x/y", "x/y/a"]);
    assert_eq!(names(1), ["p", "p/d", "p/d/e", "p/d/e/f", "p/g", "p/g/h"]);
    assert_eq!(names(2), ["q", "q/e", "q/e/f", "q/g", "q/g/h"]);
}

#[test]
fn heredocs_become_files() {
    let kiln = Kiln::with(
        "FROM scratch\nARG N=1\nCOPY <<one <<\"two\" /h/\nn=$N\none\nn=$N\ntwo\n\
         COPY --chmod=700 <<-EOF /script\n\t#!/bin/sh\n\techo hi\nEOF\n",
    );
    let image = kiln.build(&[]);
    assert_eq!(image.layer(0)["h/one"].content, b"n=1\n");
    assert_eq!(image.layer(0)["h/two"].content, b"n=$N\n");
    let script = &image.layer(1)["script"];
    assert_eq!((script.mode, &script.content[..]), (0o700, &b"#!/bin/sh\necho hi\n"[..]));
}

#[test]
fn add_unpacks_local_archives_and_copy_does_not() {
    let kiln = Kiln::with(
        "FROM scratch\nADD a.tar a.tar.gz a.tar.xz a.tar.bz2 a.tar.zst /t/\nCOPY a.tar /c/\n\
         ADD plain.gz /p/\n",
    );
    let dir = kiln.path("tree");
    std::fs::create_dir(&dir).unwrap();
    let context = kiln.context();
    for (name, flag, program) in [
        ("a.tar", "", "tar"),
        ("a.tar.gz", "-z", "gzip"),
        ("a.tar.xz", "-J", "xz"),
        ("a.tar.bz2", "-j", "bzip2"),
        ("a.tar.zst", "--zstd", "zstd"),
    ] {
        if !have(program) {
            return;
        }
        let file = dir.join(name.replace('.', "-"));
        std::fs::write(&file, name).unwrap();
        let out = context.join(name);
        let mut args = vec!["-c", "--owner=5", "--group=6", "--mode=640"];
        args.extend((!flag.is_empty()).then_some(flag));
        args.extend(["-f", out.to_str().unwrap(), file.file_name().unwrap().to_str().unwrap()]);
        run("tar", &args, &dir);
    }
    run("sh", &["-c", "echo not a tar | gzip > plain.gz"], &context);
    let image = kiln.build(&[]);
    assert_eq!(
        layer(&image, 0),
        [
            "t 755 0:0",
            "t/a-tar 640 5:6",
            "t/a-tar-bz2 640 5:6",
            "t/a-tar-gz 640 5:6",
            "t/a-tar-xz 640 5:6",
            "t/a-tar-zst 640 5:6"
        ]
    );
    assert_eq!(image.layer(1).into_keys().collect::<Vec<_>>(), ["c", "c/a.tar"]);
    assert_eq!(image.layer(2).into_keys().collect::<Vec<_>>(), ["p", "p/plain.gz"]);
}

#[test]
fn an_archive_goes_through_symlinks_of_the_image() {
    let kiln = Kiln::with(
        "FROM scratch\nADD rootfs.tar /\nADD --chown=5:6 --chmod=600 payload.tar /\n\
         ADD --chown=5:6 payload.tar /\n",
    );
    let mut rootfs = tar::Builder::new(Vec::new());
    let mut payload = tar::Builder::new(Vec::new());
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(7);
        header
    };
    let dir = || header(tar::EntryType::Directory, 0o755, 0);
    for name in ["run/", "var/"] {
        rootfs.append_data(&mut dir(), name, &b""[..]).unwrap();
    }
    let mut link = header(tar::EntryType::Symlink, 0o777, 0);
    rootfs.append_link(&mut link, "var/run", "/run").unwrap();
    payload.append_data(&mut dir(), "var/run/x/", &b""[..]).unwrap();
    let mut file = header(tar::EntryType::Regular, 0o644, 2);
    payload.append_data(&mut file, "var/run/x/HEAD", &b"hi"[..]).unwrap();
    let mut link = header(tar::EntryType::Link, 0o644, 0);
    payload.append_link(&mut link, "var/run/x/link", "var/run/x/HEAD").unwrap();
    kiln.file("rootfs.tar", rootfs.into_inner().unwrap());
    kiln.file("payload.tar", payload.into_inner().unwrap());
    let image = kiln.build(&[]);
    let layer = image.layer(1);
    assert_eq!(layer["run/x/HEAD"].content, b"hi");
    // The archive's own mode, whatever --chmod says.
    assert_eq!((layer["run/x/HEAD"].mode, layer["run/x/HEAD"].uid), (0o644, 5));
    assert_eq!(layer["run/x/link"].link.as_deref(), Some("run/x/HEAD"));
    assert!(!layer.contains_key("var/run"), "{:?}", layer.keys());
    assert_eq!(kiln.build(&["--no-cache"]).layer(1).len(), layer.len());
}
