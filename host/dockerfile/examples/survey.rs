//! `survey FILE...`: reads and checks Dockerfiles and says how many can be read.
//!
//! For collections of real Dockerfiles, which are not part of the project: no file may make the
//! parser or the checks panic, and what BuildKit reads has to be read.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

use kiln_dockerfile::args::BuildArgs;
use kiln_dockerfile::instruction::parse_dockerfile;
use kiln_dockerfile::lint::{Options, Scope, lint};
use kiln_dockerfile::platform::Platform;

fn main() -> std::process::ExitCode {
    let (mut read, mut refused, mut warnings) = (0, 0, 0);
    for name in std::env::args().skip(1) {
        let text = match std::fs::read(&name) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                eprintln!("{name}: {error}");
                return std::process::ExitCode::FAILURE;
            }
        };
        match parse_dockerfile(&text) {
            Ok(_) => read += 1,
            Err(diagnostic) => {
                refused += 1;
                println!("{}", diagnostic.render(&name, &text));
            }
        }
        let options = Options {
            scope: Scope::All,
            build_args: &BuildArgs::new(),
            build_platform: Platform::local(),
            target_platform: Platform::local(),
            ignore: None,
            base_image: &|_, _| None,
        };
        warnings += lint(&text, &options).warnings.len();
    }
    println!("{read} read, {refused} refused, {warnings} warnings");
    std::process::ExitCode::SUCCESS
}
