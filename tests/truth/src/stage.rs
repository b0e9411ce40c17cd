//! A copy of a base, and what a step did in it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use kiln_image::layer::compress::decompress;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layout::ImageSource;
use kiln_image::platform::Platform;
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff, write_layer};
use kiln_rootfs::index::Index;
use kiln_rootfs::{FileType, Rootfs, unpack};
use kiln_runner::{Cancel, Limits, Network, OutputSink, RunError, Runner, Step, Stream};

use crate::script::Act;

/// No step of a corpus takes longer; one that waits for something is not worth more.
const TIMEOUT: Duration = Duration::from_secs(30);

/// No file that a native step writes gets longer, in bytes: `cp -R /* x` copies `/proc` too.
const MAX_FILE: u64 = (64 << 20) + 4096;

/// What a native step's memory may take, in bytes.
const MAX_DATA: u64 = 2 << 30;

/// The status of a step whose time was over.
const TIMED_OUT: i32 = 124;

/// The status of a shell whose command was stopped by `SIGXFSZ`.
const FILE_TOO_LONG: i32 = 128 + 25;

/// A stage's file system.
pub(crate) struct Stage {
    pub(crate) rootfs: Rootfs,
    pub(crate) index: Option<Index>,
}

/// One entry of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) link: Option<String>,
    pub(crate) content: Vec<u8>,
    pub(crate) pax: BTreeMap<String, Vec<u8>>,
}

/// What a step did.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// Its time was over.
    pub(crate) stopped: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) layer: BTreeMap<String, Entry>,
}

/// How a native run came out.
#[derive(Debug)]
pub(crate) enum Native {
    /// It ended by itself.
    Ended(Ended),
    /// It was stopped by a limit; which.
    Stopped(String),
}

/// Collects a step's output.
#[derive(Default)]
struct Output(Mutex<(Vec<u8>, Vec<u8>)>);

impl OutputSink for Output {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        let Ok(mut both) = self.0.lock() else { return };
        match stream {
            Stream::Stdout => both.0.extend_from_slice(bytes),
            Stream::Stderr => both.1.extend_from_slice(bytes),
        }
    }
}

impl Stage {
    /// Unpacks the image of an OCI layout into `dir`, or makes an empty one.
    pub(crate) fn unpack(layout: Option<&Path>, dir: &Path) -> Result<Self> {
        let rootfs = Rootfs::create(dir)?;
        if let Some(layout) = layout {
            let image = ImageSource::open(layout, None)?;
            let (_, manifest) = image.manifest(&Platform::host())?;
            for layer in &manifest.layers {
                let mut tar = decompress(image.store().reader(&layer.digest)?)?;
                unpack::unpack_layer(&rootfs, &mut tar, &unpack::Limits::default())?;
            }
        }
        Ok(Self { rootfs, index: None })
    }

