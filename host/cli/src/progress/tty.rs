//! `--progress tty`: one line a step, with time, and below it the tail of what the step prints.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kiln_build::{Event, EventSink, StepEnd, StepId};

use super::seconds;
use super::tail::Tail;

/// Lines of a running step's output on the screen.
const SHOWN: usize = 5;
/// Lines of a failed step's output that stay on the screen.
const KEPT: usize = 40;

/// Draws on stderr.
#[derive(Debug)]
pub(crate) struct Tty {
    screen: MultiProgress,
    running: Mutex<HashMap<StepId, Running>>,
}

#[derive(Debug)]
struct Running {
    name: String,
    line: ProgressBar,
    tail_lines: Vec<ProgressBar>,
    tail: Tail,
}

impl Tty {
    pub(crate) fn new() -> Self {
        Self { screen: MultiProgress::new(), running: Mutex::new(HashMap::new()) }
    }

    fn print(&self, line: &str) {
        // Nobody can be told that the terminal is gone.
        let _gone = self.screen.println(line);
    }

    fn start(&self, name: &str) -> Running {
        let line = self.screen.add(ProgressBar::new_spinner());
        line.set_style(style("{spinner} {wide_msg} {elapsed:>6}"));
        line.set_message(name.to_owned());
        line.enable_steady_tick(Duration::from_millis(100));
        Running { name: name.to_owned(), line, tail_lines: Vec::new(), tail: Tail::new(KEPT) }
    }

    fn show_tail(&self, step: &mut Running) {
        let lines: Vec<&str> = step.tail.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN)..];
        while step.tail_lines.len() < shown.len() {
            let after = step.tail_lines.last().unwrap_or(&step.line);
            let bar = self.screen.insert_after(after, ProgressBar::new_spinner());
            bar.set_style(style("    {wide_msg:.dim}"));
            step.tail_lines.push(bar);
        }
        for (bar, text) in step.tail_lines.iter().zip(shown) {
            bar.set_message((*text).to_owned());
        }
    }

    fn finish(&self, mut step: Running, elapsed: Duration, end: StepEnd) {
        for bar in &step.tail_lines {
            bar.finish_and_clear();
        }
        step.line.finish_and_clear();
        step.tail.finish(|_| {});
        let time = seconds(elapsed);
        let name = &step.name;
        match end {
            StepEnd::Done => self.print(&format!(" ok     {name}  {time}")),
            StepEnd::Cached => self.print(&format!(" cached {name}")),
            StepEnd::Failed => {
                self.print(&format!(" failed {name}  {time}"));
                for line in step.tail.lines() {
                    self.print(&format!("    {line}"));
                }
            }
        }
    }
}

impl EventSink for Tty {
    fn event(&self, event: &Event<'_>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StepStarted { id, name } => {
                running.insert(*id, self.start(name));
            }
            Event::StepNote { id, note } => {
                if let Some(step) = running.get(id) {
                    step.line.set_message(format!("{} ({note})", step.name));
                }
            }
            Event::StepOutput { id, bytes, .. } => {
                if let Some(step) = running.get_mut(id) {
                    step.tail.push(bytes, |_| {});
                    self.show_tail(step);
                }
            }
            Event::StepFinished { id, elapsed, end } => {
                if let Some(step) = running.remove(id) {
                    self.finish(step, *elapsed, *end);
                }
            }
            Event::Warning { message } => self.print(&format!("warning: {message}")),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
