//! The shell guest beside dash: the same script must give the same output, status and files.

use crate::harness::{Stage, step};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const CASES: [(&str, &str); 12] = [
    ("quoting", include_str!("dash/quoting.txt")),
    ("parameters", include_str!("dash/parameters.txt")),
    ("splitting", include_str!("dash/splitting.txt")),
    ("globbing", include_str!("dash/globbing.txt")),
    ("redirection", include_str!("dash/redirection.txt")),
    ("control", include_str!("dash/control.txt")),
    ("functions", include_str!("dash/functions.txt")),
    ("arithmetic", include_str!("dash/arithmetic.txt")),
    ("builtins", include_str!("dash/builtins.txt")),
    ("errors", include_str!("dash/errors.txt")),
    ("dockerfile", include_str!("dash/dockerfile.txt")),
    ("processes", include_str!("dash/processes.txt")),
];

/// What a script did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Did {
    pub(crate) stdout: String,
    pub(crate) code: i32,
    pub(crate) files: Vec<String>,
}

/// Names, types, modes and contents below a directory, sorted.
pub(crate) fn files(top: &Path) -> Vec<String> {
    fn walk(directory: &Path, prefix: &str, out: &mut Vec<String>) {
        let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let metadata = entry.metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            if metadata.is_dir() {
                out.push(format!("{mode:o} {name}/"));
                walk(&entry.path(), &format!("{name}/"), out);
            } else if metadata.is_symlink() {
                out.push(format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()));
            } else {
                let text = fs::read(entry.path()).unwrap();
                out.push(format!("{mode:o} {name}: {}", String::from_utf8_lossy(&text)));
            }
        }
    }
    let mut out = Vec::new();
    walk(top, "", &mut out);
    out
}

/// What the machine's own shell does.
pub(crate) fn native(shell: &str, script: &str) -> Did {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(shell)
        .args(["-c", script])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let status = output.status;
    let code = status.code().unwrap_or(-1);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Did { stdout, code, files: files(directory.path()) }
}

fn guest(script: &str) -> Result<Did, String> {
    let stage = Stage::new().ok_or("no guests")?;
    stage.rootfs.mkdir(b"/tmp", 0o1777).unwrap();
    stage.rootfs.mkdir(b"/usr", 0o755).unwrap();
    stage.rootfs.mkdir(b"/work", 0o700).unwrap();
    stage.rootfs.mkdir(b"/etc", 0o755).unwrap();
    fs::write(stage.rootfs.host_path().join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n")
        .unwrap();
    let mut step = step(&["sh", "-c", script]);
    step.cwd = b"/work".to_vec();
    step.limits.timeout = Some(std::time::Duration::from_secs(20));
    let ran = stage.run(&step);
    match &ran.result {
        Ok(outcome) => Ok(Did {
            stdout: ran.stdout,
            code: outcome.status.shell_code(),
            files: files(&stage.rootfs.host_path().join("work")),
        }),
        Err(error) => Err(format!("{error}; {}", ran.stderr)),
    }
}

#[test]
fn scripts_do_what_they_do_in_dash() {
    if Stage::new().is_none() {
        return;
    }
    if Command::new("dash").args(["-c", ":"]).status().is_err() {
        println!("skipped: dash is not installed");
        return;
    }
    let (mut total, mut natively, mut wrong) = (0, 0, Vec::new());
    for (topic, text) in CASES {
        for script in text.split("\n--\n") {
            total += 1;
            let expected = native("dash", script);
            match guest(script) {
                Ok(did) if did == expected => {}
                // A native run gives dash's own result.
                Err(why) if why.starts_with("needs native") => {
                    natively += 1;
                    println!("native: {topic}: {script}\n  {why}");
                }
                other => wrong.push(format!("{topic}: {script}\n  {other:?}\n  {expected:?}")),
            }
        }
    }
    println!("{total} cases, {natively} natively, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(total >= 400 && natively * 20 < total);
}
