//! Whole files of steps, judged one after the other.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::invent;
use crate::pair::Pair;
use crate::script::{Act, acts};

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
    /// There is no native result to hold it against; why.
    NoTruth(String),
}

/// How many steps had which verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// All steps that have a native result.
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
    /// Without a native result, not among the steps.
    pub no_truth: usize,
}

impl Counts {
    /// Steps whose results were compared.
    #[must_use]
    pub const fn compared(&self) -> usize {
        self.equal + self.different
    }
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

/// A random part of the files: the same for the same seed and the same files.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Files are taken until so many steps were taken by `wasi` and have a native result.
    pub steps: usize,
    /// The order of the files.
    pub seed: u64,
}

/// How steps are run.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// What is done with refused steps.
    pub refused: Refused,
    /// Whether what steps name and no instruction makes is made up (see `invent`).
    pub invent: bool,
    /// Whether each step, not only each stage of a file, starts from a fresh copy of the base.
    pub fresh_steps: bool,
    /// A random part of the files, or all.
    pub sample: Option<Sample>,
}

impl Mode {
    /// The project's own cases: every step runs, nothing is made up.
    pub const CASES: Self =
        Self { refused: Refused::Run, invent: false, fresh_steps: false, sample: None };
}

/// Steps run on one base.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The base's name.
    pub base: String,
    /// Files that were read.
    pub files: usize,
    /// The steps, in order.
    pub judged: Vec<Judged>,
}

impl Survey {
    /// Runs the steps of files, each stage on a fresh copy of the base, and writes a line on each to
    /// `log`. `None`, with a reason, where one of the runners does not work.
    ///
    /// # Errors
    /// A file that cannot be read, a base that cannot be unpacked. A runner that fails or leaves
    /// something behind counts as a difference.
    pub fn run(
        base: &Base,
        files: &[PathBuf],
        mode: Mode,
        log: &mut dyn Write,
    ) -> Result<std::result::Result<Self, String>> {
        let dir = tempfile::tempdir()?;
        let mut pair = match Pair::new(&base.layout, dir.path(), mode)? {
            Ok(pair) => pair,
            Err(why) => return Ok(Err(why)),
        };
        let mut files = files.to_vec();
        if let Some(sample) = mode.sample {
            shuffle(&mut files, sample.seed);
        }
        let mut survey = Self { base: base.name.clone(), files: 0, judged: Vec::new() };
        for file in &files {
            let counts = survey.counts();
            let taken = counts.compared() + counts.given_up;
            if mode.sample.is_some_and(|sample| taken >= sample.steps) {
                break;
            }
            let text = std::fs::read(file).with_context(|| file.display().to_string())?;
            let acts = match acts(&String::from_utf8_lossy(&text)) {
                Ok(acts) => acts,
                Err(_) if mode.refused == Refused::Skip => continue,
                Err(error) => return Err(error.context(file.display().to_string())),
            };
            survey.files += 1;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let from = survey.judged.len();
            survey.file(&mut pair, &name, &acts, mode)?;
            for judged in &survey.judged[from..] {
                writeln!(
                    log,
                    "{} {} {:?} {:?}",
                    base.name, judged.place, judged.verdict, judged.text
                )?;
            }
        }
        Ok(Ok(survey))
    }

    fn file(&mut self, pair: &mut Pair, name: &str, acts: &[Act], mode: Mode) -> Result<()> {
        pair.fresh();
        for act in acts {
            match act {
                Act::Stage => pair.fresh(),
                Act::Run { line, argv, env, cwd, .. } => {
                    if mode.invent {
                        let script = argv.last().map_or("", String::as_str);
                        invent::needs(script, cwd, env).into_iter().for_each(|act| pair.make(act));
                    }
                    let text = argv.last().cloned().unwrap_or_default();
                    let verdict = pair.judge(act).or_else(|error| {
                        pair.discard();
                        anyhow::Ok(Verdict::Different(vec![format!("{error:#}")]))
                    })?;
                    self.judged.push(Judged { place: format!("{name}:{line}"), text, verdict });
                }
                act => pair.make(act.clone()),
            }
        }
        Ok(())
    }

    /// The verdicts, counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for judged in &self.judged {
            counts.steps += usize::from(!matches!(judged.verdict, Verdict::NoTruth(_)));
            match judged.verdict {
                Verdict::Equal => counts.equal += 1,
                Verdict::Worded(_) => {
                    counts.equal += 1;
                    counts.worded += 1;
                }
                Verdict::Refused(_) => counts.refused += 1,
                Verdict::GivenUp(_) => counts.given_up += 1,
                Verdict::Different(_) => counts.different += 1,
                Verdict::NoTruth(_) => counts.no_truth += 1,
            }
        }
        counts
    }

    /// Why steps have the verdicts that `pick` gives a reason for, with how often; the frequent first.
    pub(crate) fn tally(&self, pick: impl Fn(&Verdict) -> Option<String>) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::<String, usize>::new();
        for why in self.judged.iter().filter_map(|judged| pick(&judged.verdict)) {
            *counts.entry(why).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

/// Fisher and Yates's shuffle, with the numbers of SplitMix64 (Steele, Lea, Flood 2014).
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for last in (1..items.len()).rev() {
        let other = next() % (last as u64 + 1);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_order_of_all() {
        let order = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            shuffle(&mut items, seed);
            items
        };
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        let mut sorted = order(7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
