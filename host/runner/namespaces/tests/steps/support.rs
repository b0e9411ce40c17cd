//! A root file system, a step, and where its output goes.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use kiln_rootfs::Rootfs;
use kiln_runner::{
    Credentials, ExitStatus, Limits, Network, OutputSink, RunError, Runner, Step, Stream,
};
use kiln_runner_namespaces::Namespaces;

pub(crate) const BUSYBOX: &str = "/bin/busybox";

const APPLETS: &[&str] = &[
    "cat", "chmod", "chown", "cp", "dd", "echo", "env", "grep", "head", "hostname", "id", "ip",
    "kill", "ln", "ls", "mkdir", "mkfifo", "mknod", "mount", "mv", "ping", "printf", "ps", "pwd",
    "readlink", "rm", "rmdir", "seq", "setsid", "sh", "sleep", "sort", "stat", "su", "test",
    "touch", "tr", "true", "umount", "unshare", "wc", "yes",
];

/// A stage's file system.
pub(crate) struct Fixture {
    /// Removed with the fixture.
    _dir: tempfile::TempDir,
    pub(crate) rootfs: Rootfs,
    pub(crate) runner: Namespaces,
}

/// The fixture; `None`, with a line that says why, where steps cannot be run.
pub(crate) fn fixture() -> Option<Fixture> {
    let runner = Namespaces::new(None);
    if let Err(refusal) = runner.available() {
        println!("skipped: {refusal}");
        return None;
    }
    if !Path::new(BUSYBOX).exists() {
        println!("skipped: no {BUSYBOX} (package busybox-static)");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let rootfs = Rootfs::create(dir.path()).unwrap();
    let bin = rootfs.host_path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", bin.join(applet)).unwrap();
    }
    let fixture = Fixture { _dir: dir, rootfs, runner };
    for name in ["tmp", "etc"] {
        std::fs::create_dir(fixture.at(name)).unwrap();
    }
    std::fs::set_permissions(fixture.at("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    fixture.write("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n");
    Some(fixture)
}

impl Fixture {
    /// The host's path of a path of the image.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.rootfs.host_path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        std::fs::write(self.at(path), content).unwrap();
    }

    /// Runs `step`.
    pub(crate) fn run(&self, step: &Step) -> Ran {
        let output = Collected::default();
        let result = self.runner.run(&self.rootfs, step, &output);
        let (stdout, stderr) = output.0.into_inner().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran {
            result: result.map(|outcome| outcome.status),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    /// Runs a script that succeeds and returns what it prints.
    pub(crate) fn output(&self, script: &str) -> String {
        let ran = self.run(&sh(script));
        assert!(matches!(ran.result, Ok(ExitStatus::Code(0))), "{script}: {ran:?}");
        ran.stdout
    }
}

/// How a run ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<ExitStatus, RunError>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The exit code of a step that ran.
    pub(crate) fn code(&self) -> i32 {
        match self.result {
            Ok(ExitStatus::Code(code)) => code,
            _ => panic!("{self:?}"),
        }
    }
}

/// A step of a shell script, as root; with a time limit, so that no test hangs.
pub(crate) fn sh(script: &str) -> Step {
    step(&["/bin/sh", "-c", script])
}

/// A step of a program and its arguments.
pub(crate) fn step(argv: &[&str]) -> Step {
    Step {
        argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        env: vec![(b"PATH".to_vec(), b"/sbin:/bin".to_vec())],
        cwd: b"/".to_vec(),
        user: Credentials::default(),
        mounts: vec![],
        network: Network::Default,
        hostname: "builder".into(),
        extra_hosts: vec![],
        limits: Limits { timeout: Some(Duration::from_secs(60)), ..Limits::default() },
        cancel: kiln_runner::Cancel::default(),
    }
}

#[derive(Default)]
struct Collected(Mutex<(Vec<u8>, Vec<u8>)>);

impl OutputSink for Collected {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut both = self.0.lock().unwrap();
        match stream {
            Stream::Stdout => both.0.extend_from_slice(bytes),
            Stream::Stderr => both.1.extend_from_slice(bytes),
        }
    }
}
