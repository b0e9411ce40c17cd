//! Guests that mean harm end in an error that says which limit they met, and reach nothing outside.

use crate::harness::{Ran, Stage, step};
use kiln_runner::RunError;
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

#[test]
fn what_is_written_and_made_meets_its_limit() {
    let options = Options { written: 1 << 20, created: 50, ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    assert!(limit(&stage.sh("yes > big")).contains("bytes written"));
    assert!(
        limit(&stage.sh("while :; do yes | head -c 99999 > x; rm x; done")).contains("written")
    );
    assert!(limit(&stage.sh("n=0; while :; do n=$((n+1)); : > f$n; done")).contains("new names"));
    assert!(limit(&stage.sh("while mkdir d; do cd d; done")).contains("new names"));
    let root = stage.rootfs.host_path();
    assert_eq!(fs::read_dir(root).unwrap().count(), 0, "nothing is left of any of them");
}

#[test]
fn time_meets_its_limit() {
    let options = Options { time: Duration::from_millis(200), ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    assert!(limit(&stage.sh("while :; do :; done")).contains("time"));
    assert!(limit(&stage.sh("sleep 100")).contains("time"));
}

#[test]
fn recursion_and_giant_arguments_end_in_an_error() {
    let Some(stage) = Stage::new() else { return };
    for script in
        ["f() { f; }; f", "f() { g; }; g() { (f); }; f", "eval() { command eval; }; x=$(f)"]
    {
        let mut step = step(&["sh", "-c", script]);
        step.limits.timeout = Some(Duration::from_secs(20));
        let ran = stage.run(&step);
        let fine =
            matches!(&ran.result, Ok(_) | Err(RunError::NeedsNative(_) | RunError::Limit(_)));
        assert!(fine, "{script}: {:?}", ran.result);
    }
    let script = "x=aaaaaaaaaaaaaaaa; n=0; while [ $n -lt 22 ]; do x=$x$x; n=$((n+1)); done; ls $x";
    let ran = stage.sh(script);
    assert!(matches!(&ran.result, Ok(_) | Err(RunError::Limit(_))), "{:?}", ran.result);
    let mut step = step(&["sh", "-c", "echo ${#A}"]);
    step.env.push((b"A".to_vec(), vec![b'x'; 8 << 20]));
    let ran = stage.run(&step);
    assert!(ran.result.is_ok() || ran.stderr.contains("long"), "{:?}", ran.result);
}
