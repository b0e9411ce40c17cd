//! RUN inside WebAssembly, from the command line: on no base at all, as any user, given up without a
//! trace, with programs of the context as guests.

use std::process::{Command, Stdio};

use crate::support::{Image, Kiln, base, have, run};

/// On nothing: no file of it could be executed.
const SCRATCH: &str = "FROM scratch\n\
    RUN mkdir -p /etc /srv/app/data && echo 'app:x:10:20::/srv/app:/bin/sh' > /etc/passwd\n\
    RUN chown -R app:20 /srv/app && chmod 2750 /srv/app && mknod /srv/app/null c 1 3\n\
    RUN ln /etc/passwd /srv/hard && ln -s app /srv/soft && printf '%s\\n' b a | sort > /srv/sorted\n\
    USER app\n\
    WORKDIR /srv/app\n\
    RUN id -u > data/id && sed -i s/1/2/ data/id && cat data/id\n";

#[test]
fn an_image_of_nothing_has_every_tool() {
    for runner in ["wasi", "auto"] {
        let kiln = Kiln::with(SCRATCH);
        let image = kiln.build(&["--runner", runner]);
        let layer = image.layer(1);
        assert_eq!(layer["srv/app"].mode, 0o2750);
        assert_eq!((layer["srv/app/data"].uid, layer["srv/app/data"].gid), (10, 20));
        assert_eq!(layer["srv/app/null"].kind, tar::EntryType::Char);
        let layer = image.layer(2);
        assert_eq!(layer["srv/sorted"].content, b"a\nb\n");
        assert_eq!(layer["srv/soft"].link.as_deref(), Some("app"));
        assert!(layer.contains_key("srv/hard"));
        let last = image.last_layer();
        assert_eq!(last["srv/app/data/id"].content, b"20\n");
        assert_eq!((last["srv/app/data/id"].uid, last["srv/app/data/id"].gid), (10, 20));
    }
}

#[test]
fn a_working_directory_that_is_not_there_is_made_and_part_of_the_layer() {
    let steps = "WORKDIR /gone/far\n\
        RUN cd / && rmdir /gone/far /gone\n\
        RUN echo > file\n\
        RUN cd / && rm -r /gone\n\
        RUN true\n\
        RUN cd / && rmdir /gone/far /gone\n\
        RUN cd / && rmdir /gone/far /gone\n";
    let kiln = Kiln::with(&format!("FROM scratch\n{steps}"));
    let image = kiln.build(&["--runner", "wasi"]);
    let names = |number| image.layer(number).keys().cloned().collect::<Vec<_>>();
    let made = ["gone", "gone/far"];
    assert_eq!(names(0), made);
    assert_eq!(names(1), [".wh.gone"]);
    assert_eq!(names(2), ["gone", "gone/far", "gone/far/file"]);
    assert_eq!(names(3), [".wh.gone"]);
    assert_eq!(names(4), made, "a step that does nothing leaves what was made for it");
    assert_eq!(names(5), [".wh.gone"]);
    assert!(names(6).is_empty(), "made for the step and taken away by it");
}

