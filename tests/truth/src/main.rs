//! `kiln-truth [--corpus] [--fresh-steps] [--sample STEPS [--seed N]] [--summary] [--report FILE]
//! [--log FILE] [--base NAME=LAYOUT]... FILE|DIR...`: runs the steps of Dockerfiles under `wasi` and
//! under `namespaces` and says what differs. `--corpus`: steps that `wasi` refuses are left out, and
//! what steps need is made up. `--sample`: files in random order, until `wasi` took so many steps.
//! `--log`: each step and its verdict, as they come.
//! `kiln-truth --speed --base NAME=LAYOUT`: says how long a small step takes under each runner.
//! `kiln-truth --works --base NAME=LAYOUT`: says how long larger ones take.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use kiln_truth::{Base, Mode, Refused, Sample, Survey, reasons, report, speed, summary, works};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let (mut bases, mut files, mut out) = (Vec::new(), Vec::new(), None);
    let (mut mode, mut short) = (Mode::CASES, false);
    let mut timed: Option<fn(&Base) -> Result<String>> = None;
    let (mut sample, mut seed) = (None, 1);
    let mut log: Box<dyn Write> = Box::new(std::io::sink());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &arg[..] {
            "--summary" => short = true,
            "--speed" => timed = Some(speed),
            "--works" => timed = Some(works),
            "--corpus" => (mode.refused, mode.invent) = (Refused::Skip, true),
            "--fresh-steps" => mode.fresh_steps = true,
            "--sample" => sample = Some(args.next().context("--sample needs a number")?.parse()?),
            "--seed" => seed = args.next().context("--seed needs a number")?.parse()?,
            "--log" => {
                let file = args.next().context("--log needs a file")?;
                log = Box::new(std::fs::File::create(&file).with_context(|| file.clone())?);
            }
            "--report" => out = Some(args.next().context("--report needs a file")?),
            "--base" => {
                let value = args.next().context("--base needs NAME=LAYOUT")?;
                let (name, layout) = value.split_once('=').context("--base needs NAME=LAYOUT")?;
                bases.push(Base { name: name.to_owned(), layout: layout.into() });
            }
            _ => files.extend(dockerfiles(Path::new(&arg))?),
        }
    }
    if let Some(timed) = timed {
        for base in &bases {
            println!("{}", timed(base)?);
        }
        return Ok(true);
    }
    mode.sample = sample.map(|steps| Sample { steps, seed });
    let mut surveys = Vec::new();
    for base in &bases {
        match Survey::run(base, &files, mode, &mut log)? {
            Ok(survey) => surveys.push(survey),
            Err(why) => anyhow::bail!("cannot run: {why}"),
        }
    }
    let text = if short { summary(&surveys) + &reasons(&surveys) } else { report(&surveys) };
    match out {
        Some(file) => std::fs::write(&file, text).with_context(|| file.clone())?,
        None => println!("{text}"),
    }
    Ok(surveys.iter().all(|survey| survey.counts().different == 0))
}

/// A file, or the files of a directory, sorted.
fn dockerfiles(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .with_context(|| path.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}
