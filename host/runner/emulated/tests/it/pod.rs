//! What lies in the pod beside a step, and must stay as it is: files, sockets, a process, memory.

#![expect(unsafe_code, reason = "System V segments have no safe library")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};

use crate::support::{Image, Ran};

/// A service account's token, where Kubernetes puts it.
pub(crate) const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// A pod with secrets. Everything that no step may see says `CANARY`.
pub(crate) struct Pod {
    /// With a secret, a program, a link and sockets.
    pub(crate) dir: PathBuf,
    /// Who works in that directory, with a secret open and one in its environment.
    pub(crate) victim: Child,
    /// What the abstract sockets are called: of connections, and of datagrams.
    pub(crate) names: [String; 2],
    pub(crate) segment: Segment,
    tcp: TcpListener,
    streams: [UnixListener; 2],
    datagrams: [UnixDatagram; 2],
    before: State,
}

/// The files, and what a step could change of kiln and of the victim.
#[derive(Debug, PartialEq, Eq)]
struct State {
    files: BTreeMap<PathBuf, String>,
    processes: [String; 2],
}

impl Pod {
    pub(crate) fn new(image: &Image) -> Self {
        static NUMBER: AtomicI32 = AtomicI32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let dir = image.dir.path().join(format!("pod{number}"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::create_dir(dir.join("sub")).unwrap();
        std::fs::write(dir.join("secret"), "CANARY-file\n").unwrap();
        symlink("secret", dir.join("link")).unwrap();
        std::fs::write(dir.join("program"), "#!/bin/sh\necho CANARY-program\n").unwrap();
        std::fs::set_permissions(dir.join("program"), PermissionsExt::from_mode(0o755)).unwrap();
        // As the kubelet lays them out.
        let token = dir.join(TOKEN.trim_start_matches('/'));
        let mounted = token.parent().unwrap();
        std::fs::create_dir_all(mounted.join("..2026")).unwrap();
        std::fs::write(mounted.join("..2026/token"), "CANARY-service-account\n").unwrap();
        symlink("..2026", mounted.join("..data")).unwrap();
        symlink("..data/token", &token).unwrap();
        std::fs::create_dir(dir.join(".docker")).unwrap();
        let credentials = r#"{"auths":{"registry.invalid":{"auth":"CANARY-registry"}}}"#;
        std::fs::write(dir.join(".docker/config.json"), credentials).unwrap();
        let xattr = rustix::fs::XattrFlags::empty();
        // Not every file system has them; what is not there cannot be taken away.
        let _ = rustix::fs::setxattr(dir.join("secret"), "user.keep", b"CANARY-attribute", xattr);

        let names = ["streams", "datagrams"]
            .map(|kind| format!("kiln-test-{}-{number}-{kind}", std::process::id()));
        let [stream, datagram] =
            names.each_ref().map(|name| SocketAddr::from_abstract_name(name).unwrap());
        let streams = [
            UnixListener::bind(dir.join("socket")).unwrap(),
            UnixListener::bind_addr(&stream).unwrap(),
        ];
        let datagrams = [
            UnixDatagram::bind(dir.join("datagrams")).unwrap(),
            UnixDatagram::bind_addr(&datagram).unwrap(),
        ];
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        streams.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        datagrams.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        tcp.set_nonblocking(true).unwrap();
        let victim = Command::new("sleep")
            .arg("600")
            .env("VICTIM", "CANARY-environment")
            .current_dir(&dir)
            .stdin(Stdio::from(std::fs::File::open(dir.join("secret")).unwrap()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let segment = Segment::new(number);
        let before = State { files: BTreeMap::new(), processes: Default::default() };
        let mut pod = Self { dir, victim, names, segment, tcp, streams, datagrams, before };
        pod.before = pod.state();
        pod
    }

    /// What is kept from steps: the secrets of this pod, those of the pod that the test runs in, and
    /// kiln's own program.
    pub(crate) fn secrets(&self) -> Vec<PathBuf> {
        let mut paths = vec![
            self.dir.join("secret"),
            self.dir.join(TOKEN.trim_start_matches('/')),
            self.dir.join(".docker/config.json"),
            std::env::current_exe().unwrap(),
        ];
        paths.extend(Path::new(TOKEN).exists().then(|| TOKEN.into()));
        paths
    }

    pub(crate) fn port(&self) -> u16 {
        self.tcp.local_addr().unwrap().port()
    }

    fn state(&self) -> State {
        let mut files = BTreeMap::new();
        snapshot(&self.dir, &mut files);
        for path in self.secrets() {
            files.insert(path.clone(), state_of_file(&path));
        }
        let processes = [std::process::id(), self.victim.id()].map(state_of);
        State { files, processes }
    }

    /// Fails when a step has seen or changed something.
    pub(crate) fn assert_untouched(&mut self, ran: &Ran) {
        assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains("CANARY") && !text.contains("LEAK"), "{}\n{text}", ran.out);
        }
        assert!(self.victim.try_wait().unwrap().is_none(), "the victim was killed: {}", ran.out);
        assert_eq!(self.before, self.state(), "{}", ran.out);
        assert!(self.segment.is_untouched(), "{}", ran.out);
        for socket in &self.streams {
            assert!(socket.accept().is_err(), "a connection to {socket:?}");
        }
        for socket in &self.datagrams {
            assert!(socket.recv(&mut [0; 16]).is_err(), "a datagram for {socket:?}");
        }
        assert!(self.tcp.accept().is_err(), "a connection that the builder did not make");
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

/// Everything about a file that a step could change.
fn state_of_file(path: &Path) -> String {
    let metadata = path.symlink_metadata().unwrap();
    let content = if metadata.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
    let mut names = vec![0; 256];
    let length = rustix::fs::listxattr(path, &mut names).unwrap_or(0);
    names.truncate(length);
    format!(
        "{} {:o} {} {} {} {} {} {:x} {names:?}",
        metadata.ino(),
        metadata.permissions().mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.nlink(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        hash(&content),
    )
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The state of everything below a directory.
pub(crate) fn snapshot(directory: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        files.insert(path.clone(), state_of_file(&path));
        if path.symlink_metadata().unwrap().is_dir() {
            snapshot(&path, files);
        }
    }
}

/// What a step could change of another process: its signals are seen by its being alive.
fn state_of(pid: u32) -> String {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let status = read("status");
    let kept = ["TracerPid", "Cpus_allowed:", "NSpid", "Seccomp:"];
    let lines: Vec<&str> =
        status.lines().filter(|line| kept.iter().any(|start| line.starts_with(start))).collect();
    // Process group, session, priority, nice value, policy.
    let scheduling: Vec<_> = [2, 3, 15, 16, 38].iter().map(|&at| fields.get(at)).collect();
    format!("{scheduling:?} {lines:?} {}", read("limits"))
}

/// A System V shared memory segment with a secret, removed on drop.
pub(crate) struct Segment {
    pub(crate) key: libc::key_t,
    pub(crate) id: i32,
    memory: *mut u8,
}

impl Segment {
    const SECRET: &[u8] = b"CANARY-segment\0";

    fn new(number: i32) -> Self {
        let key = libc::key_t::try_from(std::process::id()).unwrap() ^ 0x4b49_0000 ^ (number << 24);
        let flags = 0o600 | libc::IPC_CREAT;
        // SAFETY: a fresh segment of a page, attached where the kernel finds room.
        let (id, memory) = unsafe {
            let id = libc::shmget(key, 4096, flags);
            let memory = libc::shmat(id, std::ptr::null(), 0).cast::<u8>();
            assert!(id >= 0 && memory as isize != -1);
            std::ptr::copy_nonoverlapping(Self::SECRET.as_ptr(), memory, Self::SECRET.len());
            (id, memory)
        };
        Self { key, id, memory }
    }

    fn is_untouched(&self) -> bool {
        // SAFETY: the segment is a page, and attached.
        let content = unsafe { std::slice::from_raw_parts(self.memory, Self::SECRET.len()) };
        // SAFETY: asks for the segment's state, which the kernel writes.
        let exists = unsafe { libc::shmctl(self.id, libc::IPC_STAT, &mut std::mem::zeroed()) };
        content == Self::SECRET && exists == 0
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: our own segment, which nobody uses any more.
        unsafe {
            libc::shmdt(self.memory.cast());
            libc::shmctl(self.id, libc::IPC_RMID, std::ptr::null_mut());
        }
    }
}
