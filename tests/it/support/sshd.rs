//! An SSH server on loopback that lets one key in, and an agent that holds it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{have, run};

const START: Duration = Duration::from_secs(10);

/// Both end with this value.
pub struct Sshd {
    /// The server's port.
    pub port: u16,
    /// The agent's socket.
    pub agent: PathBuf,
    children: Vec<Child>,
}

impl Sshd {
    /// Starts both with their files in `dir`; nothing, and a printed line, where that cannot be.
    pub fn start(dir: &Path) -> Option<Self> {
        // sshd wants its whole path.
        let sshd = "/usr/sbin/sshd";
        if !have(sshd) || !have("ssh-agent") || !have("ssh-keygen") || !have("git") {
            return None;
        }
        if !super::is_root() {
            println!("skipped: only root can start sshd for a login");
            return None;
        }
        std::fs::create_dir_all("/run/sshd").unwrap();
        std::fs::create_dir_all(dir).unwrap();
        for key in ["host", "user"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", key], dir);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {0}/host\nAuthorizedKeysFile {0}/user.pub\n\
             StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\n\
             PasswordAuthentication no\n",
            dir.display()
        );
        std::fs::write(dir.join("config"), config).unwrap();
        let agent = dir.join("agent.sock");
        let quiet = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let config = dir.join("config");
        let children = vec![
            quiet(sshd, &["-D", "-e", "-f", config.to_str().unwrap()]),
            quiet("ssh-agent", &["-D", "-a", agent.to_str().unwrap()]),
        ];
        let started = Self { port, agent, children };
        let end = Instant::now() + START;
        while !(started.agent.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok()) {
            assert!(Instant::now() < end, "sshd or the agent did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let added = Command::new("ssh-add")
            .arg(dir.join("user"))
            .env("SSH_AUTH_SOCK", &started.agent)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(added.success());
        Some(started)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}
