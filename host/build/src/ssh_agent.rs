//! RUN --mount=type=ssh: a socket of the step's own, whose connections go on to the user's agent.
//!
//! The agent's own socket cannot be given owner and mode of the mount without changing it for
//! everyone, and a step that could name it could replace it.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use kiln_dockerfile::instruction::Mount;
use kiln_rootfs::Rootfs;
use rustix::event::{PollFd, PollFlags, poll};

use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};

/// The socket's mode when the mount names none.
const DEFAULT_MODE: u32 = 0o600;
/// Connections of one step at the same time; a step that opens more waits.
const MAX_CONNECTIONS: usize = 64;

/// The socket; it is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct AgentSocket {
    rootfs: Arc<Rootfs>,
    /// Its other end sees that this one is gone.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl AgentSocket {
    /// The socket's path in its rootfs.
    pub(crate) const PATH: &str = "/agent";

    /// Makes the socket, with the mount's owner and mode.
    pub(crate) fn open(cx: &Engine<'_>, agent: &Path, mount: &Mount) -> Result<Self> {
        let what = || "make the step's agent socket".to_owned();
        let rootfs = cx.scratch.new_rootfs()?;
        // By descriptor: the directory's own path may be longer than a socket's name may be.
        let name = format!("/proc/self/fd/{}{}", rootfs.root_fd().as_raw_fd(), Self::PATH);
        let listener = UnixListener::bind(name).context(ErrorKind::Environment, what)?;
        listener.set_nonblocking(true).context(ErrorKind::Environment, what)?;
        let path = Self::PATH.as_bytes();
        rootfs
            .set_owner(path, Some(mount.uid.unwrap_or(0)), Some(mount.gid.unwrap_or(0)), false)
            .context(ErrorKind::Environment, what)?;
        rootfs
            .set_mode(path, mount.mode.unwrap_or(DEFAULT_MODE) & 0o777)
            .context(ErrorKind::Environment, what)?;
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .context(ErrorKind::Environment, what)?;
        let agent = agent.to_path_buf();
        let thread = std::thread::spawn(move || serve(&listener, &stopped, &agent));
        Ok(Self { rootfs: Arc::new(rootfs), stop: Some(stop), thread: Some(thread) })
    }

    /// Where the socket lies.
    pub(crate) fn rootfs(&self) -> Arc<Rootfs> {
        Arc::clone(&self.rootfs)
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Accepts until the pipe's other end is closed.
fn serve(listener: &UnixListener, stopped: &OwnedFd, agent: &Path) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let mut waiting = [
            PollFd::new(stopped, PollFlags::IN),
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
        ];
        match poll(&mut waiting, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if !waiting[0].revents().is_empty() {
            return;
        }
        let Ok((step, _)) = listener.accept() else { continue };
        if open.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (agent, open) = (agent.to_path_buf(), Arc::clone(&open));
        std::thread::spawn(move || {
            // The step sees a closed connection, as from an agent that is gone.
            let _closed = pass_on(&step, &agent);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

fn pass_on(step: &UnixStream, agent: &Path) -> io::Result<()> {
    step.set_nonblocking(false)?;
    let agent = UnixStream::connect(agent)?;
    std::thread::scope(|scope| {
        scope.spawn(|| copy(&agent, step));
        copy(step, &agent);
    });
    Ok(())
}

fn copy(mut from: &UnixStream, mut to: &UnixStream) {
    let _ended = io::copy(&mut from, &mut to);
    let _gone = to.shutdown(Shutdown::Write);
}
