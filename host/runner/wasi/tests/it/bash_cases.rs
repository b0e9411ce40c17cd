//! The shell guest beside bash, in an image that has bash: what it takes comes out the same, and what
//! it does not know runs natively.

use crate::dash_cases::{Did, files, native};
use crate::harness::{Stage, step};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

const CASES: [(&str, &str); 3] = [
    ("words", include_str!("bash/words.txt")),
    ("control", include_str!("bash/control.txt")),
    ("refused", include_str!("bash/refused.txt")),
];

/// Stand-ins for Debian's tools.
const TOOLS: [&str; 29] = [
    "basename", "bash", "cat", "chmod", "dash", "diff", "dirname", "env", "grep", "head", "ln",
    "ls", "mkdir", "od", "printf", "rm", "sed", "seq", "sleep", "sort", "stat", "tail", "tee",
    "touch", "tr", "uniq", "wc", "xargs", "yes",
];

fn guest(script: &str) -> Result<Did, String> {
    let stage = Stage::new().ok_or("no guests")?;
    let root = stage.rootfs.host_path();
    for directory in ["usr/bin", "etc", "tmp", "work", "dev"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n").unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("dash", root.join("usr/bin/sh")).unwrap();
    for tool in TOOLS {
        let path = root.join("usr/bin").join(tool);
        fs::write(&path, "\x7fELF").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut step = step(&["/bin/bash", "-c", script]);
    step.cwd = b"/work".to_vec();
    step.limits.timeout = Some(std::time::Duration::from_secs(20));
    if let Err(why) = kiln_runner::Runner::eligible(&stage.runner, &stage.rootfs, &step) {
        return Err(format!("needs native: {why}"));
    }
    let ran = stage.run(&step);
    match &ran.result {
        Ok(outcome) => Ok(Did {
            stdout: ran.stdout,
            code: outcome.status.shell_code(),
            files: files(&root.join("work")),
        }),
        Err(error) => Err(format!("{error}; {}", ran.stderr)),
    }
}

#[test]
fn scripts_do_what_they_do_in_bash() {
    if Stage::new().is_none() {
        return;
    }
    if Command::new("/bin/bash").args(["-c", ":"]).status().is_err() {
        println!("skipped: bash is not installed");
        return;
    }
    let mut wrong = Vec::new();
    for (topic, text) in CASES {
        let (mut total, mut natively) = (0, 0);
        for script in text.trim_end().split("\n--\n") {
            total += 1;
            let expected = native("/bin/bash", script);
            match guest(script) {
                Ok(did) if did == expected => {}
                Err(why) if why.starts_with("needs native") => {
                    natively += 1;
                    if topic != "refused" {
                        println!("native: {topic}: {script}\n  {why}");
                    }
                }
                other => wrong.push(format!("{topic}: {script}\n  {other:?}\n  {expected:?}")),
            }
        }
        println!("{topic}: {total} cases, {natively} natively");
        assert!(topic == "refused" || natively * 10 < total, "{topic}: {natively} of {total}");
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
