//! Runs the program git: without the machine's settings, prompts, hooks and local protocols, within
//! a time, and never longer than the build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use kiln_runner::Cancel;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{BuildError, ErrorKind, Result};
use crate::remote::redact;
use crate::schedule::cancelled;

/// The longest that one command may take: a server may send objects without end.
const TIMEOUT: Duration = Duration::from_secs(3600);
/// How often a waiting build looks whether git is done or the build was cancelled.
const POLL: Duration = Duration::from_millis(10);
/// The longest output that is kept: a server may have references without end.
const MAX_OUTPUT: u64 = 16 << 20;
/// The longest part of git's messages that is shown.
const MAX_SHOWN: usize = 2000;
/// Variables that reach git: where programs are, proxies, certificates, the agent with SSH keys.
const PASSED: [&str; 12] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_AUTH_SOCK",
];
/// Settings that neither a repository nor a machine decides: no hooks or helpers, no repository
/// inside another, an end to transfers that stand still.
const SETTINGS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "credential.helper=",
    // Redirects are followed by us, who look where they lead.
    "http.followRedirects=false",
    "safe.bareRepository=explicit",
    "init.defaultBranch=master",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=120",
];

/// How to run git.
#[derive(Clone, Debug)]
pub(in crate::remote) struct Command<'a> {
    env: &'a BTreeMap<String, String>,
    cancel: &'a Cancel,
    /// The only file of settings that git reads; it may hold a login.
    config: PathBuf,
    git_dir: Option<PathBuf>,
    work_tree: Option<PathBuf>,
}

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// git said no; its message.
    Git(String),
    /// It could not be run to its end.
    Other(BuildError),
}

impl<'a> Command<'a> {
    /// git without a repository, with the settings of a file.
    pub(in crate::remote) fn new(
        env: &'a BTreeMap<String, String>,
        cancel: &'a Cancel,
        config: PathBuf,
    ) -> Self {
        Self { env, cancel, config, git_dir: None, work_tree: None }
    }

    /// git in a repository.
    pub(super) fn inside(&self, git_dir: &Path, work_tree: &Path) -> Self {
        Self { git_dir: Some(git_dir.to_owned()), ..self.at(work_tree) }
    }

    /// git in a directory of checked out files, which name their repository.
    pub(super) fn at(&self, work_tree: &Path) -> Self {
        Self {
            env: self.env,
            cancel: self.cancel,
            config: self.config.clone(),
            git_dir: None,
            work_tree: Some(work_tree.to_owned()),
        }
    }

