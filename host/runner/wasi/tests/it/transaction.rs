//! A step that needs a native run leaves no trace; one that ends says what it changed.

use crate::harness::{Stage, step};
use kiln_runner::RunError;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Everything a layer could show of a tree, times too.
fn picture(top: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut pending = vec![top.to_path_buf()];
    while let Some(path) = pending.pop() {
        let there = fs::symlink_metadata(&path).unwrap();
        let content = if there.is_file() {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        } else if there.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::new()
        };
        out.push(format!(
            "{} {:o} {}:{} {}.{} {} {content}",
            path.strip_prefix(top).unwrap().display(),
            there.permissions().mode(),
            there.uid(),
            there.gid(),
            there.mtime(),
            there.mtime_nsec(),
            there.ino(),
        ));
        if there.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    out.sort();
    out
}

const SETUP: &str = "mkdir -p d/e && echo one > d/f && echo two > g && ln -s d l && ln d/f h";

#[test]
fn what_needs_native_is_taken_back_whole() {
    for script in [
        "echo more >> g",
        "echo over > g",
        ": > g",
        "rm -rf d",
        "rm -rf d; mkdir d; echo new > d/f",
        "mv d x; echo y > x/f; mv x/e .",
        "mv g d/f",
        "chmod 700 d g; chown 5:6 g d; touch -d 2001-01-01 g",
        "mkdir n; mv d n; mv n m; rm -r m/d/e",
        "rm l; ln -s elsewhere l; rm h; echo z > h",
        "rmdir d/e; echo file > d/e",
        "sed -i s/two/three/ g",
        "cp -a d c; rm -r c; mkdir -p a/b/c",
        "ln g k; echo alias >> k",
        "for i in 1 2 3; do echo $i > g+; chmod 600 g+; mv g+ g; done",
        "mkdir n; mv g n/x; mv n/x k; rmdir n; echo z > k",
        "mkdir -p n/m; mv d n/m/d; mv n/m/d k; rm -r n; mkdir n; mv k/f n",
    ] {
        let Some(stage) = Stage::new() else { return };
        assert_eq!(stage.sh(SETUP).code(), 0);
        let root = stage.rootfs.host_path();
        let before = picture(&root);
        let ran = stage.sh(&format!("{script}\ncat /proc/cpuinfo"));
        assert!(matches!(ran.result, Err(RunError::NeedsNative(_))), "{script}: {:?}", ran.result);
        assert_eq!(picture(&root), before, "{script}");
    }
}

#[test]
fn change_sets_hold_what_differs_and_nothing_else() {
    for (script, expected) in [
        ("true", ""),
        ("cat g; ls d; test -e l", ""),
        ("touch x; rm x", ""),
        ("chmod 644 g", ""),
        ("echo more >> g", "Set g\n"),
        ("chmod 600 g; chown 1:1 d", "Set d\nSet g\n"),
        ("rm -rf d h", "Deleted d\nDeleted h\n"),
        ("mv g d/x", "Set d/x\nDeleted g\n"),
        ("mkdir -p a/b; ln -s x a/l", "Set a\nSet a/b\nSet a/l\n"),
        ("rm l; ln -s other l", "Set l\n"),
        ("echo x > l/new", "Set d/new\n"),
        ("rm h; rm -r d; mkdir d; echo 1 > d/f", "Set d\nDeleted d/e\nSet d/f\nDeleted h\n"),
        ("mv d m", "Deleted d\nSet m\nSet m/e\nSet m/f\n"),
    ] {
        let Some(stage) = Stage::new() else { return };
        assert_eq!(stage.sh(SETUP).code(), 0);
        let ran = stage.sh(script);
        assert_eq!((ran.code(), &ran.stderr[..]), (0, ""), "{script}");
        assert_eq!(ran.changes(), expected, "{script}");
        assert!(!stage.rootfs.host_path().join(".kiln-undo").exists());
    }
}

#[test]
fn users_other_than_root_are_held_to_the_modes() {
    let Some(stage) = Stage::new() else { return };
    assert_eq!(stage.sh("mkdir -m 700 secret && mkdir -m 1777 tmp && echo r > root.txt").code(), 0);
    let mut step = step(&[
        "sh",
        "-c",
        "ls secret; echo x > root.txt; rm root.txt; echo mine > tmp/a && stat -c %u:%g tmp/a; id -u",
    ]);
    step.user.uid = 1000;
    step.user.gid = 1000;
    let ran = stage.run(&step);
    assert_eq!((ran.code(), &ran.stdout[..]), (0, "1000:1000\n1000\n"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("Permission denied").count(), 3, "{}", ran.stderr);
    assert_eq!(ran.changes(), "Set tmp/a\n");
}

#[test]
fn what_every_step_has_mounted_is_seen_and_left_alone() {
    let Some(stage) = Stage::new() else { return };
    assert_eq!(stage.sh("mkdir /etc && echo x > /etc/own").code(), 0);
    let ran =
        stage.sh("ls /etc; ls /; stat -c '%a %s' /etc/hostname /proc; [ -d /dev/fd ] && echo fd");
    let expected = "hostname\nhosts\nown\nresolv.conf\ndev\netc\nproc\nsys\n644 16\n555 0\nfd\n";
    assert_eq!((ran.code(), &ran.stdout[..]), (0, expected), "{}", ran.stderr);
    for script in [
        "cat /etc/hosts",
        "cp -a /etc /etc2",
        "echo x >> /etc/hosts",
        "rm -f /etc/hostname",
        "mv /etc /etc2",
        "chown -R 1 /etc",
        "ln /etc/hosts /h",
        "chmod -R 700 /",
        "find / -type f",
        "grep -r x /etc",
        "touch /etc/resolv.conf",
        "ls /dev",
        "mkdir /sys/x",
        "echo x > /proc/self/oom_score_adj",
    ] {
        let ran = stage.sh(script);
        assert!(matches!(ran.result, Err(RunError::NeedsNative(_))), "{script}: {:?}", ran.result);
    }
    let ran = stage.sh("ls /etc /");
    assert!(!ran.stdout.contains("etc2"), "{}", ran.stdout);
}

#[test]
fn names_that_the_journal_keeps_are_not_counted() {
    let Some(stage) = Stage::new() else { return };
    assert_eq!(stage.sh("echo 1 > a; ln a b; ln a c").code(), 0);
    let ran = stage.sh("rm a; stat -c %h b; echo 2 > d; mv d b; stat -c %h c");
    assert_eq!((ran.code(), &ran.stdout[..]), (0, "2\n1\n"), "{}", ran.stderr);
    // The other name's layer entry changes as well: a walk finds it.
    assert!(ran.result.unwrap().changes.is_none());
}

#[test]
fn a_message_that_the_step_can_read_is_native() {
    let Some(stage) = Stage::new() else { return };
    for script in ["cat nothing 2> errors", "cat nothing 2>&1 | grep x"] {
        let ran = stage.sh(script);
        assert!(matches!(ran.result, Err(RunError::NeedsNative(_))), "{script}: {:?}", ran.result);
    }
    let ran = stage.sh("cat nothing 2> /dev/null; cat nothing; echo done");
    assert_eq!((ran.code(), &ran.stdout[..]), (0, "done\n"), "{}", ran.stderr);
}
