//! Bad input: one clear error, the documented exit code, nothing half-written.

use std::path::Path;

use crate::support::{Kiln, Registry, Run, base, have, is_root, run};

/// A failed build wrote nothing where its result would be.
fn fails_cleanly(kiln: &Kiln, args: &[&str]) -> Run {
    let (layout, archive) = (kiln.path("failed-layout"), kiln.path("failed.tar"));
    let mut all = args.to_vec();
    let to_layout = format!("type=oci,dest={}", layout.display());
    let to_archive = format!("type=oci-archive,dest={}", archive.display());
    all.extend(["--output", &to_layout, "--output", &to_archive]);
    let run = kiln.build_fails(&all);
    assert!(!layout.exists() && !archive.exists(), "a failed build left output");
    let errors = run.stderr.lines().filter(|line| line.contains("error:")).count();
    assert_eq!(errors, 1, "one error, told once:\n{}", run.stderr);
    run
}

#[test]
fn a_missing_dockerfile() {
    let kiln = Kiln::new();
    fails_cleanly(&kiln, &[]).expect(2, "Dockerfile: no such file").expect(2, "hint: ");
}

#[test]
fn a_missing_context() {
    let kiln = Kiln::new();
    kiln.run(["build", "/does/not/exist"]).expect(2, "`/does/not/exist` does not exist");
}

#[test]
fn syntax_errors_show_their_place() {
    let kiln = Kiln::with("FROM scratch\nRUNN echo hi\n");
    fails_cleanly(&kiln, &[])
        .expect(2, "Dockerfile:2:1: error: unknown instruction: RUNN")
        .expect(2, "RUNN echo hi")
        .expect(2, "did you mean RUN?");
    kiln.file("Dockerfile", "FROM scratch\nCOPY --chwon=1 a b\n");
    fails_cleanly(&kiln, &[]).expect(2, "Dockerfile:2:").expect(2, "chwon").expect(2, "chown");
    kiln.file("Dockerfile", "");
    fails_cleanly(&kiln, &[]).expect(2, "empty");
    kiln.file("Dockerfile", b"FROM scratch\nLABEL a=\xff\n");
    fails_cleanly(&kiln, &[]).expect(2, "Dockerfile:2: the text is not UTF-8");
}

#[test]
fn unknown_stages() {
    let kiln = Kiln::with("FROM scratch AS build\nFROM scratch\n");
    fails_cleanly(&kiln, &["--target", "biuld"])
        .expect(2, "target stage `biuld` could not be found")
        .expect(2, "did you mean `build`?");
    kiln.file("Dockerfile", "FROM scratch\nCOPY --from=2 / /\n");
    fails_cleanly(&kiln, &[]).expect(2, "Dockerfile:2:13: error: invalid stage index 2");
    kiln.file("Dockerfile", "FROM scratch\nCOPY --from=later / /\nFROM scratch AS later\n");
    fails_cleanly(&kiln, &["--target", "0"]).expect(2, "needs to be defined before");
}

#[test]
fn a_missing_source() {
    let kiln = Kiln::with("FROM scratch\n\nCOPY there missing /\n");
    kiln.file("there", "");
    fails_cleanly(&kiln, &[])
        .expect(2, "Dockerfile:3:12: error: \"missing\": not found")
        .expect(2, "COPY there missing /");
}

#[test]
fn a_failing_step_shows_its_exit_code_and_output() {
    let Some(busybox) = base("busybox") else { return };
    let base = Kiln::base_arg("base", &busybox);
    let kiln = Kiln::with("FROM base\nRUN echo last words; exit 7\n");
    let args = ["--build-context", base.as_str()];
    fails_cleanly(&kiln, &args)
        .expect(1, "did not complete successfully: exit code: 7")
        .expect(1, "Dockerfile:2:1: error: process \"/bin/sh -c echo last words; exit 7\"")
        .expect(1, "last words");
    kiln.file("Dockerfile", "FROM base\nRUN kill -9 $$\n");
    fails_cleanly(&kiln, &args).expect(1, "exit code: 137");
    kiln.file("Dockerfile", "FROM base\nRUN [\"no-such-program\"]\n");
    fails_cleanly(&kiln, &args).expect(1, "exit code: 127").expect(1, "no-such-program");
    kiln.file("Dockerfile", "FROM base\nUSER nobody-knows\nRUN true\n");
    fails_cleanly(&kiln, &args).expect(2, "unable to find user nobody-knows");
}

#[test]
fn what_is_not_supported_is_named() {
    let kiln = Kiln::new();
    for (instruction, named) in [
        ("RUN --security=insecure true", "Dockerfile:2:5: error: RUN --security=insecure"),
        ("RUN --device=vendor.com/class=x,required true", "Dockerfile:2:14: error: RUN --device="),
    ] {
        kiln.file("Dockerfile", format!("FROM scratch\n{instruction}\n"));
        fails_cleanly(&kiln, &[]).expect(2, named);
    }
    kiln.file("Dockerfile", "FROM scratch\nRUN --device=vendor.com/class=x true\n");
    let context = kiln.context();
    kiln.run(["build", context.to_str().unwrap()])
        .expect(0, "RUN --device=vendor.com/class=x: the step runs without this device");
    kiln.file("Dockerfile", "FROM scratch\n");
    for (args, named) in [
        (["--output", "type=image,dest=x"], "type=image"),
        (["--build-context", "a=target:b"], "target:b"),
        (["--tag", "UPPER/Case"], "UPPER/Case"),
    ] {
        kiln.build_fails(&args).expect(2, named);
    }
}

