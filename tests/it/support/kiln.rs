//! Runs the real binary.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Image;

/// Where kiln finds the programs that it uses.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A context, a work directory of its own, and what to call kiln with.
pub struct Kiln {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// How a run of kiln ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Kiln {
    /// An empty context.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("context")).unwrap();
        Self { dir, env: Vec::new() }
    }

    /// A context with this Dockerfile.
    pub fn with(dockerfile: &str) -> Self {
        let kiln = Self::new();
        kiln.file("Dockerfile", dockerfile);
        kiln
    }

    /// The context.
    pub fn context(&self) -> PathBuf {
        self.dir.path().join("context")
    }

    /// A path beside the context.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the context.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        super::write(self.context().join(name), content);
        self
    }

    /// Sets an environment variable for every run.
    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// `kiln` with these arguments, not started; its home and work directory are this test's.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
        command
            .args(args)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.dir.path())
            .env("KILN_WORK_DIR", self.dir.path().join("work"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs `kiln` with these arguments.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run {
        let output = self.command(args).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Builds the context with these arguments besides, and expects failure.
    pub fn build_fails(&self, args: &[&str]) -> Run {
        let context = self.context();
        let mut all = vec!["build", context.to_str().unwrap()];
        all.extend(args);
        let run = self.run(all);
        assert_ne!(run.code, 0, "kiln should have failed:\n{}", run.stderr);
        assert_eq!(run.stdout, "", "a failed build prints no result");
        run
    }

    /// Builds the context into an OCI layout and opens the image.
    pub fn build(&self, args: &[&str]) -> Image {
        let out = self.path("out");
        let _absent = std::fs::remove_dir_all(&out);
        let output = format!("type=oci,dest={}", out.display());
        let context = self.context();
        let mut all = vec!["build", context.to_str().unwrap(), "--output", &output];
        all.extend(args);
        let run = self.run(all);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let image = Image::open(&out);
        assert_eq!(run.stdout.trim_end(), image.digest, "stdout is the digest alone");
        image
    }

    /// `--build-context NAME=oci-layout://BASE`.
    pub fn base_arg(name: &str, layout: &Path) -> String {
        format!("{name}=oci-layout://{}", layout.display())
    }
}

impl Run {
    /// Expects an exit code and a text on stderr.
    pub fn expect(&self, code: i32, text: &str) -> &Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(text), "expected `{text}` in:\n{}", self.stderr);
        self
    }
}
