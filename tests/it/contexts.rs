//! Contexts that are no directories, and contexts by name.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::support::git::{COMMITTED, git, publish, repository};
use crate::support::server::MODIFIED;
use crate::support::{Image, Kiln, Run, WebServer, have, run, write};

const DOCKERFILE: &str = "FROM scratch\nCOPY . /all/\n";

/// Builds with these arguments in place of a context; `stdin` goes to kiln.
fn try_build(kiln: &Kiln, args: &[&str], stdin: &[u8]) -> Run {
    let out = kiln.path("out");
    let _absent = std::fs::remove_dir_all(&out);
    let output = format!("type=oci,dest={}", out.display());
    let mut all = vec!["build", "--output", &output];
    all.extend(args);
    let mut child = kiln
        .command(all)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let bytes = stdin.to_owned();
    // kiln may end before it has read everything.
    let writer = std::thread::spawn(move || pipe.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    let _ended = writer.join().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn build(kiln: &Kiln, args: &[&str], stdin: &[u8]) -> Image {
    let run = try_build(kiln, args, stdin);
    assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
    Image::open(&kiln.path("out"))
}

fn names(image: &Image, index: usize) -> Vec<String> {
    image.layer(index).into_keys().collect()
}

/// A tar of the context, made with these flags.
fn archive(kiln: &Kiln, flags: &[&str]) -> Vec<u8> {
    let file = kiln.path("context.tar");
    let mut args = vec!["--owner=7", "--group=8", "--sort=name"];
    args.extend(flags);
    args.extend(["-cf", file.to_str().unwrap(), "."]);
    run("tar", &args, &kiln.context());
    std::fs::read(file).unwrap()
}

#[test]
fn an_archive_on_stdin_in_every_compression() {
    let kiln = Kiln::with(DOCKERFILE);
    kiln.file("f", "f").file("dir/g", "g").file(".dockerignore", "Dockerfile\n.dockerignore\n");
    kiln.file("other/Build", "FROM scratch\nCOPY . /o/\n");
    kiln.file("other/Build.dockerignore", "*\n!f\n");
    for (flag, program) in
        [("", "tar"), ("-z", "gzip"), ("-j", "bzip2"), ("-J", "xz"), ("--zstd", "zstd")]
    {
        if !have(program) {
            continue;
        }
        let flags: Vec<&str> = [flag].into_iter().filter(|flag| !flag.is_empty()).collect();
        let tar = archive(&kiln, &flags);
        let image = build(&kiln, &["-"], &tar);
        let expected = ["all", "all/dir", "all/dir/g", "all/f", "all/other", "all/other/Build"]
            .map(str::to_owned);
        assert_eq!(names(&image, 0)[..6], expected, "{program}");
        let entry = &image.layer(0)["all/f"];
        assert_eq!((entry.uid, entry.gid), (7, 8), "an archive keeps its owners, as in BuildKit");
        let other = build(&kiln, &["-", "--file", "other/Build"], &tar);
        assert_eq!(names(&other, 0), ["o", "o/f"], "its own ignore file goes first");
    }
    let file = kiln.path("context.tar");
    let image = build(&kiln, &[file.to_str().unwrap()], b"");
    assert_eq!(names(&image, 0)[0], "all");
}

#[test]
fn a_dockerfile_on_stdin() {
    let kiln = Kiln::new();
    kiln.file("f", "f");
    let alone = build(&kiln, &["-"], b"FROM scratch\nCOPY <<x /y\nhello\nx\n");
    assert_eq!(names(&alone, 0), ["y"]);
    try_build(&kiln, &["-"], b"FROM scratch\nCOPY f /\n").expect(2, "\"f\": not found");
    let context = kiln.context();
    let context = context.to_str().unwrap();
    let with_context = build(&kiln, &[context, "--file", "-"], b"FROM scratch\nCOPY f /\n");
    assert_eq!(names(&with_context, 0), ["f"]);
    try_build(&kiln, &["-", "--file", "-"], b"").expect(2, "both the context and the Dockerfile");
    try_build(&kiln, &["-", "--file", "x"], b"FROM scratch\n").expect(2, "both stdin and --file");
    try_build(&kiln, &["-"], b"").expect(2, "the Dockerfile is empty");
    let tar = archive(&kiln, &[]);
    try_build(&kiln, &["-"], &tar).expect(2, "the context has no file Dockerfile");
    try_build(&kiln, &["-"], b"\x1f\x8b\x08broken").expect(2, "unpack the context stdin");
}

#[test]
fn a_hostile_archive_stays_inside() {
    let kiln = Kiln::new();
    let outside = kiln.path("outside");
    std::fs::create_dir(&outside).unwrap();
    write(kiln.path("secret"), "FROM scratch\nLABEL leaked=yes\n");
    let secret = kiln.path("secret");
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind: tar::EntryType, link: Option<&Path>, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // The checks of tar's own setter are what is to be got around.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(link) = link {
            header.set_link_name_literal(link.as_os_str().as_encoded_bytes()).unwrap();
        }
        header.set_cksum();
        builder.append(&header, content).unwrap();
    };
    let file = tar::EntryType::Regular;
    add("Dockerfile", file, None, b"FROM scratch\nCOPY . /\n");
    add("../../../escaped", file, None, b"x");
    add("link", tar::EntryType::Symlink, Some(&outside), b"");
    add("link/through", file, None, b"x");
    add("Leak", tar::EntryType::Symlink, Some(&secret), b"");
    let tar = builder.into_inner().unwrap();
    // Refused or kept inside; either way nothing lands outside.
    let _either = try_build(&kiln, &["-"], &tar);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    for up in ["escaped", "work/escaped", "context/escaped"] {
        assert!(!kiln.path(up).exists(), "{up}");
    }
    let leak = try_build(&kiln, &["-", "--file", "Leak"], &tar);
    assert_eq!(leak.code, 2, "{}", leak.stderr);
    assert!(!leak.stderr.contains("leaked"), "{}", leak.stderr);
}

