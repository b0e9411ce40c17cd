//! Two copies of a base, one for each runner, and the judgement of a step in them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use kiln_runner::{Runner, Step};
use kiln_runner_namespaces::Namespaces;
use kiln_runner_wasi::{Options, WasiRunner};

use crate::compare::{Difference, differences, messages};
use crate::script::Act;
use crate::stage::{Ended, Native, Stage};
use crate::survey::{Mode, Refused, Verdict};

/// Between two native runs: `date +%s` gives another value.
const LATER: Duration = Duration::from_millis(1100);

/// Directories whose files a tool needs to start: who changes something there may break the rest.
const NEEDED: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "usr", "etc/ld.so"];

/// Asks a base's tools whether they still start; 126 and 127 are what a shell makes of a loader or a
/// library that is missing.
const PROBE: &str = "for tool in ls sed grep tar find cat useradd; do \
    command -v $tool >/dev/null || continue; $tool --version >/dev/null 2>&1; \
    case $? in 126|127) exit 9;; esac; done";

/// The two stages that are compared, and the runners.
pub(crate) struct Pair {
    base: PathBuf,
    dirs: [PathBuf; 2],
    stages: Option<[Stage; 2]>,
    /// What asks whether a step is eligible at all, before a stage is copied for it.
    pristine: Stage,
    wasi: WasiRunner,
    native: Namespaces,
    mode: Mode,
    /// Seconds since 1970.
    since: u64,
    /// What was done since the stages were fresh.
    done: Vec<Act>,
    /// What is to be there before the next step.
    pending: Vec<Act>,
    /// Why nothing that follows in this stage has a native result.
    broken: Option<String>,
}

impl Pair {
    /// Unpacks a base. `None`, with a reason, where one of the runners does not work.
    pub(crate) fn new(
        layout: &Path,
        dir: &Path,
        mode: Mode,
    ) -> Result<std::result::Result<Self, String>> {
        let base = dir.join("base");
        drop(Stage::unpack(Some(layout), &base)?);
        let pristine = dir.join("pristine");
        clone(&base, &pristine)?;
        let pair = Self {
            pristine: Stage::open(&pristine)?,
            base,
            dirs: [dir.join("wasi"), dir.join("native")],
            stages: None,
            wasi: WasiRunner::new(Options::default()),
            native: Namespaces::new(None),
            mode,
            since: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            done: Vec::new(),
            pending: Vec::new(),
            broken: None,
        };
        for runner in [&pair.wasi as &dyn Runner, &pair.native] {
            if let Err(error) = runner.available() {
                return Ok(Err(format!("{}: {error}", runner.kind())));
            }
        }
        Ok(Ok(pair))
    }

    /// The next step finds the base as it is.
    pub(crate) fn fresh(&mut self) {
        self.pending.clear();
        self.broken = None;
        if !self.done.is_empty() {
            self.stages = None;
            self.done.clear();
        }
    }

    /// As [`Pair::fresh`], after an error that left the stages in a state nobody knows.
    pub(crate) fn discard(&mut self) {
        self.stages = None;
        self.fresh();
    }

    /// Has something made before the next step.
    pub(crate) fn make(&mut self, act: Act) {
        self.pending.push(act);
    }

    /// Runs a step in both stages and compares.
    pub(crate) fn judge(&mut self, act: &Act) -> Result<Verdict> {
        let skip = self.mode.refused == Refused::Skip;
        if skip && let Some(why) = self.hopeless(act) {
            return Ok(Verdict::Refused(why));
        }
        if let Some(why) = &self.broken {
            return Ok(Verdict::NoTruth(why.clone()));
        }
        if self.mode.fresh_steps {
            let files = std::mem::take(&mut self.done).into_iter();
            let files = files.filter(|act| !matches!(act, Act::Run { .. }));
            self.pending.splice(0..0, files);
            self.stages = None;
        }
        self.prepare()?;
        let [ours, theirs] = self.stages.as_mut().context("no stages were made")?;
        let Ok(Some(step)) = theirs.step(act) else {
            return Ok(Verdict::Refused("its user is not in the image".to_owned()));
        };
        let eligible = self.wasi.eligible(&ours.rootfs, &step);
        let wasi = match &eligible {
            Ok(()) => Some(ours.run(&self.wasi, &step)),
            Err(why) if skip => return Ok(Verdict::Refused(why.clone())),
            Err(_) => None,
        };
        self.done.push(act.clone());
        let native = match theirs.native(&self.native, &step) {
            Ok(Native::Ended(native)) => native,
            Err(error) if !matches!(wasi, Some(Ok(Ok(_)))) => {
                // Both refuse it: what a corpus copies may lie where a directory is to be.
                self.broken = Some("an earlier step does not start natively".to_owned());
                return Ok(Verdict::NoTruth(format!("it does not start natively: {error:#}")));
            }
            Err(error) => return Err(error),
            Ok(Native::Stopped(why)) => {
                // What a stopped step leaves is of no use to the next one.
                self.broken = Some(format!("an earlier step: {why}"));
                return Ok(Verdict::NoTruth(why));
            }
        };
        let changed = !native.layer.is_empty();
        let mut verdict = match (eligible, wasi) {
            (Err(why), _) => Verdict::Refused(why),
            (Ok(()), None) => anyhow::bail!("taken but not run"),
            (Ok(()), Some(Err(error))) => Verdict::Different(vec![format!("{error:#}")]),
            (Ok(()), Some(Ok(Err(why)))) => Verdict::GivenUp(why),
            (Ok(()), Some(Ok(Ok(wasi)))) => self.compare(&wasi, &native, act)?,
        };
        if changed && !matches!(verdict, Verdict::Equal | Verdict::Worded(_)) {
            // What follows starts from what the native run made.
            self.stages = None;
            clone(&self.dirs[1], &self.dirs[0])?;
            self.stages = Some([Stage::open(&self.dirs[0])?, Stage::open(&self.dirs[1])?]);
        }
        self.probe(&native, &step)?;
        if let (Some(why), Verdict::Different(found)) = (&self.broken, &mut verdict) {
            found.push(why.clone());
        }
        Ok(verdict)
    }

