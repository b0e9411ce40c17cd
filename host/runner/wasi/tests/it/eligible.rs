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
    fs::create_dir_all(root.join("etc")).unwrap();
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
    put("usr/local/bin/tool", "#!/bin/sh\necho mine; apt-get install\n");
    put("usr/local/bin/script", "#!/usr/bin/perl\n");
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
        ("cat f", ""),
        ("/bin/cat f", ""),
        ("tool", "/usr/local/bin/tool: there is no shim for apt-get"),
        ("script", "/usr/local/bin/script is a script for a program of the image"),
        // What the text does not say is left to the run.
        ("missing", ""),
        ("\"$cmd\" x", ""),
        ("sh -c 'mkdir x; apt-get y'", "there is no shim for apt-get"),
        ("/bin/sh -ec 'apt-get y'", "there is no shim for apt-get"),
        ("eval 'mkdir x;' apt-get y", "there is no shim for apt-get"),
        ("trap 'apt-get y' EXIT", "there is no shim for apt-get"),
        ("mkdir x; echo a | xargs -n 1 apt-get", "there is no shim for apt-get"),
        ("env A=1 apt-get; command apt-get", "there is no shim for apt-get"),
        (". /usr/local/bin/tool", "/usr/local/bin/tool: there is no shim for apt-get"),
        ("sh /usr/local/bin/tool", "/usr/local/bin/tool: there is no shim for apt-get"),
        ("f() { apt-get; }; f", "there is no shim for apt-get"),
        ("alias a=b", "the builtin alias"),
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

#[test]
fn a_users_program_in_a_tools_place_is_no_tool() {
    let Some(stage) = Stage::new() else { return };
    debian(&stage);
    let info = stage.rootfs.host_path().join("var/lib/dpkg/info");
    fs::create_dir_all(&info).unwrap();
    // md5 of "\x7fELF".
    let elf = "fd2dd7b1abd2d0c2cab8b0e3a0a2f2f9";
    let records = ["dash", "mkdir", "chown"].map(|tool| format!("{elf}  usr/bin/{tool}\n"));
    fs::write(info.join("coreutils.md5sums"), records.concat()).unwrap();
    let answer = |script: &str| {
        let step = step(&["/bin/sh", "-c", script]);
        stage.runner.eligible(&stage.rootfs, &step).err().unwrap_or_default()
    };
    let digest = std::process::Command::new("md5sum")
        .arg(stage.rootfs.host_path().join("usr/bin/dash"))
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap()[..32].to_owned();
    assert_eq!(answer("mkdir x"), "/bin/sh is not the distribution's");
    let records = records.concat().replace(elf, &digest);
    fs::write(info.join("coreutils.md5sums"), records).unwrap();
    // An answer is kept for the file as it is: a new one is asked for anew.
    let touch = |tool: &str| {
        let path = stage.rootfs.host_path().join("usr/bin").join(tool);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    touch("dash");
    assert_eq!(answer("mkdir x; chown 1 x"), "");
    assert_eq!(answer("sed s/a/b/ x"), "/usr/bin/sed is not the distribution's");
}

#[test]
fn mount_points_that_the_image_leads_elsewhere_are_native() {
    let Some(stage) = Stage::new() else { return };
    debian(&stage);
    symlink("../run/resolv.conf", stage.rootfs.host_path().join("etc/resolv.conf")).unwrap();
    let step = step(&["/bin/sh", "-c", "mkdir x"]);
    let answer = stage.runner.eligible(&stage.rootfs, &step);
    assert_eq!(answer, Err("/etc/resolv.conf of the image is no file".to_owned()));
}