#[test]
fn a_web_address_is_an_archive_or_a_dockerfile() {
    let kiln = Kiln::with(DOCKERFILE);
    kiln.file("f", "f");
    let tar = archive(&kiln, &["-z"]);
    write(kiln.path("www/c.tgz"), tar);
    write(kiln.path("www/Some.file"), "FROM scratch\nCOPY context /c\n");
    write(kiln.path("www/other"), "FROM scratch\nCOPY f /\n");
    let server = WebServer::start(kiln.path("www"));
    let url = |name: &str| format!("{}/{name}", server.url);
    let image = build(&kiln, &[&url("c.tgz")], b"");
    assert!(names(&image, 0).contains(&"all/f".to_owned()));
    let image = build(&kiln, &[&url("Some.file")], b"");
    assert_eq!(names(&image, 0), ["c"], "a fetched Dockerfile is its own context");
    let context = kiln.context();
    let image = build(&kiln, &[context.to_str().unwrap(), "-f", &url("other")], b"");
    assert_eq!(names(&image, 0), ["f"]);
    try_build(&kiln, &[&url("none")], b"").expect(4, "404");
    let renamed = format!("here={}", url("c.tgz"));
    kiln.file("Dockerfile", "FROM scratch\nCOPY --from=here / /\n");
    let image = build(&kiln, &[context.to_str().unwrap(), "--build-context", &renamed], b"");
    assert_eq!(names(&image, 0), ["context"], "by name it is one file, as in BuildKit");
}

