//! Guests that mean harm end in an error that says which limit they met, and reach nothing outside.

use crate::harness::{Ran, Stage, step};
use kiln_runner::{RunError, Step};
use kiln_runner_wasi::Options;
use std::fs;
use std::time::{Duration, Instant};

fn limit(ran: &Ran) -> String {
    match &ran.result {
        Err(RunError::Limit(what)) => what.clone(),
        other => panic!("{other:?}; {}", ran.stderr),
    }
}

#[test]
fn a_fork_bomb_meets_the_limit_of_processes() {
    let Some(stage) = Stage::with(Options { processes: 20, ..Options::default() }) else { return };
    assert!(limit(&stage.sh("b() { b | b; }; b")).contains("processes"));
    assert!(limit(&stage.sh("while :; do sleep 9 & done")).contains("processes"));
}

#[test]
fn endless_loops_end_with_the_time() {
    let Some(stage) = Stage::new() else { return };
    for script in
        ["while :; do :; done", "sleep 1000", "yes | cat > /dev/null", "cat <&8 | sleep 99"]
    {
        let mut step = step(&["sh", "-c", script]);
        step.limits.timeout = Some(Duration::from_millis(300));
        let start = Instant::now();
        let ran = stage.run(&step);
        assert!(matches!(ran.result, Err(RunError::TimedOut(_))), "{script}: {:?}", ran.result);
        assert!(start.elapsed() < Duration::from_secs(5), "{script}");
    }
}

#[test]
fn memory_meets_its_limit() {
    let options = Options { guest_memory: 16 << 20, ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    assert!(limit(&stage.sh("x=aaaaaaaa; while :; do x=$x$x; done")).contains("memory"));
}

#[test]
fn descriptors_run_out_without_harm() {
    let Some(stage) = Stage::with(Options { descriptors: 8, ..Options::default() }) else {
        return;
    };
    let script = "for n in 3 4 5 6 7 8 9; do eval \"exec $n>/f$n\" || exit 7; done";
    let ran = stage.sh(script);
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr.contains("Too many open files"), "{}", ran.stderr);
}

#[test]
fn paths_lead_nowhere_but_into_the_rootfs() {
    let Some(stage) = Stage::new() else { return };
    // Not below /dev, whatever the tests' own directory is: a step that names that is native.
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let outside = directory.path().join("outside");
    fs::write(&outside, "host").unwrap();
    let up = "../".repeat(40);
    let host = outside.display();
    let script = format!(
        "mkdir -p /a; ln -s / /a/root; ln -s {up} /a/up; ln -s {host} /a/host; ln -s /a/x /a/x
         cat {up}{host}; cat /a/up{host}; cat /a/host; cat /a/root/../../../outside; cat /a/x
         echo in > {up}inside; echo in > /a/up/also; rm -rf {up}a"
    );
    let ran = stage.sh(&script);
    assert_eq!((ran.code(), &ran.stdout[..]), (0, ""), "{}", ran.stderr);
    assert_eq!(fs::read(&outside).unwrap(), b"host");
    assert_eq!(ran.changes(), "Set also\nSet inside\n");
}

/// A module whose `_start` calls one import with hostile numbers and exits with its result.
fn hostile(module: &str, name: &str, params: &[&str], value: i64) -> Vec<u8> {
    let types = params.join(" ");
    let args: String = params.iter().map(|ty| format!("({ty}.const {value}) ")).collect();
    let text = format!(
        "(module (import \"{module}\" \"{name}\" (func $f (param {types}) (result i32)))
          (memory (export \"memory\") 1)
          (func (export \"_start\") (drop (call $f {args}))))"
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn no_import_takes_addresses_outside_the_guest() {
    let Some(stage) = Stage::new() else { return };
    let imports: &[(&str, &[&str])] = &[
        ("args_get", &["i32"; 2]),
        ("environ_get", &["i32"; 2]),
        ("clock_time_get", &["i32", "i64", "i32"]),
        ("fd_read", &["i32"; 4]),
        ("fd_write", &["i32"; 4]),
        ("fd_readdir", &["i32", "i32", "i32", "i64", "i32"]),
        ("fd_filestat_get", &["i32"; 2]),
        ("fd_prestat_dir_name", &["i32"; 3]),
        ("path_open", &["i32", "i32", "i32", "i32", "i32", "i64", "i64", "i32", "i32"]),
        ("path_readlink", &["i32"; 6]),
        ("path_symlink", &["i32"; 5]),
        ("poll_oneoff", &["i32"; 4]),
        ("random_get", &["i32"; 2]),
    ];
    let own: &[(&str, &[&str])] = &[
        ("open", &["i32"; 4]),
        ("stat", &["i32"; 4]),
        ("getcwd", &["i32"; 2]),
        ("getxattr", &["i32"; 7]),
        ("setxattr", &["i32"; 8]),
        ("spawn", &["i32"; 2]),
        ("find_program", &["i32"; 6]),
        ("wait", &["i32"; 3]),
        ("pipe", &["i32"; 1]),
        ("setgroups", &["i32"; 2]),
        ("getids", &["i32"; 1]),
        ("fork", &["i32"; 1]),
    ];
    let all = imports
        .iter()
        .map(|import| ("wasi_snapshot_preview1", import))
        .chain(own.iter().map(|import| ("kiln", import)));
    let path = stage.rootfs.host_path().join("hostile.wasm");
    for (module, (name, params)) in all {
        for value in [-1, 0x7fff_ffff, 65_535, 0] {
            fs::write(&path, hostile(module, name, params, value)).unwrap();
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .unwrap();
            let mut step: Step = step(&["/hostile.wasm"]);
            step.limits.timeout = Some(Duration::from_secs(5));
            let ran = stage.run(&step);
            // It ends, one way or another, and the host lives: an error or an exit, no panic.
            let fine = match &ran.result {
                Ok(_) | Err(RunError::NeedsNative(_)) => true,
                // A fork of what exports no stack pointer.
                Err(RunError::Io { .. }) => *name == "fork",
                Err(_) => false,
            };
            assert!(fine, "{module} {name} {value}: {:?}", ran.result);
        }
    }
}
