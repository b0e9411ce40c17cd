//! Cloud metadata services: a network namespace of the test's own has their addresses.
#![expect(unsafe_code, reason = "a namespace for one thread is no call of a safe library")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::support::{Image, as_pod, works_here};

const V4: &str = "169.254.169.254";
const V6: &str = "fd00:ec2::254";
/// Any address but those.
const ALLOWED: &str = "127.0.0.2";
/// The other side of the race between addresses.
const RACED: [&str; 2] = ["127.0.0.3", "::1"];

/// Runs `work` where the loopback interface has metadata addresses; false without the right to.
fn with_metadata_addresses(work: impl FnOnce() + Send) -> bool {
    // Where we were put has them: `tests/restricted.sh` does that.
    if TcpListener::bind((V4, 80)).is_ok() {
        work();
        return true;
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: a network namespace of this thread's own shares no memory or descriptors.
            if unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.is_err() {
                return false;
            }
            let ip = |words: &str| {
                let status = Command::new("ip").args(words.split(' ')).status();
                status.is_ok_and(|status| status.success())
            };
            let ready = ip("link set lo up")
                && ip(&format!("address add {V4}/32 dev lo"))
                && ip(&format!("address add {V6}/128 dev lo nodad"));
            if ready {
                work();
            }
            ready
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Serves a secret at an address, by TCP and UDP; how often somebody came.
fn serve(ip: &str) -> Arc<AtomicUsize> {
    let address = SocketAddr::new(ip.parse().unwrap(), 80);
    let visits = Arc::new(AtomicUsize::new(0));
    let (tcp, udp) = (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
    let counter = Arc::clone(&visits);
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let mut request = [0; 64];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nCANARY");
        }
    });
    let counter = Arc::clone(&visits);
    std::thread::spawn(move || {
        let mut request = [0; 64];
        while let Ok((_, from)) = udp.recv_from(&mut request) {
            counter.fetch_add(1, Ordering::SeqCst);
            let _ = udp.send_to(b"CANARY", from);
        }
    });
    visits
}

#[test]
fn metadata_services_cannot_be_reached() {
    if !works_here() {
        return;
    }
    let made = with_metadata_addresses(|| {
        let secrets: Vec<_> = [V4, V6].into_iter().map(serve).collect();
        let allowed = serve(ALLOWED);
        for ip in RACED {
            serve(ip);
        }
        as_pod(|| {
            let Some(image) = Image::small() else { return };
            let source = concat!(include_str!("gate.c"), include_str!("metadata.c"));
            if !image.compile("metadata", source, &[]) {
                return;
            }
            let mut step = Image::step(&["metadata", V4, V6, ALLOWED]);
            let ran = image.run(&step);
            assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
            let (ways, rest) = ran.out.split_once("tries ").unwrap();
            assert!(!ways.contains("GOT"), "{ways}");
            assert_eq!(secrets.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>(), 0);
            let tried: Vec<&str> = ways.lines().collect();
            assert!(tried.len() >= 70, "{ways}");
            for line in tried.iter().filter(|line| !line.starts_with("a race")) {
                assert!(line.contains(": -") && !line.ends_with("000"), "{line}");
            }
            for line in ["allowed tcp 1", "allowed udp 1", "allowed mapped 1", "allowed udp-lite 1"]
            {
                assert!(rest.contains(line), "{rest}");
            }
            assert_eq!(allowed.load(Ordering::SeqCst), 3);

            step.network = kiln_runner::Network::None;
            let ran = image.run(&step);
            assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
            assert!(!ran.out.contains("GOT"), "{}", ran.out);
            assert!(ran.out.contains("allowed tcp 0\nallowed udp 0\n"), "{}", ran.out);
            assert_eq!(allowed.load(Ordering::SeqCst), 3);
        });
    });
    if !made {
        println!("skipped: a network namespace with metadata addresses needs root and iproute2");
    }
}
