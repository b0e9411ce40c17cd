//! How long larger works take under `wasi` and under `namespaces`, layers included.

use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kiln_rootfs::changes::diff;
use kiln_rootfs::index::Index;
use kiln_runner::Runner;
use kiln_runner_namespaces::Namespaces;
use kiln_runner_wasi::{Options, WasiRunner};

use crate::speed::{Nowhere, layer, shell};
use crate::stage::Stage;
use crate::survey::Base;

/// Times that each work is done by each runner; the median counts.
const ROUNDS: usize = 3;

/// A work: what it is called, what it finds, what it does.
struct Work {
    name: &'static str,
    before: &'static str,
    script: &'static str,
}

/// 5,000 files in 50 directories.
const TREE: &str = "for d in $(seq 50); do mkdir -p /w/t/d$d; cd /w/t/d$d; \
                    for f in $(seq 100); do echo \"line $d $f of a small file\" > f$f; done; done";

/// 1,000 files in one directory.
const FLAT: &str =
    "mkdir -p /w/s; cd /w/s; for f in $(seq 1000); do echo \"port = $f\" > f$f.conf; done";

/// The same 5,000 files in an archive.
const ARCHIVE: &str = "for d in $(seq 50); do mkdir -p /w/t/d$d; cd /w/t/d$d; \
                       for f in $(seq 100); do echo \"line $d $f of a small file\" > f$f; done; \
                       done; cd /w && tar czf a.tgz t && rm -r t";

const WORKS: [Work; 15] = [
    Work {
        name: "a loop of 1,000 `echo >>` and `[`",
        before: "mkdir /w",
        script: "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $i >> /w/log; done",
    },
    Work {
        name: "a loop of 1,000 `mkdir`",
        before: "mkdir /w",
        script: "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); mkdir /w/d$i; done",
    },
    Work {
        name: "a loop of 1,000 `x=$(basename …)`",
        before: "mkdir /w",
        script: "for i in $(seq 1000); do x=$(basename /a/b/$i.c .c); done; echo $x > /w/x",
    },
    Work {
        name: "a loop of 1,000 `echo | cut`",
        before: "mkdir /w",
        script: "for i in $(seq 1000); do echo a:$i | cut -d: -f2; done > /w/x",
    },
    Work {
        name: "a loop of 1,000 subshells",
        before: "mkdir /w",
        script: "for i in $(seq 1000); do (cd /w; : > f$i); done",
    },
    Work {
        name: "`find -exec chmod {} \\;` over 1,000 files",
        before: FLAT,
        script: "find /w -type f -exec chmod 600 {} \\;",
    },
    Work {
        name: "`find | xargs chmod` over 5,000 files",
        before: TREE,
        script: "find /w -type f | xargs chmod 600",
    },
    Work {
        name: "`sed -i` over 1,000 files at once",
        before: FLAT,
        script: "sed -i 's/port/PORT/' /w/s/*.conf",
    },
    Work {
        name: "`sed -i` on 1,000 files in a loop",
        before: FLAT,
        script: "for f in /w/s/*.conf; do sed -i 's/port/PORT/' $f; done",
    },
    Work {
        name: "`grep -rl | xargs sed -i` over 5,000 files",
        before: TREE,
        script: "grep -rl 'line 7 ' /w/t | xargs sed -i 's/small/large/'",
    },
    Work {
        name: "`tar xzf` of 5,000 files",
        before: ARCHIVE,
        script: "mkdir /w/x && tar xzf /w/a.tgz -C /w/x",
    },
    Work { name: "`chown -R` of 5,050 entries", before: TREE, script: "chown -R 7:7 /w/t" },
    Work { name: "`cp -a` of 5,050 entries", before: TREE, script: "cp -a /w/t /w/u" },
    Work { name: "`rm -rf` of 5,050 entries", before: TREE, script: "rm -rf /w/t" },
    Work {
        name: "`sha256sum` of 100 MB",
        before: "mkdir /w; yes 0123456789abcdef | head -c 100000000 > /w/big",
        script: "sha256sum /w/big > /w/sum",
    },
];

/// A stage, and the index that the next native step of it is compared with.
struct Side {
    stage: Stage,
    index: Option<Index>,
}

/// Does each work [`ROUNDS`] times under both runners in turn; gives a Markdown table of medians.
///
/// # Errors
/// A runner that does not work here, a step that fails.
pub fn works(base: &Base) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let side = |name: &str| -> Result<Side> {
        let stage = Stage::unpack(Some(&base.layout), &dir.path().join(name))?;
        Ok(Side { stage, index: None })
    };
    let mut sides = [side("wasi")?, side("native")?];
    let wasi = WasiRunner::new(Options::default());
    wasi.available()?;
    let native = Namespaces::new(None);
    native.available()?;
    let mut text = format!(
        "### {}\n\n| work | wasi | namespaces | namespaces beside wasi |\n|---|---|---|---|\n",
        base.name
    );
    for work in &WORKS {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (n, side) in sides.iter_mut().enumerate() {
                side.prepare(&native, work)?;
                let runner: &dyn Runner = if n == 0 { &wasi } else { &native };
                let time = side.time(runner, work.script);
                times[n].push(time.with_context(|| format!("{}: {}", base.name, work.name))?);
            }
        }
        let [wasi, native] = times.map(median);
        let ratio = native.as_secs_f64() / wasi.as_secs_f64();
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let _ = writeln!(
            text,
            "| {} | {:.0} ms | {:.0} ms | {ratio:.1} x |",
            // A bar would end the table's cell.
            work.name.replace('|', "\\|"),
            ms(wasi),
            ms(native)
        );
    }
    Ok(text)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl Side {
    /// Makes what the work finds, natively on either side.
    fn prepare(&mut self, native: &Namespaces, work: &Work) -> Result<()> {
        let script = format!("rm -rf /w; {}", work.before);
        let step = self.stage.step(&shell(1, script))?.context("no step")?;
        let outcome = native.run(&self.stage.rootfs, &step, &Nowhere)?;
        anyhow::ensure!(outcome.status.success(), "{} cannot be prepared", work.name);
        self.index = Some(Index::take(&self.stage.rootfs)?);
        Ok(())
    }

    fn time(&mut self, runner: &dyn Runner, script: &str) -> Result<Duration> {
        let step = self.stage.step(&shell(2, script.to_owned()))?.context("no step")?;
        let index = self.index.take().context("no index")?;
        let start = Instant::now();
        runner.eligible(&self.stage.rootfs, &step).map_err(anyhow::Error::msg)?;
        let outcome = runner.run(&self.stage.rootfs, &step, &Nowhere)?;
        anyhow::ensure!(outcome.status.success(), "the step failed under {}", runner.kind());
        let changes = match outcome.changes {
            Some(changes) => changes,
            None => diff(index, &self.stage.rootfs)?.0,
        };
        layer(&self.stage, &changes)?;
        Ok(start.elapsed())
    }
}
