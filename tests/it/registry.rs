//! From a registry to a registry, and what other tools make of the result.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Kiln, Registry, base, have, run};

/// Two stages, twenty RUN steps, a directory tree, USER and ENTRYPOINT.
fn big_dockerfile(base: &str) -> String {
    let mut text = format!("FROM {base} AS build\nWORKDIR /src\nCOPY tree/ ./\n");
    for number in 0..10 {
        text.push_str(&format!("RUN echo {number} >> log && mkdir -p out/{number}\n"));
    }
    text.push_str(&format!(
        "FROM {base}\nRUN groupadd -g 1500 app && useradd -u 1500 -g app -m app\n"
    ));
    text.push_str("COPY --from=build --chown=app:app /src /srv/app\n");
    for number in 0..9 {
        text.push_str(&format!(
            "RUN mkdir -p /srv/app/more && echo {number} > /srv/app/more/{number}\n"
        ));
    }
    text.push_str(
        "ENV GREETING=\"hello there\"\nWORKDIR /srv/app\nUSER app\n\
         ENTRYPOINT [\"/bin/sh\", \"-c\", \"id -un; id -g; pwd; echo $GREETING; cat log sub/file; ls more | wc -l\"]\n",
    );
    text
}

const EXPECTED: &str =
    "app\n1500\n/srv/app\nhello there\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\nfrom the context\n9\n";

#[test]
fn a_real_image_from_registry_to_registry() {
    let (Some(registry), Some(debian)) = (Registry::start(), base("debian")) else { return };
    if !["skopeo", "umoci", "runc"].iter().all(|program| have(program)) {
        return;
    }
    registry.push_layout(&debian, "bookworm", "base/debian:12");
    let kiln = Kiln::with(&big_dockerfile(&registry.name("base/debian:12")));
    kiln.file("tree/sub/file", "from the context\n").file("tree/README", "x");
    let tag = registry.name("team/app:1.0");
    let context = kiln.context();
    let built = kiln.run(["build", context.to_str().unwrap(), "--tag", &tag, "--push"]);
    assert_eq!(built.code, 0, "{}", built.stderr);

    let remote = format!("docker://{tag}");
    let root = Path::new("/");
    let inspected = run("skopeo", &["inspect", "--tls-verify=false", &remote], root);
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["Digest"], built.stdout.trim_end());
    assert_eq!(inspected["Layers"].as_array().unwrap().len(), 13);

    let (dir, layout) = (kiln.path("dir"), kiln.path("layout"));
    let to_dir = format!("dir:{}", dir.display());
    run("skopeo", &["copy", "-q", "--src-tls-verify=false", &remote, &to_dir], root);
    assert!(dir.join("manifest.json").exists());
    let to_layout = format!("oci:{}:app", layout.display());
    run("skopeo", &["copy", "-q", "--src-tls-verify=false", &remote, &to_layout], root);
    let bundle = kiln.path("bundle");
    let image = format!("{}:app", layout.display());
    run("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()], root);
    assert_eq!(run_bundle(&bundle), EXPECTED);
}

/// Runs an unpacked image with runc, as its config says.
fn run_bundle(bundle: &Path) -> String {
    let file = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["process"]["terminal"] = json!(false);
    config["root"]["readonly"] = json!(true);
    // This machine's cgroups are not the test's business.
    config["linux"].as_object_mut().unwrap().remove("resources");
    std::fs::write(&file, config.to_string()).unwrap();
    let name = format!("kiln-test-{}", std::process::id());
    let output = Command::new("runc").args(["run", &name]).current_dir(bundle).output().unwrap();
    if !output.status.success() {
        println!("runc: {}; chroot is used", String::from_utf8_lossy(&output.stderr).trim());
        return run_chroot(bundle, &config);
    }
    String::from_utf8(output.stdout).unwrap()
}

/// The same with chroot, where runc does not work.
fn run_chroot(bundle: &Path, config: &Value) -> String {
    let process = &config["process"];
    let user = format!("--userspec={}:{}", process["user"]["uid"], process["user"]["gid"]);
    let cwd = process["cwd"].as_str().unwrap();
    let env: Vec<&str> =
        process["env"].as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect();
    let args: Vec<&str> =
        process["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let rootfs = bundle.join("rootfs");
    let output = Command::new("chroot")
        .args([user.as_str(), rootfs.to_str().unwrap(), "/usr/bin/env", "-i", "-C", cwd])
        .args(env)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn credentials_come_from_dockers_config() {
    let (Some(registry), Some(busybox)) =
        (Registry::start_with_login("user", "secret-word"), base("busybox"))
    else {
        return;
    };
    // user:secret-word
    let auth = json!({"auths": {registry.host(): {"auth": "dXNlcjpzZWNyZXQtd29yZA=="}}});
    let mut kiln = Kiln::with("FROM base\nRUN env\n");
    kiln.file("../docker/config.json", auth.to_string());
    let config = kiln.path("docker");
    kiln.env("DOCKER_CONFIG", config.to_str().unwrap());
    let tag = registry.name("private/app:1");
    let context = kiln.context();
    let base = Kiln::base_arg("base", &busybox);
    let first = kiln.run([
        "build",
        context.to_str().unwrap(),
        "--tag",
        &tag,
        "--push",
        "--build-context",
        &base,
    ]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(!first.stderr.contains("secret-word") && !first.stderr.contains("dXNlcjpz"));
    // And back again, with nothing in the work directory.
    let other = kiln.path("other-work");
    kiln.file("Dockerfile", format!("FROM {tag}\nRUN true\n"));
    let image = kiln.build(&["--work-dir", other.to_str().unwrap()]);
    assert_eq!(image.layer_count(), 3);
}

#[test]
fn one_build_has_many_names() {
    let Some(registry) = Registry::start() else { return };
    let kiln = Kiln::with("FROM scratch\nCOPY Dockerfile /\n");
    let context = kiln.context();
    let names = [registry.name("a:1"), registry.name("a:latest"), registry.name("b/c:x")];
    let mut args = vec!["build", context.to_str().unwrap(), "-o", "type=registry"];
    for name in &names {
        args.extend(["-t", name]);
    }
    let built = kiln.run(args);
    assert_eq!(built.code, 0, "{}", built.stderr);
    if !have("skopeo") {
        return;
    }
    for name in &names {
        let remote = format!("docker://{name}");
        let inspected = run("skopeo", &["inspect", "--tls-verify=false", &remote], Path::new("/"));
        let inspected: BTreeMap<String, Value> = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Digest"], built.stdout.trim_end());
    }
}

#[test]
fn two_builds_share_a_work_directory() {
    let (Some(registry), Some(debian)) = (Registry::start(), base("debian")) else { return };
    if !have("skopeo") {
        return;
    }
    registry.push_layout(&debian, "bookworm", "base:1");
    let dockerfile = format!("FROM {}\nRUN echo same > /same\n", registry.name("base:1"));
    let (first, second) = (Kiln::with(&dockerfile), Kiln::with(&dockerfile));
    let work = first.path("shared-work");
    let children: Vec<_> = [&first, &second]
        .iter()
        .map(|kiln| {
            let context = kiln.context();
            kiln.command(["build", context.to_str().unwrap(), "--work-dir", work.to_str().unwrap()])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let left = std::fs::read_dir(work.join("builds")).unwrap().count();
    assert_eq!(left, 0, "root file systems were left");
}
