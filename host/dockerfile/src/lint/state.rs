//! What is known at a point of a stage: variables, arguments, what was set before.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::args::MAX_ENVIRONMENT;
use crate::instruction::Instruction;

/// What `PATH` is where the image sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The state of a stage, over that of the stage it is based on.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The finished stage below; shared, since a thousand stages may be based on each other.
    base: Option<Rc<State>>,
    env: BTreeMap<String, String>,
    /// Names that ARG declared, with or without value.
    args: BTreeSet<String>,
    /// Bytes of all values ever set, here and below.
    size: usize,
    /// The base image is not known: a variable may come from there.
    pub(crate) is_open: bool,
    pub(crate) has_shell: bool,
    pub(crate) has_workdir: bool,
    /// Triggers to run at the start of this stage.
    pub(crate) triggers: Vec<String>,
    /// Triggers for stages based on this one.
    pub(crate) onbuild: Vec<String>,
    /// The last instruction of each kind that counts once in a stage.
    pub(crate) cmd: Option<Box<Instruction>>,
    pub(crate) entrypoint: Option<Box<Instruction>>,
    pub(crate) healthcheck: Option<Box<Instruction>>,
}

/// The variables have become too many.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl State {
    /// The state over an image; none stands for an image that is not known.
    pub(crate) fn over(image: Option<&super::BaseImage>) -> Self {
        let mut state = State { is_open: image.is_none(), ..State::default() };
        if let Some(image) = image {
            state.env.extend(image.env.iter().cloned());
            state.has_shell = image.has_shell;
            state.triggers.clone_from(&image.onbuild);
        }
        state.env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        state
    }

    /// The state at the start of a stage based on a finished one.
    pub(crate) fn after(base: &Rc<State>) -> Self {
        State {
            base: Some(Rc::clone(base)),
            size: base.size,
            is_open: base.is_open,
            has_shell: base.has_shell,
            has_workdir: base.has_workdir,
            triggers: base.onbuild.clone(),
            ..State::default()
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.levels().find_map(|state| state.env.get(name).cloned())
    }

    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<(), TooLarge> {
        self.size += value.len();
        self.env.insert(name.to_owned(), value);
        if self.size > MAX_ENVIRONMENT { Err(TooLarge) } else { Ok(()) }
    }

    pub(crate) fn declare(&mut self, name: &str) {
        self.args.insert(name.to_owned());
    }

    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.levels().any(|state| state.args.contains(name))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.levels().flat_map(|state| state.env.keys().map(String::as_str))
    }

    /// This stage and those below it.
    fn levels(&self) -> impl Iterator<Item = &State> {
        std::iter::successors(Some(self), |state| state.base.as_deref())
    }
}
