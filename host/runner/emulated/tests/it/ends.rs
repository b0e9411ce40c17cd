//! How steps end.

use std::time::{Duration, Instant};

use kiln_runner::{ExitStatus, RunError};

use crate::support::{Image, as_pod, works_here};

/// Whether any process on this machine has this word in its command line.
fn is_running(word: &str) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        name != own && String::from_utf8_lossy(&line).contains(word)
    })
}

#[test]
fn codes_and_signals_are_reported_as_they_are() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let cases = [
            ("exit 0", ExitStatus::Code(0)),
            ("exit 77", ExitStatus::Code(77)),
            ("kill -9 $$", ExitStatus::Signal(9)),
            ("kill -TERM $$", ExitStatus::Signal(15)),
        ];
        for (script, expected) in cases {
            assert_eq!(image.sh(script).result.unwrap().status, expected, "{script}");
        }
    });
}

#[test]
fn what_a_step_left_running_is_dead() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let start = Instant::now();
        let ran = image.sh(
            "sleep 4242.1 & (sleep 4242.2 &) ; (trap '' TERM HUP INT; exec setpriv sleep 4242.3) &
             bash -c 'sleep 4242.4 & disown; exec -a other sleep 4242.5' & sleep 0.3; echo up",
        );
        assert_eq!(ran.ok(), "up\n");
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(!is_running("4242."));
    });
}

#[test]
fn time_outs_and_cancellation_end_the_whole_tree() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let mut step = Image::step(&["sh", "-c", "(sleep 4343.1 &) ; echo up; sleep 4343.2"]);
        step.limits.timeout = Some(Duration::from_millis(500));
        let ran = image.run(&step);
        assert!(matches!(ran.result, Err(RunError::TimedOut(_))), "{ran:?}");
        assert_eq!(ran.out, "up\n");
        assert!(!is_running("4343."));

        step.limits.timeout = None;
        let cancel = step.cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            cancel.cancel();
        });
        assert!(matches!(image.run(&step).result, Err(RunError::Cancelled)));
        assert!(!is_running("4343."));
    });
}

#[test]
fn many_processes_at_once() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let ran = image.sh(
            "for i in $(seq 200); do (stat / >/dev/null; sleep 0.3; true) & done; wait; echo done",
        );
        assert_eq!(ran.ok(), "done\n");
    });
}

#[test]
fn many_threads_of_many_processes() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        if !image.compile("threads", include_str!("threads.c"), &[]) {
            return;
        }
        let ran = image.run(&Image::step(&["threads"]));
        assert_eq!(ran.ok(), "0 failed\n", "{}", ran.err);
        assert_eq!(image.sh("ls /tmp").ok(), "");
    });
}
