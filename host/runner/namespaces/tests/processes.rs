//! Kiln as a process of its own: as an unprivileged user who enters a user namespace and runs a step
//! there; as a process that is killed; on a machine whose mounts are shared.
//!
//! Started as root, this gives itself a user with ranges of ids (files mounted over /etc/passwd,
//! /etc/subuid and /etc/subgid in a mount namespace of its own) and starts itself again as that user.
//! What cannot be tried on this machine is said and passed over.
#![expect(clippy::print_stdout, reason = "a test with a main of its own says what it does")]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::sync::Mutex;

use kiln_rootfs::Rootfs;
use kiln_runner::{
    Cancel, Credentials, ExitStatus, Limits, Mount, MountSource, Network, OutputSink, Runner, Step,
    Stream,
};
use kiln_runner_namespaces::{Namespaces, reexec_in_user_namespace};

const BUSYBOX: &str = "/bin/busybox";
const APPLETS: &[&str] =
    &["cat", "chmod", "chown", "grep", "id", "ls", "setsid", "sh", "sleep", "stat", "touch"];

const TESTS: &[(&str, fn())] = &[
    ("unprivileged", unprivileged),
    ("killed", killed),
    ("shared_mounts", shared_mounts),
    ("sealed", sealed),
];

const USER: u32 = 54321;
const FIRST_SUBORDINATE: u32 = 700_000;

/// The exit code of the inner process when the kernel refuses user namespaces.
const REFUSED: i32 = 77;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        // What cargo-nextest asks of every test program.
        ["--list", .., "--ignored"] => {}
        ["--list", ..] => TESTS.iter().for_each(|(name, _)| println!("{name}: test")),
        ["inside", directory] => return inside(Path::new(directory)),
        ["refused", path] => return refused(path),
        ["single"] => return single(),
        ["seal"] => return seal(),
        ["sleep", directory, seconds] => sleep(Path::new(directory), seconds),
        ["compare", directory] => compare(Path::new(directory)),
        // One with cargo-nextest, else all.
        ref names => {
            let one = TESTS.iter().find(|(name, _)| names.contains(name));
            one.map_or(TESTS, std::slice::from_ref).iter().for_each(|(_, test)| test());
        }
    }
    ExitCode::SUCCESS
}

/// As root: prepares, and starts the three inner processes.
fn unprivileged() {
    let tools = ["/usr/bin/newuidmap", "/usr/bin/setpriv", "/usr/bin/unshare", BUSYBOX];
    if let Some(tool) = tools.iter().find(|tool| !Path::new(tool).exists()) {
        return println!("skipped: no {tool}");
    }
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: not root");
    }
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::copy(std::env::current_exe().unwrap(), at("test")).unwrap();
    std::fs::create_dir(at("work")).unwrap();
    std::os::unix::fs::chown(at("work"), Some(USER), Some(USER)).unwrap();
    let passwd = format!("root:x:0:0::/:/bin/sh\nkilntest:x:{USER}:{USER}::/:/bin/sh\n");
    std::fs::write(at("passwd"), passwd).unwrap();
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("subid"), format!("kilntest:{FIRST_SUBORDINATE}:65536\n")).unwrap();

    let output = as_user(directory.path(), "subid", &["inside", at("work").to_str().unwrap()]);
    println!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.code() == Some(REFUSED) {
        return println!("skipped: user namespaces are refused here");
    }
    assert!(output.status.success(), "{output:?}");
    let metadata = std::fs::metadata(at("work/root/tmp/mine")).unwrap();
    let mapped = |id: u32| FIRST_SUBORDINATE + id - 1;
    assert_eq!((metadata.uid(), metadata.gid()), (mapped(1000), mapped(50)), "seen from outside");
    let metadata = std::fs::metadata(at("work/root/tmp/roots")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (USER, USER));

    for (subid, arguments, expected) in [
        ("empty", &["refused", "/usr/bin"], "/etc/subuid: no range for user kilntest (give it"),
        ("subid", &["refused", "/nowhere"], "newuidmap: not installed (install it: package"),
    ] {
        let output = as_user(directory.path(), subid, arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.starts_with(expected), "{output:?}");
    }

    let single = Command::new("/usr/bin/setpriv")
        .args([&format!("--reuid={USER}"), &format!("--regid={USER}"), "--clear-groups"])
        .args(["/usr/bin/unshare", "--map-root-user"])
        .args([at("test").to_str().unwrap(), "single"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&single.stdout).into_owned();
    assert!(said.starts_with("/proc/self/uid_map: 1 id (this user namespace"), "{single:?}");
}

