//! Which steps are taken, by their text and by what the image has.

use crate::harness::{Stage, step};
use kiln_runner::Runner;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A stage whose tools are stand-ins for a distribution's.
fn debian(stage: &Stage) {
    let root = stage.rootfs.host_path();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::create_dir_all(root.join("usr/local/bin")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    let put = |name: &str, text: &str| {
        let path = root.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    for tool in ["dash", "mkdir", "chown", "apt-get", "cat", "sed", "env"] {
        put(&format!("usr/bin/{tool}"), "\x7fELF");
    }
    symlink("dash", root.join("usr/bin/sh")).unwrap();
    put("usr/local/bin/cat", "#!/bin/sh\necho mine\n");
    put("usr/local/bin/tool", "#!/bin/sh\necho mine\n");
}

#[test]
fn steps_are_taken_when_every_command_is_a_known_tool() {
    let Some(stage) = Stage::new() else { return };
    debian(&stage);
    for (script, expected) in [
        ("mkdir -p /x && chown 1:1 /x && echo hi > /x/y", ""),
        ("f() { mkdir \"$1\"; }; f a; if [ -d a ]; then sed -i s/a/b/ f; fi", ""),
        ("apt-get update", "there is no shim for apt-get"),
        ("mkdir a; x=$(apt-get x)", "there is no shim for apt-get"),
        ("cat f", "/usr/local/bin/cat is a script of the image"),
        ("/bin/cat f", ""),
        ("tool", "/usr/local/bin/tool is a script of the image"),
        ("missing", "missing is not in the image"),
        ("\"$cmd\" x", "a command's name is known only when it runs"),
        ("sh -c 'mkdir x; apt-get y'", "there is no shim for apt-get"),
        ("if", "line 1: Syntax error: end of file unexpected"),
    ] {
        let step = step(&["/bin/sh", "-c", script]);
        let answer = stage.runner.eligible(&stage.rootfs, &step).err().unwrap_or_default();
        assert_eq!(answer, expected, "{script}");
    }
    let bash = step(&["/bin/bash", "-c", "mkdir x"]);
    assert!(stage.runner.eligible(&stage.rootfs, &bash).is_err());
}

#[test]
fn an_image_without_a_shell_has_every_shim() {
    let Some(stage) = Stage::new() else { return };
    let step = step(&["/bin/sh", "-c", "mkdir -p /a && chmod 700 /a"]);
    assert_eq!(stage.runner.eligible(&stage.rootfs, &step), Ok(()));
    let ran = stage.run(&step);
    assert_eq!((ran.code(), &ran.changes()[..]), (0, "Set a\n"));
}
