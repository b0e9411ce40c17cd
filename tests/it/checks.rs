//! The checks of a Dockerfile and other calls, and outputs of the file system.

use crate::support::{Kiln, Registry, base};

#[test]
fn findings_are_printed_and_counted() {
    let kiln = Kiln::with("from scratch\nCOPY a b\nMAINTAINER me\n");
    let context = kiln.context();
    let context = context.to_str().unwrap();
    let found = kiln.run(["build", "--check", context]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    assert!(found.stdout.contains("WARNING: MaintainerDeprecated"), "{}", found.stdout);
    assert!(found.stdout.contains("   3 | MAINTAINER me"), "{}", found.stdout);
    assert!(found.stdout.contains("2 warnings have been found!"), "{}", found.stdout);
    let json = kiln.run(["check", "--format", "json", context]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["warnings"].as_array().unwrap().len(), 2);
    kiln.file("Dockerfile", "FROM scratch\nCOPY a b\n");
    let clean = kiln.run(["check", context]);
    assert_eq!((clean.code, clean.stdout.as_str()), (0, "Check complete, no warnings found.\n"));
    kiln.file("Dockerfile", "FROM scratch\nNOPE\n");
    kiln.run(["check", context]).expect(2, "unknown instruction: NOPE");
}

#[test]
fn a_build_warns_and_may_be_told_to_fail() {
    let kiln = Kiln::with("FROM scratch\nCOPY Dockerfile /\nMAINTAINER me\n");
    let context = kiln.context();
    let context = context.to_str().unwrap();
    let built = kiln.run(["build", context]);
    assert_eq!(built.code, 0);
    assert!(built.stderr.contains("warning: MaintainerDeprecated: "), "{}", built.stderr);
    kiln.file("Dockerfile", "# check=error=true\nFROM scratch\nMAINTAINER me\n");
    kiln.build_fails(&[]).expect(1, "lint violation found for rules: MaintainerDeprecated");
    kiln.file("Dockerfile", "# check=skip=MaintainerDeprecated\nFROM scratch\nMAINTAINER me\n");
    assert!(!kiln.run(["build", context]).stderr.contains("MaintainerDeprecated"));
}

#[test]
fn the_file_system_itself_can_be_the_output() {
    let kiln = Kiln::with(
        "FROM scratch AS files\nCOPY --chmod=640 a /d/a\nCOPY a /b\nFROM scratch\nCOPY --from=files / /\n",
    );
    kiln.file("a", "content");
    let (local, tar) = (kiln.path("local"), kiln.path("fs.tar"));
    kiln.build(&[
        "--output",
        local.to_str().unwrap(),
        "--output",
        &format!("type=tar,dest={}", tar.display()),
    ]);
    assert_eq!(std::fs::read_to_string(local.join("d/a")).unwrap(), "content");
    let mode = std::fs::metadata(local.join("d/a")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o640);
    let entries = crate::support::image::entries(&std::fs::read(tar).unwrap());
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["b", "d", "d/a"]);

    let context = kiln.context();
    let piped = kiln.command(["build", context.to_str().unwrap(), "-o", "-"]).output().unwrap();
    assert!(piped.status.success());
    let entries = crate::support::image::entries(&piped.stdout);
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["b", "d", "d/a"], "stdout is the tar alone");
}

#[test]
fn a_local_output_stays_in_its_directory() {
    let kiln = Kiln::with("FROM scratch\nCOPY a /link/a\nCOPY a /kept\n");
    kiln.file("a", "new");
    let (local, outside) = (kiln.path("local"), kiln.path("outside"));
    std::fs::create_dir_all(&local).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(local.join("other"), "stays").unwrap();
    std::os::unix::fs::symlink(&outside, local.join("link")).unwrap();
    let context = kiln.context();
    let _either = kiln.run(["build", context.to_str().unwrap(), "-o", local.to_str().unwrap()]);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "written through a symlink");
    assert_eq!(std::fs::read_to_string(local.join("other")).unwrap(), "stays");
}