#[test]
fn any_user_builds_the_same_digest() {
    if !have("setpriv") {
        return;
    }
    let mut kiln = Kiln::with(SCRATCH);
    kiln.env("SOURCE_DATE_EPOCH", "1700000000");
    let as_root = kiln.build(&["--runner", "wasi"]).digest;
    let program = kiln.path("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &program).unwrap();
    let dir = kiln.path("");
    run("chown", &["-R", "65532:65532", dir.to_str().unwrap()], &dir);
    let output = Command::new("setpriv")
        .args(["--reuid=65532", "--regid=65532", "--clear-groups", "--no-new-privs"])
        .args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"])
        .arg(&program)
        .args(["build", kiln.context().to_str().unwrap(), "--runner", "wasi"])
        .args(["--work-dir", kiln.path("pod-work").to_str().unwrap()])
        .args(["--output", &format!("type=oci,dest={}", kiln.path("pod-out").display())])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(Image::open(&kiln.path("pod-out")).digest, as_root);
}

/// What `cp` does to a file that is there was decided when a BusyBox was built.
#[test]
fn busyboxs_cp_is_native_where_its_builds_differ() {
    let Some(layout) = base("busybox") else { return };
    let arg = Kiln::base_arg("busybox", &layout);
    let args = ["--build-context", &arg, "--runner", "wasi"];
    let set_up = "FROM busybox\nRUN echo a > a; echo b > b; ln -s b link; ln b hard; echo c > c\n";
    let kiln = Kiln::with(&format!("{set_up}RUN cp a c; cp -a a c; cp -n a b\n"));
    assert_eq!(kiln.build(&args).last_layer()["c"].content, b"a\n");
    for step in ["cp a b", "cp -a a hard", "cp a link", "chmod 600 c; cp a c", "chown 1 c; cp a c"]
    {
        kiln.file("Dockerfile", format!("{set_up}RUN {step}\n"));
        kiln.build_fails(&args).expect(1, "cp over what BusyBox writes into or replaces");
    }
}

#[test]
fn a_step_that_is_given_up_says_why_and_nothing_twice() {
    let Some(layout) = base("busybox") else { return };
    // The name of the second command is known only when it runs.
    let kiln = Kiln::with(
        "FROM busybox\nRUN c=dmesg; echo said once > /once; echo said once; $c --help; echo >> /once\n",
    );
    let arg = Kiln::base_arg("busybox", &layout);
    let out = format!("type=oci,dest={}", kiln.path("out").display());
    let context = kiln.context();
    let args = ["build", context.to_str().unwrap(), "--build-context", &arg, "--output", &out];
    let auto = kiln.run([&args[..], &["--progress", "plain"]].concat());
    auto.expect(0, "wasi runner: needs native: there is no shim for dmesg");
    let said = auto.stderr.lines().filter(|line| line.ends_with(" said once")).count();
    assert_eq!(said, 1, "{}", auto.stderr);
    let image = Image::open(&kiln.path("out"));
    assert_eq!(image.last_layer()["once"].content, b"said once\n\n");
    let wasi = kiln.run([&args[..], &["--runner", "wasi", "--no-cache"]].concat());
    wasi.expect(1, "needs native: there is no shim for dmesg");
    wasi.expect(1, "--runner auto runs such a step natively");
}

#[test]
fn bounds_of_guests_come_from_the_command_line() {
    let kiln = Kiln::with("FROM scratch\nRUN while :; do :; done\n");
    let fails = |limit: &str| kiln.build_fails(&["--runner", "wasi", "--wasi-limit", limit]);
    fails("time=1").expect(1, "limit reached: time: more than 1s");
    let kiln = Kiln::with("FROM scratch\nRUN x=aaaaaaaa; while :; do x=$x$x; done\n");
    let run = kiln.build_fails(&["--runner", "wasi", "--wasi-limit", "memory=64m"]);
    run.expect(1, "limit reached: a guest's memory: more than 64 MiB");
    let kiln = Kiln::with("FROM scratch\nRUN b() { b | b; }; b\n");
    let run = kiln.build_fails(&["--runner", "wasi", "--wasi-limit", "processes=20"]);
    run.expect(1, "limit reached: processes: more than 20");
    kiln.build_fails(&["--wasi-limit", "speed=1"]).expect(2, "`speed` is unknown");
}

/// A program of the standard library's: arguments, environment, files, standard input and output.
const PROGRAM: &str = r#"
use std::io::Read;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).unwrap();
    std::fs::create_dir_all("/made/by").unwrap();
    let text = format!("{args:?} {} {}", std::env::var("NAME").unwrap(), input.trim());
    std::fs::write("/made/by/guest", &text).unwrap();
    std::fs::copy("/made/by/guest", "relative").unwrap();
    std::fs::rename("relative", "renamed").unwrap();
    let mut names: Vec<_> = std::fs::read_dir("/made").unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    println!("{names:?} {}", std::fs::metadata("/made/by/guest").unwrap().len());
    assert!(std::fs::read("/etc/shadow-nothing").is_err());
    if args.first().is_some_and(|arg| arg == "fail") { std::process::exit(7); }
}
"#;

#[test]
fn programs_of_the_context_run_as_guests() {
    if !have("rustc") {
        return;
    }
    let kiln = Kiln::with(
        "FROM scratch\nENV NAME=value\nCOPY --chmod=755 app.wasm /usr/bin/app\nWORKDIR /work\n\
         RUN [\"/usr/bin/app\", \"one\", \"two words\"]\n\
         RUN echo typed | app by-path > out && cat /made/by/guest\n\
         RUN cp /usr/bin/app ./own.wasm && ./own.wasm x < out && NAME=other /work/own.wasm\n\
         RUN app fail; echo $? > status\n",
    );
    kiln.file("app.rs", PROGRAM);
    let compiled = Command::new("rustc")
        .args(["--edition=2021", "--target=wasm32-wasip1", "-O", "app.rs", "-o", "app.wasm"])
        .current_dir(kiln.context())
        .output()
        .unwrap();
    if !compiled.status.success() {
        let why = String::from_utf8_lossy(&compiled.stderr).into_owned();
        println!("skipped: rustc cannot build for wasm32-wasip1: {why}");
        return;
    }
    std::fs::remove_file(kiln.context().join("app.rs")).unwrap();
    let image = kiln.build(&["--runner", "wasi"]);
    let layer = |from_end: usize| image.layer(image.layer_count() - 1 - from_end);
    let text = |content: &[u8]| String::from_utf8(content.to_vec()).unwrap();
    let exec = layer(3);
    assert_eq!(text(&exec["made/by/guest"].content), "[\"one\", \"two words\"] value ");
    // Preview 1 knows no working directory: relative paths start at the root.
    assert_eq!(exec["renamed"].content, exec["made/by/guest"].content);
    let shell = layer(2);
    assert_eq!(text(&shell["made/by/guest"].content), "[\"by-path\"] value typed");
    assert_eq!(text(&shell["work/out"].content), "[\"by\"] 23\n");
    assert_eq!(text(&layer(1)["made/by/guest"].content), "[] other ");
    assert_eq!(layer(0)["work/status"].content, b"7\n");
}