/// As root: what a step could reach as `/proc/PID/exe` cannot be changed.
fn sealed() {
    let Some(directory) = root_and_busybox() else { return };
    let program = directory.path().join("kiln");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mode = || std::fs::metadata(&program).unwrap().mode();
    let before = mode();
    let output = Command::new(&program).arg("seal").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "EROFS\n");
    assert_eq!(mode(), before);
}

/// As kiln: tries what the step would.
fn seal() -> ExitCode {
    reexec_in_user_namespace(None).unwrap();
    // Nobody can write to it while it runs; its mode would do.
    match std::fs::set_permissions("/proc/self/exe", PermissionsExt::from_mode(0o6777)) {
        Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => println!("EROFS"),
        other => println!("{other:?}"),
    }
    ExitCode::SUCCESS
}

/// Kiln is killed while a step runs: nothing of the step stays.
fn killed() {
    let Some(directory) = root_and_busybox() else { return };
    let marker = format!("84{}", std::process::id());
    let mut kiln = Command::new(std::env::current_exe().unwrap())
        .args(["sleep", directory.path().to_str().unwrap(), &marker])
        .spawn()
        .unwrap();
    // Kiln itself, the daemon, and what the shell waits for.
    wait_until("the step runs", || processes_named(&marker) == 3);
    kiln.kill().unwrap();
    kiln.wait().unwrap();
    wait_until("the step is gone", || processes_named(&marker) == 0);
}

/// As kiln: runs a step, which starts a daemon, until it is killed.
fn sleep(directory: &Path, seconds: &str) {
    let rootfs = stage(directory);
    let step = step(&format!("setsid sleep {seconds} & trap '' TERM HUP; sleep {seconds}"));
    let result = Namespaces::new(None).run(&rootfs, &step, &Collected::default());
    panic!("{result:?}");
}