    /// Why a step is eligible on no state of the base, as far as its words say so.
    fn hopeless(&self, act: &Act) -> Option<String> {
        let step = self.pristine.step(act).ok()??;
        let why = self.wasi.eligible(&self.pristine.rootfs, &step).err()?;
        let certain = ["there is no shim for", "the builtin", "line "];
        certain.iter().any(|start| why.starts_with(start)).then_some(why)
    }

    /// Both stages as the step is to find them.
    fn prepare(&mut self) -> Result<()> {
        if self.stages.is_none() {
            for dir in &self.dirs {
                clone(&self.base, dir)?;
            }
            self.stages = Some([Stage::open(&self.dirs[0])?, Stage::open(&self.dirs[1])?]);
        }
        let stages = self.stages.as_mut().context("no stages were made")?;
        for act in self.pending.drain(..) {
            for stage in stages.iter_mut() {
                match stage.make(&act) {
                    // What a corpus copies may not fit this base.
                    Err(_) if self.mode.refused == Refused::Skip => {}
                    result => result?,
                }
            }
            self.done.push(act);
        }
        Ok(())
    }

    fn compare(&mut self, wasi: &Ended, native: &Ended, act: &Act) -> Result<Verdict> {
        let mut found = differences(wasi, native, self.since);
        if !found.is_empty() {
            let Some(again) = self.again(act)? else {
                return Ok(Verdict::NoTruth("a second native run did not end".to_owned()));
            };
            let unsteady = differences(&again, native, self.since);
            let places: Vec<&String> = unsteady.iter().map(|one| &one.place).collect();
            found.retain(|one| !places.contains(&&one.place));
            if found.is_empty() {
                let places: Vec<&str> = places.iter().map(|place| place.as_str()).collect();
                return Ok(Verdict::NoTruth(format!(
                    "two native runs differ: {}",
                    places.join(", ")
                )));
            }
        }
        Ok(match messages(wasi, native) {
            _ if !found.is_empty() => {
                Verdict::Different(found.iter().map(Difference::to_string).collect())
            }
            Some(words) => Verdict::Worded(words),
            None => Verdict::Equal,
        })
    }

    /// The native result once more: what was done is done again, natively, in a fresh copy.
    fn again(&mut self, act: &Act) -> Result<Option<Ended>> {
        std::thread::sleep(LATER);
        self.stages = None;
        clone(&self.base, &self.dirs[1])?;
        let mut stage = Stage::open(&self.dirs[1])?;
        let mut last = None;
        for done in &self.done {
            last = None;
            if matches!(done, Act::Run { .. }) {
                let Some(step) = stage.step(done)? else { continue };
                match stage.native(&self.native, &step)? {
                    Native::Ended(ended) => last = Some(ended),
                    Native::Stopped(_) => return Ok(None),
                }
            } else if let Err(error) = stage.make(done)
                && self.mode.refused == Refused::Run
            {
                return Err(error);
            }
        }
        drop(stage);
        clone(&self.dirs[1], &self.dirs[0])?;
        self.stages = Some([Stage::open(&self.dirs[0])?, Stage::open(&self.dirs[1])?]);
        anyhow::ensure!(last.is_some(), "{act:?} was not run again");
        Ok(last)
    }

    /// Whether the tools of the base still start after a step.
    fn probe(&mut self, native: &Ended, step: &Step) -> Result<()> {
        let touched = |path: &String| NEEDED.iter().any(|needed| path.starts_with(needed));
        if !native.layer.keys().any(touched) {
            return Ok(());
        }
        let Some([_, theirs]) = &mut self.stages else { return Ok(()) };
        let argv = ["/bin/sh", "-c", PROBE].map(|arg| arg.as_bytes().to_vec()).to_vec();
        let env = vec![(b"PATH".to_vec(), b"/usr/sbin:/usr/bin:/sbin:/bin".to_vec())];
        let user = kiln_runner::Credentials { uid: 0, gid: 0, groups: vec![0] };
        let probe = Step { argv, env, user, cwd: b"/".to_vec(), ..step.clone() };
        let works = match theirs.native(&self.native, &probe)? {
            Native::Ended(ended) => ended.code == 0,
            Native::Stopped(_) => false,
        };
        if !works {
            self.broken = Some("an earlier step broke the base's tools natively".to_owned());
        }
        Ok(())
    }
}

/// A copy of a stage's directory, in place of what is there.
fn clone(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        kiln_rootfs::remove_dir_all(to)?;
    }
    let status = Command::new("cp").arg("-a").arg("--").args([from, to]).status()?;
    anyhow::ensure!(status.success(), "cp -a {} failed", from.display());
    Ok(())
}
