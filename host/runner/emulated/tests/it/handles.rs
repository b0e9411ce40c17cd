//! What a step holds open, in the hands of code that jumps past the handler.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, XattrFlags, ioctl_getflags, open};

use crate::support::{Image, with_program};

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