/// Mounts are shared where systemd runs: none of a step's may be seen on the machine.
fn shared_mounts() {
    let Some(directory) = root_and_busybox() else { return };
    let output = Command::new("/usr/bin/unshare")
        .args(["--mount", "--propagation=shared"])
        .arg(std::env::current_exe().unwrap())
        .args(["compare", directory.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// As kiln: compares the machine's mounts while a step runs with those before; then has a work
/// directory where nothing can be executed.
fn compare(directory: &Path) {
    let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(mounts().contains(" shared:"));
    let rootfs = stage(directory);
    let before = mounts();
    let mut step = step("echo x > /tmp/runs; while [ -e /tmp/runs ]; do sleep 0.1; done");
    let (path, flags) = (rootfs.host_path(), rustix::fs::OFlags::PATH);
    let fd = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
    let mount = |target: &str, source| Mount { target: target.into(), source, read_only: false };
    step.mounts = vec![
        mount("/again", MountSource::Host(std::sync::Arc::new(fd))),
        mount("/again/tmp/memory", MountSource::Tmpfs { size: None }),
    ];
    std::thread::scope(|scope| {
        let run = scope.spawn(|| Namespaces::new(None).run(&rootfs, &step, &Collected::default()));
        wait_until("the step runs", || path.join("tmp/runs").exists() || run.is_finished());
        let during = mounts();
        drop(std::fs::remove_file(path.join("tmp/runs")));
        assert!(run.join().unwrap().unwrap().status.success());
        assert_eq!(during, before);
    });

    let noexec = directory.join("noexec");
    std::fs::create_dir(&noexec).unwrap();
    let flags = rustix::mount::MountFlags::NOEXEC;
    rustix::mount::mount("none", &noexec, "tmpfs", flags, None).unwrap();
    let refusal = Namespaces::new(None).eligible(&stage(&noexec), &step).unwrap_err();
    assert!(refusal.contains("is mounted noexec"), "{refusal}");
}

fn root_and_busybox() -> Option<tempfile::TempDir> {
    if let Err(refusal) = Namespaces::new(None).available() {
        println!("skipped: {refusal}");
        return None;
    }
    if !Path::new(BUSYBOX).exists() {
        println!("skipped: no {BUSYBOX}");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 20, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Processes of the machine that have `argument` on their command line.
fn processes_named(argument: &str) -> usize {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| line.split(|&byte| byte == 0).any(|word| word == argument.as_bytes()))
        .count()
}

/// Starts this program as the user, who has the ranges in the file `subid`.
fn as_user(directory: &Path, subid: &str, arguments: &[&str]) -> Output {
    let script = format!(
        "set -e; cd \"$1\"; shift
        mount --bind passwd /etc/passwd
        for file in /etc/subuid /etc/subgid; do [ -e $file ] || exit {REFUSED}; mount --bind {subid} $file; done
        exec setpriv --reuid={USER} --regid={USER} --clear-groups --bounding-set=+all \"$PWD/test\" \"$@\""
    );
    Command::new("/usr/bin/unshare")
        .args(["--mount", "--propagation=private", "/bin/sh", "-c", &script, "sh"])
        .arg(directory)
        .args(arguments)
        .output()
        .unwrap()
}

/// As the user: enters the namespace, and runs a step there.
fn inside(directory: &Path) -> ExitCode {
    let before = rustix::process::getuid();
    if let Err(refusal) = reexec_in_user_namespace(None) {
        println!("{refusal}");
        return if refusal.call.contains("CLONE_NEWUSER") || refusal.call.starts_with("mount") {
            ExitCode::from(77)
        } else {
            ExitCode::FAILURE
        };
    }
    assert!(before.is_root(), "executed again");
    let change = std::fs::set_permissions("/proc/self/exe", PermissionsExt::from_mode(0o6777));
    assert_eq!(change.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    let runner = Namespaces::new(None);
    if let Err(refusal) = runner.available() {
        println!("{refusal}");
        return ExitCode::FAILURE;
    }
    for check in Namespaces::new(None).checks(directory) {
        println!("{}: {:?}", check.what, check.result);
        assert!(check.result.is_ok());
    }
    let rootfs = stage(directory);
    let script =
        "id -u; touch /tmp/roots /tmp/mine; chown 1000:50 /tmp/mine; stat -c %u:%g /tmp/mine
        echo x > /dev/null; ls /proc/1/fd/0; ls /proc/1/root/; chmod 600 /dev/null
        cat /proc/timer_list /proc/keys; ls /sys/class > /dev/null; grep CapEff /proc/self/status";
    let mut step = step(script);
    assert_eq!(runner.eligible(&rootfs, &step), Ok(()));
    let output = Collected::default();
    let outcome = runner.run(&rootfs, &step, &output).unwrap();
    let text = String::from_utf8(output.0.into_inner().unwrap()).unwrap();
    println!("{text}");
    assert_eq!(outcome.status, ExitStatus::Code(0));
    let (refused, lines): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| line.starts_with("ls: ") || line.starts_with("chmod: "));
    assert_eq!(lines, ["0", "1000:50", "CapEff:\t00000000a80425fb"]);
    assert_eq!(refused.len(), 3, "what is init's and the host's is refused");

    step.user = Credentials { uid: 1000, gid: 1000, groups: vec![50] };
    step.network = Network::None;
    step.argv[2] = b"id -u; id -G; echo x > /dev/stdout; ls /sys/class/net".to_vec();
    let output = Collected::default();
    assert!(runner.run(&rootfs, &step, &output).unwrap().status.success());
    assert_eq!(output.0.into_inner().unwrap(), b"1000\n1000 50\nx\nlo\n");
    step.user.uid = 65537;
    assert!(runner.eligible(&rootfs, &step).unwrap_err().contains("user 65537 does not exist"));
    ExitCode::SUCCESS
}

/// As the user, with something missing: says what.
fn refused(path: &str) -> ExitCode {
    match (
        reexec_in_user_namespace(Some(path.as_ref())),
        Namespaces::new(Some(path.into())).available(),
    ) {
        (Err(refusal), Err(same)) if refusal == same => println!("{refusal}"),
        other => panic!("{other:?}"),
    }
    ExitCode::SUCCESS
}

/// As root of a namespace with one id.
fn single() -> ExitCode {
    println!("{}", Namespaces::new(None).available().unwrap_err());
    ExitCode::SUCCESS
}

/// A root file system of busybox.
fn stage(directory: &Path) -> Rootfs {
    let rootfs = Rootfs::create(directory).unwrap();
    let root = rootfs.host_path();
    for name in ["bin", "tmp"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    std::fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1777)).unwrap();
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    rootfs
}

fn step(script: &str) -> Step {
    Step {
        argv: ["/bin/sh", "-c", script].map(|arg| arg.as_bytes().to_vec()).to_vec(),
        env: vec![(b"PATH".to_vec(), b"/bin".to_vec())],
        cwd: b"/".to_vec(),
        user: Credentials::default(),
        mounts: vec![],
        network: Network::Default,
        hostname: "builder".into(),
        extra_hosts: vec![],
        limits: Limits { timeout: Some(std::time::Duration::from_secs(30)), ..Limits::default() },
        cancel: Cancel::default(),
    }
}

#[derive(Default)]
struct Collected(Mutex<Vec<u8>>);

impl OutputSink for Collected {
    fn write(&self, _: Stream, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}
