use crate::harness::{Stage, step};
use kiln_runner::{Credentials, RunError};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn a_step_runs_to_its_end_and_its_changes_are_known() {
    let Some(stage) = Stage::new() else { return };
    let ran = stage.sh("mkdir -p /x && echo hi > /x/y");
    assert_eq!((ran.code(), &ran.stdout[..], &ran.stderr[..]), (0, "", ""));
    assert_eq!(ran.changes(), "Set x\nSet x/y\n");
    assert_eq!(stage.rootfs.read_small(b"/x/y", 100).unwrap(), b"hi\n");
}

#[test]
fn a_working_directory_that_is_a_file_is_left_to_a_native_run() {
    let Some(stage) = Stage::new() else { return };
    assert_eq!(stage.sh("echo x > /file").code(), 0);
    let mut step = step(&["true"]);
    step.cwd = b"/file".to_vec();
    let ran = stage.run(&step);
    assert!(matches!(ran.result, Err(RunError::NeedsNative(_))), "{:?}", ran.result);
}

#[test]
fn a_step_keeps_nothing_open() {
    let Some(stage) = Stage::new() else { return };
    let top = fs::canonicalize(stage.rootfs.dir_path()).unwrap();
    let held = || {
        let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
        all.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(&top))).count()
    };
    let before = held();
    for _ in 0..5 {
        assert_eq!(stage.sh("mkdir -p /x/y | cat; (cat /x/y/z); true").code(), 0);
    }
    // The last guest's thread goes a moment after its step.
    let start = Instant::now();
    while held() > before && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(held(), before);
}

/// What a path led through before is another directory, link or mode now.
#[test]
fn paths_lead_where_they_lead_now() {
    let Some(stage) = Stage::new() else { return };
    for (script, stdout) in [
        (
            "mkdir -p a/s; echo 1 > a/s/f; cat a/s/f; mv a b; cat a/s/f b/s/f; mkdir -p a/s; echo 2 > a/s/f; cat a/s/f",
            "1\n1\n2\n",
        ),
        (
            "mkdir t u; echo t > t/f; echo u > u/f; ln -s t l; cat l/f; ln -sfn u l; cat l/f; rm l; cat l/f; mv t l; cat l/f",
            "t\nu\nt\n",
        ),
        (
            "mkdir r; echo r > r/f; cat r/f; rm -r r; cat r/f; ln -s a/s r; cat r/f; rm r; echo r > r; cat r/f r",
            "r\n2\nr\n",
        ),
        (
            "mkdir p; echo p > p/f; chmod 711 p; cat p/f; chmod 0 p; cat p/f; chmod 700 p; cat p/f",
            "p\np\n",
        ),
    ] {
        let mut step = step(&["sh", "-c", &format!("cd /w; {script}")]);
        step.user = Credentials { uid: 7, gid: 7, groups: Vec::new() };
        if stage.rootfs.metadata(b"/w", false).is_err() {
            assert_eq!(stage.sh("mkdir -m 777 /w").code(), 0);
        }
        let ran = stage.run(&step);
        assert!(ran.result.is_ok(), "{script}: {:?}", ran.result);
        assert_eq!(ran.stdout, stdout, "{script}: {}", ran.stderr);
    }
}
