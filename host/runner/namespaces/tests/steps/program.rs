//! How the program is found and started, and how its end is told.

use std::os::unix::fs::PermissionsExt;

use kiln_runner::{Credentials, ExitStatus, RunError};

use crate::support::{Fixture, fixture, sh, step};

#[test]
fn output_and_exit_codes() {
    let Some(fixture) = fixture() else { return };
    let ran = fixture.run(&sh("echo out; echo err >&2; exit 3"));
    assert_eq!((ran.code(), &*ran.stdout, &*ran.stderr), (3, "out\n", "err\n"));
    assert_eq!(fixture.run(&sh("exit 0")).code(), 0);
    assert_eq!(fixture.run(&sh("exit 255")).code(), 255);
    assert_eq!(fixture.run(&sh("nothing-of-that-name")).code(), 127);
    for signal in [9, 11, 15] {
        let ran = fixture.run(&sh(&format!("kill -{signal} $$; sleep 9")));
        assert!(matches!(ran.result, Ok(ExitStatus::Signal(s)) if s == signal), "{ran:?}");
    }
}

#[test]
fn sigpipe_ends_a_writer() {
    let Some(fixture) = fixture() else { return };
    // Kiln itself ignores the signal; a step that inherited that would see an error message instead.
    assert_eq!(fixture.output("yes | head -n 1"), "y\n");
    assert_eq!(
        fixture.output("grep -E '^Sig(Ign|Blk):' /proc/self/status | tr -d '0\\n\\t'"),
        "SigBlk:SigIgn:"
    );
}

#[test]
fn the_program_is_looked_up_as_a_runtime_does() {
    let Some(fixture) = fixture() else { return };
    for (name, mode, content) in [
        ("script", 0o755, "#!/bin/sh\necho script $1\n"),
        ("plain", 0o644, "#!/bin/sh\n"),
        ("orphan", 0o755, "#!/no/such/interpreter\n"),
        ("garbage", 0o755, "\x7fGARBAGE"),
    ] {
        fixture.write(&format!("bin/{name}"), content);
        let permissions = PermissionsExt::from_mode(mode);
        std::fs::set_permissions(fixture.at(&format!("bin/{name}")), permissions).unwrap();
    }
    let ran = fixture.run(&step(&["script", "x"]));
    assert_eq!((ran.code(), &*ran.stdout), (0, "script x\n"));
    let cases = [
        ("absent", "exec: \"absent\": executable file not found in $PATH", 127),
        ("plain", "exec: \"plain\": executable file not found in $PATH", 127),
        ("/bin/absent", "exec: \"/bin/absent\": stat /bin/absent: no such file or directory", 127),
        ("/bin/plain", "exec: \"/bin/plain\": permission denied", 126),
        ("/tmp", "exec: \"/tmp\": permission denied", 126),
        ("/bin/sh/x", "exec: \"/bin/sh/x\": stat /bin/sh/x: not a directory", 127),
        ("orphan", "exec /bin/orphan: no such file or directory", 127),
        ("/bin/garbage", "exec /bin/garbage: exec format error", 126),
    ];
    for (program, expected, expected_code) in cases {
        match fixture.run(&step(&[program])).result {
            Err(RunError::CannotStart { program: named, reason, code }) => {
                assert_eq!((&*named, &*reason, code), (program, expected, expected_code));
            }
            other => panic!("{program}: {other:?}"),
        }
    }
}

#[test]
fn environment_and_directory_are_exact() {
    let Some(fixture) = fixture() else { return };
    std::fs::create_dir(fixture.at("work")).unwrap();
    let mut step = step(&["/bin/env"]);
    step.env = vec![(b"B".to_vec(), b"1=2 \xFF".to_vec()), (b"A".to_vec(), b"".to_vec())];
    assert_eq!(fixture.run(&step).stdout, "B=1=2 \u{FFFD}\nA=\n");
    let mut step = sh("pwd; umask; cat /proc/self/cmdline | tr '\\0' ' '");
    step.cwd = b"/work".to_vec();
    assert_eq!(fixture.run(&step).stdout, "/work\n0022\ncat /proc/self/cmdline ");
    step.cwd = b"/absent".to_vec();
    let error = fixture.run(&step).result.unwrap_err().to_string();
    assert_eq!(error, "changing to /absent: No such file or directory (os error 2)");
    let mut step = sh("true");
    step.argv[2] = b"a\0b".to_vec();
    assert!(fixture.run(&step).result.unwrap_err().to_string().contains("NUL"));
}

