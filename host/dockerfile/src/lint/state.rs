//! What is known at a point of a stage: variables, arguments, what was set before.

use crate::instruction::Instruction;

/// What `PATH` is where the image sets none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The state of a stage; a stage based on it starts with a copy.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    env: Vec<(String, String)>,
    /// Names that ARG declared, with or without value.
    args: Vec<String>,
    /// The base image is not known: a variable may come from there.
    pub(super) is_open: bool,
    pub(super) has_shell: bool,
    pub(super) has_workdir: bool,
    /// Triggers for stages based on this one.
    pub(super) onbuild: Vec<String>,
    /// The last instruction of each kind that counts once in a stage.
    pub(super) last: Last,
}

/// The last instruction of each kind that counts once in a stage.
#[derive(Debug, Clone, Default)]
pub(super) struct Last {
    pub(super) cmd: Option<Box<Instruction>>,
    pub(super) entrypoint: Option<Box<Instruction>>,
    pub(super) healthcheck: Option<Box<Instruction>>,
}

impl State {
    /// The state over an image; none stands for an image that is not known.
    pub(super) fn over(image: Option<&super::BaseImage>) -> Self {
        let mut state = State { is_open: image.is_none(), ..State::default() };
        if let Some(image) = image {
            for (name, value) in &image.env {
                state.set(name, value.clone());
            }
            state.has_shell = image.has_shell;
            state.onbuild.clone_from(&image.onbuild);
        }
        state.set_default_path();
        state
    }

    /// The state at the start of a stage based on this one.
    pub(super) fn next(&self) -> Self {
        let mut state = State { last: Last::default(), ..self.clone() };
        state.set_default_path();
        state
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        match self.env.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.env.push((name.to_owned(), value)),
        }
    }

    pub(super) fn declare(&mut self, name: &str) {
        self.args.push(name.to_owned());
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.args.iter().any(|arg| arg == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.env.iter().map(|(name, _)| name.as_str())
    }

    fn set_default_path(&mut self) {
        if self.get("PATH").is_none() {
            self.set("PATH", DEFAULT_PATH.to_owned());
        }
    }
}
