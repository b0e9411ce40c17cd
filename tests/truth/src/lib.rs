//! Compares what two runners make of the same RUN steps.
//!
//! A Dockerfile's steps are executed one after the other in two copies of a base: in one by the
//! `wasi` runner where it takes the step, in the other by `namespaces`, which runs the image's own
//! tools. The two layers have to be equal entry for entry, and so have exit status and output. A step
//! that `wasi` gives up must leave nothing behind, and what it says it changed must be what changed.
//!
//! - `script`: a Dockerfile as a list of acts.
//! - `words`, `invent`, `plausible`: the files that a step of a corpus needs, made up.
//! - `stage`, `make`: a copy of a base, a runner, and what a step did in it.
//! - `compare`: what differs between two such results.
//! - `pair`: a stage for each runner, and the judgement of a step in them.
//! - `survey`: whole files, or a random part of a corpus, counted.
//! - `report`: the counts and the reasons as Markdown.
//! - `speed`: how long a small step takes.
//! - `works`: how long larger ones take.

mod compare;
mod invent;
mod make;
mod pair;
mod plausible;
mod report;
mod script;
mod speed;
mod stage;
mod survey;
mod words;
mod works;

pub use report::{reasons, report, summary};
pub use speed::speed;
pub use survey::{Base, Counts, Judged, Mode, Refused, Sample, Survey, Verdict};
pub use works::works;
