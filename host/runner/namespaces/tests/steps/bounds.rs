//! Time limits, cancellation, and output in bulk.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kiln_runner::{OutputSink, RunError, Runner, Stream};

use crate::isolation::processes_named;
use crate::support::{fixture, sh};

#[test]
fn a_step_out_of_time_is_killed_with_all_its_processes() {
    let Some(fixture) = fixture() else { return };
    let marker = format!("85{}", std::process::id());
    let mut step = sh(&format!("setsid sleep {marker} & trap '' TERM; echo begun; sleep {marker}"));
    step.limits.timeout = Some(Duration::from_millis(300));
    let start = Instant::now();
    let ran = fixture.run(&step);
    assert!(matches!(ran.result, Err(RunError::TimedOut(limit)) if limit.as_millis() == 300));
    assert_eq!(ran.stdout, "begun\n", "what it printed before is not lost");
    assert!((300..3000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(processes_named(&marker), 0);
}

#[test]
fn a_cancelled_step_is_killed() {
    let Some(fixture) = fixture() else { return };
    let step = sh("sleep 50");
    let cancel = step.cancel.clone();
    let start = Instant::now();
    let result = std::thread::scope(|scope| {
        let run = scope.spawn(|| fixture.run(&step).result);
        std::thread::sleep(Duration::from_millis(200));
        cancel.cancel();
        run.join().unwrap()
    });
    assert!(matches!(result, Err(RunError::Cancelled)), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(matches!(fixture.run(&step).result, Err(RunError::Cancelled)), "not even started");
}

/// Checks a stream of numbers, one a line, without keeping it.
#[derive(Default)]
struct Counting {
    state: Mutex<(u64, Vec<u8>)>,
    bytes: AtomicUsize,
    largest: AtomicUsize,
}

impl OutputSink for Counting {
    fn write(&self, _: Stream, bytes: &[u8]) {
        self.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        self.largest.fetch_max(bytes.len(), Ordering::Relaxed);
        let (next, rest) = &mut *self.state.lock().unwrap();
        rest.extend_from_slice(bytes);
        let complete = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        for line in rest[..complete].split_inclusive(|&byte| byte == b'\n') {
            *next += 1;
            assert_eq!(std::str::from_utf8(line).unwrap(), format!("{next}\n"));
        }
        rest.drain(..complete);
    }
}

#[test]
fn a_hundred_megabytes_arrive_in_order() {
    let Some(fixture) = fixture() else { return };
    let sink = Counting::default();
    let outcome = fixture.runner.run(&fixture.rootfs, &sh("seq 1 13000000"), &sink).unwrap();
    assert!(outcome.status.success());
    assert_eq!(sink.state.lock().unwrap().0, 13_000_000);
    assert!(sink.bytes.load(Ordering::Relaxed) > 100_000_000);
    assert!(sink.largest.load(Ordering::Relaxed) <= 64 * 1024, "no more than that is held");
}

#[test]
fn steps_run_side_by_side() {
    let fixtures: Vec<_> = (0..4).map_while(|_| fixture()).collect();
    std::thread::scope(|scope| {
        for (number, fixture) in fixtures.iter().enumerate() {
            scope.spawn(move || {
                for _ in 0..5 {
                    assert_eq!(fixture.output(&format!("echo {number}")), format!("{number}\n"));
                }
            });
        }
    });
}
