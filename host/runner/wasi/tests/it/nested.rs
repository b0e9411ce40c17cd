//! Commands that wait for commands share a thread: what holds for one guest holds for all of them.

use crate::harness::{Stage, step};
use kiln_runner::RunError;
use kiln_runner_wasi::Options;
use std::time::{Duration, Instant};

#[test]
fn limits_hold_for_the_guest_inside() {
    let options = Options { guest_memory: 16 << 20, processes: 100, ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    for (script, what) in [
        (r#"sh -c "sh -c 'x=aaaaaaaa; while :; do x=\$x\$x; done'""#, "memory"),
        (r#"env sh -c "env sh -c 'x=aaaaaaaa; while :; do x=\$x\$x; done' | cat""#, "memory"),
        (r#"B='sh -c "$B"; :'; export B; sh -c "$B""#, "processes"),
        (r#"B='x=$(sh -c "$B"); :'; export B; sh -c "$B""#, "processes"),
        ("f() { (f; :); :; }; f", "processes"),
    ] {
        match stage.sh(script).result {
            Err(RunError::Limit(limit)) => assert!(limit.contains(what), "{script}: {limit}"),
            other => panic!("{script}: {other:?}"),
        }
    }
}

#[test]
fn time_ends_the_guest_inside() {
    let Some(stage) = Stage::new() else { return };
    for script in [
        "sh -c 'sh -c \"while :; do :; done\"; echo no'",
        "sh -c 'env sleep 99; echo no' | cat",
        "x=$(sh -c 'yes > /dev/null; echo no')",
        "sh -c 'sleep 99 & wait'",
        "timeout 99 sh -c 'sleep 98'",
        "nice nohup sh -c 'cat <&8 | sleep 99'",
    ] {
        let mut step = step(&["sh", "-c", script]);
        step.limits.timeout = Some(Duration::from_millis(400));
        let start = Instant::now();
        let ran = stage.run(&step);
        assert!(matches!(ran.result, Err(RunError::TimedOut(_))), "{script}: {:?}", ran.result);
        assert!(start.elapsed() < Duration::from_secs(9), "{script}");
        assert_eq!(ran.stdout, "", "{script}");
    }
}

/// Steps of one process share the threads and the places of instances.
#[test]
fn steps_run_side_by_side() {
    let Some(first) = Stage::new() else { return };
    let script = r#"
        for i in 1 2 3 4 5 6 7 8; do
            echo $i | sh -c 'read x; sh -c "echo got $x"' >> out
            x=$(sh -c 'echo sub; (exit 3)'); echo $x $? >> out
            (sleep 0.02; echo $i > b$i) &
        done
        n=0; while [ $n -lt 100 ]; do sleep 0.1 & n=$((n+1)); done
        wait
        cat b? out"#;
    let mut wanted: String = (1..=8).map(|n| format!("{n}\n")).collect();
    wanted.extend((1..=8).map(|n| format!("got {n}\nsub 3\n")));
    let stages: Vec<Stage> =
        std::iter::once(first).chain((1..6).filter_map(|_| Stage::new())).collect();
    let runner = &stages[0].runner;
    std::thread::scope(|scope| {
        for stage in &stages {
            scope.spawn(|| {
                let ran = stage.run_by(runner, &step(&["sh", "-c", script]));
                assert_eq!((ran.code(), &ran.stdout), (0, &wanted), "{}", ran.stderr);
            });
        }
    });
}

/// What takes longer than it may is the native tool's to end.
#[test]
fn timeout_ends_nothing_itself() {
    let Some(stage) = Stage::new() else { return };
    let ran = stage.sh("echo x > f; timeout 0.2 sleep 9; echo $?");
    assert!(matches!(ran.result, Err(RunError::NeedsNative(_))), "{:?}", ran.result);
    assert!(stage.rootfs.metadata(b"/f", false).is_err());
    let ran = stage.sh("timeout 9 sh -c 'sleep 0.1; exit 5'; echo $?; timeout 9 nonesuch; echo $?");
    assert_eq!(ran.stdout, "5\n127\n", "{}", ran.stderr);
}
