//! What a step holds open, in the hands of code that jumps past the handler.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, XattrFlags, ioctl_getflags, open};

use crate::support::{Image, as_pod, with_program, works_here};

#[test]
fn what_a_step_is_given_leads_nowhere_else() {
    with_program("handles", concat!(include_str!("gate.c"), include_str!("handles.c")), |image| {
        let (pod, mounted) = (image.dir.path().join("pod"), image.dir.path().join("mounted"));
        for (directory, file) in [(&pod, "secret"), (&mounted, "kept")] {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join(file), "CANARY\n").unwrap();
            let none = XattrFlags::empty();
            // Not every file system has them.
            let _ = rustix::fs::setxattr(directory.join(file), "user.keep", b"CANARY", none);
        }
        let (tcp, udp) =
            (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        let directory = open(&mounted, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let flags = || {
            let kept = std::fs::File::open(mounted.join("kept")).unwrap();
            ioctl_getflags(&kept).ok()
        };
        let before = flags();

        let ports = [tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port()];
        let [tcp_port, udp_port] = ports.map(|port| port.to_string());
        let path = pod.to_string_lossy().into_owned();
        let mut step = Image::step(&["handles", &tcp_port, &udp_port, &path, "/mounted"]);
        let read_only = kiln_runner::Mount {
            target: b"/mounted".to_vec(),
            source: kiln_runner::MountSource::Host(Arc::new(directory)),
            read_only: true,
        };
        step.mounts.push(read_only);
        let ran = image.run(&step);

        assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
        let tries: Vec<&str> = ran.out.lines().filter(|line| line.contains(": ")).collect();
        assert!(tries.len() >= 20, "{}", ran.out);
        for line in tries {
            assert!(line.contains(": -"), "{line}\n{}", ran.out);
        }
        assert!(ran.out.contains("can be looked at 1\n"), "{}", ran.out);
        assert!(tcp.accept().is_err(), "a connection that the builder did not make");
        assert!(udp.recv(&mut [0; 8]).is_err(), "a datagram that the builder did not send");
        assert_eq!(flags(), before);
        // The builder and the next step have what they need.
        assert_eq!(image.sh("echo on").ok(), "on\n");
    });
}

#[test]
fn a_mount_is_a_file_system_of_its_own() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let cache = image.dir.path().join("cache");
        std::fs::create_dir_all(cache.join("in")).unwrap();
        std::fs::write(cache.join("file"), "kept\n").unwrap();
        let directory = open(&cache, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut step = Image::step(&["sh", "-c", ACROSS]);
        step.mounts.push(kiln_runner::Mount {
            target: b"/cache".to_vec(),
            source: kiln_runner::MountSource::Host(Arc::new(directory)),
            read_only: false,
        });
        let ran = image.run(&step);
        let refused = ran.err.matches("Invalid cross-device link").count();
        assert_eq!((ran.ok(), refused), ("kept 1\nkept 1\nwithin 2\n", 5), "{}", ran.err);
        // Without mounts there is nothing to be asked.
        assert_eq!(image.sh("ln /etc/group /var/g; mv /var/g /g; stat -c %h /g").ok(), "2\n");
    });
}

/// Links and moves between a mount and the image: links are refused, mv(1) copies.
const ACROSS: &str = "cd /cache; ln -s nowhere link
    ln file /file; ln /cache/file /tmp/file; ln /etc/group group; ln -P link /link
    ln /cache/file ../cache/in/../../var/file
    mv file /moved; echo $(cat /moved) $(stat -c %h /moved)
    cp /moved file; mv in /in; [ -d /in ] && mv /moved in
    echo $(cat in) $(stat -c %h in)
    ln in within; mv within /cache/within; cd /; echo within $(stat -c %h cache/within)";

#[test]
fn what_takes_long_to_close_holds_nobody() {
    with_program("linger", concat!(include_str!("gate.c"), include_str!("linger.c")), |image| {
        let start = Instant::now();
        for _ in 0..5 {
            assert_eq!(image.run(&Image::step(&["linger"])).ok(), "left\n");
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    });
}
