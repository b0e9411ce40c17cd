//! RUN.

use std::sync::Arc;

use kiln_dockerfile::args::PROXY_ARGS;
use kiln_dockerfile::instruction::{Network as RunNetwork, Run, Script, Security};
use kiln_dockerfile::platform::Platform;
use kiln_rootfs::Rootfs;
use kiln_rootfs::changes::ChangeSet;
use kiln_runner::{ExitStatus, Kind, Limits, Network, OutputSink, RunError, Runner, Step, Stream};

use super::cached::{KeyBy, Looked};
use super::filesystem::LayerContent;
use super::held::HeldOutput;
use super::mounts::StepMounts;
use super::{Done, StageRun};
use crate::cache::{Key, KeyBuilder};
use crate::engine::Engine;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::events::{Event, StepId};
use crate::history::commit;
use crate::schedule::cancelled;

/// The host name that a step sees.
const HOSTNAME: &str = "kiln";
/// The build argument that gives it another one, as in BuildKit.
const HOSTNAME_ARG: &str = "BUILDKIT_SANDBOX_HOSTNAME";

impl StageRun<'_> {
    /// Executes RUN or takes its result from the cache.
    pub(super) fn run(&mut self, run: &Run) -> Result<Done> {
        self.refuse_unsupported(run)?;
        let script = run.script();
        let argv = self.argv(&script);
        if argv.is_empty() || argv[0].is_empty() {
            return Err(BuildError::input("RUN: no command was given"));
        }
        let mounts = StepMounts::resolve(self, run, &script)?;
        let network = match run.network {
            RunNetwork::None => Network::None,
            RunNetwork::Host => Network::Default,
            RunNetwork::Default => self.cx.request.network,
        };
        let message = format!("RUN {} # buildkit", self.run_message(&argv));
        let looked = self.look_up_step(&message, mounts.read_images(), &|stage, by| {
            stage.run_key(&argv, network, &mounts, by)
        })?;
        let keys = match looked {
            Looked::Done(done) => return Ok(done),
            Looked::Missing(keys) => keys,
        };
        for device in &run.devices {
            let name = &device.name;
            self.cx.warn(&format!("RUN --device={name}: the step runs without this device"));
        }
        let content = self.run_now(argv, network, &mounts)?;
        let created = self.add_layer(&keys, content)?;
        commit(&mut self.config, message, true, Some(created));
        Ok(Done::Executed)
    }

    /// The addresses of `--add-host` are no part of it, as in BuildKit: services of a pipeline have
    /// others each time.
    fn run_key(
        &self,
        argv: &[String],
        network: Network,
        mounts: &StepMounts,
        by: KeyBy,
    ) -> Result<Key> {
        let mut key = KeyBuilder::new("run");
        self.key_state(&mut key);
        key.list("argv", argv.iter());
        let env: Vec<_> = self.variables.env.iter().map(|(n, v)| format!("{n}={v}")).collect();
        key.list("env", env.iter());
        key.field("user", &self.config.config.user);
        key.field("cwd", &self.config.config.working_dir);
        key.field("network", format!("{network:?}"));
        key.list("hosts", self.cx.request.extra_hosts.iter().map(|(name, _)| name));
        key.field("hostname", self.hostname());
        let ulimits: Vec<_> = self.cx.request.ulimits.iter().map(ToString::to_string).collect();
        key.list("ulimits", ulimits.iter());
        mounts.add_to_key(self.cx, &mut key, by)?;
        Ok(key.finish())
    }

    fn hostname(&self) -> &str {
        let given = self.cx.request.build_args.get(HOSTNAME_ARG).map(String::as_str);
        given.filter(|name| !name.is_empty()).unwrap_or(HOSTNAME)
    }

    /// The program and its arguments.
    pub(super) fn argv(&self, script: &Script) -> Vec<String> {
        match script {
            Script::Exec(argv) => argv.clone(),
            Script::Shell(text) => self.with_shell(text.clone()),
            Script::File { name, .. } => self.with_shell(format!("{}/{name}", Script::DIR)),
        }
    }

    pub(super) fn refuse_unsupported(&self, run: &Run) -> Result<()> {
        if run.security == Security::Insecure {
            return Err(BuildError::input("RUN --security=insecure is not supported")
                .with_hint("kiln grants no step more rights than the pod has; remove the flag")
                .with_focus("--security=insecure"));
        }
        if let Some(device) = run.devices.iter().find(|device| device.required) {
            let name = &device.name;
            let error = format!("RUN --device={name}: a required device cannot be had");
            return Err(BuildError::input(error)
                .with_hint("kiln passes no device into a step; remove the flag or `required`")
                .with_focus(name));
        }
        let local = Platform::local();
        // What the base says of itself counts: it may be there for one platform alone.
        let (os, architecture) = (&self.config.os, &self.config.architecture);
        if *os != local.os || !self.cx.runs(architecture) {
            return Err(BuildError::new(
                ErrorKind::Environment,
                format!("RUN for {os}/{architecture} on a {local} machine is not supported"),
            )
            .with_hint(match Platform::near(&format!("{os}/{architecture}")) {
                Some(near) => format!("did you mean {near}?"),
                None => {
                    "run this build on a node of that architecture, one build a platform".to_owned()
                }
            }));
        }
        Ok(())
    }

    fn with_shell(&self, text: String) -> Vec<String> {
        let mut argv = self.shell();
        argv.push(text);
        argv
    }

    /// The step in the history: build arguments, then the command, as BuildKit writes it.
    fn run_message(&self, argv: &[String]) -> String {
        let mut arguments: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.variables.arguments {
            let value = match self.variables.env.get(name) {
                Some(value) => value.to_owned(),
                None => value.clone().unwrap_or_default(),
            };
            match arguments.iter_mut().find(|(have, _)| have == name) {
                Some((_, old)) => *old = value,
                None => arguments.push((name.clone(), value)),
            }
        }
        let mut words = Vec::new();
        if !arguments.is_empty() {
            words.push(format!("|{}", arguments.len()));
            words.extend(arguments.iter().map(|(name, value)| format!("{name}={value}")));
        }
        words.extend(argv.iter().cloned());
        words.join(" ")
    }

    fn run_now(
        &mut self,
        argv: Vec<String>,
        network: Network,
        mounts: &StepMounts,
    ) -> Result<LayerContent> {
        let cx = self.cx;
        self.materialise()?;
        let mounted = mounts.open(self)?;
        let user = self
            .users()?
            .user(&self.config.config.user)
            .map_err(|error| BuildError::input(error.to_string()))?;
        let cwd = match self.config.config.working_dir.as_str() {
            "" => "/".to_owned(),
            dir => dir.to_owned(),
        };
        let made = self.filesystem.prepare(&cwd)?;
        let rootfs = &Arc::clone(self.filesystem.rootfs());
        let mut env: Vec<(Vec<u8>, Vec<u8>)> =
            self.variables.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        for name in PROXY_ARGS {
            // Programs look for either spelling; whichever was given, a step has both.
            let spellings = [name.to_owned(), name.to_ascii_uppercase(), name.to_ascii_lowercase()];
            let given = spellings.iter().find_map(|name| cx.plan.build_args.get(name));
            if let Some(value) = given.filter(|value| !value.is_empty())
                && self.variables.env.get(name).is_none()
            {
                env.push((name.into(), value.clone().into()));
            }
        }
        if self.variables.env.get("HOME").is_none() {
            env.push((b"HOME".to_vec(), user.home.clone().into_bytes()));
        }
        mounted.add_to_env(&mut env);
        mounted.lend_records(rootfs)?;
        let step = Step {
            argv: argv.iter().map(|word| word.clone().into_bytes()).collect(),
            env,
            cwd: cwd.into_bytes(),
            user: user.credentials,
            mounts: mounted.mounts(),
            network,
            hostname: self.hostname().to_owned(),
            extra_hosts: cx.request.extra_hosts.clone(),
            limits: Limits {
                timeout: None,
                shm_size: cx.request.shm_size,
                ulimits: cx.request.ulimits.clone(),
            },
            cancel: cx.request.cancel.clone(),
        };
        if holds_nul(&step) {
            return Err(BuildError::input("RUN: an argument or a variable holds a NUL byte"));
        }
        let sink = StepOutput { cx, id: self.step };
        let runners = cx.runners_for(rootfs, &step, &self.config.architecture)?;
        for (position, runner) in runners.iter().enumerate() {
            if runner.kind() != Kind::Wasi {
                self.filesystem.settle();
            }
            if runner.kind() != Kind::Namespaces {
                self.note(&format!("runner: {}", runner.kind()));
            }
            let gives_up = runner.kind() == Kind::Wasi && position + 1 < runners.len();
            let result = if gives_up {
                let held = HeldOutput::new(&sink);
                let result = runner.run(rootfs, &step, &held);
                if !matches!(result, Err(RunError::NeedsNative(_))) {
                    held.release();
                }
                result
            } else {
                runner.run(rootfs, &step, &sink)
            };
            mounted.keep_records(rootfs)?;
            match result {
                Ok(mut outcome) if outcome.status.success() => {
                    if let Some(changes) = &mut outcome.changes {
                        add_made(rootfs, &made, changes)?;
                    }
                    return Ok(LayerContent { changes: outcome.changes });
                }
                Ok(outcome) => return Err(failed(&argv, outcome.status)),
                Err(RunError::NeedsNative(reason)) if position + 1 < runners.len() => {
                    self.note(&format!("{} runner: needs native: {reason}", runner.kind()));
                    self.filesystem.taken_back()?;
                }
                Err(error) => return Err(not_run(&argv, runner.as_ref(), error)),
            }
        }
        Err(BuildError::new(ErrorKind::Environment, "no runner can execute this step")
            .with_hint("`kiln doctor` says what each runner lacks here"))
    }
}

