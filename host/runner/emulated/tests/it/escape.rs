//! Hostile steps. What counts is asserted on the pod's side: its files, processes and sockets.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiln_rootfs::index::Index;
use kiln_runner::{Credentials, RunError};

use crate::pod::{Pod, TOKEN, snapshot};
use crate::support::{Image, Ran, as_pod, with_program, works_here};

/// With a hostile program in an image, for root, and again for a user of the image's.
fn as_each_user(name: &str, source: &str, work: impl Fn(&Image, &Credentials) + Sync) {
    for user in [Credentials::default(), Credentials { uid: 1000, gid: 1000, groups: vec![2000] }] {
        let source = [include_str!("gate.c"), source].concat();
        with_program(name, &source, |image| work(image, &user));
    }
}

/// The lines of a hostile program that say what it tried. Every try must have failed, and not for
/// being malformed on the way to the builder.
fn tries(ran: &Ran) -> Vec<&str> {
    let tries: Vec<&str> = ran.out.lines().filter(|line| line.contains(": ")).collect();
    for line in &tries {
        assert!(line.contains(": -") && !line.ends_with("000"), "{line}\n{}", ran.out);
    }
    tries
}

#[test]
fn nothing_of_the_pod_can_be_read_or_changed() {
    as_each_user("hostile", include_str!("hostile.c"), |image, user| {
        let mut pod = Pod::new(image);
        // An open descriptor of ours that a careless fork would hand down.
        let leaked = std::fs::File::open(pod.dir.join("secret")).unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
        let directory = pod.dir.to_string_lossy().into_owned();
        let (victim, port) = (pod.victim.id().to_string(), pod.port().to_string());
        let mut step = Image::step(&["hostile", &directory, &victim, &pod.names[0], &port]);
        step.user = user.clone();
        let ran = image.run(&step);
        pod.assert_untouched(&ran);
        let tries = ran.out.lines().last().and_then(|line| line.strip_prefix("tries "));
        assert!(tries.unwrap().parse::<u32>().unwrap() >= 100, "{}", ran.out);
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
fn what_belongs_to_others_stays_theirs() {
    as_each_user("reach", include_str!("reach.c"), |image, user| {
        let mut pod = Pod::new(image);
        let mounted = image.dir.path().join("mounted");
        std::fs::create_dir(&mounted).unwrap();
        std::fs::write(mounted.join("kept"), "CANARY-file\n").unwrap();
        let xattr = rustix::fs::XattrFlags::empty();
        let _ = rustix::fs::setxattr(mounted.join("kept"), "user.keep", b"k", xattr);
        let mut before = BTreeMap::new();
        snapshot(&mounted, &mut before);
        let arguments = [
            "reach".to_owned(),
            pod.dir.to_string_lossy().into_owned(),
            std::process::id().to_string(),
            pod.victim.id().to_string(),
            pod.names[1].clone(),
            pod.segment.key.to_string(),
            pod.segment.id.to_string(),
            "/mounted".to_owned(),
        ];
        let mut step = Image::step(&arguments.each_ref().map(String::as_str));
        step.user = user.clone();
        step.mounts.push(kiln_runner::Mount {
            target: b"/mounted".to_vec(),
            source: kiln_runner::MountSource::Host(Arc::new(open_directory(&mounted))),
            read_only: true,
        });
        let ran = image.run(&step);
        pod.assert_untouched(&ran);
        let mut after = BTreeMap::new();
        snapshot(&mounted, &mut after);
        assert_eq!(before, after, "{}", ran.out);
        assert!(tries(&ran).len() >= 150, "{}", ran.out);
        assert!(ran.out.contains("own mode 1\nown times 1\n"), "{}", ran.out);
    });
}

#[test]
fn secrets_of_the_pod_and_of_kiln_stay_theirs() {
    as_each_user("secrets", include_str!("secrets.c"), |image, user| {
        let mut pod = Pod::new(image);
        let secrets = pod.secrets();
        if !Path::new(TOKEN).exists() {
            println!("this pod has no {TOKEN}: only one like it is tried");
        }
        let ids = [std::process::id(), pod.victim.id()].map(|id| id.to_string());
        let mut arguments = vec!["secrets", &ids[0], &ids[1]];
        arguments.extend(secrets.iter().filter_map(|path| path.to_str()));
        let mut step = Image::step(&arguments);
        step.user = user.clone();
        let ran = image.run(&step);
        pod.assert_untouched(&ran);
        assert!(tries(&ran).len() >= 100 * secrets.len(), "{}", ran.out);
        assert!(ran.out.contains("own 1 1\n"), "{}", ran.out);
    });
}

#[test]
fn other_numbers_of_calls_are_no_way_around() {
    as_each_user("numbers", include_str!("numbers.c"), |image, user| {
        let mut pod = Pod::new(image);
        let directory = pod.dir.to_string_lossy().into_owned();
        let victim = pod.victim.id().to_string();
        let mut step = Image::step(&["numbers", &directory, &victim, &pod.names[0]]);
        step.user = user.clone();
        let ran = image.run(&step);
        pod.assert_untouched(&ran);
        let tried = tries(&ran);
        assert!(
            tried.iter().filter(|line| line.starts_with("i386 ")).count() >= 150,
            "{}",
            ran.out
        );
        assert!(tried.len() >= 270, "{}", ran.out);
    });
}

fn open_directory(path: &Path) -> OwnedFd {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap()
}

#[test]
fn steps_side_by_side_do_not_reach_each_other() {
    as_each_user("sibling", include_str!("sibling.c"), |hostile, user| {
        let Some(quiet) = Image::small() else { return };
        if !quiet.compile("quiet", include_str!("quiet.c"), &["-lutil"]) {
            return;
        }
        let root = quiet.root();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut step = Image::step(&["quiet"]);
                step.env.push((b"TOKEN".to_vec(), b"CANARY-environment".to_vec()));
                quiet.run(&step)
            });
            let marker = root.join("up");
            for _ in 0..500 {
                if marker.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let names = std::fs::read_to_string(&marker).unwrap();
            let path = root.to_string_lossy().into_owned();
            let arguments: Vec<_> =
                ["sibling", &path].into_iter().chain(names.split_whitespace()).collect();
            let mut step = Image::step(&arguments);
            step.user = user.clone();
            let ran = hostile.run(&step);
            std::fs::write(root.join("done"), "").unwrap();
            let other = other.join().unwrap();

            assert_eq!(ran.code(), 0, "{}\n{}", ran.out, ran.err);
            assert!(!ran.out.contains("LEAK") && !ran.out.contains("CANARY"), "{}", ran.out);
            assert!(tries(&ran).len() >= 300, "{}", ran.out);
            // The abstract sockets were tried by their names in the pod too.
            assert!(ran.out.contains("names 4\n"), "{}", ran.out);
            assert_eq!(other.ok(), "changed 0\n", "{}", ran.out);
        });
    });
}

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