    /// Runs git and gives its output.
    ///
    /// # Errors
    /// See [`Failure`].
    pub(super) fn run(&self, args: &[&str]) -> std::result::Result<String, Failure> {
        let other = |what: &str, error| {
            Failure::Other(BuildError::new(ErrorKind::Environment, what).with_source(error))
        };
        let mut child = self.command(args).spawn().map_err(|error| {
            use std::io::ErrorKind::{NotADirectory, NotFound};
            // The search path may name what is no directory.
            if matches!(error.kind(), NotFound | NotADirectory) {
                let error =
                    BuildError::new(ErrorKind::Environment, "the program git was not found");
                return Failure::Other(error.with_hint("install git, or put it into the PATH"));
            }
            other("run git", error)
        })?;
        let out = child.stdout.take().map(collect);
        let err = child.stderr.take().map(collect);
        let status = self.wait(&mut child)?;
        let text = |thread: Option<std::thread::JoinHandle<Vec<u8>>>| {
            let bytes = thread.and_then(|thread| thread.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (out, err) = (text(out), text(err));
        if status { Ok(out) } else { Err(Failure::Git(err)) }
    }

    fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new("git");
        command.env_clear();
        for name in PASSED {
            if let Some(value) = self.env.get(name) {
                command.env(name, value);
            }
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &self.config)
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("HOME", "/dev/null")
            .env("LC_ALL", "C")
            // Neither a repository nor a submodule may read files of this machine or run programs.
            .env("GIT_ALLOW_PROTOCOL", "http:https:ssh:git")
            .env("GIT_SSH_COMMAND", self.ssh());
        if let Some(file) = self.env.get("SSL_CERT_FILE") {
            command.env("GIT_SSL_CAINFO", file);
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        if let Some(dir) = &self.git_dir {
            command.arg("--git-dir").arg(dir);
        }
        if let (Some(dir), Some(_)) = (&self.work_tree, &self.git_dir) {
            command.arg("--work-tree").arg(dir);
        }
        command.current_dir(self.work_tree.as_deref().unwrap_or(Path::new("/")));
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }

    /// ssh that asks nothing. The known hosts of the user count, when there are any; without, a
    /// host is taken at its word, as BuildKit does.
    fn ssh(&self) -> String {
        let known = self.env.get("HOME").map(|home| Path::new(home).join(".ssh/known_hosts"));
        let mut command = "ssh -F /dev/null -o BatchMode=yes".to_owned();
        match known.filter(|file| file.is_file()).as_deref().and_then(Path::to_str) {
            Some(file) => {
                let quoted = format!("UserKnownHostsFile=\"{file}\"").replace('\'', "'\\''");
                let _infallible = write!(command, " -o StrictHostKeyChecking=yes -o '{quoted}'");
            }
            None => command.push_str(
                " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            ),
        }
        command
    }

    /// Waits for the end; whether git succeeded.
    fn wait(&self, child: &mut Child) -> std::result::Result<bool, Failure> {
        let end = Instant::now() + TIMEOUT;
        let stopped = loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if self.cancel.is_cancelled() => break cancelled(),
                Ok(None) if Instant::now() > end => {
                    break BuildError::new(
                        ErrorKind::Registry,
                        format!("git did not end within {} seconds", TIMEOUT.as_secs()),
                    );
                }
                Ok(None) => std::thread::sleep(POLL),
                Err(error) => {
                    break BuildError::new(ErrorKind::Environment, "wait for git")
                        .with_source(error);
                }
            }
        };
        // The group: git's helpers outlive it otherwise.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ended = kill_process_group(group, Signal::KILL);
        }
        let _reaped = child.wait();
        Err(Failure::Other(stopped))
    }
}

/// Reads what git writes, the beginning of it, to its end.
fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let _partly = from.by_ref().take(MAX_OUTPUT).read_to_end(&mut kept);
        let _rest = std::io::copy(&mut from, &mut std::io::sink());
        kept
    })
}

impl Failure {
    /// Whether git's message has one of these texts.
    pub(super) fn says(&self, texts: &[&str]) -> bool {
        match self {
            Self::Git(message) => texts.iter().any(|text| message.contains(text)),
            Self::Other(_) => false,
        }
    }

    /// The error of the build; `what` was being done.
    pub(super) fn of(self, what: &str) -> BuildError {
        let message = match self {
            Self::Other(error) => return error,
            Self::Git(message) => message,
        };
        let lines: Vec<&str> = message
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
            .collect();
        let shown: String = redact(&lines.join("; "))
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(MAX_SHOWN)
            .collect();
        let error = BuildError::new(ErrorKind::Registry, format!("{what}: {shown}"));
        if message.contains("could not read Username") || message.contains("Permission denied") {
            return error.with_hint("the repository wants a login, or does not exist");
        }
        error
    }
}

/// Says what git was to do when it failed.
pub(super) trait Doing<T> {
    /// Turns a failure into an error of the build.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for std::result::Result<T, Failure> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|failure| failure.of(&what()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_git_is_the_environments_fault() {
        let env = BTreeMap::from([("PATH".to_owned(), "/dev/null:/does/not/exist".to_owned())]);
        let cancel = Cancel::default();
        let failure =
            Command::new(&env, &cancel, "/dev/null".into()).run(&["version"]).unwrap_err();
        let error = failure.of("");
        assert_eq!(error.kind(), ErrorKind::Environment);
        assert!(error.chain().contains("git was not found"), "{}", error.chain());
    }

    #[test]
    fn messages_are_one_line_without_passwords() {
        let message = "hint: x\nfatal: unable to access 'https://u:p@h/':\n  no\u{1b}[31m\n";
        let error = Failure::Git(message.to_owned()).of("fetch");
        assert_eq!(
            error.chain(),
            "fetch: fatal: unable to access 'https://xxxxx:xxxxx@h/':; no [31m"
        );
    }
}
