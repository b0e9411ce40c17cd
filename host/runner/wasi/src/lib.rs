//! Runs RUN steps as WebAssembly guests over the stage's rootfs.
//!
//! The host is a small kernel. Each command of a step is a guest in an instance and on a thread of
//! its own; the kernel has the process table, descriptors, pipes and credentials, and serves files
//! from the rootfs. Guests reach nothing else. A step is a transaction: when it meets something that
//! only a native run can do, everything it did is taken back.
//!
//! - `kernel`: processes, descriptors, pipes, which command is which guest.
//! - `fs`: paths, permissions, changes, the journal.
//! - `imports`: what guests can call; all access to their memory.
//! - `machine`, `embedded`: the engine and the guests.
//! - `eligible`: whether a step can run here, decided from its text and the image.

mod eligible;
mod embedded;
mod fs;
mod imports;
mod kernel;
mod launch;
mod machine;
mod options;
mod runner;

pub use options::Options;
pub use runner::WasiRunner;
