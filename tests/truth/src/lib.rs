//! Compares what two runners make of the same RUN steps.
//!
//! A Dockerfile's steps are executed one after the other in two copies of a base: in one by the
//! `wasi` runner where it takes the step, in the other by `namespaces`, which runs the image's own
//! tools. The two layers have to be equal entry for entry, and so have exit status and output. A step
//! that `wasi` gives up must leave nothing behind, and what it says it changed must be what changed.
//!
//! - `script`: a Dockerfile as a list of acts.
//! - `stage`: a copy of a base, a runner, and what a step did in it.
//! - `compare`: what differs between two such results.
//! - `survey`: whole files, counted; the report.
//! - `speed`: how long a small step takes.
//! - `works`: how long larger ones take.

mod compare;
mod script;
mod speed;
mod stage;
mod survey;
mod works;

pub use speed::speed;
pub use survey::{Base, Counts, Refused, Survey, Verdict, reasons, report, summary};
pub use works::works;