#[test]
fn an_unreachable_registry() {
    let kiln = Kiln::with("FROM 127.0.0.1:1/none:latest\n");
    fails_cleanly(&kiln, &[]).expect(4, "127.0.0.1:1").expect(4, "refused");
    kiln.file("Dockerfile", "FROM scratch\nLABEL a=b\n");
    kiln.build_fails(&["--tag", "127.0.0.1:1/none", "--push"]).expect(4, "127.0.0.1:1");
    kiln.build_fails(&["--push"]).expect(2, "--tag");
}

#[test]
fn a_missing_image() {
    let Some(registry) = Registry::start() else { return };
    let kiln = Kiln::with(&format!("FROM {}\n", registry.name("none:1")));
    fails_cleanly(&kiln, &[]).expect(4, "none:1");
}

#[test]
fn a_blob_with_the_wrong_digest() {
    let (Some(registry), Some(busybox)) = (Registry::start(), base("busybox")) else { return };
    if !have("skopeo") {
        return;
    }
    registry.push_layout(&busybox, "latest", "base:1");
    let index = std::fs::read(busybox.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/");
    let manifest = std::fs::read(busybox.join("blobs").join(manifest)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let hex = layer.strip_prefix("sha256:").unwrap();
    let data = format!(
        "{}/docker/registry/v2/blobs/sha256/{}/{hex}/data",
        registry.data().display(),
        &hex[..2]
    );
    let mut bytes = std::fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    let kiln = Kiln::with(&format!("FROM {}\nRUN true\n", registry.name("base:1")));
    fails_cleanly(&kiln, &[]).expect(4, layer);
    let kept = kiln.path("work/store/blobs/sha256").join(hex);
    assert!(!kept.exists(), "the wrong blob was kept");
}

#[test]
fn a_wrong_password() {
    let Some(registry) = Registry::start_with_login("user", "secret-word") else { return };
    let mut kiln = Kiln::with("FROM scratch\nLABEL a=b\n");
    let tag = registry.name("app:1");
    let anonymous = kiln.build_fails(&["--tag", &tag, "--push"]);
    anonymous.expect(4, "401").expect(4, &registry.host());
    // user:wrong-word
    let auths =
        format!("{{\"auths\":{{\"{}\":{{\"auth\":\"dXNlcjp3cm9uZy13b3Jk\"}}}}}}", registry.host());
    kiln.file("../docker/config.json", auths);
    let config = kiln.path("docker");
    kiln.env("DOCKER_CONFIG", config.to_str().unwrap());
    let wrong = kiln.build_fails(&["--tag", &tag, "--push"]);
    wrong.expect(4, "401");
    assert!(!wrong.stderr.contains("wrong-word"), "a password was printed:\n{}", wrong.stderr);
}

#[test]
fn a_full_disk() {
    if !is_root() {
        println!("skipped: only root can mount a small file system");
        return;
    }
    let kiln = Kiln::with("FROM scratch\nCOPY big /\n");
    kiln.file("big", vec![7u8; 8 << 20]);
    let small = kiln.path("small");
    std::fs::create_dir(&small).unwrap();
    run(
        "mount",
        &["-t", "tmpfs", "-o", "size=4m", "tmpfs", small.to_str().unwrap()],
        Path::new("/"),
    );
    let result = std::panic::catch_unwind(|| {
        let in_work = fails_cleanly(&kiln, &["--work-dir", small.to_str().unwrap()]);
        in_work.expect(5, "No space left on device").expect(5, "hint: free space");
        let left = std::fs::read_dir(small.join("store/ingest")).unwrap().count();
        assert_eq!(left, 0, "temporary files were left");
        let dest = format!("type=oci-archive,dest={}/out.tar", small.display());
        kiln.file("big", random(8 << 20));
        let in_output = kiln.build_fails(&["--output", &dest]);
        in_output.expect(5, "No space left on device");
        assert!(!small.join("out.tar").exists());
    });
    run("umount", &[small.to_str().unwrap()], Path::new("/"));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

/// Bytes that do not compress (xorshift64).
fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length / 8).flat_map(|_| next()).collect()
}

#[test]
fn control_characters_of_a_dockerfile_do_not_reach_the_terminal() {
    let kiln = Kiln::with("FROM scratch\nCOPY \"no\u{1b}cne\u{7}\" /\n");
    let context = kiln.context();
    let run = kiln.run(["build", context.to_str().unwrap()]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains(r"no\u{1b}cne\u{7}"), "{}", run.stderr);
    assert!(!run.stderr.contains(['\u{1b}', '\u{7}']), "{:?}", run.stderr);
}
