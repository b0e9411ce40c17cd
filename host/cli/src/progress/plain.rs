//! `--progress plain`: every line of output behind its step's number, as `docker buildx` prints it.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kiln_build::{Event, EventSink, StepEnd, StepId, Stream};

use super::seconds;
use super::tail::Tail;

/// Writes lines; an error of the terminal is nobody's to handle and is passed over.
#[derive(Debug)]
pub(crate) struct Plain<W> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    out: W,
    running: HashMap<StepId, Running>,
}

#[derive(Debug)]
struct Running {
    started: Instant,
    stdout: Tail,
    stderr: Tail,
}

impl<W: Write> Plain<W> {
    /// Writes to `out`.
    pub(crate) fn new(out: W) -> Self {
        Self { state: Mutex::new(State { out, running: HashMap::new() }) }
    }
}

impl<W: Write + Send> EventSink for Plain<W> {
    fn event(&self, event: &Event<'_>) {
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { out, running } = &mut *guard;
        // Nobody can be told that stderr is gone.
        let _gone = match event {
            Event::StepStarted { id, name } => {
                let step =
                    Running { started: Instant::now(), stdout: Tail::new(0), stderr: Tail::new(0) };
                running.insert(*id, step);
                writeln!(out, "#{id} {name}")
            }
            Event::StepNote { id, note } => writeln!(out, "#{id} {note}"),
            Event::StepOutput { id, stream, bytes } => {
                if let Some(step) = running.get_mut(id) {
                    let at = step.started.elapsed().as_secs_f64();
                    let tail = match stream {
                        Stream::Stdout => &mut step.stdout,
                        Stream::Stderr => &mut step.stderr,
                    };
                    // All at once: stderr has no buffer, and many steps say many lines.
                    let mut text = Vec::with_capacity(2 * bytes.len());
                    tail.push(bytes, |line| {
                        let _never = writeln!(text, "#{id} {at:.3} {line}");
                    });
                    let _gone = out.write_all(&text);
                }
                Ok(())
            }
            Event::StepFinished { id, elapsed, end } => {
                if let Some(mut step) = running.remove(id) {
                    let at = step.started.elapsed().as_secs_f64();
                    for tail in [&mut step.stdout, &mut step.stderr] {
                        tail.finish(|line| {
                            let _gone = writeln!(out, "#{id} {at:.3} {line}");
                        });
                    }
                }
                match end {
                    StepEnd::Done => writeln!(out, "#{id} DONE {}", seconds(*elapsed)),
                    StepEnd::Cached => writeln!(out, "#{id} CACHED"),
                    StepEnd::Failed => writeln!(out, "#{id} ERROR after {}", seconds(*elapsed)),
                }
            }
            Event::Warning { message } => writeln!(out, "warning: {message}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_step_from_start_to_end() {
        let plain = Plain::new(Vec::new());
        plain.event(&Event::StepStarted { id: 3, name: "[1/2] RUN echo hi" });
        let output = |bytes| Event::StepOutput { id: 3, stream: Stream::Stdout, bytes };
        plain.event(&output(b"hi\nth"));
        plain.event(&output(b"ere"));
        plain.event(&Event::StepFinished {
            id: 3,
            elapsed: Duration::from_millis(1250),
            end: StepEnd::Done,
        });
        let text = String::from_utf8(plain.state.into_inner().unwrap().out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "#3 [1/2] RUN echo hi");
        assert!(lines[1].starts_with("#3 0.") && lines[1].ends_with(" hi"), "{text}");
        assert!(lines[2].ends_with(" there"), "{text}");
        assert_eq!(lines[3], "#3 DONE 1.2s");
    }
}
