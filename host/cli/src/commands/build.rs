//! `kiln build`.

use kiln_build::{BuildError, Built, ErrorKind, Result};
use kiln_runner::{Cancel, Unavailable};

use super::call::Call;
use super::request::request;
use super::{results, services};
use crate::args::{BuildArgs, RunnerChoice};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use crate::{interrupt, progress, report_error};

/// Builds; the digest alone goes to stdout.
pub(crate) fn run(args: BuildArgs, environment: &Environment) -> ExitStatus {
    let built = match Call::of(&args) {
        Ok(call) if call.is_build() => build(&args, environment),
        Ok(call) => return call.answer(&args, environment),
        Err(error) => Err(error),
    };
    match built {
        Ok(built) => {
            // stdout holds one result: the archive that was sent there, or the digest.
            if !args.output.iter().any(|text| is_stdout(text)) {
                print_digest(&built);
            }
            ExitStatus::Success
        }
        Err(error) => {
            report_error::print(&error);
            error.kind().into()
        }
    }
}

fn is_stdout(output: &str) -> bool {
    output == "-" || output.split(',').any(|field| field == "dest=-")
}

#[expect(clippy::print_stdout, reason = "the digest is the command's result")]
fn print_digest(built: &Built) {
    println!("{}", built.digest);
}

fn build(args: &BuildArgs, environment: &Environment) -> Result<Built> {
    let refusal = enter_user_namespace(args.runner, environment)?;
    let cancel = Cancel::default();
    interrupt::install(cancel.clone());
    let mode = if args.quiet { progress::Mode::Quiet } else { args.progress };
    let events = progress::sink(mode);
    let request = request(args, environment, cancel, events.as_ref())?;
    let services = services::open(args, environment, &request.cancel, refusal)?;
    if request.outputs.is_empty() && mode != progress::Mode::Quiet {
        events.event(&kiln_build::Event::Warning {
            message: "no output was asked for: the image stays in the work directory; use --push \
                      or --output to deliver it",
        });
    }
    let built = kiln_build::build(&request, &services, events.as_ref())?;
    results::write(args, &built)
        .map_err(|error| BuildError::new(ErrorKind::Environment, format!("{error:#}")))?;
    Ok(built)
}

/// Makes kiln root of a user namespace where the namespaces runner may be used, needs it and gets
/// it; elsewhere kiln goes on as it is, with the runners that need nothing, and the reason why.
pub(super) fn enter_user_namespace(
    runner: RunnerChoice,
    environment: &Environment,
) -> Result<Option<Unavailable>> {
    if matches!(runner, RunnerChoice::Wasi | RunnerChoice::Emulated) {
        return Ok(None);
    }
    match kiln_runner_namespaces::reexec_in_user_namespace(environment.os("PATH")) {
        Err(refusal) if runner == RunnerChoice::Namespaces => {
            Err(BuildError::new(ErrorKind::Environment, "the namespaces runner does not work here")
                .with_source(refusal))
        }
        result => Ok(result.err()),
    }
}