#[test]
fn user_and_groups() {
    let Some(fixture) = fixture() else { return };
    let script = "id -u; id -g; id -G; echo hello > /dev/stdout; touch /tmp/mine; grep Cap /proc/self/status";
    let mut step = sh(script);
    step.user = Credentials { uid: 1000, gid: 1001, groups: vec![5, 1002] };
    let ran = fixture.run(&step);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[..4], ["1000", "1001", "1001 5 1002", "hello"], "{ran:?}");
    assert_eq!(capabilities(&lines), [0, 0, 0, DOCKER, 0]);
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(fixture.at("tmp/mine")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (1000, 1001));
}

/// Docker's default set as a number: its containers show it as `CapBnd`.
const DOCKER: u64 = 0xa804_25fb;

#[test]
fn root_has_dockers_capabilities() {
    let Some(fixture) = fixture() else { return };
    let output = fixture.output("id -G; grep Cap /proc/self/status");
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], "0");
    assert_eq!(capabilities(&lines), [0, DOCKER, DOCKER, DOCKER, 0]);
}

/// CapInh, CapPrm, CapEff, CapBnd, CapAmb.
fn capabilities(lines: &[&str]) -> [u64; 5] {
    let numbers: Vec<_> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("Cap")?.split_once('\t'))
        .map(|(_, number)| u64::from_str_radix(number, 16).unwrap())
        .collect();
    numbers.try_into().unwrap()
}

#[test]
fn setuid_programs_work() {
    let Some(fixture) = fixture() else { return };
    let suid = fixture.at("bin/suid");
    std::fs::copy(fixture.at("bin/busybox"), &suid).unwrap();
    std::fs::set_permissions(&suid, PermissionsExt::from_mode(0o4755)).unwrap();
    // busybox gives up the rights for applets that do not ask for them; `su` does.
    std::fs::rename(&suid, fixture.at("bin/su")).unwrap();
    let mut step = sh("/bin/su -c 'id -u; grep CapEff /proc/self/status'");
    step.user = Credentials { uid: 1000, gid: 1000, groups: vec![] };
    fixture.write("etc/passwd", "root::0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n");
    let ran = fixture.run(&step);
    assert_eq!(ran.stdout, format!("0\nCapEff:\t{DOCKER:016x}\n"), "{ran:?}");
}

#[test]
fn only_the_three_descriptors_are_open() {
    let Some(fixture) = fixture() else { return };
    let kept = std::fs::File::open("/").unwrap();
    let inheritable = rustix::io::dup(&kept).unwrap();
    // ls itself opens the directory.
    assert_eq!(fixture.output("ls /proc/self/fd | wc -l"), "4\n");
    assert_eq!(fixture.output("readlink /proc/self/fd/0"), "/dev/null\n");
    drop(inheritable);
    let before = open_descriptors();
    fixture.output("true");
    assert!(open_descriptors() <= before, "kiln keeps none open either");
}

/// Other tests of this process may run at the same time where there is no process per test.
fn open_descriptors() -> usize {
    if std::env::args().any(|arg| arg == "--exact") {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    } else {
        0
    }
}

#[test]
fn a_bad_step_is_refused_before_anything_is_made() {
    let Some(fixture) = fixture() else { return };
    let refused = |fixture: &Fixture, step| fixture.run(&step).result.unwrap_err().to_string();
    assert!(refused(&fixture, step(&[])).contains("no program"));
    let mut bad = sh("true");
    bad.hostname = "two words".into();
    assert!(refused(&fixture, bad).contains("two words"));
    let mut bad = sh("true");
    bad.user.uid = u32::MAX;
    assert!(refused(&fixture, bad).contains("not a user"));
    assert!(!fixture.at("proc").exists());
}
