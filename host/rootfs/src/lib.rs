//! The restricted directory of a stage, its ledger, unpacking and change sets.
//!
//! A [`Rootfs`] is a directory descriptor. Paths of the image resolve below it with openat2(2) and
//! `RESOLVE_IN_ROOT`, as in a container: absolute symlinks and excess `..` stay inside. What an
//! unprivileged process cannot store (owners, forbidden modes, device nodes, file capabilities)
//! lives in the ledger, and every operation here sees the image's view: disk plus ledger.
//!
//! On disk a rootfs is a directory with two names in it: `root`, the image's `/`, and `ledger`, the
//! table of [`kiln_ledger`].
//!
//! Paths are bytes. Operations take any path of the image, absolute or not, with `..` and symlinks;
//! change sets hold canonical ones: relative, no `.` or `..`, the root itself empty.
//!
//! This crate executes nothing, knows nothing of Dockerfiles and talks to no registry.

mod attributes;
mod diff;
mod directory;
mod error;
mod fingerprint;
mod layer;
mod ledger;
mod list;
mod mapping;
mod metadata;
mod names;
mod open;
pub mod path;
mod records;
mod remove;
mod rootfs;
mod walk;
mod xattr;

pub mod changes;
pub mod copy;
pub mod index;
pub mod unpack;

pub use directory::Directory;
pub use error::{Result, RootfsError};
pub use list::DirEntry;
pub use metadata::{FileType, Metadata, Timestamp};
pub use remove::remove_dir_all;
pub use rootfs::{Ownership, Rootfs};
