//! How a build's events reach the person who waits for it; always on stderr.

mod plain;
mod quiet;
mod tail;
mod tty;

use std::io::IsTerminal;

use kiln_build::EventSink;

/// `--progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// `tty` on a terminal, else `plain`
    #[default]
    Auto,
    /// one line a step, with time, and the tail of a running step's output
    Tty,
    /// every line of output, in order
    Plain,
    /// errors alone
    Quiet,
}

/// The sink for a mode; `auto` looks at stderr.
pub(crate) fn sink(mode: Mode) -> Box<dyn EventSink> {
    match mode {
        Mode::Quiet => Box::new(quiet::Quiet::default()),
        Mode::Tty => Box::new(tty::Tty::new()),
        Mode::Auto if std::io::stderr().is_terminal() => Box::new(tty::Tty::new()),
        Mode::Auto | Mode::Plain => Box::new(plain::Plain::new(std::io::stderr())),
    }
}

/// Seconds with one decimal, as every line shows them.
fn seconds(elapsed: std::time::Duration) -> String {
    format!("{:.1}s", elapsed.as_secs_f64())
}
