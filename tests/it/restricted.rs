//! The reason kiln exists: a build by a random uid without any privilege gives the image that root
//! builds in namespaces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::image::Entry;
use crate::support::{Image, Kiln, base, have, run};

/// What a restricted pod allows: no capability, no new privileges, an arbitrary uid.
pub const POD: [&str; 7] = [
    "--reuid=65532",
    "--regid=65532",
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
];

type Layers = Vec<BTreeMap<String, Entry>>;

/// The same for both builds.
const ENV: [(&str, &str); 2] = [("SOURCE_DATE_EPOCH", "1700000000"), ("KILN_TEST_SECRET", "value")];

/// Steps that are about owners, modes, users and packages.
const DOCKERFILE: &str = r#"
FROM debian
RUN id -u && touch /owned && chown daemon:games /owned && chmod 4755 /owned && mkdir -m 2770 /dir
RUN useradd -m -u 1234 app && su app -c 'id -un; echo hi > /home/app/f' && chgrp app /dir
RUN mkdir -p /pkg/DEBIAN /pkg/opt/tool && echo content > /pkg/opt/tool/file && \
    printf 'Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n' > /pkg/DEBIAN/control && \
    printf '#!/bin/sh\nset -e\nchown games:daemon /opt/tool/file\nchmod 6711 /opt/tool/file\n' > /pkg/DEBIAN/postinst && \
    chmod 755 /pkg/DEBIAN/postinst && dpkg-deb --build /pkg /tmp/tool.deb >/dev/null && dpkg -i /tmp/tool.deb && \
    rm -rf /pkg /tmp/tool.deb && rm -f /var/log/dpkg.log /var/lib/dpkg/status-old
RUN mknod /null c 1 3 && mkfifo /fifo && ln /owned /hard && ln -s /owned /soft && rm /etc/issue
RUN tar -C / -cf /a.tar owned dir && mkdir /unpacked && tar -C /unpacked -xpf /a.tar && rm /a.tar
USER app
WORKDIR /home/app
RUN id -u && ! touch /etc/passwd 2>/dev/null && mkdir d && echo 1 > d/e
RUN ["/bin/bash", "-c", "cd d && perl -e 'print -s \"e\", qq(\\n)' > size && (sleep 100 &) ; echo $0"]
"#;

/// A kiln that the pod's user can run, in a directory of the pod's user.
pub fn pod(kiln: &Kiln, layout: &Path) -> PathBuf {
    let dir = kiln.path("");
    let program = dir.join("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &program).unwrap();
    run("cp", &["-r", layout.to_str().unwrap(), dir.join("base").to_str().unwrap()], &dir);
    run("chown", &["-R", "65532:65532", dir.to_str().unwrap()], &dir);
    program
}

fn entries(image: &Image) -> Layers {
    (1..image.layer_count()).map(|index| image.layer(index)).collect()
}

/// The layers that a user without privileges builds, and those that root builds.
fn both(dockerfile: &str, base_name: &str, args: &[&str]) -> Option<[Layers; 2]> {
    let layout = base(base_name)?;
    if !have("setpriv") {
        return None;
    }
    let mut kiln = Kiln::with(dockerfile);
    let out = kiln.path("pod-out");
    let program = pod(&kiln, &layout);
    let base_arg = Kiln::base_arg(base_name, &kiln.path("base"));
    let output = Command::new("setpriv")
        .args(POD)
        .arg(&program)
        .args(["build", kiln.context().to_str().unwrap(), "--runner", "emulated"])
        .args(["--build-context", &base_arg, "--work-dir", kiln.path("pod-work").to_str().unwrap()])
        .args(["--output", &format!("type=oci,dest={}", out.display())])
        .args(args)
        .envs(ENV)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    for (name, value) in ENV {
        kiln.env(name, value);
    }
    let as_root = [&["--runner", "namespaces", "--build-context", &base_arg], args].concat();
    Some([entries(&Image::open(&out)), entries(&kiln.build(&as_root))])
}

#[test]
fn a_random_uid_builds_what_root_builds() {
    let Some([in_pod, as_root]) = both(DOCKERFILE, "debian", &[]) else { return };
    assert_eq!(in_pod.len(), as_root.len());
    for (number, (pod, root)) in in_pod.iter().zip(&as_root).enumerate() {
        let names = |layer: &BTreeMap<String, Entry>| layer.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(pod), names(root), "step {}", number + 1);
        for (path, entry) in pod {
            // The day of the last password change and the time of a log are the clock's.
            let ours = Entry { mtime: 0, content: Vec::new(), ..entry.clone() };
            let theirs = Entry { mtime: 0, content: Vec::new(), ..root[path].clone() };
            assert_eq!(ours, theirs, "step {}: {path}", number + 1);
            if !path.starts_with("var/") && !path.ends_with("shadow") && !path.ends_with('-') {
                assert_eq!(entry.content, root[path].content, "step {}: {path}", number + 1);
            }
        }
    }
}

