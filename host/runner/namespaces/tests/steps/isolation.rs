//! What a step sees of the machine, and what it may not do to it.

use std::process::Command;

use kiln_runner::Network;

use crate::support::{Fixture, fixture, sh};

#[test]
fn only_the_steps_processes_are_seen() {
    let Some(fixture) = fixture() else { return };
    let output = fixture.output("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done");
    let commands: Vec<_> = output.lines().map(str::trim).collect();
    assert_eq!(commands[0], "kiln-init", "kiln's own arguments are not shown");
    assert!(commands.len() <= 4 && commands[1].starts_with("/bin/sh -c"), "{commands:?}");
}

#[test]
fn init_cannot_be_looked_into() {
    let Some(fixture) = fixture() else { return };
    for file in ["exe", "cwd", "root", "fd/0", "mem", "environ", "maps", "ns/mnt"] {
        let ran =
            fixture.run(&sh(&format!("ls /proc/1/{file}/ 2> /dev/null || cat /proc/1/{file}")));
        assert_ne!(ran.code(), 0, "{file}: {ran:?}");
        assert!(ran.stderr.contains("ermission denied"), "{file}: {ran:?}");
    }
}

#[test]
fn nothing_lies_above_the_root() {
    let Some(fixture) = fixture() else { return };
    std::fs::write(fixture.at("only-here"), "").unwrap();
    for path in ["/..", "/../..", "/../bin/..", "/tmp/../.."] {
        let output = fixture.output(&format!("ls {path}"));
        assert!(output.lines().any(|name| name == "only-here"), "{path} shows {output}");
    }
    // Nothing of the machine's own mounts is left, reachable or not.
    let mounts = fixture.output("cat /proc/self/mountinfo");
    let of_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    assert_eq!(mounts.lines().filter(of_root).count(), 1, "{mounts}");
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let expected =
        ["/", "/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    for point in points {
        let inside = ["/proc/", "/dev/", "/sys/firmware", "/sys/devices/virtual/powercap"];
        let known = expected.contains(&point) || inside.iter().any(|dir| point.starts_with(dir));
        assert!(known, "{point} of {mounts}");
    }
}

#[test]
fn orphans_are_reaped_and_nothing_outlives_the_step() {
    let Some(fixture) = fixture() else { return };
    // The orphan's parent ends first; init must reap it, or it stays as a zombie.
    let output = fixture.output(
        "for i in 1 2 3; do sh -c 'sleep 0.1 & true'; done; sleep 0.6; ps -o stat,comm | grep -c Z; true",
    );
    assert_eq!(output, "0\n");
    let marker = format!("86{}", std::process::id());
    let start = std::time::Instant::now();
    let script = format!("setsid sleep {marker} & sleep {marker} & echo started");
    assert_eq!(fixture.output(&script), "started\n");
    assert!(start.elapsed().as_secs() < 10, "kiln does not wait for a daemon that has its output");
    assert_eq!(processes_named(&marker), 0);
}

/// Processes of the machine that have `argument` on their command line.
pub(crate) fn processes_named(argument: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| line.split(|&byte| byte == 0).any(|word| word == argument.as_bytes()))
        .count()
}

#[test]
fn two_hundred_processes() {
    let Some(fixture) = fixture() else { return };
    let script = "i=0; while [ $i -lt 200 ]; do sleep 1 & i=$((i+1)); done; ps | grep -c 'sleep 1'; wait; echo done";
    let output = fixture.output(script);
    let (count, rest) = output.split_once('\n').unwrap();
    assert!(count.parse::<u32>().unwrap() >= 200, "{output}");
    assert_eq!(rest, "done\n");
}

#[test]
fn names_are_the_steps_own() {
    let Some(fixture) = fixture() else { return };
    let mut step = sh("hostname; cat /etc/hostname /etc/hosts; cat /etc/resolv.conf > /tmp/copy");
    step.extra_hosts = vec![("db".into(), "10.1.2.3".into())];
    let expected = "builder\nbuilder\n127.0.0.1\tlocalhost builder\n\
        ::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb\n";
    assert_eq!(fixture.run(&step).stdout, expected);
    let original = std::fs::read("/etc/resolv.conf").unwrap_or_default();
    assert_eq!(std::fs::read(fixture.at("tmp/copy")).unwrap(), original);
    let ran = fixture.run(&sh("echo x > /etc/hosts"));
    assert!(ran.code() != 0 && ran.stderr.contains("Read-only"), "{ran:?}");
}