#[test]
fn a_git_repository_is_a_context() {
    if !have("git") {
        return;
    }
    let kiln = Kiln::new();
    let tree = kiln.path("tree");
    repository(
        &tree,
        &[("Dockerfile", DOCKERFILE), ("sub/Dockerfile", "FROM scratch\nCOPY . /s/\n"), ("f", "f")],
    );
    git(&tree, &["tag", "v1"]);
    publish(&tree, &kiln.path("www/r.git"));
    let server = WebServer::start(kiln.path("www"));
    let url = |rest: &str| format!("{}/r.git{rest}", server.url);
    let image = build(&kiln, &[&url("")], b"");
    assert!(names(&image, 0).contains(&"all/sub/Dockerfile".to_owned()));
    assert!(!names(&image, 0).contains(&"all/.git".to_owned()));
    for address in ["#v1:sub", "?tag=v1&subdir=sub", "#main:sub"] {
        let image = build(&kiln, &[&url(address)], b"");
        assert_eq!(names(&image, 0), ["s", "s/Dockerfile"], "{address}");
    }
    let image = build(&kiln, &[&url("#v1"), "-f", "sub/Dockerfile"], b"");
    assert!(names(&image, 0).contains(&"s/f".to_owned()));
    let keep = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1";
    let image = build(&kiln, &[&url("#v1"), "--build-arg", keep], b"");
    assert!(names(&image, 0).contains(&"all/.git".to_owned()));
    try_build(&kiln, &[&url("#none")], b"").expect(2, "does not contain ref none");
    try_build(&kiln, &[&url("?what=x")], b"").expect(2, "unexpected query \"what\"");

    kiln.file("Dockerfile", "FROM scratch\nCOPY --from=src f /\n");
    let (context, named) = (kiln.context(), format!("src={}", url("#v1")));
    let image = build(&kiln, &[context.to_str().unwrap(), "--build-context", &named], b"");
    assert_eq!(names(&image, 0), ["f"]);
}

#[test]
fn a_context_may_be_the_base_and_take_a_stages_place() {
    let kiln = Kiln::with("FROM alpine AS base\nCOPY g /\nFROM base\nCOPY --from=other g /h\n");
    kiln.file("g", "g");
    write(kiln.path("root/f"), "f");
    write(kiln.path("root/.dockerignore"), "x\n.dockerignore");
    write(kiln.path("root/x"), "x");
    let root = kiln.path("root");
    // The name of an image, whatever way it is written.
    let base = format!("docker.io/library/alpine:latest={}", root.display());
    let context = kiln.context();
    let other = format!("other={}", context.display());
    let context = context.to_str().unwrap();
    let args = [context, "--build-context", &base, "--build-context", &other];
    let image = build(&kiln, &args, b"");
    assert_eq!(names(&image, 0), ["f"]);
    assert_eq!(names(&image, 1), ["g"]);
    let history = image.config["history"].as_array().unwrap();
    assert_eq!(history.len(), 3, "one entry a layer: {history:?}");
    assert_eq!(history[2]["comment"], "buildkit.exporter.image.v0");
    let stage = format!("base={}", root.display());
    let args = [context, "--build-context", &stage, "--build-context", &other];
    let image = build(&kiln, &args, b"");
    assert_eq!((names(&image, 0), names(&image, 1)), (vec!["f".to_owned()], vec!["h".to_owned()]));
    let args = [context, "--build-context", "x=target:y"];
    try_build(&kiln, &args, b"").expect(2, "there is no target to take");
    let args = [context, "--build-context", "x=/does/not/exist"];
    try_build(&kiln, &args, b"").expect(2, "`/does/not/exist` does not exist");
}

