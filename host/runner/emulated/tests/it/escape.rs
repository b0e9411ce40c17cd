//! Hostile steps. What counts is asserted on the pod's side: its files, processes and sockets.

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Image, as_pod, works_here};

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

#[test]
fn nothing_of_the_pod_can_be_read_or_changed() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.compile("hostile", include_str!("hostile.c"), &[]) {
            return;
        }
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
        let mut victim = Command::new("sleep")
            .arg("600")
            .env("VICTIM", "CANARY-environment")
            .current_dir(&pod)
            .stdin(Stdio::from(std::fs::File::open(pod.join("secret")).unwrap()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
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
