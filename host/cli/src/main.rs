//! The program `kiln`: arguments, progress, exit codes; no logic.

#![forbid(unsafe_code)]

mod args;
mod commands;
mod environment;
mod exit;
mod foreign;
mod interrupt;
mod printable;
mod progress;
mod report_error;
mod spec;
mod within;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use environment::Environment;

fn main() -> ExitCode {
    let environment = Environment::read();
    let cli = Cli::parse();
    let status = match cli.command {
        Command::Build(args) => commands::build::run(*args, &environment),
        Command::Check(args) => commands::check::run(&args.build, args.format, &environment),
        Command::Plan(args) => commands::plan::run(&args.build, args.format, &environment),
        Command::Doctor(args) => commands::doctor::run(&args, &environment),
    };
    status.into()
}