#[test]
fn the_time_of_a_build_may_be_that_of_a_context_or_a_stage() {
    if !have("git") {
        return;
    }
    let kiln = Kiln::new();
    let dockerfile = "ARG SOURCE_DATE_EPOCH\nFROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL at=$SOURCE_DATE_EPOCH\nCOPY f /\n";
    let created = |seconds: i64| rfc3339(seconds);
    repository(&kiln.path("tree"), &[("Dockerfile", dockerfile), ("f", "f")]);
    publish(&kiln.path("tree"), &kiln.path("www/r.git"));
    kiln.file("Dockerfile", dockerfile).file("f", "f");
    let tar = archive(&kiln, &["--mtime=@1600000000"]);
    write(kiln.path("www/c.tar"), tar);
    let server = WebServer::start(kiln.path("www"));
    let silent = WebServer::start_without_times(kiln.path("www"));
    let by_name = ["--build-arg", "SOURCE_DATE_EPOCH=context"];
    let of = |context: &str, more: &[&str]| {
        let image = build(&kiln, &[&[context][..], more].concat(), b"");
        let label = image.config["config"]["Labels"]["at"].as_str().unwrap_or_default().to_owned();
        (label, image.config["created"].as_str().unwrap().to_owned())
    };
    for (context, seconds) in [
        (format!("{}/r.git", server.url), COMMITTED),
        (format!("{}/c.tar", server.url), MODIFIED),
        (format!("{}/c.tar", silent.url), 1_600_000_000),
    ] {
        let (label, time) = of(&context, &by_name);
        assert_eq!((label, time), (seconds.to_string(), created(seconds)), "{context}");
    }
    let local = kiln.context();
    let local = local.to_str().unwrap();
    assert_eq!(of(local, &by_name).0, "", "a directory has no time");
    let named = format!("src={}/c.tar", silent.url);
    let (label, _) =
        of(local, &["--build-arg", "SOURCE_DATE_EPOCH=src", "--build-context", &named]);
    assert_eq!(label, "1600000000");

    let staged = |add: &str| {
        format!(
            "ARG SOURCE_DATE_EPOCH=src\nFROM scratch AS src\nARG U={}\n{add}\nFROM scratch\nCOPY f /\n",
            server.url
        )
    };
    kiln.file("Dockerfile", staged("ADD $U/c.tar /"));
    assert_eq!(of(local, &[]).1, created(MODIFIED));
    kiln.file("Dockerfile", staged("COPY f /"));
    try_build(&kiln, &[local], b"").expect(2, "unsupported COPY instruction");
    kiln.file("Dockerfile", staged("ADD f /"));
    try_build(&kiln, &[local], b"").expect(2, "single HTTP(S) or Git ADD");
    kiln.file("Dockerfile", staged(""));
    try_build(&kiln, &[local], b"").expect(2, "exactly one remote ADD");
    // The last one is past what RFC 3339 can say: it was passed over once, in silence.
    for wrong in ["none", "-1", "253402300800"] {
        let time = format!("SOURCE_DATE_EPOCH={wrong}");
        try_build(&kiln, &[local, "--build-arg", &time], b"")
            .expect(2, &format!("invalid SOURCE_DATE_EPOCH `{wrong}`"));
    }
}

/// RFC 3339 of a few seconds, as date(1) has it.
fn rfc3339(seconds: i64) -> String {
    let text =
        run("date", &["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%dT%H:%M:%SZ"], Path::new("/"));
    text.trim().to_owned()
}

#[test]
fn symlinks_of_a_context_choose_no_file_of_the_machine() {
    let kiln = Kiln::new();
    let secret = kiln.path("token");
    std::fs::write(&secret, "hunter2\n").unwrap();
    let context = kiln.context();
    let link = |name: &str, target: &Path| {
        let path = context.join(name);
        let _absent = std::fs::remove_file(&path);
        std::os::unix::fs::symlink(target, path).unwrap();
    };
    // An error would quote the line.
    link("Dockerfile", &secret);
    let file = context.join("Dockerfile");
    let at = context.to_str().unwrap();
    for args in [&[at][..], &["--file", file.to_str().unwrap(), at]] {
        let run = try_build(&kiln, args, b"");
        assert!(run.code == 2 && !run.stderr.contains("hunter2"), "{}", run.stderr);
        assert!(run.stderr.contains("symbolic link"), "{}", run.stderr);
    }
    // Inside of it they are followed.
    write(context.join("docker/main"), DOCKERFILE);
    link("Dockerfile", Path::new("docker/main"));
    link(".dockerignore", &secret);
    build(&kiln, &[at], b"");

    let outside = kiln.path("outside");
    std::fs::create_dir(&outside).unwrap();
    link("out", &outside);
    let out = context.join("out");
    for args in [
        ["--output".to_owned(), format!("type=local,dest={}", out.display())],
        ["--iidfile".to_owned(), out.join("id").display().to_string()],
        ["--metadata-file".to_owned(), out.join("meta").display().to_string()],
    ] {
        let run = try_build(&kiln, &[&args[0], &args[1], at], b"");
        assert!(run.code == 2 && run.stderr.contains("symbolic link"), "{args:?}: {}", run.stderr);
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}