#[test]
fn a_call_answers_in_buildkits_forms() {
    let kiln = Kiln::with(
        "# v is the version\nARG v=1\n# files holds them\nFROM scratch AS files\n\
         FROM base:$v AS run\nARG unset\nRUN --mount=type=secret,id=token,required x\n",
    );
    let context = kiln.context();
    let context = context.to_str().unwrap();
    let call = |what: &str| {
        let run = kiln.run(["build", "--call", what, "--target", "run", context]);
        (run.code, run.stdout)
    };
    let targets = "TARGET        DESCRIPTION\nfiles         holds them\nrun (default) \n";
    assert_eq!(call("targets"), (0, targets.to_owned()));
    let outline = "TARGET: run\n\n\
                   BUILD ARG   VALUE   DESCRIPTION\n\
                   v           1       is the version\n\
                   unset               \n\n\
                   SECRET   REQUIRED\ntoken    true\n\n";
    assert_eq!(call("outline"), (0, outline.to_owned()));
    let json = |what: &str| serde_json::from_str::<serde_json::Value>(&call(what).1).unwrap();
    let found = json("targets,format=json");
    assert_eq!(found["targets"][1]["base"], "base:$v");
    assert_eq!(found["targets"][1]["location"]["ranges"][0]["start"]["line"], 5);
    let found = json("outline,format=json");
    assert_eq!(found["secrets"][0]["required"], true);
    assert_eq!((&found["args"][0]["name"], &found["args"][0]["value"]), (&"v".into(), &"1".into()));
    kiln.file("Dockerfile", "FROM scratch\nMAINTAINER me\n");
    let found = kiln.run(["build", "--call=check,format=json", context]);
    assert_eq!(found.code, 1);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(found["warnings"][0]["location"]["ranges"][0]["end"]["line"], 2);
    kiln.run(["build", "--call=check,ignorestatus=true", context]).expect(0, "");
    kiln.run(["build", "--call=chek", context]).expect(2, "did you mean check?");
}

#[test]
fn the_base_images_config_counts() {
    let Some(layout) = base("busybox") else { return };
    let Some(registry) = Registry::start() else { return };
    let kiln = Kiln::with("FROM base\nENV FROM_BASE=1\n");
    let name = registry.name("team/base:1");
    let (context, host) = (Kiln::base_arg("base", &layout), registry.host());
    let args = ["--insecure-registry", host.as_str()];
    let push = ["--build-context", &context, "--tag", &name, "--push"];
    kiln.build(&[&push[..], &args].concat());
    kiln.file(
        "Dockerfile",
        format!("# check=skip=FromAsCasin\nFROM {name}\nLABEL a=$FROM_BASE b=$FROM_BAS\n"),
    );
    let path = kiln.context();
    let path = path.to_str().unwrap();
    let found = kiln.run([&["check", path][..], &args].concat());
    found.expect(1, "there is no rule FromAsCasin; did you mean FromAsCasing?");
    let detail = "Usage of undefined variable '$FROM_BAS' (did you mean $FROM_BASE?)";
    assert!(found.stdout.contains(detail), "{}", found.stdout);
    assert!(found.stdout.contains("1 warning has been found!"), "{}", found.stdout);
    let built = kiln.run([&["build", path][..], &args].concat());
    built.expect(0, detail);
    let other = [&["check", path, "--platform", "linux/arm64"][..], &args].concat();
    let found = kiln.run(other);
    assert!(found.stdout.contains("InvalidBaseImagePlatform"), "{}", found.stdout);
    kiln.file("Dockerfile", format!("# check=error=true\nFROM {name}\nLABEL a=$FROM_BAS\n"));
    kiln.build_fails(&args).expect(1, "lint violation found for rules: UndefinedVar");
    kiln.file("Dockerfile", format!("FROM {}\nLABEL a=$X\n", registry.name("none:1")));
    kiln.run([&["check", path][..], &args].concat()).expect(0, "is not checked: ");
}

#[test]
fn a_registry_that_does_not_answer_is_one_warning() {
    let kiln = Kiln::with(
        "FROM 127.0.0.1:1/a AS a\nFROM 127.0.0.1:1/a\nFROM 127.0.0.1:1/b AS b\nFROM b\n\
         LABEL x=$Y\nWORKDIR x\n",
    );
    let path = kiln.context();
    let started = std::time::Instant::now();
    let found = kiln.run(["check", path.to_str().unwrap()]);
    assert!(started.elapsed() < std::time::Duration::from_secs(30));
    let warnings: Vec<_> = found.stderr.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(warnings.len(), 1, "{}", found.stderr);
    let said = "what depends on base images of 127.0.0.1:1 is not checked: ";
    found.expect(1, said);
    assert!(found.stdout.contains("WorkdirRelativePath"), "{}", found.stdout);
}
