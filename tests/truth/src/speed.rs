//! How long one small step takes under each runner, layer included.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kiln_image::layer::write::LayerWriter;
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff, write_layer};
use kiln_rootfs::index::Index;
use kiln_runner::{OutputSink, Runner, Stream};
use kiln_runner_namespaces::Namespaces;
use kiln_runner_wasi::{Options, WasiRunner};

use crate::script::Act;
use crate::stage::Stage;
use crate::survey::Base;

/// Steps of a build whose sum is compared.
const STEPS: usize = 20;

/// What root in a step needs for it, as JSON.
const CAPABILITIES: &str = r#"["CAP_CHOWN","CAP_DAC_OVERRIDE"]"#;

/// Drops a step's output.
pub(crate) struct Nowhere;

impl OutputSink for Nowhere {
    fn write(&self, _: Stream, _: &[u8]) {}
}

/// What is measured: a directory, its owner, a file.
fn act(number: usize) -> Act {
    let script = format!(
        "mkdir -p /opt/d{number} && chown 1:1 /opt/d{number} && echo {number} > /opt/d{number}/f"
    );
    shell(number, script)
}

/// A script as a step.
pub(crate) fn shell(line: usize, script: String) -> Act {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    Act::Run {
        line,
        argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), script],
        env: vec![("PATH".to_owned(), path.to_owned())],
        cwd: "/".to_owned(),
        user: String::new(),
    }
}

/// Runs [`STEPS`] steps under each runner in turn, step by step, and gives a Markdown table. A step's
/// time is from the decision which runner takes it to its written layer; `runc run` makes no layer.
///
/// # Errors
/// A runner that does not work here, a step that fails.
pub fn speed(base: &Base) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let stage = |name: &str| Stage::unpack(Some(&base.layout), &dir.path().join(name));
    let (guests, native, bundle) = (stage("wasi")?, stage("native")?, stage("runc")?);
    let start = Instant::now();
    let wasi = WasiRunner::new(Options::default());
    wasi.available()?;
    let engine = start.elapsed();
    let namespaces = Namespaces::new(None);
    namespaces.available()?;
    let runc = Runc::new(dir.path(), &bundle);
    let mut index = Some(Index::take(&native.rootfs)?);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for number in 0..STEPS {
        let act = act(number);
        let step = guests.step(&act)?.context("no step")?;
        let start = Instant::now();
        wasi.eligible(&guests.rootfs, &step).map_err(anyhow::Error::msg)?;
        let outcome = wasi.run(&guests.rootfs, &step, &Nowhere)?;
        anyhow::ensure!(outcome.status.success(), "the step failed under wasi");
        layer(&guests, &outcome.changes.context("wasi does not know what it changed")?)?;
        times[0].push(start.elapsed());

        let start = Instant::now();
        let outcome = namespaces.run(&native.rootfs, &step, &Nowhere)?;
        anyhow::ensure!(outcome.status.success(), "the step failed natively");
        let (changes, after) = diff(index.take().context("no index")?, &native.rootfs)?;
        layer(&native, &changes)?;
        index = Some(after);
        times[1].push(start.elapsed());

        if let Some(runc) = &runc {
            let start = Instant::now();
            runc.run(&act, number)?;
            times[2].push(start.elapsed());
        }
    }
    Ok(table(&base.name, engine, &times))
}

/// `runc` over a root file system.
struct Runc<'a> {
    dir: &'a Path,
    root: std::path::PathBuf,
}

impl<'a> Runc<'a> {
    fn new(dir: &'a Path, stage: &Stage) -> Option<Self> {
        let works =
            Command::new("runc").arg("--version").output().is_ok_and(|o| o.status.success());
        let root = rustix::process::geteuid().is_root();
        (works && root).then(|| Self { dir, root: stage.rootfs.host_path() })
    }

    fn run(&self, act: &Act, number: usize) -> Result<()> {
        let Act::Run { argv, .. } = act else { return Ok(()) };
        let config = format!(
            r#"{{"ociVersion":"1.0.2","process":{{"user":{{"uid":0,"gid":0}},"args":{argv:?},
            "env":["PATH=/usr/bin:/bin"],"cwd":"/","capabilities":{{"bounding":{CAPABILITIES},
            "effective":{CAPABILITIES},"permitted":{CAPABILITIES}}}}},"root":{{"path":{:?}}},
            "mounts":[{{"destination":"/proc","type":"proc","source":"proc"}}],
            "linux":{{"namespaces":[{{"type":"mount"}},{{"type":"pid"}},{{"type":"ipc"}},{{"type":"uts"}}]}}}}"#,
            self.root
        );
        std::fs::write(self.dir.join("config.json"), config)?;
        let status = Command::new("runc")
            .args(["--root", &self.dir.join("state").to_string_lossy()])
            .args(["run", "--bundle", &self.dir.to_string_lossy(), &format!("speed-{number}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        anyhow::ensure!(status.success(), "the step failed under runc");
        Ok(())
    }
}

pub(crate) fn layer(stage: &Stage, changes: &ChangeSet) -> Result<()> {
    let mut writer = LayerWriter::new(std::io::sink());
    write_layer(&stage.rootfs, changes, &WriteOptions::default(), &mut writer)?;
    writer.finish()?;
    Ok(())
}

fn table(base: &str, engine: Duration, times: &[Vec<Duration>; 3]) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let sum = |times: &[Duration]| ms(times.iter().sum());
    let mut text = format!(
        "### {base}\n\nThe engine starts in {:.1} ms.\n\n\
         | runner | first step | median | {STEPS} steps | beside wasi |\n|---|---|---|---|---|\n",
        ms(engine)
    );
    let [first, ..] = times;
    for (name, times) in ["wasi", "namespaces", "runc (no layer)"].iter().zip(times) {
        let mut sorted = times.clone();
        sorted.sort_unstable();
        let Some(median) = sorted.get(sorted.len() / 2) else {
            let _ = writeln!(
                text,
                "| {name} | skipped: runc is not installed or this is not root | | | |"
            );
            continue;
        };
        let ratio = sum(times) / sum(first);
        let _ = writeln!(
            text,
            "| {name} | {:.2} ms | {:.2} ms | {:.1} ms | {:.1} x |",
            ms(times[0]),
            ms(*median),
            sum(times),
            ratio
        );
    }
    text
}
