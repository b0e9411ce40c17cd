//! A rootfs in a temporary directory and a runner over it.

use kiln_rootfs::Rootfs;
use kiln_runner::{
    Cancel, Credentials, Limits, Network, Outcome, OutputSink, RunError, Runner, Step, Stream,
};
use kiln_runner_wasi::{Options, WasiRunner};
use std::sync::Mutex;

/// A stage's file system without a shell, so that every shim is there.
pub(crate) struct Stage {
    pub(crate) rootfs: Rootfs,
    pub(crate) runner: WasiRunner,
    _directory: tempfile::TempDir,
}

/// What a step wrote.
#[derive(Default)]
pub(crate) struct Collected(Mutex<(Vec<u8>, Vec<u8>)>);

impl OutputSink for Collected {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        let mut both = self.0.lock().unwrap();
        match stream {
            Stream::Stdout => both.0.extend_from_slice(bytes),
            Stream::Stderr => both.1.extend_from_slice(bytes),
        }
    }
}

/// How a step ended, with its output.
pub(crate) struct Ran {
    pub(crate) result: Result<Outcome, RunError>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The exit status as a shell shows it.
    pub(crate) fn code(&self) -> i32 {
        match &self.result {
            Ok(outcome) => outcome.status.shell_code(),
            Err(error) => panic!("{error}; stderr: {}", self.stderr),
        }
    }

    /// The change set, one `A path` or `D path` a line.
    pub(crate) fn changes(&self) -> String {
        let outcome = self.result.as_ref().unwrap();
        let Some(changes) = &outcome.changes else { return "unknown\n".to_owned() };
        changes
            .iter()
            .map(|(path, change)| format!("{change:?} {}\n", String::from_utf8_lossy(path)))
            .collect()
    }
}

impl Stage {
    pub(crate) fn new() -> Option<Self> {
        Self::with(Options::default())
    }

    /// `None`, with a line that says why, when the guests were not packed.
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    pub(crate) fn with(options: Options) -> Option<Self> {
        let runner = WasiRunner::new(options);
        if let Err(error) = runner.available() {
            println!("skipped: {error}");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let rootfs = Rootfs::create(&directory.path().join("stage")).unwrap();
        Some(Self { rootfs, runner, _directory: directory })
    }

    pub(crate) fn sh(&self, script: &str) -> Ran {
        self.run(&step(&["sh", "-c", script]))
    }

    pub(crate) fn run(&self, step: &Step) -> Ran {
        self.run_by(&self.runner, step)
    }

    /// Runs a step by another stage's runner.
    pub(crate) fn run_by(&self, runner: &WasiRunner, step: &Step) -> Ran {
        let output = Collected::default();
        let result = runner.run(&self.rootfs, step, &output);
        let (stdout, stderr) = output.0.into_inner().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ran { result, stdout: text(&stdout), stderr: text(&stderr) }
    }
}

/// A step of root in `/`.
pub(crate) fn step(argv: &[&str]) -> Step {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    Step {
        argv: argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        env: vec![
            (b"PATH".to_vec(), path.as_bytes().to_vec()),
            (b"HOME".to_vec(), b"/root".to_vec()),
        ],
        cwd: b"/".to_vec(),
        user: Credentials::default(),
        mounts: Vec::new(),
        network: Network::Default,
        hostname: "buildkitsandbox".to_owned(),
        extra_hosts: Vec::new(),
        limits: Limits::default(),
        cancel: Cancel::default(),
    }
}
