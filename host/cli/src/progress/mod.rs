//! How a build's events reach the person who waits for it; always on stderr.

mod plain;
mod quiet;
mod tail;
mod tty;

use std::io::IsTerminal;

use kiln_build::{Event, EventSink};

use crate::printable::printable;

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
        Mode::Quiet => Box::new(Printable(quiet::Quiet::default())),
        Mode::Tty => Box::new(Printable(tty::Tty::new())),
        Mode::Auto if std::io::stderr().is_terminal() => Box::new(Printable(tty::Tty::new())),
        Mode::Auto | Mode::Plain => Box::new(Printable(plain::Plain::new(std::io::stderr()))),
    }
}

/// Passes events on with their texts made safe to print; the sinks do that with output themselves.
struct Printable<S>(S);

impl<S: EventSink> EventSink for Printable<S> {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::StepStarted { id, name } => {
                self.0.event(&Event::StepStarted { id: *id, name: &printable(name, false) });
            }
            Event::StepNote { id, note } => {
                self.0.event(&Event::StepNote { id: *id, note: &printable(note, false) });
            }
            Event::Warning { message } => {
                self.0.event(&Event::Warning { message: &printable(message, false) });
            }
            Event::StepOutput { .. } | Event::StepFinished { .. } => self.0.event(event),
        }
    }
}

/// Seconds with one decimal, as every line shows them.
fn seconds(elapsed: std::time::Duration) -> String {
    format!("{:.1}s", elapsed.as_secs_f64())
}
