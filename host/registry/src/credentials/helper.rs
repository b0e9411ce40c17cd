//! Credential helpers: programs `docker-credential-NAME` that answer `get` on their standard input
//! (docker-credential-helpers' protocol).

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Login;
use crate::config::Config;
use crate::secret::Secret;
use crate::text;

/// Longest answer: a broken helper must not fill the memory.
const MAX_OUTPUT: u64 = 1 << 20;
/// Longest wait: a helper that asks a closed network must not hang the build.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the end of a helper that closed its output.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// How often that is looked at.
const END_POLL: Duration = Duration::from_millis(5);
/// What Docker's tools file the hub's credentials under.
const HUB_KEY: &str = "https://index.docker.io/v1/";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// Asks a helper. `Ok(None)`: it has nothing for this registry. `Err`: what is wrong with it.
pub(super) fn get(config: &Config, name: &str, registry: &str) -> Result<Option<Login>, String> {
    let program = locate(config, name)?;
    let server = if registry == "docker.io" { HUB_KEY } else { registry };
    let mut child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(&config.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let (succeeded, output) = converse(&mut child, server)?;
    let said = String::from_utf8_lossy(&output);
    if !succeeded {
        // The protocol's way to say no is this text and a status of 1.
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(format!("failed: {}", text::printable(&said, text::MESSAGE_LIMIT)));
    }
    let answer: Answer = serde_json::from_slice(&output)
        .map_err(|_| "gave something other than the JSON of its protocol".to_owned())?;
    Ok(match (answer.username.as_str(), answer.secret.as_str()) {
        (_, "") => None,
        ("<token>", token) => Some(Login::IdentityToken(Secret::new(token))),
        (user, password) => {
            Some(Login::Password { user: user.to_owned(), password: Secret::new(password) })
        }
    })
}

/// Feeds the helper and takes its answer, within the time limit.
fn converse(child: &mut Child, server: &str) -> Result<(bool, Vec<u8>), String> {
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input says what is wrong by its exit status.
        let _ = input.write_all(server.as_bytes());
    }
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let result = output.take(MAX_OUTPUT).read_to_end(&mut bytes).map(|_| bytes);
            // The receiver is gone only after the time limit.
            let _ = sender.send(result);
        });
    }
    let answer = receiver.recv_timeout(TIMEOUT);
    // What has answered has nothing left to do.
    let patience = if answer.is_ok() { END_TIMEOUT } else { Duration::ZERO };
    let ended = wait(child, patience).map_err(|error| format!("cannot be waited for: {error}"))?;
    match (answer, ended) {
        (Ok(Ok(bytes)), Some(status)) => Ok((status.success(), bytes)),
        (Ok(Ok(_)), None) => {
            Err(format!("closed its output and did not end within {} s", END_TIMEOUT.as_secs()))
        }
        (Ok(Err(error)), _) => Err(format!("cannot be read from: {error}")),
        (Err(_), _) => Err(format!("gave no answer within {} s", TIMEOUT.as_secs())),
    }
}

/// How the helper ended by itself; `None` when it had to be killed.
fn wait(child: &mut Child, patience: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            break;
        }
        std::thread::sleep(END_POLL);
    }
    // It may have ended by itself since.
    let _ = child.kill();
    child.wait().map(|_| None)
}

/// Finds the program in `PATH`. The name comes from a file, so it must not be a path.
fn locate(config: &Config, name: &str) -> Result<PathBuf, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        return Err("has a name that is not one of a program".to_owned());
    }
    let file = format!("docker-credential-{name}");
    config
        .env("PATH")
        .unwrap_or_default()
        .split(':')
        .map(|directory| Path::new(directory).join(&file))
        .find(|path| {
            path.is_absolute()
                && path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
        .ok_or_else(|| "is not in PATH".to_owned())
}
