//! `kiln doctor`: which runners work here, and what the others need.

use kiln_runner::Runner;

use super::services;
use crate::args::DoctorArgs;
use crate::environment::Environment;
use crate::exit::ExitStatus;

/// Prints one line a runner; succeeds when at least one works.
#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(crate) fn run(args: &DoctorArgs, environment: &Environment) -> ExitStatus {
    let work_dir = args.work_dir.clone().unwrap_or_else(|| environment.default_work_dir());
    println!("work directory: {}", work_dir.display());
    let mut works = false;
    for runner in services::runners(environment, None) {
        works |= print_runner(runner.as_ref());
    }
    if works { ExitStatus::Success } else { ExitStatus::Environment }
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
fn print_runner(runner: &dyn Runner) -> bool {
    match runner.available() {
        Ok(()) => {
            println!("runner {}: works", runner.kind());
            true
        }
        Err(refusal) => {
            println!("runner {}: does not work here", runner.kind());
            println!("  refused: {}: {}", refusal.call, refusal.errno_name);
            println!("  remedy:  {}", refusal.remedy);
            false
        }
    }
}
