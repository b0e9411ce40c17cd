//! Hostile steps. What counts is asserted on the pod's side: its files, processes and sockets.

#![expect(unsafe_code, reason = "System V segments have no safe library")]

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiln_rootfs::index::Index;
use kiln_runner::RunError;

use crate::support::{Image, as_pod, with_program, works_here};

/// Everything about the files of a directory that a step could change.
fn snapshot(directory: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        let mut names = vec![0; 256];
        let length = rustix::fs::listxattr(&path, &mut names).unwrap_or(0);
        names.truncate(length);
        let state = format!(
            "{} {:o} {} {} {} {} {} {:?} {:?}",
            metadata.ino(),
            metadata.permissions().mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.nlink(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            content,
            names
        );
        files.insert(path.to_string_lossy().into_owned(), state);
    }
    files
}

/// A process of the pod's, which has secrets and works in this directory.
fn victim(pod: &Path) -> Child {
    Command::new("sleep")
        .arg("600")
        .env("VICTIM", "CANARY-environment")
        .current_dir(pod)
        .stdin(Stdio::from(std::fs::File::open(pod.join("secret")).unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_of_the_pod_can_be_read_or_changed() {
    with_program("hostile", concat!(include_str!("gate.c"), include_str!("hostile.c")), |image| {
        let pod = image.dir.path().join("pod");
        std::fs::create_dir(&pod).unwrap();
        std::fs::create_dir(pod.join("sub")).unwrap();
        std::fs::write(pod.join("secret"), "CANARY-file\n").unwrap();
        std::fs::write(pod.join("program"), "#!/bin/sh\necho CANARY-program\n").unwrap();
        std::fs::set_permissions(pod.join("program"), PermissionsExt::from_mode(0o755)).unwrap();
        let xattr = rustix::fs::XattrFlags::empty();
        // Not every file system has them; what is not there cannot be taken away.
        let _ = rustix::fs::setxattr(pod.join("secret"), "user.keep", b"k", xattr);
        let path_socket = UnixListener::bind(pod.join("socket")).unwrap();
        let name = format!("kiln-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let abstract_socket = UnixListener::bind_addr(&address).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for socket in [&path_socket, &abstract_socket] {
            socket.set_nonblocking(true).unwrap();
        }
        tcp.set_nonblocking(true).unwrap();
        let mut victim = victim(&pod);
        // An open descriptor of ours that a careless fork would hand down.
        let leaked = std::fs::File::open(pod.join("secret")).unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();

        let before = snapshot(&pod);
        let pid = victim.id().to_string();
        let port = tcp.local_addr().unwrap().port().to_string();
        let directory = pod.to_string_lossy().into_owned();
        let ran = image.run(&Image::step(&["hostile", &directory, &pid, &name, &port]));
        let after = snapshot(&pod);

        let alive = victim.try_wait().unwrap().is_none();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let own_limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        victim.kill().unwrap();
        victim.wait().unwrap();

        assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
        let tries = ran.out.lines().last().and_then(|line| line.strip_prefix("tries "));
        assert!(tries.unwrap().parse::<u32>().unwrap() >= 100, "{}", ran.out);
        assert!(!ran.out.contains("CANARY") && !ran.err.contains("CANARY"), "{}", ran.out);
        assert!(!ran.out.contains("LEAK"), "{}", ran.out);
        assert_eq!(before, after, "{}", ran.out);
        assert!(alive, "the victim was killed");
        assert!(status.contains("TracerPid:\t0"), "{status}");
        let line = |text: &str| {
            text.lines().find(|line| line.starts_with("Max open files")).map(str::to_owned)
        };
        assert_eq!(line(&limits), line(&own_limits));
        assert!(path_socket.accept().is_err(), "a connection to the pod's socket");
        assert!(abstract_socket.accept().is_err(), "a connection to the pod's abstract socket");
        assert!(tcp.accept().is_err(), "a connection that the builder did not make");
        for must_fail in [
            "metadata",
            "unshare",
            "clone newuser",
            "mount",
            "io_uring",
            "bpf",
            "fchmodat2",
            "utimensat fd",
            "chmod proc fd",
            "kill victim",
            "ptrace attach",
            "mptcp",
            "raw socket",
            "chroot",
            "x32",
            "newer than known",
            "kill parent",
        ] {
            let line = format!("\n{must_fail}: -");
            assert!(ran.out.contains(&line), "{must_fail}\n{}", ran.out);
        }
        drop(leaked);
    });
}

/// A System V shared memory segment with a secret, removed on drop.
struct Segment {
    key: libc::key_t,
    id: i32,
    memory: *mut u8,
}

impl Segment {
    const SECRET: &[u8] = b"CANARY-segment\0";

    fn new() -> Self {
        let key = libc::key_t::try_from(std::process::id()).unwrap() ^ 0x4b49_0000;
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

#[test]
fn what_belongs_to_others_stays_theirs() {
    with_program("reach", concat!(include_str!("gate.c"), include_str!("reach.c")), |image| {
        let pod = image.dir.path().join("pod");
        let mounted = image.dir.path().join("mounted");
        let xattr = rustix::fs::XattrFlags::empty();
        for (directory, file) in [(&pod, "secret"), (&mounted, "kept")] {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join(file), "CANARY-file\n").unwrap();
            let _ = rustix::fs::setxattr(directory.join(file), "user.keep", b"k", xattr);
        }
        std::os::unix::fs::symlink("secret", pod.join("link")).unwrap();
        let datagrams = UnixDatagram::bind(pod.join("datagrams")).unwrap();
        let name = format!("kiln-datagrams-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let named = UnixDatagram::bind_addr(&address).unwrap();
        datagrams.set_nonblocking(true).unwrap();
        named.set_nonblocking(true).unwrap();
        let segment = Segment::new();
        let mut victim = victim(&pod);
        let kiln = std::process::id();

        let before = (snapshot(&pod), snapshot(&mounted));
        let states = (state_of(kiln), state_of(victim.id()));
        let arguments = [
            "reach".to_owned(),
            pod.to_string_lossy().into_owned(),
            kiln.to_string(),
            victim.id().to_string(),
            name.clone(),
            segment.key.to_string(),
            segment.id.to_string(),
            "/mounted".to_owned(),
        ];
        let mut step = Image::step(&arguments.each_ref().map(String::as_str));
        step.mounts.push(kiln_runner::Mount {
            target: b"/mounted".to_vec(),
            source: kiln_runner::MountSource::Host(Arc::new(open_directory(&mounted))),
            read_only: true,
        });
        let ran = image.run(&step);
        let after = (snapshot(&pod), snapshot(&mounted));
        let alive = victim.try_wait().unwrap().is_none();
        let states_after = (state_of(kiln), state_of(victim.id()));
        victim.kill().unwrap();
        victim.wait().unwrap();

        assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
        assert!(!ran.out.contains("LEAK") && !ran.out.contains("CANARY"), "{}", ran.out);
        assert!(alive, "the victim was killed");
        assert_eq!(before, after, "{}", ran.out);
        assert_eq!(states, states_after, "{}", ran.out);
        assert!(segment.is_untouched(), "{}", ran.out);
        let mut buffer = [0; 16];
        assert!(datagrams.recv(&mut buffer).is_err(), "a datagram for the pod's socket");
        assert!(named.recv(&mut buffer).is_err(), "a datagram for the pod's abstract socket");
        let tries: Vec<&str> = ran.out.lines().filter(|line| line.contains(": ")).collect();
        assert!(tries.len() >= 150, "{}", ran.out);
        for line in tries {
            assert!(line.contains(": -"), "{line}\n{}", ran.out);
            // Requests were answered: they did not fail for being malformed on the way.
            assert!(!line.ends_with("000"), "{line}\n{}", ran.out);
        }
        assert!(ran.out.contains("own mode 1\nown times 1\n"), "{}", ran.out);
    });
}

fn open_directory(path: &Path) -> OwnedFd {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap()
}

#[test]
fn steps_side_by_side_do_not_reach_each_other() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let (Some(quiet), Some(hostile)) = (Image::small(), Image::small()) else { return };
        let source = concat!(include_str!("gate.c"), include_str!("sibling.c"));
        if !hostile.compile("sibling", source, &[]) {
            return;
        }
        let root = quiet.root();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut step = Image::step(&["sh", "-ec", QUIET]);
                step.env.push((b"TOKEN".to_vec(), b"CANARY-environment".to_vec()));
                quiet.run(&step)
            });
            let marker = root.join("up");
            for _ in 0..500 {
                if marker.exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let pid = std::fs::read_to_string(&marker).unwrap();
            let path = root.to_string_lossy().into_owned();
            let ran = hostile.run(&Image::step(&["sibling", &path, pid.trim()]));
            std::fs::write(root.join("done"), "").unwrap();
            let other = other.join().unwrap();

            assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
            assert!(!ran.out.contains("LEAK") && !ran.out.contains("CANARY"), "{}", ran.out);
            for line in ran.out.lines().filter(|line| line.contains(": ")) {
                assert!(line.contains(": -"), "{line}\n{}", ran.out);
            }
            assert_eq!(other.ok(), "600 CANARY-file\n", "{}", ran.out);
        });
    });
}

