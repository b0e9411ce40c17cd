//! Debian's docker-registry on a loopback port, with storage of its own.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running registry; ends with the test.
pub struct Registry {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Registry {
    /// Starts a registry, or prints why the test is skipped.
    pub fn start() -> Option<Self> {
        Self::start_with(|_| String::new())
    }

    /// Starts a registry that asks for this user and password.
    pub fn start_with_login(user: &str, password: &str) -> Option<Self> {
        if !super::have("htpasswd") {
            return None;
        }
        Self::start_with(|dir| {
            let file = dir.join("htpasswd");
            let line = super::run("htpasswd", &["-Bbn", user, password], dir);
            std::fs::write(&file, line).unwrap();
            format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display())
        })
    }

    fn start_with(auth: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !super::have("docker-registry") {
            return None;
        }
        let dir = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\n  \
             delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n{}",
            dir.path().join("data").display(),
            auth(dir.path()),
        );
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { child, dir, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the registry does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(registry)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A name in this registry.
    pub fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Where the registry keeps its data.
    pub fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// Pushes an image of an OCI layout with skopeo: what kiln pulls, kiln did not push.
    pub fn push_layout(&self, layout: &Path, tag: &str, name: &str) {
        super::run(
            "skopeo",
            &[
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                &format!("oci:{}:{tag}", layout.display()),
                &format!("docker://{}", self.name(name)),
            ],
            Path::new("/"),
        );
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
