//! Whole files of steps, counted; the report.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use kiln_runner::Runner;
use kiln_runner_namespaces::Namespaces;
use kiln_runner_wasi::{Options, WasiRunner};

use crate::compare::{differences, messages};
use crate::script::{Act, acts};
use crate::stage::Stage;

/// A base image to run steps on.
#[derive(Clone, Debug)]
pub struct Base {
    /// What the report calls it.
    pub name: String,
    /// Its OCI layout.
    pub layout: PathBuf,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken, and equal to the native run.
    Equal,
    /// As `Equal`, but for a message on standard error.
    Worded(String),
    /// Not taken, decided beforehand; why.
    Refused(String),
    /// Given up while it ran, without a trace; why.
    GivenUp(String),
    /// Taken, and not equal; what differs.
    Different(Vec<String>),
}

/// How many steps had which verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// All steps.
    pub steps: usize,
    /// Equal, messages aside.
    pub equal: usize,
    /// Equal, but a message on standard error has other words.
    pub worded: usize,
    /// Refused beforehand.
    pub refused: usize,
    /// Given up while they ran.
    pub given_up: usize,
    /// Different.
    pub different: usize,
}

/// One step and its verdict.
#[derive(Clone, Debug)]
pub struct Judged {
    /// `file:line`.
    pub place: String,
    /// The step's command.
    pub text: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What is done with steps that `wasi` refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// They run natively, for the steps after them.
    Run,
    /// They are left out: in a corpus most of them fetch something.
    Skip,
}

/// Steps run on one base.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The base's name.
    pub base: String,
    /// The steps, in order.
    pub judged: Vec<Judged>,
}

/// The two stages that are compared, and the runners.
struct Pair {
    base: PathBuf,
    dirs: [PathBuf; 2],
    stages: Option<[Stage; 2]>,
    wasi: WasiRunner,
    native: Namespaces,
    refused: Refused,
    since: u64,
}

impl Survey {
    /// Runs the steps of each file on a fresh copy of the base. `None`, with a reason, where one of
    /// the runners does not work.
    ///
    /// # Errors
    /// A file that cannot be read, a base that cannot be unpacked. A runner that fails or leaves
    /// something behind counts as a difference.
    pub fn run(
        base: &Base,
        files: &[PathBuf],
        refused: Refused,
    ) -> Result<std::result::Result<Self, String>> {
        let dir = tempfile::tempdir()?;
        let pristine = dir.path().join("base");
        drop(Stage::unpack(Some(&base.layout), &pristine)?);
        let mut pair = Pair {
            base: pristine,
            dirs: [dir.path().join("wasi"), dir.path().join("native")],
            stages: None,
            wasi: WasiRunner::new(Options::default()),
            native: Namespaces::new(None),
            refused,
            since: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        for runner in [&pair.wasi as &dyn Runner, &pair.native] {
            if let Err(error) = runner.available() {
                return Ok(Err(format!("{}: {error}", runner.kind())));
            }
        }
        let mut judged = Vec::new();
        for file in files {
            let text = std::fs::read(file).with_context(|| file.display().to_string())?;
            let acts = match acts(&String::from_utf8_lossy(&text)) {
                Ok(acts) => acts,
                Err(_) if refused == Refused::Skip => continue,
                Err(error) => return Err(error.context(file.display().to_string())),
            };
            pair.reset()?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for act in &acts {
                let Act::Run { line, argv, .. } = act else {
                    match pair.make(act) {
                        // What a corpus copies may not fit this base.
                        Err(_) if refused == Refused::Skip => {}
                        result => result?,
                    }
                    continue;
                };
                let place = format!("{name}:{line}");
                let verdict = match pair.judge(act) {
                    Ok(verdict) => verdict,
                    Err(error) => {
                        pair.reset()?;
                        Verdict::Different(vec![format!("{error:#}")])
                    }
                };
                let text = argv.last().cloned().unwrap_or_default();
                judged.push(Judged { place, text, verdict });
            }
        }
        Ok(Ok(Self { base: base.name.clone(), judged }))
    }

    /// The verdicts, counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts { steps: self.judged.len(), ..Counts::default() };
        for judged in &self.judged {
            match judged.verdict {
                Verdict::Equal => counts.equal += 1,
                Verdict::Worded(_) => {
                    counts.equal += 1;
                    counts.worded += 1;
                }
                Verdict::Refused(_) => counts.refused += 1,
                Verdict::GivenUp(_) => counts.given_up += 1,
                Verdict::Different(_) => counts.different += 1,
            }
        }
        counts
    }
}

impl Pair {
    fn stages(&mut self) -> Result<&mut [Stage; 2]> {
        self.stages.as_mut().context("no stages were made")
    }

    /// Both stages as the base is.
    fn reset(&mut self) -> Result<()> {
        self.stages = None;
        for dir in &self.dirs {
            clone(&self.base, dir)?;
        }
        self.stages = Some([Stage::open(&self.dirs[0])?, Stage::open(&self.dirs[1])?]);
        Ok(())
    }

    fn make(&mut self, act: &Act) -> Result<()> {
        self.stages()?.iter_mut().try_for_each(|stage| stage.make(act))
    }

