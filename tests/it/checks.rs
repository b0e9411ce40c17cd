//! The checks of a Dockerfile, and outputs of the file system.

use crate::support::Kiln;

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
