//! `--progress quiet`: nothing but warnings' and failures' own output.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kiln_build::{Event, EventSink, StepEnd, StepId};

use super::tail::Tail;

/// Lines of a failed step that are shown after all.
const KEEP: usize = 40;

/// Keeps the tail of each running step and shows it when the step fails.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    running: Mutex<HashMap<StepId, (String, Tail)>>,
}

impl EventSink for Quiet {
    #[expect(clippy::print_stderr, reason = "this is where progress is printed")]
    fn event(&self, event: &Event<'_>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StepStarted { id, name } => {
                running.insert(*id, ((*name).to_owned(), Tail::new(KEEP)));
            }
            Event::StepOutput { id, bytes, .. } => {
                if let Some((_, tail)) = running.get_mut(id) {
                    tail.push(bytes, |_| {});
                }
            }
            Event::StepFinished { id, end, .. } => {
                if let Some((name, mut tail)) = running.remove(id)
                    && *end == StepEnd::Failed
                {
                    tail.finish(|_| {});
                    eprintln!("{name}");
                    for line in tail.lines() {
                        eprintln!("  {line}");
                    }
                }
            }
            Event::StepNote { .. } | Event::Warning { .. } => {}
        }
    }
}
