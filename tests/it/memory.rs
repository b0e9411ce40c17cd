//! Memory stays bounded whatever a layer's size.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::{Kiln, Registry, have};

/// The budget, in KiB: 64 MiB.
const BUDGET: u64 = 64 << 10;
/// The layer's size in MiB.
const SIZE: usize = 500;

/// Runs kiln under time(1) and gives its peak resident set in KiB.
fn peak(kiln: &Kiln, args: &[&str]) -> u64 {
    let report = kiln.path("time");
    let plain = kiln.command(args);
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%M", "-o", report.to_str().unwrap()]).arg(plain.get_program());
    timed.args(plain.get_args()).env_clear();
    timed.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = timed.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(report).unwrap().trim().parse().unwrap()
}

#[test]
fn a_large_layer_is_copied_pushed_pulled_unpacked_and_snapshot_in_64_mib() {
    let Some(registry) = Registry::start() else { return };
    if !Path::new("/usr/bin/time").exists() {
        println!("skipped: /usr/bin/time is not installed; tests/setup.sh installs it");
        return;
    }
    if !have("busybox") {
        return;
    }
    let kiln = Kiln::with("FROM scratch\nCOPY busybox /bin/\nCOPY big /big\n");
    std::fs::copy("/bin/busybox", kiln.context().join("busybox")).unwrap();
    let mut file = std::fs::File::create(kiln.context().join("big")).unwrap();
    let mut state = 1_u64;
    let mut block = vec![0_u8; 1 << 20];
    for number in 0..SIZE {
        // Every other MiB is noise, so that both ways of the compressor are taken.
        for chunk in block.chunks_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = if number % 2 == 0 { state ^ (state >> 29) } else { number as u64 };
            chunk.copy_from_slice(&value.to_le_bytes());
        }
        file.write_all(&block).unwrap();
    }
    drop(file);
    let tag = registry.name("big:1");
    let context = kiln.context();
    let context = context.to_str().unwrap();
    let pushed = peak(&kiln, &["build", context, "--tag", &tag, "--push", "--quiet"]);
    println!("copy, snapshot, push: {pushed} KiB");
    assert!(pushed < BUDGET, "{pushed} KiB");
    kiln.file(
        "Dockerfile",
        format!("FROM {tag}\nRUN [\"/bin/busybox\", \"sh\", \"-c\", \"busybox echo x >> /big\"]\n"),
    );
    let work = kiln.path("fresh-work");
    let out = registry.name("big:2");
    let pulled = peak(
        &kiln,
        &[
            "build",
            context,
            "--tag",
            &out,
            "--push",
            "--quiet",
            "--work-dir",
            work.to_str().unwrap(),
        ],
    );
    println!("pull, unpack, run, snapshot, push: {pulled} KiB");
    assert!(pulled < BUDGET, "{pulled} KiB");
}
