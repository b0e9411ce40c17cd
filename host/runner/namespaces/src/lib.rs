//! The runner on Linux namespaces: native execution in mount, pid, ipc, uts and cgroup namespaces,
//! without a daemon and without a container runtime.
//!
//! Kiln must be root with `CAP_SYS_ADMIN`: either the machine's root (a privileged CI runner), or
//! root of a user namespace with a range of ids, which [`reexec_in_user_namespace`] enters when the
//! command line starts. Inside there is no difference: files really belong to whom the image says.
//!
//! How a step runs: kiln prepares everything (`plan`), clones init into the new namespaces
//! (`init`), which builds the step's view of the file system (`view`), starts the program and
//! reaps; kiln passes output on and watches the clock (`supervise`).
//!
//! # What bounds a step
//! - The root is the stage's directory (`pivot_root`, the old root detached), `nodev`.
//! - The capabilities are Docker's default fourteen; without root, none. The bounding set is cut, so
//!   no program inside can have more.
//! - A seccomp deny list holds for everything inside (`deny`).
//! - `/proc` and `/sys` are masked as OCI runtimes do it.
//! - Init cannot be traced or looked into, and shows nothing of kiln's command line.
//! - Kiln's open files are closed before anything of the image's choice is looked up, and its
//!   program lies on a read-only mount (`seal`): neither `/proc/self/fd` nor `/proc/self/exe` leads out.
//!
//! `no_new_privs` is deliberately not set: `su`, `sudo`, `ping` and other setuid programs work in a
//! RUN step under Docker, and Dockerfiles use them. It would add little: a setuid program inside
//! gains at most what the step's root may, which the image's author can have anyway (`USER root`);
//! what comes from outside (mounts, `/dev`, `/proc`) is `nosuid`; the filter and the bounding set
//! outlive `execve`. The price is that the filter must be installed with `CAP_SYS_ADMIN`, before the
//! capabilities are given up.
//!
//! With the default network a step is in kiln's own network namespace, as with
//! `docker build --network=host`: it reaches the same addresses and abstract sockets as kiln.

mod availability;
mod capabilities;
mod deny;
mod doctor;
mod id_map;
mod init;
mod placeholder;
mod plan;
mod report;
mod resolve;
mod runner;
mod seal;
mod supervise;
mod sys;
mod tmpfs;
mod user_namespace;
mod view;

pub use runner::Namespaces;
pub use user_namespace::{AlreadyPrivileged, reexec_in_user_namespace};

/// The namespaces of a step (`CLONE_NEW*`).
fn namespaces(own_network: bool) -> i32 {
    let always = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if own_network { always | libc::CLONE_NEWNET } else { always }
}

/// Says why a test was passed over.
#[cfg(test)]
fn skipped(why: &str) {
    println!("skipped: {why}");
}
