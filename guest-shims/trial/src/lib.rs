//! Runs a shim's commands beside the real tools on the same input and compares what comes out:
//! standard output, exit status, and the files with their types, modes, owners, links and contents.
//!
//! A case is a shell script to set the stage, run with the real tools both times, and a script under
//! test, run once with the real tools and once with the shim's commands in front of them.

mod tree;

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A stage and a script.
pub type Case = (&'static str, &'static str);

/// The tools that a shim is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The machine's own: GNU's.
    Gnu,
    /// BusyBox's.
    BusyBox,
}

/// A shim under test.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The shim's native build.
    pub program: &'a Path,
    /// The commands that it stands for.
    pub commands: &'a [&'a str],
    /// What it is compared with.
    pub family: Family,
}

/// What a run left.
#[derive(Debug, PartialEq, Eq)]
struct Result {
    status: Option<i32>,
    output: String,
    tree: Vec<String>,
}

/// The status of a shim that says *needs native*.
const NEEDS_NATIVE: i32 = 250;

const SYSTEM_PATH: &str = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin";

impl Trial<'_> {
    /// Runs all cases and fails with a list of those that differ.
    ///
    /// # Panics
    ///
    /// When a case differs, or the machine cannot run the trial.
    pub fn compare(&self, cases: &[Case]) {
        if self.family == Family::BusyBox && !Path::new("/usr/bin/busybox").exists() {
            eprintln!("skipped: no busybox on this machine");
            return;
        }
        let tools = TempDir::new().expect("a directory for the shim's commands");
        let reference = TempDir::new().expect("a directory for the real commands");
        for command in self.commands {
            symlink(self.program, tools.path().join(command)).expect("a link to the shim");
            if self.family == Family::BusyBox {
                symlink("/usr/bin/busybox", reference.path().join(command)).expect("a link");
            }
        }
        let mut differing = Vec::new();
        for &(stage, script) in cases {
            let real = self.run(reference.path(), stage, script).expect("a run of the real tools");
            let ours = self.run(tools.path(), stage, script).expect("a run of the shim");
            if real != ours {
                differing.push(describe(stage, script, &real, &ours));
            }
        }
        assert!(
            differing.is_empty(),
            "{} of {} cases differ:\n{}",
            differing.len(),
            cases.len(),
            differing.join("\n")
        );
    }

    fn run(&self, tools: &Path, stage: &str, script: &str) -> io::Result<Result> {
        let room = TempDir::new()?;
        let place = room.path().join("w");
        fs::create_dir(&place)?;
        shell(&place, SYSTEM_PATH, stage).status()?;
        let path = format!("{}:{SYSTEM_PATH}", tools.display());
        let mut command = shell(&place, &path, script);
        if self.family == Family::BusyBox {
            command.env("KILN_FLAVOR", "busybox");
        }
        let ended = command.stderr(Stdio::null()).output()?;
        let output = String::from_utf8_lossy(&ended.stdout)
            .replace(&place.display().to_string(), "PLACE")
            .replace(&format!("{}/", tools.display()), "");
        Ok(Result { status: ended.status.code(), output, tree: tree::describe(&place)? })
    }
}

fn shell(place: &PathBuf, path: &str, script: &str) -> Command {
    let mut command = Command::new("/bin/dash");
    command
        .args(["-c", &format!("umask 022; {script}")])
        .current_dir(place)
        .env_clear()
        .env("PATH", path)
        .env("HOME", "/root")
        .stdin(Stdio::null());
    command
}

fn describe(stage: &str, script: &str, real: &Result, ours: &Result) -> String {
    let mut text = format!("--- {script}\n    on: {stage}\n");
    if ours.status == Some(NEEDS_NATIVE) {
        text += "    needs native\n";
        return text;
    }
    if real.status != ours.status {
        text += &format!("    status {:?}, not {:?}\n", ours.status, real.status);
    }
    if real.output != ours.output {
        text += &format!("    output {:?}\n       not {:?}\n", ours.output, real.output);
    }
    for line in &real.tree {
        if !ours.tree.contains(line) {
            text += &format!("    lacks {line}\n");
        }
    }
    for line in &ours.tree {
        if !real.tree.contains(line) {
            text += &format!("    has   {line}\n");
        }
    }
    text
}
