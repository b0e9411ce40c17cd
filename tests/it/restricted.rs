//! The reason kiln exists: a build by a random uid without any privilege gives the image that root
//! builds in namespaces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::image::Entry;
use crate::support::{Image, Kiln, base, have, run};

/// What a restricted pod allows: no capability, no new privileges, an arbitrary uid.
const POD: [&str; 7] = [
    "--reuid=65532",
    "--regid=65532",
    "--clear-groups",
    "--no-new-privs",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
];

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
fn pod(kiln: &Kiln, layout: &Path) -> PathBuf {
    let dir = kiln.path("");
    let program = dir.join("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &program).unwrap();
    run("cp", &["-r", layout.to_str().unwrap(), dir.join("base").to_str().unwrap()], &dir);
    run("chown", &["-R", "65532:65532", dir.to_str().unwrap()], &dir);
    program
}

fn entries(image: &Image) -> Vec<BTreeMap<String, Entry>> {
    (1..image.layer_count()).map(|index| image.layer(index)).collect()
}

#[test]
fn a_random_uid_builds_what_root_builds() {
    let Some(debian) = base("debian") else { return };
    if !have("setpriv") {
        return;
    }
    let kiln = Kiln::with(DOCKERFILE);
    let out = kiln.path("pod-out");
    let program = pod(&kiln, &debian);
    let base_arg = Kiln::base_arg("debian", &kiln.path("base"));
    let output = Command::new("setpriv")
        .args(POD)
        .arg(&program)
        .args(["build", kiln.context().to_str().unwrap(), "--runner", "emulated"])
        .args(["--build-context", &base_arg, "--work-dir", kiln.path("pod-work").to_str().unwrap()])
        .args(["--output", &format!("type=oci,dest={}", out.display())])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let in_pod = entries(&Image::open(&out));

    let mut root = Kiln::with(DOCKERFILE);
    root.env("SOURCE_DATE_EPOCH", "1700000000");
    let args = ["--runner", "namespaces", "--build-context", &base_arg];
    let as_root = entries(&root.build(&args));
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
fn doctor_names_what_is_refused() {
    if !have("setpriv") || !have("busybox") {
        return;
    }
    let kiln = Kiln::new();
    let program = kiln.path("kiln");
    std::fs::copy(env!("CARGO_BIN_EXE_kiln"), &program).unwrap();
    run("chmod", &["-R", "a+rX", kiln.path("").to_str().unwrap()], Path::new("/"));
    let output = Command::new("setpriv").args(POD).arg(&program).arg("doctor").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("runner emulated: works"), "{text}");
    assert!(text.contains("runner namespaces: does not work here"), "{text}");
}
