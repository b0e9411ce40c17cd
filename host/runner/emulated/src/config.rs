//! The step's configuration block, as a sealed memory file.

use std::os::fd::{AsFd as _, OwnedFd};

use kiln_emulated_core::config::{Bind, BindKind, Config, Start};
use kiln_emulated_core::cred::{Credentials, ENCODED_LEN, MAX_GROUPS};
use kiln_emulated_core::processes::WORDS;
use kiln_rootfs::Rootfs;
use kiln_runner::{Network, RunError, Step};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;

use crate::binds::{Stage, host_path, write_all};
use crate::filter;

/// Where a program is looked for when the step's environment has no `PATH`.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn io(what: &str) -> impl FnOnce(Errno) -> RunError {
    let what = what.to_owned();
    move |errno| RunError::Io { what, source: errno.into() }
}

/// Writes the block for a step.
pub(crate) fn write(
    rootfs: &Rootfs,
    step: &Step,
    stage: &Stage<'_>,
    scoped: bool,
    token: &[u8],
) -> Result<OwnedFd, RunError> {
    if step.user.groups.len() > MAX_GROUPS {
        return Err(RunError::Limit(format!("more than {MAX_GROUPS} supplementary groups")));
    }
    let root = host_path(rootfs.root_fd()).map_err(io("name the rootfs"))?;
    // Files of our own uid that the step opens for reading could be changed in all but content.
    let guarded = step.mounts.iter().any(|mount| mount.read_only);
    let filter = filter::program(step.network == Network::None, guarded, stage.end_fd());
    let credentials = Credentials::new();
    // The primary group is among the supplementary ones, as initgroups(3) has it.
    credentials.start(step.user.uid, step.user.gid, &step.user.groups);
    let mut encoded = [0; ENCODED_LEN];
    let length = credentials.encode(&mut encoded);
    let argv = list(step.argv.iter().map(|argument| vec![argument.as_slice()]))?;
    let env = list(step.env.iter().map(|(name, value)| vec![name.as_slice(), b"=", value]))?;
    let search = step.env.iter().find(|(name, _)| name == b"PATH");
    let mut config =
        Config::new(&root, step.hostname.as_bytes(), rustix::process::geteuid().as_raw());
    config.no_network = step.network == Network::None;
    config.filter = &filter;
    config.scoped = scoped;
    config.token = token;
    config.guarded = guarded;
    config.start = Start {
        credentials: encoded.get(..length).unwrap_or(&[]),
        cwd: &step.cwd,
        search: search.map_or(DEFAULT_PATH, |(_, value)| value),
        argv: &argv,
        env: &env,
    };
    let proc = stage.binds.iter().find(|bind| bind.kind == BindKind::Proc);
    config.proc_device = proc.map_or(0, |bind| bind.device);
    for bind in &stage.binds {
        config.add(Bind {
            target: &bind.target,
            host: &bind.host,
            fd: bind.fd,
            kind: bind.kind,
            read_only: bind.read_only,
            covered: bind.covered,
        });
    }
    let mut block = Vec::new();
    config.write(|piece| block.extend_from_slice(piece));
    sealed("kiln-step", &block).map_err(io("write the step's configuration"))
}

/// Strings with their NULs, one after the other.
fn list<'a>(strings: impl Iterator<Item = Vec<&'a [u8]>>) -> Result<Vec<u8>, RunError> {
    let mut list = Vec::new();
    for pieces in strings {
        for piece in pieces {
            if piece.contains(&0) {
                return Err(RunError::Limit(
                    "an argument or environment variable holds a NUL byte".to_owned(),
                ));
            }
            list.extend_from_slice(piece);
        }
        list.push(0);
    }
    Ok(list)
}

/// A memory file that nobody can change any more.
pub(crate) fn sealed(name: &str, bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    write_all(&file, bytes)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(file.as_fd(), seals)?;
    Ok(file)
}

/// The memory that a step's processes share.
pub(crate) fn state() -> Result<OwnedFd, RunError> {
    let make = || {
        let file = memfd_create("kiln-state", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, 4 * u64::try_from(WORDS).unwrap_or(0))?;
        let seals = SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
        fcntl_add_seals(file.as_fd(), seals)?;
        Ok(file)
    };
    make().map_err(io("make the step's shared memory"))
}
