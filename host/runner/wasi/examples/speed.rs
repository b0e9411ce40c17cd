//! How long small steps take: `speed [STEPS]`, each `mkdir && chown && echo` in one rootfs.

use kiln_rootfs::Rootfs;
use kiln_runner::{Cancel, Credentials, Limits, Network, OutputSink, Runner, Step, Stream};
use kiln_runner_wasi::{Options, WasiRunner};
use std::time::Instant;

struct Nowhere;

impl OutputSink for Nowhere {
    fn write(&self, _: Stream, _: &[u8]) {}
}

#[expect(clippy::print_stdout, reason = "the example's result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps: u32 = std::env::args().nth(1).map_or(Ok(20), |count| count.parse())?;
    let directory = tempfile::tempdir()?;
    let rootfs = Rootfs::create(&directory.path().join("stage"))?;
    let start = Instant::now();
    let runner = WasiRunner::new(Options::default());
    runner.available()?;
    println!("engine: {:?}", start.elapsed());
    let mut times = Vec::new();
    for n in 0..steps {
        let script =
            format!("mkdir -p /srv/{n} && chown 33:33 /srv/{n} && echo {n} > /srv/{n}/index");
        let step = Step {
            argv: vec![b"/bin/sh".to_vec(), b"-c".to_vec(), script.into_bytes()],
            env: vec![(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())],
            cwd: b"/".to_vec(),
            user: Credentials::default(),
            mounts: Vec::new(),
            network: Network::Default,
            hostname: "speed".to_owned(),
            extra_hosts: Vec::new(),
            limits: Limits::default(),
            cancel: Cancel::default(),
        };
        let start = Instant::now();
        runner.eligible(&rootfs, &step)?;
        let outcome = runner.run(&rootfs, &step, &Nowhere)?;
        times.push(start.elapsed());
        assert!(outcome.status.success());
    }
    println!("first step: {:?}", times[0]);
    times.sort();
    println!("median of {steps}: {:?}", times[times.len() / 2]);
    Ok(())
}