/// Whether a step has a text that no program can be given: a base image's config may hold any.
fn holds_nul(step: &Step) -> bool {
    let variables = step.env.iter().flat_map(|(name, value)| [name, value]);
    step.argv.iter().chain(variables).any(|text| text.contains(&0))
}

/// Adds the directories that were made for a step, as far as it left them, to what it changed.
fn add_made(rootfs: &Rootfs, made: &[Vec<u8>], changes: &mut ChangeSet) -> Result<()> {
    for directory in made {
        // Lower layers do not have it: it hides nothing there, and gone it needs no whiteout.
        changes.forget(directory);
        match rootfs.metadata(directory, false) {
            Ok(_) => changes.add(directory),
            Err(error) if error.is_not_found() => {}
            Err(error) => {
                return Err(error)
                    .context(ErrorKind::Failed, || "read the root file system".into());
            }
        }
    }
    Ok(())
}

/// A step's own failure, in BuildKit's words.
fn failed(argv: &[String], status: ExitStatus) -> BuildError {
    let cause = match status {
        ExitStatus::Code(code) => format!("exit code: {code}"),
        ExitStatus::Signal(signal) => {
            format!("exit code: {} (killed by signal {signal})", 128 + signal)
        }
    };
    BuildError::failed(format!(
        "process \"{}\" did not complete successfully: {cause}",
        argv.join(" ")
    ))
}

fn not_run(argv: &[String], runner: &dyn Runner, error: RunError) -> BuildError {
    let what = |cause: String| {
        format!("process \"{}\" did not complete successfully: {cause}", argv.join(" "))
    };
    match error {
        RunError::Cancelled => cancelled(),
        RunError::CannotStart { program, reason, code } => {
            BuildError::failed(what(format!("exit code: {code}: {program}: {reason}")))
        }
        RunError::TimedOut(_) | RunError::Limit(_) => BuildError::failed(what(error.to_string())),
        RunError::NeedsNative(_) => BuildError::failed(what(error.to_string()))
            .with_hint("--runner auto runs such a step natively"),
        RunError::Unavailable(_) | RunError::Io { .. } => {
            BuildError::new(ErrorKind::Environment, format!("the {} runner failed", runner.kind()))
                .with_source(error)
                .with_hint("`kiln doctor` says which runners work here")
        }
    }
}

/// Hands a step's output on as events.
struct StepOutput<'a> {
    cx: &'a Engine<'a>,
    id: StepId,
}

impl OutputSink for StepOutput<'_> {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        self.cx.event(&Event::StepOutput { id: self.id, stream, bytes });
    }
}
