//! A stage of a plan: what each step would do, in place of doing it.

use kiln_dockerfile::git_ref::{self, GitRef};
use kiln_dockerfile::instruction::{Instruction, Kind, Run};
use kiln_runner::{Credentials, Limits, Mount, MountSource, Network, Step};

use super::workdir::absolute;
use super::{Done, StageRun, sources};
use crate::error::Result;
use crate::plan::Base;
use crate::planned::{PlannedRunners, PlannedStep, Planning};

/// What stands for the target of every mount where a runner is asked.
const MOUNT_TARGET: &[u8] = b"/mnt";

impl StageRun<'_> {
    /// Decides on a step and keeps the decision.
    pub(super) fn plan_step(
        &mut self,
        name: String,
        instruction: &Instruction,
        planning: &Planning,
    ) -> Result<()> {
        if let Kind::Run(run) = &instruction.kind {
            self.refuse_unsupported(run)?;
        }
        let because = match self.unknown.clone() {
            Some(because) => Some(because),
            None => self.look_up(instruction)?,
        };
        let runners = match &instruction.kind {
            Kind::Run(run) if because.is_some() => Some(self.plan_runners(run, planning)?),
            _ => None,
        };
        if because.is_some() {
            self.unknown = Some("a step before it is executed".to_owned());
            if let Kind::Workdir(path) = &instruction.kind {
                let dir = absolute(&self.config.config.working_dir, path);
                self.config.config.working_dir = dir;
            }
        }
        let line = instruction.lines.start;
        planning.add(self.index, PlannedStep { name, line, because, runners });
        Ok(())
    }

    /// Takes a step's result from the cache, or says why that cannot be.
    fn look_up(&mut self, instruction: &Instruction) -> Result<Option<String>> {
        if !self.uses_cache() {
            return Ok(Some("the cache is not to be used".to_owned()));
        }
        if let Kind::Add(add) = &instruction.kind {
            let is_remote = |source: &String| {
                let git = GitRef::parse(source).ok().flatten();
                git_ref::is_http(source) || git.is_some_and(|git| !git.is_like_local)
            };
            if add.checksum.is_none() && add.paths.sources.iter().any(is_remote) {
                return Ok(Some("its source has to be fetched".to_owned()));
            }
        }
        for source in sources::names(instruction) {
            if let Base::Stage(index) = self.source(source)?
                && self.stages.finished(index)?.unknown.is_some()
            {
                return Ok(Some(format!("steps of `{source}` are executed")));
            }
        }
        let done = match &instruction.kind {
            Kind::Run(run) => self.run(run)?,
            Kind::Copy(copy) => self.copy(copy)?,
            Kind::Add(add) => self.add(add)?,
            Kind::Workdir(path) => self.workdir(path)?,
            _ => Done::Executed,
        };
        Ok((done == Done::NotCached).then(|| "the cache has no result".to_owned()))
    }

    fn plan_runners(&self, run: &Run, planning: &Planning) -> Result<PlannedRunners> {
        let rootfs = planning.probe(self.cx)?;
        let argv = self.argv(&run.script());
        let has_mounts = run.mounts.as_ref().is_some_and(|mounts| !mounts.is_empty());
        let mount = || Mount {
            target: MOUNT_TARGET.to_vec(),
            source: MountSource::Tmpfs { size: None },
            read_only: false,
        };
        // A name means nothing without the image's files; numbers do.
        let id = self.config.config.user.split(':').next().and_then(|user| user.parse().ok());
        let step = Step {
            argv: argv.into_iter().map(String::into_bytes).collect(),
            env: self
                .variables
                .env
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cwd: b"/".to_vec(),
            user: Credentials { uid: id.unwrap_or(0), ..Credentials::default() },
            mounts: has_mounts.then(mount).into_iter().collect(),
            network: Network::Default,
            hostname: String::new(),
            extra_hosts: Vec::new(),
            limits: Limits::default(),
            cancel: self.cx.request.cancel.clone(),
        };
        let choice = self.cx.choose_runners(&rootfs, &step, &self.config.architecture);
        let usable = choice.usable.iter().map(|runner| runner.kind()).collect();
        Ok(PlannedRunners { usable, refusals: choice.refusals })
    }
}