#[test]
fn ipc_objects_of_the_machine_are_not_the_steps() {
    let Some(fixture) = fixture() else { return };
    let own = std::fs::read_link("/proc/self/ns/ipc").unwrap();
    let steps = fixture.output("readlink /proc/self/ns/ipc");
    assert!(steps.starts_with("ipc:["), "{steps}");
    assert_ne!(steps.trim(), own.to_string_lossy());

    let segments = |text: &str| text.lines().skip(1).count();
    let tool = |name: &str, arguments: [&str; 2]| Command::new(name).args(arguments).output();
    let made = match tool("ipcmk", ["-M", "4096"]) {
        Ok(made) if made.status.success() => String::from_utf8(made.stdout).unwrap(),
        other => return println!("skipped: no segment of the machine's: {other:?}"),
    };
    let steps = fixture.output("cat /proc/sysvipc/shm");
    let machines = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let id = made.trim().rsplit(' ').next().unwrap();
    assert!(tool("ipcrm", ["-m", id]).unwrap().status.success(), "{made}");
    assert!(segments(&machines) > 0, "{machines}");
    assert_eq!(segments(&steps), 0, "{steps}");
}

#[test]
fn no_network_is_loopback_alone() {
    let Some(fixture) = fixture() else { return };
    let mut step = sh("ip -o link; ping -c 1 -W 2 127.0.0.1 > /dev/null && echo answered");
    step.network = Network::None;
    let ran = fixture.run(&step);
    let lines: Vec<_> = ran.stdout.lines().collect();
    let [link, "answered"] = lines[..] else { panic!("{ran:?}") };
    assert!(link.contains("lo:") && link.contains("UP"), "{link}");
    step.argv = sh("ls /sys/class/net").argv;
    assert_eq!(fixture.run(&step).stdout, "lo\n", "the view of /sys is that of the namespace");
}

#[test]
fn the_deny_list_holds() {
    let Some(fixture) = fixture() else { return };
    for script in [
        "mount -t tmpfs none /tmp",
        "mount -o bind /bin /tmp",
        "mount -o remount,rw /sys",
        "umount /proc/kcore",
        "umount /dev",
        "unshare -m true",
        "unshare -U true",
        "unshare -n true",
        "hostname other",
        "echo x > /proc/sys/kernel/hostname",
        "echo b > /proc/sysrq-trigger",
        "touch /sys/kernel/x",
        "ip link add name d0 type dummy",
    ] {
        let ran = fixture.run(&sh(script));
        assert_ne!(ran.code(), 0, "{script}: {ran:?}");
    }
    assert!(fixture.output("grep Seccomp: /proc/self/status").ends_with("\t2\n"));
}

#[test]
fn devices() {
    let Some(fixture) = fixture() else { return };
    let output = fixture.output(
        "ls /dev; echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 16 /dev/urandom | wc -c
        head -c 1 /dev/random | wc -c; echo x > /dev/full || echo full
        ls -l /dev/ptmx | grep -o 'pts/ptmx'; ls /dev/pts; stat -c '%a %t,%T' /dev/null /dev/tty
        echo 1 > /dev/shm/x; stat -f -c '%b %S' /dev/shm; echo via > /dev/stderr; cat /dev/fd/0",
    );
    let expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero \
        4 16 1 full pts/ptmx ptmx 666 1,3 666 5,0 16384 4096";
    assert_eq!(output.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    let mut step = sh("stat -f -c '%b %S' /dev/shm");
    step.limits.shm_size = Some(1 << 20);
    assert_eq!(fixture.run(&step).stdout, "256 4096\n");
    step.limits.shm_size = Some(0);
    assert_eq!(fixture.run(&step).stdout, "16384 4096\n", "never without a bound");
}

#[test]
fn no_other_device_works() {
    let Some(fixture) = fixture() else { return };
    for directory in ["/tmp", "/dev", "/dev/shm"] {
        // A copy of /dev/null: harmless if it did work.
        let script = format!("mknod {directory}/x c 1 3 && cat {directory}/x");
        let ran = fixture.run(&sh(&script));
        assert_eq!(ran.code(), 1, "{directory}: {ran:?}");
        assert!(ran.stderr.contains("ermission denied"), "{directory}: {ran:?}");
    }
    // A size given, the mount says no `nodev`, as in BuildKit, and is as dead.
    let mut step = sh("grep ' /dev/shm ' /proc/mounts; cp /bin/true /dev/shm/run; /dev/shm/run
        mknod /dev/shm/x c 1 3 && cat /dev/shm/x");
    step.limits.shm_size = Some(1 << 20);
    let ran = fixture.run(&step);
    assert_eq!(ran.code(), 1, "{ran:?}");
    assert!(
        ran.stdout.starts_with("tmpfs /dev/shm tmpfs rw,nosuid,relatime,size=1024k"),
        "{ran:?}"
    );
    assert_eq!(ran.stderr.matches("ermission denied").count(), 1, "{ran:?}");
    fixture.output("chmod 600 /dev/null");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata("/dev/null").unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666, "the step has a node of its own");
}

#[test]
fn kernel_files_are_masked() {
    let Some(fixture) = fixture() else { return };
    let is_empty = |fixture: &Fixture, path: &str| {
        fixture.output(&format!(
            "[ ! -e {path} ] || if [ -d {path} ]; then ls {path}; else cat {path}; fi"
        ))
    };
    for path in [
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/acpi",
        "/proc/latency_stats",
        "/sys/firmware",
    ] {
        assert_eq!(is_empty(&fixture, path), "", "{path}");
    }
}
