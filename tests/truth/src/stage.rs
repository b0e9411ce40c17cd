//! A copy of a base, and what a step did in it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use kiln_image::layer::compress::decompress;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layout::ImageSource;
use kiln_image::platform::Platform;
use kiln_rootfs::changes::{ChangeSet, WriteOptions, diff, write_layer};
use kiln_rootfs::index::Index;
use kiln_rootfs::{FileType, Rootfs, Timestamp, unpack};
use kiln_runner::{
    Cancel, Credentials, Limits, Network, OutputSink, RunError, Runner, Step, Stream,
};
use rustix::fs::OFlags;

use crate::script::{Act, COPIED};

/// No step of a corpus takes longer; one that waits for something is not worth more.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A passwd or group file longer than this is not one.
const MAX_DATABASE: u64 = 1 << 20;

/// A stage's file system.
pub(crate) struct Stage {
    pub(crate) rootfs: Rootfs,
    index: Option<Index>,
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
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) layer: BTreeMap<String, Entry>,
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
    fn index(&mut self) -> Result<Index> {
        match self.index.take() {
            Some(index) => Ok(index),
            None => Ok(Index::take(&self.rootfs)?),
        }
    }

    /// Makes what a step needs.
    pub(crate) fn make(&mut self, act: &Act) -> Result<()> {
        let before = self.index()?;
        self.make_one(act)?;
        let (changes, after) = diff(before, &self.rootfs)?;
        self.index = Some(after);
        self.layer(&changes).map(drop)
    }

    fn make_one(&mut self, act: &Act) -> Result<()> {
        let (path, file) = match act {
            Act::Dir(path) => (path, None),
            Act::File { path, content, mode } => (path, Some((content, *mode))),
            Act::Run { .. } => return Ok(()),
        };
        let rootfs = &self.rootfs;
        let Some((content, mode)) = file else {
            rootfs.mkdir_all(path.as_bytes(), 0o755)?;
            return Ok(());
        };
        let parent = path.rsplit_once('/').map_or("/", |(parent, _)| parent);
        rootfs.mkdir_all(parent.as_bytes(), 0o755)?;
        if rootfs.metadata(path.as_bytes(), true).is_ok_and(|there| there.is_dir()) {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
        let fd = rootfs.open(path.as_bytes(), flags, 0o644)?;
        std::io::Write::write_all(&mut std::fs::File::from(fd), content.as_bytes())?;
        rootfs.set_mode(path.as_bytes(), mode)?;
        let time = Some(Timestamp { secs: COPIED, nanos: 0 });
        rootfs.set_times(path.as_bytes(), time, time, true)?;
        Ok(())
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

    fn user(&self, name: &str) -> Result<(Credentials, String)> {
        let read = |path: &[u8]| {
            let text = self.rootfs.read_small(path, MAX_DATABASE).unwrap_or_default();
            String::from_utf8_lossy(&text).into_owned()
        };
        let (name, group) = name.split_once(':').unwrap_or((name, ""));
        let name = if name.is_empty() { "0" } else { name };
        let passwd = read(b"/etc/passwd");
        let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let found = lines.find(|line| line.len() > 5 && (line[0] == name || line[2] == name));
        let number = |text: &str| text.parse().with_context(|| format!("unknown user {text}"));
        let (uid, mut gid, home) = match &found {
            Some(line) => (number(line[2])?, number(line[3])?, line[5].to_owned()),
            None => (number(name)?, 0, "/".to_owned()),
        };
        let table = read(b"/etc/group");
        let mut groups = Vec::new();
        for line in table.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
            if line.len() < 4 {
                continue;
            }
            if !group.is_empty() && (line[0] == group || line[2] == group) {
                gid = number(line[2])?;
            }
            if group.is_empty() && line[3].split(',').any(|member| member == name) {
                groups.push(number(line[2])?);
            }
        }
        groups.push(gid);
        groups.sort_unstable();
        groups.dedup();
        Ok((Credentials { uid, gid, groups }, home))
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
            Err(RunError::TimedOut(_)) => (124, None),
            Err(error) => return Err(error.into()),
        };
        if let Some(changes) = &changes {
            let (said, found) = (self.layer(changes)?, self.layer(&walked)?);
            anyhow::ensure!(said == found, "said {changes:?}, a walk finds {walked:?}");
        }
        let layer = self.layer(&walked)?;
        let (stdout, stderr) = output.0.into_inner().unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ok(Ended { code, stdout: text(stdout), stderr: text(stderr), layer }))
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
    fn layer(&self, changes: &ChangeSet) -> Result<BTreeMap<String, Entry>> {
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