    /// Takes up what another stage's directory was copied to. As after unpacking, the rootfs knows
    /// every file's content, so that a change to what it was already counts as none.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let stage = Self { rootfs: Rootfs::open_existing(dir)?, index: None };
        stage.remember()?;
        Ok(stage)
    }

    fn remember(&self) -> Result<()> {
        let mut all = ChangeSet::new();
        let mut pending = vec![Vec::new()];
        while let Some(directory) = pending.pop() {
            for entry in self.rootfs.read_dir(&directory)? {
                let at = kiln_rootfs::path::join(&directory, &entry.name);
                all.add(&at);
                if entry.file_type == FileType::Dir {
                    pending.push(at);
                }
            }
        }
        let mut nowhere = LayerWriter::new(std::io::sink());
        Ok(write_layer(&self.rootfs, &all, &WriteOptions::default(), &mut nowhere)?)
    }

    /// The index that the next step is compared with.
    pub(crate) fn index(&mut self) -> Result<Index> {
        match self.index.take() {
            Some(index) => Ok(index),
            None => Ok(Index::take(&self.rootfs)?),
        }
    }

    /// The step of a RUN, its user looked up.
    pub(crate) fn step(&self, act: &Act) -> Result<Option<Step>> {
        let Act::Run { argv, env, cwd, user, .. } = act else { return Ok(None) };
        let (user, home) = self.user(user)?;
        let bytes = |text: &String| text.clone().into_bytes();
        let mut env: Vec<(Vec<u8>, Vec<u8>)> =
            env.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        if !env.iter().any(|(name, _)| name == b"HOME") {
            env.push((b"HOME".to_vec(), home.into_bytes()));
        }
        Ok(Some(Step {
            argv: argv.iter().map(bytes).collect(),
            env,
            cwd: bytes(cwd),
            user,
            mounts: Vec::new(),
            network: Network::None,
            hostname: "kiln".to_owned(),
            extra_hosts: Vec::new(),
            limits: Limits { timeout: Some(TIMEOUT), ..Limits::default() },
            cancel: Cancel::default(),
        }))
    }

    /// Runs a step natively, within limits.
    ///
    /// # Errors
    /// The runner failed.
    pub(crate) fn native(&mut self, runner: &dyn Runner, step: &Step) -> Result<Native> {
        let mut step = step.clone();
        for limit in [format!("fsize={MAX_FILE}"), format!("data={MAX_DATA}"), "core=0".to_owned()]
        {
            step.limits.ulimits.push(limit.parse()?);
        }
        let ended = self.run(runner, &step)?.map_err(anyhow::Error::msg)?;
        let full = ended.layer.values().any(|entry| entry.content.len() as u64 == MAX_FILE);
        Ok(match ended.code {
            _ if full => Native::Stopped("its files get longer than a step's may".to_owned()),
            FILE_TOO_LONG => Native::Stopped("its files get longer than a step's may".to_owned()),
            TIMED_OUT if ended.stopped => Native::Stopped("it does not end natively".to_owned()),
            _ => Native::Ended(ended),
        })
    }

    /// Runs a step; gives what it did, or why the runner gave it up.
    ///
    /// # Errors
    /// The runner failed, left something behind, or did not know what it changed.
    pub(crate) fn run(
        &mut self,
        runner: &dyn Runner,
        step: &Step,
    ) -> Result<Result<Ended, String>> {
        let before = self.index()?;
        let linked = self.linked()?;
        let links = self.layer(&linked)?;
        let output = Output::default();
        let outcome = runner.run(&self.rootfs, step, &output);
        let (walked, after) = diff(before, &self.rootfs)?;
        self.index = Some(after);
        let mut stopped = false;
        let (code, changes) = match outcome {
            Ok(outcome) => (outcome.status.shell_code(), outcome.changes),
            Err(RunError::NeedsNative(why)) => {
                // The change time of a file with several names moves with each of them.
                let others = walked.iter().filter(|(path, _)| linked.get(path).is_none());
                let others: Vec<_> = others.collect();
                anyhow::ensure!(others.is_empty(), "given up, but left behind: {others:?}");
                let same = self.linked()? == linked && self.layer(&linked)? == links;
                anyhow::ensure!(same, "given up, but {linked:?} are not as before");
                return Ok(Err(why));
            }
            Err(RunError::CannotStart { code, .. }) => (code, None),
            Err(RunError::TimedOut(_)) => {
                stopped = true;
                (TIMED_OUT, None)
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(changes) = &changes {
            let (said, found) = (self.layer(changes)?, self.layer(&walked)?);
            anyhow::ensure!(said == found, "said {changes:?}, a walk finds {walked:?}");
        }
        let layer = self.layer(&walked)?;
        let (stdout, stderr) = output.0.into_inner().unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ok(Ended { code, stopped, stdout: text(stdout), stderr: text(stderr), layer }))
    }

    /// Files with several names.
    fn linked(&self) -> Result<ChangeSet> {
        let mut found = ChangeSet::new();
        let mut pending = vec![Vec::new()];
        while let Some(directory) = pending.pop() {
            for entry in self.rootfs.read_dir(&directory)? {
                let at = kiln_rootfs::path::join(&directory, &entry.name);
                if entry.file_type == FileType::Dir {
                    pending.push(at);
                } else if self.rootfs.metadata(&at, false)?.nlink > 1 {
                    found.add(&at);
                }
            }
        }
        Ok(found)
    }

    /// The entries of the layer that these changes make.
    pub(crate) fn layer(&self, changes: &ChangeSet) -> Result<BTreeMap<String, Entry>> {
        let mut writer = LayerWriter::new(Vec::new());
        write_layer(&self.rootfs, changes, &WriteOptions::default(), &mut writer)?;
        let bytes = writer.finish()?;
        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries()? {
            let mut entry = entry?;
            let path =
                String::from_utf8_lossy(&entry.path_bytes()).trim_end_matches('/').to_owned();
            let mut pax = BTreeMap::new();
            for extension in entry.pax_extensions()?.into_iter().flatten() {
                let extension = extension?;
                pax.insert(extension.key()?.to_owned(), extension.value_bytes().to_vec());
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let header = entry.header();
            let link = entry.link_name_bytes();
            let value = Entry {
                kind: header.entry_type(),
                mode: header.mode()?,
                owner: (header.uid()?, header.gid()?),
                mtime: header.mtime()?,
                link: link.map(|link| String::from_utf8_lossy(&link).into_owned()),
                content,
                pax,
            };
            anyhow::ensure!(found.insert(path.clone(), value).is_none(), "{path} is there twice");
        }
        Ok(found)
    }
}