/// A step that holds secrets while another one looks for them.
const QUIET: &str = "umask 077; echo CANARY-file > /secret; sleep 60 & echo $! > /up
    while [ ! -e /done ]; do sleep 0.05; done
    kill -0 $!; echo $(stat -c %a /secret) $(cat /secret)";

#[test]
fn what_a_step_shares_with_the_builder_may_be_broken() {
    with_program("tamper", concat!(include_str!("gate.c"), include_str!("tamper.c")), |image| {
        let before = Index::take(&image.rootfs).unwrap();
        let ran = image.run(&Image::step(&["tamper"]));
        assert_eq!((ran.code(), ran.out.as_str()), (0, "cut\n"), "{}", ran.err);
        // The builder goes on: it sees what is there, and the next step runs.
        let (changes, _) = kiln_rootfs::changes::diff(before, &image.rootfs).unwrap();
        assert!(changes.get(b"deep/d/d").is_some());
        assert_eq!(image.sh("echo on").ok(), "on\n");
    });
}

#[test]
fn what_the_builder_is_given_to_hold_does_not_hold_it() {
    with_program("hold", concat!(include_str!("gate.c"), include_str!("hold.c")), |image| {
        let start = Instant::now();
        assert_eq!(image.run(&Image::step(&["hold"])).ok(), "held\n");
        let mut step = Image::step(&["sh", "-c", "hold; sleep 60"]);
        step.limits.timeout = Some(Duration::from_secs(1));
        let ran = image.run(&step);
        assert!(matches!(ran.result, Err(RunError::TimedOut(_))), "{ran:?}");
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    });
}

#[test]
fn who_asks_to_be_traced_by_its_parent_does_not_stop_the_step() {
    let source = "#include <signal.h>\n#include <stdlib.h>\n#include <sys/ptrace.h>\n
            static void go_on(int s) {}
            int main(void) { signal(SIGUSR1, go_on); ptrace(PTRACE_TRACEME, 0, 0, 0);
            raise(SIGUSR1); exit(7); }";
    with_program("traced", source, |image| {
        assert_eq!(image.run(&Image::step(&["traced"])).code(), 7);
    });
}

#[test]
fn without_a_network_nothing_answers() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        let port = tcp.local_addr().unwrap().port();
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected");
        let mut step = Image::step(&["bash", "-c", &script]);
        assert_eq!(image.run(&step).out, "connected\n");
        assert!(tcp.accept().is_ok());
        step.network = kiln_runner::Network::None;
        let ran = image.run(&step);
        assert_eq!(ran.out, "");
        assert!(ran.err.contains("Network is unreachable"), "{}", ran.err);
        assert!(tcp.accept().is_err());
    });
}