    fn judge(&mut self, act: &Act) -> Result<Verdict> {
        let since = self.since;
        let Some([ours, theirs]) = &mut self.stages else { anyhow::bail!("no stages were made") };
        let Ok(Some(step)) = theirs.step(act) else {
            return Ok(Verdict::Refused("its user is not in the image".to_owned()));
        };
        let eligible = self.wasi.eligible(&ours.rootfs, &step);
        let wasi = match &eligible {
            Ok(()) => Some(ours.run(&self.wasi, &step)),
            Err(why) if self.refused == Refused::Skip => return Ok(Verdict::Refused(why.clone())),
            Err(_) => None,
        };
        let native = theirs.run(&self.native, &step)?.map_err(anyhow::Error::msg)?;
        let verdict = match (eligible, wasi) {
            (Err(why), _) => Verdict::Refused(why),
            (Ok(()), None) => anyhow::bail!("taken but not run"),
            (Ok(()), Some(Err(error))) => Verdict::Different(vec![format!("{error:#}")]),
            (Ok(()), Some(Ok(Err(why)))) => Verdict::GivenUp(why),
            (Ok(()), Some(Ok(Ok(wasi)))) => {
                let found = differences(&wasi, &native, since);
                match messages(&wasi, &native) {
                    _ if !found.is_empty() => Verdict::Different(found),
                    Some(words) => Verdict::Worded(words),
                    None => Verdict::Equal,
                }
            }
        };
        if !native.layer.is_empty() && !matches!(verdict, Verdict::Equal | Verdict::Worded(_)) {
            // What follows starts from what the native run made.
            self.stages = None;
            clone(&self.dirs[1], &self.dirs[0])?;
            self.stages = Some([Stage::open(&self.dirs[0])?, Stage::open(&self.dirs[1])?]);
        }
        Ok(verdict)
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

/// The counts, as a Markdown table.
#[must_use]
pub fn summary(surveys: &[Survey]) -> String {
    let mut text = String::from(
        "| base | steps | eligible | share | equal | given up at run time | different |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for survey in surveys {
        let counts = survey.counts();
        let eligible = counts.steps - counts.refused;
        let share = |part: usize, whole: usize| part as f64 * 100.0 / whole.max(1) as f64;
        let ran = eligible - counts.given_up;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} % | {} of {} ({:.1} %) | {} | {} |",
            survey.base,
            counts.steps,
            eligible,
            share(eligible, counts.steps),
            counts.equal,
            ran,
            share(counts.equal, ran),
            counts.given_up,
            counts.different
        );
    }
    text
}

/// Why steps of a corpus were not equal, with how often, without the steps, which are others' text.
#[must_use]
pub fn reasons(surveys: &[Survey]) -> String {
    let mut text = String::new();
    for survey in surveys {
        for (title, _) in &SECTIONS[..3] {
            let mut counts = std::collections::BTreeMap::<String, usize>::new();
            for judged in &survey.judged {
                let why = match (&judged.verdict, *title) {
                    (Verdict::Different(found), "different") => found.join("; "),
                    (Verdict::Refused(why), "refused beforehand")
                    | (Verdict::GivenUp(why), "given up at run time") => why.clone(),
                    _ => continue,
                };
                let line: String = why.replace('\n', " ").chars().take(160).collect();
                *counts.entry(line).or_default() += 1;
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            if !counts.is_empty() {
                let _ = write!(text, "\n### {}: {title}\n\n", survey.base);
            }
            for (why, count) in counts {
                let _ = writeln!(text, "- {count} × {why}");
            }
        }
    }
    text
}

/// The counts, and each step that is not equal in all.
#[must_use]
pub fn report(surveys: &[Survey]) -> String {
    let mut text = summary(surveys);
    for survey in surveys {
        for (title, pick) in SECTIONS {
            let lines: Vec<String> = survey.judged.iter().filter_map(pick).collect();
            if !lines.is_empty() {
                let _ = write!(text, "\n### {}: {title}\n\n{}\n", survey.base, lines.join("\n"));
            }
        }
    }
    text
}

type Pick = fn(&Judged) -> Option<String>;

const SECTIONS: [(&str, Pick); 4] = [
    ("different", |judged| match &judged.verdict {
        Verdict::Different(found) => Some(line(judged, &found.join("; "))),
        _ => None,
    }),
    ("refused beforehand", |judged| match &judged.verdict {
        Verdict::Refused(why) => Some(line(judged, why)),
        _ => None,
    }),
    ("given up at run time", |judged| match &judged.verdict {
        Verdict::GivenUp(why) => Some(line(judged, why)),
        _ => None,
    }),
    ("messages in other words", |judged| match &judged.verdict {
        Verdict::Worded(words) => Some(line(judged, words)),
        _ => None,
    }),
];

fn line(judged: &Judged, what: &str) -> String {
    /// Characters of a step that a line of the report shows.
    const SHOWN: usize = 70;
    let mut step: String = judged.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if step.chars().count() > SHOWN {
        step = step.chars().take(SHOWN).chain("…".chars()).collect();
    }
    format!("- {} `{}`: {}", judged.place, step.replace('`', "'"), what.replace('\n', " "))
}
