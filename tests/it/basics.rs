//! The image's config and history, and what goes to stdout.

use serde_json::json;

use crate::support::Kiln;

#[test]
fn every_instruction_of_the_config_arrives() {
    let kiln = Kiln::with(
        "FROM scratch\n\
         ARG WHO=world\n\
         ENV A=1 B=\"two words\"\n\
         ENV C=$A-${WHO}\n\
         LABEL one=1 two=\"$C\"\n\
         EXPOSE 80 443/tcp 53/udp\n\
         VOLUME /data /logs\n\
         USER app:staff\n\
         STOPSIGNAL SIGINT\n\
         HEALTHCHECK --interval=1m30s --retries=2 CMD curl -f localhost\n\
         SHELL [\"/bin/bash\", \"-c\"]\n\
         ENTRYPOINT [\"/app\", \"--flag\"]\n\
         CMD run $A\n\
         ONBUILD RUN make\n\
         MAINTAINER somebody\n",
    );
    let image = kiln.build(&["--label", "extra=yes"]);
    let config = &image.config["config"];
    assert_eq!(
        config["Env"],
        json!([
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "A=1",
            "B=two words",
            "C=1-world"
        ])
    );
    assert_eq!(config["Labels"], json!({"one": "1", "two": "1-world", "extra": "yes"}));
    assert_eq!(config["ExposedPorts"], json!({"80/tcp": {}, "443/tcp": {}, "53/udp": {}}));
    assert_eq!(config["User"], "app:staff");
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(
        config["Healthcheck"],
        json!({"Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 90_000_000_000_i64, "Retries": 2})
    );
    assert_eq!(config["Shell"], json!(["/bin/bash", "-c"]));
    assert_eq!(config["Entrypoint"], json!(["/app", "--flag"]));
    assert_eq!(config["Cmd"], json!(["/bin/bash", "-c", "run $A"]));
    assert_eq!(config["OnBuild"], json!(["RUN make"]));
    assert_eq!(image.config["author"], "somebody");
    assert_eq!(image.layer_count(), 0);
    let history: Vec<&str> = image.config["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["created_by"].as_str().unwrap())
        .collect();
    assert_eq!(history[0], "ARG WHO=world");
    assert_eq!(history[2], "ENV C=1-world");
    assert!(history.contains(&"ENTRYPOINT [\"/app\" \"--flag\"]"), "{history:?}");
    assert!(
        history.contains(
            &"HEALTHCHECK {Test:[CMD-SHELL curl -f localhost] Interval:1m30s Timeout:0s \
              StartPeriod:0s StartInterval:0s Retries:2}"
        ),
        "{history:?}"
    );
}

#[test]
fn build_arguments_come_from_flags_defaults_and_the_environment() {
    let mut kiln = Kiln::with(
        "ARG VERSION=1\nFROM scratch\nARG VERSION\nARG GIVEN=default\nARG FROM_ENV\n\
         LABEL v=$VERSION g=$GIVEN e=$FROM_ENV t=$TARGETARCH u=${UNSET:-none}\n",
    );
    kiln.env("FROM_ENV", "here");
    let image = kiln.build(&["--build-arg", "GIVEN=flag", "--build-arg", "FROM_ENV"]);
    // TARGETARCH has to be declared to be seen.
    let labels = json!({"v": "1", "g": "flag", "e": "here", "t": "", "u": "none"});
    assert_eq!(image.config["config"]["Labels"], labels);
}

#[test]
fn result_files_are_written() {
    let kiln = Kiln::with("FROM scratch\nLABEL a=b\n");
    let (iid, metadata) = (kiln.path("iid"), kiln.path("metadata.json"));
    let image = kiln.build(&[
        "--iidfile",
        iid.to_str().unwrap(),
        "--metadata-file",
        metadata.to_str().unwrap(),
    ]);
    let config_digest = image.manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(iid).unwrap(), config_digest);
    let metadata: serde_json::Value =
        serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.digest"], image.digest.as_str());
    assert_eq!(metadata["containerimage.config.digest"], config_digest);
}

#[test]
fn quiet_prints_the_digest_alone() {
    let kiln = Kiln::with("FROM scratch\nCOPY Dockerfile /\n");
    let context = kiln.context();
    let run = kiln.run(["build", "--quiet", context.to_str().unwrap()]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.starts_with("sha256:") && run.stdout.lines().count() == 1);
}

#[test]
fn the_archives_hold_the_same_image() {
    let kiln = Kiln::with("FROM scratch\nCOPY Dockerfile /\nENTRYPOINT [\"/x\"]\n");
    let (oci, docker) = (kiln.path("oci.tar"), kiln.path("docker.tar"));
    let image = kiln.build(&[
        "--tag",
        "team/app:1",
        "--output",
        &format!("type=oci-archive,dest={}", oci.display()),
        "--output",
        &format!("type=docker,dest={}", docker.display()),
    ]);
    let entries = crate::support::image::entries(&std::fs::read(oci).unwrap());
    let blob = format!("blobs/{}", image.digest.replace(':', "/"));
    assert!(entries.contains_key(&blob), "{:?}", entries.keys());
    let entries = crate::support::image::entries(&std::fs::read(docker).unwrap());
    let manifest: serde_json::Value =
        serde_json::from_slice(&entries["manifest.json"].content).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["team/app:1"]));
}

#[test]
fn windows_images_get_windows_ways() {
    let kiln = Kiln::with(
        "# escape=`\nFROM scratch\nWORKDIR C:\\app\\bin\nCOPY Dockerfile ..\\\nENTRYPOINT run it\n",
    );
    let image = kiln.build(&["--platform", "windows/amd64"]);
    assert_eq!(image.last_layer().keys().collect::<Vec<_>>(), ["app", "app/Dockerfile"]);
    let config = &image.config["config"];
    assert_eq!(config["WorkingDir"], "\\app\\bin");
    assert_eq!(config["Entrypoint"], serde_json::json!(["cmd", "/S", "/C", "run it"]));
    assert!(config.get("Env").is_none(), "{config}");
}