#[test]
fn mounted_files_have_their_owners() {
    let dockerfile = "FROM busybox AS source\n\
        RUN mkdir -p /d && echo hi > /d/f && chown -R 33:44 /d && chmod 2750 /d && chmod 6711 /d/f\n\
        FROM busybox\n\
        RUN mkdir -m 777 /out\n\
        RUN --mount=from=source,source=/d,target=/x cp -a /x /out/copy; stat -c '%u:%g %a %n' /x /x/f > /out/bind\n\
        RUN --mount=type=secret,id=s,uid=1000,mode=0440 stat -c '%u:%g %a' /run/secrets/s > /out/secret\n\
        RUN --mount=type=cache,uid=1000,gid=1001,mode=0700,target=/c touch /c/root; chown 7:8 /c/root; chmod 4000 /c/root\n\
        RUN --mount=type=cache,from=source,source=/d,target=/filled stat -c '%u:%g %a' /filled/f > /out/filled\n\
        USER 1000:1001\n\
        RUN --mount=type=cache,uid=1000,gid=1001,mode=0700,target=/c touch /c/user && stat -c '%u:%g %a %n' /c /c/root /c/user > /out/cache\n\
        RUN --mount=type=secret,id=s,uid=1000,mode=0400 cat /run/secrets/s > /out/read; ! cat /c/root\n";
    let args = ["--secret", "id=s,env=KILN_TEST_SECRET"];
    let Some([in_pod, as_root]) = both(dockerfile, "busybox", &args) else { return };
    let untimed = |layers: Layers| -> Layers {
        let untime = |(path, entry)| (path, Entry { mtime: 0, ..entry });
        layers.into_iter().map(|layer| layer.into_iter().map(untime).collect()).collect()
    };
    let (in_pod, as_root) = (untimed(in_pod), untimed(as_root));
    let text = |layer: usize, path: &str| {
        String::from_utf8_lossy(&as_root[as_root.len() - layer][path].content).into_owned()
    };
    assert_eq!(text(6, "out/bind"), "33:44 2750 /x\n33:44 6711 /x/f\n");
    assert_eq!(text(5, "out/secret"), "1000:0 440\n");
    assert_eq!(text(3, "out/filled"), "33:44 6711\n");
    assert_eq!(text(2, "out/cache"), "1000:1001 700 /c\n7:8 4000 /c/root\n1000:1001 644 /c/user\n");
    assert_eq!(text(1, "out/read"), "value");
    assert_eq!(in_pod, as_root);
}

#[test]
fn doctor_names_what_is_refused() {
    if !have("setpriv") || !have("busybox") {
        return;
    }
    let kiln = Kiln::new();
    let program = kiln.path("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &program).unwrap();
    run("chmod", &["-R", "a+rX", kiln.path("").to_str().unwrap()], Path::new("/"));
    let work = kiln.path("doctor-work");
    std::fs::create_dir(&work).unwrap();
    run("chmod", &["0777", work.to_str().unwrap()], Path::new("/"));
    let doctor = |work: &Path| {
        let output = Command::new("setpriv")
            .args(POD)
            .arg(&program)
            .args(["doctor", "--work-dir", work.to_str().unwrap()])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = doctor(&work);
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("uid 65532, no capabilities, no new privileges"), "{text}");
    assert_eq!(lines[1], format!("work directory {}: works", work.display()));
    assert!(text.contains("\nrunner namespaces: does not work here\n"), "{text}");
    // A call or a program, the refusal, and what helps.
    let refused = lines.iter().position(|line| line.trim_start().starts_with("refused: "));
    let refused = refused.unwrap_or_else(|| panic!("{text}"));
    assert!(lines[refused].matches(": ").count() >= 2, "{text}");
    assert!(lines[refused + 1].trim_start().starts_with("remedy:  "), "{text}");
    let emulated = text.split("\nrunner emulated: works\n").nth(1).unwrap();
    for line in
        ["  landlock: ABI ", "  seccomp: ", "  openat2: ", "  memfd_create: ", "  a step: starts"]
    {
        assert!(emulated.contains(line), "{text}");
    }
    assert!(
        text.ends_with("RUN steps are run by wasi where it can, else by emulated, unless --runner says otherwise\n"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0, "the doctor cleans up");

    let closed = kiln.path("closed");
    std::fs::create_dir(&closed).unwrap();
    let (code, text) = doctor(&closed.join("work"));
    assert_eq!(code, Some(5), "{text}");
    let refusal = format!("  refused: mkdir({}): EACCES\n", closed.join("work").display());
    assert!(text.contains(&refusal), "{text}");
    assert!(text.contains("remedy:  choose a --work-dir"), "{text}");
}
