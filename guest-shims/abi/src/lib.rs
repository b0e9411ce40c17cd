//! What the wasi runner (the host's small kernel) and its guests share.
//!
//! A guest is a `wasm32-wasip1` Rust program. It gets WASI preview 1, served by our own host over
//! the stage's rootfs, and the import module `kiln` for what preview 1 lacks. This crate is the safe
//! face of that module, and holds the layouts that both sides read ([`wire`]).
//!
//! # How to write a guest
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     let args = kiln_guest_abi::init(); // first statement: cwd, and argv as bytes
//!     let _ = args;
//!     std::process::ExitCode::SUCCESS
//! }
//! ```
//! - `std::fs` works on the rootfs: `/` is the image's root, absolute symlinks and excess `..` stay
//!   inside it, relative paths start at the process's directory (after [`init`]). What it creates
//!   gets mode 0666 or 0777 less the process's umask, and the process's uid and gid.
//! - What `std::fs` cannot say goes through this crate: [`file`] (modes, owners, links, devices,
//!   times, xattrs; every path is bytes), [`process`] (spawn, wait, kill, ids, umask, cwd), [`fd`]
//!   (pipes, duplicates).
//! - Paths and arguments are bytes. `std::os::wasi::ffi::OsStrExt` converts without loss; prefer
//!   [`file::open`] where a name may not be UTF-8.
//! - Descriptors 0, 1 and 2 are inherited. Descriptor 3 and up belong to the guest; what a POSIX
//!   process would know as descriptor `n >= 3` is [`fd::posix`]`(n)`.
//! - Writing to a pipe without a reader ends the process as SIGPIPE does. There are no other signals
//!   but those sent by [`process::kill`], whose effect is always the default one.
//! - Permissions are those of the process's uid and gids in the image; uid 0 passes every check.
//! - What a tool does not support (an option, a file format) must not be guessed: call
//!   [`process::needs_native`]; the host then drops every change of the step and runs it natively.
//! - Two families of base images behave differently: [`process::flavor`] says whose tool is replaced.
//! - Errors are `std::io::Error` with preview 1's errno as `raw_os_error`; [`error::text`] prints them
//!   as glibc and musl do.
//!
//! On other targets than WASI every call gives `ENOSYS`: that is enough to test a guest's pure parts
//! with a plain `cargo test`.

pub mod error;
pub mod fd;
pub mod file;
pub mod process;
mod sys;
pub mod wire;

pub use process::init;
