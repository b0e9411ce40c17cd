//! What kiln knows and steps must not: registry credentials, and secrets that end up in layers.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::restricted::{POD, pod};
use crate::support::{Image, Kiln, base, have, write};

/// `user:CANARY-registry` in base64, as a registry's credentials are kept.
const ENCODED: &str = "dXNlcjpDQU5BUlktcmVnaXN0cnk=";

/// Every file of every layer, and the config, as one text.
fn everything(image: &Image) -> String {
    let mut text = image.config.to_string();
    for index in 1..image.layer_count() {
        for (path, entry) in image.layer(index) {
            text.push_str(&path);
            text.push_str(&String::from_utf8_lossy(&entry.content));
        }
    }
    text
}

#[test]
fn credentials_and_secrets_stay_out_of_steps_and_layers() {
    let Some(debian) = base("debian") else { return };
    if !have("setpriv") {
        return;
    }
    let kiln = Kiln::new();
    let config = kiln.path("docker-config");
    let file = config.join("config.json");
    std::fs::create_dir(&config).unwrap();
    write(&file, format!("{{\"auths\":{{\"registry.invalid\":{{\"auth\":\"{ENCODED}\"}}}}}}"));
    write(kiln.path("token"), "CANARY-service-account");
    let (config_file, token) = (file.display(), kiln.path("token"));
    // Everything that a step can look at, kept; what is refused fails in silence.
    let dockerfile = format!(
        "FROM debian\n\
         RUN {{ env; cat /proc/self/environ {config_file} {token}; \
             for p in /proc/[0-9]*; do \
                 cat $p/environ $p/cmdline $p/maps $p/root{config_file} $p/cwd/config.json; \
             done; \
             ls -lR /run /root; cat ~/.docker/config.json; }} > /found 2>&1 < /dev/null; true\n\
         RUN --mount=type=secret,id=s wc -c < /run/secrets/s > /used; ls -l /run/secrets > /listed; \
             ln /run/secrets/s /linked; mv /run/secrets/s /moved; true\n\
         RUN ls -lR /run > /after\n",
        token = token.display(),
    );
    write(kiln.context().join("Dockerfile"), dockerfile);
    let program = pod(&kiln, &debian);
    let out = kiln.path("pod-out");
    let output = Command::new("setpriv")
        .args(POD)
        .arg(&program)
        .args(["build", kiln.context().to_str().unwrap(), "--runner", "emulated"])
        .args(["--build-context", &Kiln::base_arg("debian", &kiln.path("base"))])
        .args(["--secret", "id=s,env=STEP_SECRET"])
        .args(["--work-dir", kiln.path("pod-work").to_str().unwrap()])
        .args(["--output", &format!("type=oci,dest={}", out.display())])
        .env("DOCKER_CONFIG", &config)
        .env(
            "DOCKER_AUTH_CONFIG",
            format!("{{\"auths\":{{\"a.invalid\":{{\"auth\":\"{ENCODED}\"}}}}}}"),
        )
        .env("REGISTRY_TOKEN", "CANARY-environment")
        .env("STEP_SECRET", "CANARY-secret")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let image = Image::open(&out);
    let found = String::from_utf8_lossy(&image.layer(1)["found"].content).into_owned();
    assert!(found.contains("PATH=") && found.contains("Permission denied"), "{found}");
    assert_eq!(image.layer(2)["used"].content, b"13\n");
    let all = everything(&image);
    for canary in ["CANARY", ENCODED] {
        assert!(!all.contains(canary) && !stderr.contains(canary), "{found}\n{stderr}");
    }
    assert!(!image.layer(2).contains_key("linked") && !image.layer(2).contains_key("moved"));
    assert!(Path::new(&token).exists());
}
